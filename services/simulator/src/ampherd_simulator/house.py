"""The house: what all loads but the chargers take on every line, as a function of time.

Current is signed: import is positive, solar surplus negative. Every house answers `at(t_s)` with the same value for
the same time and seed, whatever was asked before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ampherd_core.phases import Line, Phases


class House(Protocol):
    """Anything that loads the lines."""

    def at(self, t_s: float) -> Phases:
        """Signed current per line (A) at `t_s` seconds after the scenario began."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantHouse:
    """The same current for ever."""

    current_a: Phases

    def at(self, t_s: float) -> Phases:
        """Signed current per line, A."""
        del t_s
        return self.current_a


@dataclass(frozen=True, slots=True)
class Timeline:
    """A quantity per line that keeps each value until the next time; before the first time it has the first value."""

    times_s: Sequence[float]
    currents_a: Sequence[Phases]

    def at(self, t_s: float) -> Phases:
        """The last value at or before `t_s`, A."""
        return self.currents_a[max(bisect_right(self.times_s, t_s) - 1, 0)]


@dataclass(frozen=True, slots=True)
class RecordedHouse:
    """A recording from `offset_s` of it on, over and over; with `for_s` only so much of it."""

    timeline: Timeline
    offset_s: float = 0.0
    for_s: float | None = None

    def at(self, t_s: float) -> Phases:
        """The recording's last value at that time, A."""
        first_s, last_s = self.timeline.times_s[0], self.timeline.times_s[-1]
        length_s = last_s - first_s
        if self.for_s is not None:
            t_s %= self.for_s
        return self.timeline.at(first_s + (t_s + self.offset_s) % length_s if length_s > 0 else first_s)


@dataclass(frozen=True, slots=True)
class Step:
    """A load that is switched on for a while; negative current is a source."""

    line: Line
    current_a: float
    at_s: float
    for_s: float = float("inf")


@dataclass(slots=True)
class SteppedHouse:
    """A house with steps on top, which a test or a person may add while it runs."""

    house: House
    steps: list[Step] = field(default_factory=list)

    def at(self, t_s: float) -> Phases:
        """The house's current and every step's, A."""
        current_a = self.house.at(t_s)
        if not self.steps:
            return current_a
        sums = list(current_a)
        for step in self.steps:
            if step.at_s <= t_s < step.at_s + step.for_s:
                sums[step.line.place] += step.current_a
        return sums[0], sums[1], sums[2]
