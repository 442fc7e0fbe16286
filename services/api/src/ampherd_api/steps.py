"""Steps of a range: pure arithmetic that both history adapters share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ampherd_core.history import HistoryError, Sample

MINUTE_MS: Final = 60_000


class PointsRefusedError(HistoryError):
    """The history answered, and will never take these points."""


@dataclass(frozen=True, slots=True)
class Part:
    """What some points of one step add up to."""

    at_ms: int
    count: float
    total: float
    low: float
    high: float


def merge(parts: Iterable[Part], step_ms: int) -> Sequence[Sample]:
    """Samples of whole steps (multiples of `step_ms` since 1970), oldest first."""
    sums: dict[int, Part] = {}
    for part in parts:
        begin = part.at_ms - part.at_ms % step_ms
        known = sums.get(begin)
        sums[begin] = Part(begin, part.count, part.total, part.low, part.high) if known is None else _join(known, part)
    return [
        Sample(at=moment(begin), mean=part.total / part.count, low=part.low, high=part.high)
        for begin, part in sorted(sums.items())
    ]


def is_whole_minutes(*times_ms: int) -> bool:
    """Whether all of these fall on minutes: then one-minute roll-ups answer exactly."""
    return all(time_ms % MINUTE_MS == 0 for time_ms in times_ms)


def milliseconds(at: datetime) -> int:
    """A moment as history counts it."""
    return round(at.timestamp() * 1000)


def moment(at_ms: int) -> datetime:
    """The moment of a count."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _join(a: Part, b: Part) -> Part:
    return Part(a.at_ms, a.count + b.count, a.total + b.total, min(a.low, b.low), max(a.high, b.high))
