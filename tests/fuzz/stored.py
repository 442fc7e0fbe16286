"""What Redis gives back: wishes, turns, the mark and the points of history; a disk may have spoilt any of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from ampherd_api.history_sqlite import SqliteHistory
from ampherd_api.points import decode, encode
from ampherd_api.recorder import Recorder
from ampherd_balancer import settings
from ampherd_balancer.settings import Wishes
from ampherd_balancer.turns import Turns
from ampherd_core.history import Point
from ampherd_core.messages import Mode

from tests.fuzz.listeners import MemoryStore
from tests.fuzz.target import TAKEN, Mutation, Outcome, promise

_NOW_S: Final = 1_000.0
_POINT: Final = Point(
    measurement="site", tags={"site": "home"}, at=datetime(2026, 1, 1, tzinfo=UTC), fields={"grid_w": 1.5}
)


class Stored:
    """The first byte chooses the document, the rest is its bytes."""

    words: Sequence[bytes] = (
        b"null", b"NaN", b"1e999", b"[" * 3_000, b'{"a":' * 3_000, b'"\\ud800"', b"9" * 30, b"-1", b"true", b"{}",
        b"[]", b'""', b'"mode"', b'"max_a"', b'"waits_s"', b'"in_turn_s"', b"1e7", b"2026-01-01", b"+23:59",
        b"\xff", b"\0",
    )  # fmt: skip
    mutations: Sequence[Mutation] = ()

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        turns = Turns(900)
        turns.order("ab", 0.0)
        turns.served("a", 0.0)
        wishes = settings.dump({"left": Wishes(mode=Mode.OFF, max_a=13, priority=2)})
        self.seeds: Sequence[bytes] = [
            b"0" + wishes, b"1" + turns.remember(60.0), b"2" + encode(_POINT), b"3" + _POINT.at.isoformat().encode()
        ]  # fmt: skip
        self._readers: Mapping[int, Callable[[bytes], bool]] = {0: _wishes, 1: _turns, 2: _point, 3: self._mark}

    def feed(self, data: bytes) -> Outcome:
        """One document."""
        kind = data[0] % len(self._readers) if data else 0
        is_taken = self._readers[kind](data[1:])
        return Outcome(TAKEN if is_taken else f"no {('wishes', 'turns', 'point', 'mark')[kind]}", "it is left out")

    def close(self) -> None:
        """Let the loop go."""
        self._loop.close()

    def _mark(self, data: bytes) -> bool:
        until = self._loop.run_until_complete(
            Recorder("home", _Holding(data), _NOWHERE, _Holding(data)).recorded_until()
        )
        promise(until.tzinfo is not None, "a mark without a zone")
        promise(until <= datetime.now(UTC), "what is still to be said is taken for recorded")
        return True


class _Holding(MemoryStore):
    """A store with one document."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self._document = document

    async def load(self, name: str) -> bytes | None:
        return self._document


_NOWHERE: Final = SqliteHistory.__new__(SqliteHistory)
"""Asking for the mark touches no history."""


def _wishes(data: bytes) -> bool:
    found = settings.load(data)
    json.loads(settings.dump(found))
    return bool(found)


def _turns(data: bytes) -> bool:
    turns = Turns(900)
    turns.recall(data, _NOW_S)
    ranks = turns.order("abc", _NOW_S)
    promise(sorted(ranks.values()) == [0, 1, 2], "a place in the queue is given twice")
    turns.served("a", _NOW_S)
    turns.remember(_NOW_S + 1)
    return turns.remember(_NOW_S) != b"{}"


def _point(data: bytes) -> bool:
    try:
        point = decode(data)
    except ValueError:
        return False
    promise(all(isinstance(value, float) for value in point.fields.values()), "a field that is no number")
    promise(decode(encode(point)).fields == point.fields, "a point that changes on its way")
    return True


@contextmanager
def stored() -> Iterator[Stored]:
    """The target."""
    target = Stored()
    try:
        yield target
    finally:
        target.close()
