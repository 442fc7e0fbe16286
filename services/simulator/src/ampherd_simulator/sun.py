"""The sun on a roof: what an inverter feeds into every line as a function of time, made up or recorded.

Generation is negative, as all that flows towards the grid.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Final

from ampherd_core.phases import LINES, ZERO, Line, Phases, add, on_lines

from ampherd_simulator.house import House
from ampherd_simulator.household import DAY_S, HOUR_S, KEPT_DAYS

CLOUD_S: Final = 10.0
"""A cloud's edge passes over a roof in about ten seconds."""

SUNRISE_S: Final = 6.5 * HOUR_S
SUNSET_S: Final = 19.5 * HOUR_S


@dataclass(frozen=True, slots=True)
class Solar:
    """An inverter: its clear-sky peak per line, and how cloudy the days are (0 clear to 1 broken)."""

    peak_a: float
    lines: tuple[Line, ...] = LINES
    cloudiness: float = 0.5


@dataclass(slots=True)
class MadeUpSun:
    """Days of clouds, the same for the same seed; `begins_at_s` is the time of day at `t_s` = 0."""

    seed: int
    solar: Solar
    begins_at_s: float = 0.0
    _days: dict[int, list[float]] = field(default_factory=dict)

    def at(self, t_s: float) -> Phases:
        """What the inverter feeds in per line, A; never positive."""
        day, in_day_s = divmod(t_s + self.begins_at_s, DAY_S)
        share = self._day(int(day))[int(in_day_s / CLOUD_S)]
        return on_lines(self.solar.lines, -share * self.solar.peak_a) if share else ZERO

    def _day(self, day: int) -> list[float]:
        shares = self._days.get(day)
        if shares is None:
            if len(self._days) >= KEPT_DAYS:
                del self._days[min(self._days)]
            shares = self._days[day] = self._shares(day)
        return shares

    def _shares(self, day: int) -> list[float]:
        """The share of the clear-sky peak, every CLOUD_S of the day."""
        chance = random.Random(f"sun {self.seed} {day}")  # noqa: S311 - a repeatable day, no secret
        shares, cover = [0.0] * int(DAY_S / CLOUD_S), 0.0
        for slot in range(int(SUNRISE_S / CLOUD_S), int(SUNSET_S / CLOUD_S)):
            if chance.random() < 0.03:
                is_cloud = chance.random() < self.solar.cloudiness
                cover = chance.uniform(0.3, 0.8) if is_cloud else 0.0
            height = math.sin(math.pi * (slot * CLOUD_S - SUNRISE_S) / (SUNSET_S - SUNRISE_S))
            shares[slot] = height**1.3 * (1.0 - cover)
        return shares


@dataclass(frozen=True, slots=True)
class SunnyHouse:
    """A house with an inverter behind the same meter: what it takes less what the sun gives."""

    house: House
    sun: House

    def at(self, t_s: float) -> Phases:
        """Signed current per line, A."""
        return add(self.house.at(t_s), self.sun.at(t_s))
