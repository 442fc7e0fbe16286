"""Samples by the quarter-hour: enough of one, evenly spread over it, teach what is usual then."""

from __future__ import annotations

from typing import Final, Generic, NamedTuple, TypeVar

SAMPLE_EVERY_S: Final = 10.0

FEWEST_SAMPLES: Final = 30
"""A quarter-hour that was seen for less than a third teaches nothing."""

T = TypeVar("T")


class Finished(NamedTuple, Generic[T]):
    """A quarter-hour that is over, and what was seen of it."""

    quarter: int
    samples: list[T]


class Sampling(Generic[T]):
    """Feed it each moment: `turn`, then `take`."""

    def __init__(self) -> None:
        self._quarter: int | None = None
        self._samples: list[T] = []
        self._noted_s = float("-inf")

    def turn(self, quarter: int) -> Finished[T] | None:
        """The quarter-hour that has just ended when another has begun; None otherwise."""
        if quarter == self._quarter:
            return None
        finished = Finished(self._quarter, self._samples) if self._quarter is not None else None
        self._quarter, self._samples = quarter, []
        return finished

    def take(self, sample: T, now_s: float) -> bool:
        """Whether it is time for a sample, which is then kept."""
        if now_s - self._noted_s < SAMPLE_EVERY_S:
            return False
        self._noted_s = now_s
        self._samples.append(sample)
        return True
