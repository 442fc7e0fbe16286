"""JSON documents with one value that should not be there."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Final

_NASTY: Final[tuple[object, ...]] = (
    None, True, "", [], {}, float("nan"), float("inf"), -1, -0.0, 0, 1, 5.9, 500.1, 1e308, 2**53, 2**63, 10**400,
    "16", "NaN", "\ud800", "\0", "é" * 300, "x" * 70_000, [[]] * 50, "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "2900-01-01T00:00:00Z", "12", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z",
    1_700_000_000, {"a": {"a": {"a": 1}}}, [1, 2, 3], [0, 0, 0, 0], "left", "grid", "connection", "../x", "+", "#",
)  # fmt: skip


def spoilt(random: Random, payload: bytes) -> bytes:
    """The document with a value or two spoilt; what is no document stays as it is."""
    try:
        plain = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    for _ in range(random.choice((1, 1, 2))):
        holder, key = _some_place(random, {"": plain})
        value = _other(random, holder[key])
        if random.random() < 0.15 and isinstance(holder, dict) and key:
            del holder[key]
        elif key == "":
            plain = value
        else:
            holder[key] = value
    try:
        return json.dumps(plain).encode()
    except (ValueError, RecursionError):
        return payload


def nasty(random: Random) -> object:
    """A value that most fields refuse."""
    return deepcopy(random.choice(_NASTY))


def _some_place(random: Random, holder: object) -> tuple[dict[object, object], object]:
    while True:
        assert isinstance(holder, dict | list)
        key = random.choice(list(holder)) if isinstance(holder, dict) else random.randrange(len(holder))
        inner = holder[key]
        if not (isinstance(inner, dict | list) and inner) or random.random() < 0.15:
            return holder, key  # type: ignore[return-value]
        holder = inner


def _other(random: Random, value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and random.random() < 0.5:
        try:
            return value * random.choice((-1, 0.5, 1.001, 10, 1e6)) + random.choice((-1, 0, 0.1, 1))
        except OverflowError:
            return 0
    return nasty(random)
