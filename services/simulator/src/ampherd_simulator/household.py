"""A made-up household: appliances that come and go by the time of day, and a heat pump.

Each day is drawn once from the seed and kept as a timeline, so asking for a moment costs two look-ups.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ampherd_core.phases import LINES, Line, Phases

from ampherd_simulator.house import Timeline

DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0
KEPT_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Appliance:
    """A load that runs a few times a day; a thermostat cuts a run into pulses."""

    current_a: float
    lines: tuple[Line, ...]
    hours: tuple[float, float]
    runs: float
    run_s: float
    pulse_on_s: float = math.inf
    pulse_off_s: float = 0.0


APPLIANCES: Final = {
    "fridge": Appliance(0.6, (Line.L1,), (0, 24), 24, 1_200),
    "kettle": Appliance(9.2, (Line.L2,), (6, 23), 6, 180),
    "oven": Appliance(11.0, (Line.L3,), (17, 19), 1, 2_700, 60, 45),
    "hob": Appliance(8.0, (Line.L1, Line.L2), (17.5, 19), 1, 1_500, 7, 5),
    "washer": Appliance(8.7, (Line.L1,), (9, 21), 1, 900),
    "dryer": Appliance(10.0, (Line.L2,), (12, 22), 0.7, 3_600, 240, 60),
    "shower": Appliance(15.5, (Line.L3,), (6.5, 8.5), 2, 480),
    "heat_pump": Appliance(4.5, (Line.L1, Line.L2, Line.L3), (0, 24), 20, 1_500),
}
"""Typical amps at 230 V, the hours of the day in which a run begins, runs a day, and their length."""


@dataclass(slots=True)
class Household:
    """A made-up house, the same for the same seed; `begins_at_s` is the time of day at `t_s` = 0.

    What would be on a line that there is not, is on L1.
    """

    seed: int
    appliances: tuple[Appliance, ...] = tuple(APPLIANCES.values())
    lines: tuple[Line, ...] = LINES
    base_a: float = 0.8
    liveliness: float = 1.0
    begins_at_s: float = 0.0
    _days: dict[int, Timeline] = field(default_factory=dict)

    def at(self, t_s: float) -> Phases:
        """Signed current per line, A."""
        day, in_day_s = divmod(t_s + self.begins_at_s, DAY_S)
        loads = self._day(int(day))
        return loads.currents_a[bisect_right(loads.times_s, in_day_s) - 1]

    def _day(self, day: int) -> Timeline:
        drawn = self._days.get(day)
        if drawn is None:
            if len(self._days) >= KEPT_DAYS:
                del self._days[min(self._days)]
            drawn = self._days[day] = self._loads(day)
        return drawn

    def _loads(self, day: int) -> Timeline:
        chance = random.Random(f"loads {self.seed} {day}")  # noqa: S311 - a repeatable day, no secret
        changes: dict[float, list[float]] = {0.0: [0.0, 0.0, 0.0]}
        for on_s, off_s, lines, current_a in self._pulses(chance):
            for at_s, change_a in ((on_s, current_a), (off_s, -current_a)):
                change = changes.setdefault(at_s, [0.0, 0.0, 0.0])
                for line in lines:
                    change[line.place if line in self.lines else 0] += change_a
        return _accumulate(changes)

    def _pulses(self, chance: random.Random) -> Iterator[tuple[float, float, tuple[Line, ...], float]]:
        for line in Line:
            edges = [0.0, *sorted(chance.uniform(0, DAY_S) for _ in range(80)), DAY_S]
            for on_s, off_s in pairwise(edges):
                yield on_s, off_s, (line,), self.base_a * chance.uniform(0.4, 1.8)
        for appliance in self.appliances:
            yield from _runs(appliance, _count(appliance.runs * self.liveliness, chance), chance)


def _count(mean: float, chance: random.Random) -> int:
    whole = int(mean)
    return whole + (chance.random() < mean - whole)


def _runs(
    appliance: Appliance, runs: int, chance: random.Random
) -> Iterator[tuple[float, float, tuple[Line, ...], float]]:
    """There is one of each: a run that would begin before the last one ended is left out."""
    first, last = appliance.hours
    current_a = appliance.current_a * chance.uniform(0.9, 1.1)
    free_s = 0.0
    for at_s in sorted(round(chance.uniform(first, last) * HOUR_S, 1) for _ in range(runs)):
        if at_s >= free_s:
            free_s = min(at_s + appliance.run_s * chance.uniform(0.7, 1.3), DAY_S)
            for on_s, off_s in _pulse_times(appliance, at_s, free_s):
                yield on_s, off_s, appliance.lines, current_a


def _pulse_times(appliance: Appliance, at_s: float, ends_s: float) -> Iterator[tuple[float, float]]:
    while at_s < ends_s:
        off_s = min(at_s + appliance.pulse_on_s, ends_s)
        yield at_s, off_s
        at_s = off_s + appliance.pulse_off_s


def _accumulate(changes: dict[float, list[float]]) -> Timeline:
    times_s, currents_a = [], []
    one = two = three = 0.0
    for at_s in sorted(changes):
        change = changes[at_s]
        one, two, three = one + change[0], two + change[1], three + change[2]
        times_s.append(at_s)
        currents_a.append((one, two, three))
    return Timeline(times_s, currents_a)
