"""What Redis gives back: wishes, turns, plans, the quarter, the operator's signal, history; any may be spoilt."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from ampherd_api.history_sqlite import SqliteHistory
from ampherd_api.points import decode, encode
from ampherd_api.recorder import Recorder
from ampherd_balancer import settings
from ampherd_balancer.operator_cap import Operator, Signal
from ampherd_balancer.planning import Planning
from ampherd_balancer.quarter import Quarter
from ampherd_balancer.settings import Wishes
from ampherd_balancer.turns import Turns
from ampherd_balancer.usual import UsualLoads
from ampherd_balancer.usual_sun import UsualSun
from ampherd_core.history import Point
from ampherd_core.messages import Mode, Reading
from ampherd_core.policy_limits import OperatorCap, QuarterPeak
from ampherd_core.units import MAX_PLAUSIBLE_W

from tests.fuzz.listeners import MemoryStore, grid_reading
from tests.fuzz.plans import Garage
from tests.fuzz.spoiling import spoilt
from tests.fuzz.target import TAKEN, Mutation, Outcome, promise

_NOW_S: Final = 1_000.0
_AT: Final = datetime(2026, 1, 1, 12, 7, tzinfo=UTC)
_ZONE: Final = "Europe/Brussels"
_KINDS: Final = ("wishes", "turns", "point", "mark", "quarter", "signal", "plans", "usual")
_POINT: Final = Point(
    measurement="site", tags={"site": "home"}, at=datetime(2026, 1, 1, tzinfo=UTC), fields={"grid_w": 1.5}
)


class Stored:
    """The first byte chooses the document, the rest is its bytes."""

    words: Sequence[bytes] = (
        b"null", b"NaN", b"1e999", b"[" * 3_000, b'{"a":' * 3_000, b'"\\ud800"', b"9" * 30, b"-1", b"true", b"{}",
        b"[]", b'""', b'"mode"', b'"max_a"', b'"waits_s"', b'"in_turn_s"', b"1e7", b"2026-01-01", b"+23:59",
        b"\xff", b"\0", b'"began_at"', b'"used_ws"', b'"month"', b'"2999-12"', b'"peak_w"', b'"ends_at"', b'"wish"',
        b'"none"', b'"due"', b'"2026-01-01T12:07:01Z"', b'"2999-12-31T23:59:59Z"', b'"weeks"', b'"671"', b'"672"',
    )  # fmt: skip

    @property
    def mutations(self) -> Sequence[Mutation]:
        """Values within the documents."""
        return (_in_json,)

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._garage = Garage()
        turns = Turns(900)
        turns.order("ab", 0.0)
        turns.served("a", 0.0)
        wishes = settings.dump({"left": Wishes(mode=Mode.OFF, max_a=13, priority=2)})
        self.seeds: Sequence[bytes] = [
            b"0" + wishes, b"1" + turns.remember(60.0), b"2" + encode(_POINT), b"3" + _POINT.at.isoformat().encode(),
            b"4" + _some_quarter(), b"5" + _some_signal(), b"6" + self._some_plans(), b"7" + _some_usual(),
            b"7" + _some_sun(),
        ]  # fmt: skip
        self._readers: Sequence[Callable[[bytes], bool]] = (
            _wishes, _turns, _point, self._mark, _quarter, _signal, self._plans, _usual
        )  # fmt: skip

    def feed(self, data: bytes) -> Outcome:
        """One document."""
        kind = data[0] % len(self._readers) if data else 0
        is_taken = self._readers[kind](data[1:])
        return Outcome(TAKEN if is_taken else f"no {_KINDS[kind]}", "it is left out")

    def close(self) -> None:
        """Let the loop go."""
        self._loop.close()

    def _plans(self, data: bytes) -> bool:
        planning = Planning()
        planning.recall(data)
        is_taken = bool(planning.accounts)
        self._garage.follow(planning)
        again = Planning()
        again.recall(planning.remember())
        promise(again.accounts.keys() == planning.accounts.keys(), "what is written down cannot be read")
        return is_taken

    def _some_plans(self) -> bytes:
        planning, policy = Planning(), self._garage.core.policy
        planning.set(policy, "right", "soc", b"40", _AT)
        planning.set(policy, "right", "plan", b'{"soc_percent": 80, "by": "18:00"}', _AT)
        planning.set(policy, "left", "plan", b'{"energy_kwh": 9, "by": "07:00", "weekdays": ["fri"]}', _AT)
        return planning.remember()

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


def _quarter(data: bytes) -> bool:
    quarter = Quarter(QuarterPeak(), _ZONE)
    quarter.recall(data)
    is_taken = quarter._recalled is not None
    for second in (0.0, 1.0, 600.0):
        quarter.note(_reading(second), 1_000.0, 500.0, _NOW_S + second)
        rooms = quarter.rooms(500.0, 2_000.0, 1_400.0, 8.0, _NOW_S + second)
        promise(not any(map(math.isnan, rooms)), "no number says how much cars may take")
        promise(quarter.target_w >= quarter.policy.floor_w, "a target below the floor")
        quarter.sentence(rooms.goal_w)
    promise(quarter._month == "2026-01", f"it takes this for the month: {quarter._month}")
    again = Quarter(QuarterPeak(), _ZONE)
    again.recall(quarter.remember() or b"")
    promise(again._recalled is not None, "what is written down cannot be read")
    return is_taken


def _signal(data: bytes) -> bool:
    operator = Operator()
    operator.recall(data, _NOW_S, _AT)
    allowed_w = operator.power_w(OperatorCap(), 2, _NOW_S)
    promise(allowed_w is None or 0 <= allowed_w <= MAX_PLAUSIBLE_W, "a cap of no home")
    again = Operator()
    again.recall(operator.remember(_NOW_S, _AT), _NOW_S, _AT)
    promise(again.power_w(OperatorCap(), 2, _NOW_S) == allowed_w, "a signal that changes on its way")
    return operator.is_told


def _usual(data: bytes) -> bool:
    usual = UsualLoads()
    usual.recall(data)
    for node in ("connection", "carport"):
        high = usual.high(node, _AT)
        promise(high is None or all(map(math.isfinite, high)), "a load that is no number")
    again = UsualLoads()
    again.recall(usual.remember())
    promise(again.book == usual.book, "a load that changes on its way")
    return _sun(data) or bool(usual.book)


def _sun(data: bytes) -> bool:
    sun = UsualSun()
    sun.recall(data)
    promise(all(power_w is None or 0 <= power_w <= MAX_PLAUSIBLE_W for power_w in sun.by_quarter), "no sun of a home")
    again = UsualSun()
    again.recall(sun.remember())
    promise(again.by_quarter == sun.by_quarter, "a sun that changes on its way")
    return bool(sun.by_quarter)


def _reading(second: float) -> Reading:
    reading = grid_reading(_NOW_S + second, "grid")
    return reading.model_copy(update={"measured_at": _AT + timedelta(seconds=second)})


def _some_quarter() -> bytes:
    quarter = Quarter(QuarterPeak(), _ZONE)
    quarter.note(_reading(-60.0), 1_000.0, 500.0, _NOW_S - 60.0)
    quarter.note(_reading(-59.0), 1_000.0, 500.0, _NOW_S - 59.0)
    return quarter.remember() or b""


def _some_signal() -> bytes:
    operator = Operator()
    operator.take(Signal(4200.0, 7200.0), _NOW_S)
    return operator.remember(_NOW_S, _AT)


def _some_usual() -> bytes:
    lines = [1.5, 0.25, 0.0]
    return json.dumps({"connection": {"48": {"mean_a": lines, "high_a": lines, "weeks": 3}}, "carport": {}}).encode()


def _some_sun() -> bytes:
    return b'{"quarters": {"48": {"sun_w": 2500.5, "days": 3}}}'


def _in_json(random: Random, data: bytes) -> bytes:
    return data[:1] + spoilt(random, data[1:])


@contextmanager
def stored() -> Iterator[Stored]:
    """The target."""
    target = Stored()
    try:
        yield target
    finally:
        target.close()
