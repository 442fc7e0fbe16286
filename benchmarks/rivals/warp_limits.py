"""WARP's grid controller: what there is to give, now, at worst and at best of the last four minutes."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from ampherd_core.phases import LINES, ZERO, Phases, each

from benchmarks.rivals.seen import Seen, Site

MEAN_S: Final = 10.0
FILTER_S: Final = 240.0
OVER_GAIN: Final = 0.9375
UNDER_GAIN: Final = 0.5
"""Where nothing is given yet the whole of it counts, or a home with little room would never begin."""

BLEND_FROM: Final = 1.10
BLEND_TO: Final = 1.20
"""The highest reading replaces the mean from 10 to 20 % above the fuse on."""


class Limits:
    """Limits in A: `raw` and its lowest `low` per line; the sun's over all phases, its lowest and its highest."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._readings: deque[tuple[float, Phases, float]] = deque()
        self._filtered: deque[tuple[float, Phases, float]] = deque()
        self.raw = self.low = ZERO
        self.sun_a = self.sun_low_a = self.sun_high_a = 0.0

    def hear(self, seen: Seen) -> None:
        """Keep each reading of the last ten seconds."""
        if self._readings and self._readings[-1][0] == seen.read_s:
            return
        self._readings.append((seen.read_s, seen.grid_a, seen.grid_w))
        while self._readings[0][0] <= seen.read_s - MEAN_S:
            self._readings.popleft()

    def is_urgent(self) -> bool:
        """Whether a phase is more than 20 % above the fuse now."""
        return bool(self._readings) and max(self._readings[-1][1]) > BLEND_TO * self._site.limit_a

    def settle(self, allocated: Phases, sunny_a: float, now_s: float) -> None:
        """New limits from what is given on each line (A), and to cars on surplus over all phases (A)."""
        rooms = [self._line_a(line.place, allocated[line.place]) for line in LINES]
        self.raw = rooms[0], rooms[1], rooms[2]
        import_a = sum(power_w for _, _, power_w in self._readings) / len(self._readings) / self._site.voltage_v
        gain = OVER_GAIN if import_a > 0 else UNDER_GAIN if sunny_a else 1.0
        self.sun_a = max(0.0, sunny_a - import_a * gain)
        self._filtered.append((now_s, self.raw, self.sun_a))
        while self._filtered[0][0] < now_s - FILTER_S:
            self._filtered.popleft()
        self.low = each(min, self.raw, *[raw for _, raw, _ in self._filtered])
        self.sun_low_a = min(sun_a for _, _, sun_a in self._filtered)
        self.sun_high_a = max(sun_a for _, _, sun_a in self._filtered)

    def _line_a(self, place: int, allocated_a: float) -> float:
        if LINES[place] not in self._site.lines:
            return math.inf
        target_a = self._site.limit_a
        error_a = target_a - self._measured_a(place)
        if error_a < 0:
            return max(0.0, allocated_a + error_a * OVER_GAIN)
        gain = UNDER_GAIN if allocated_a else 1.0
        return allocated_a + min(error_a * gain, target_a / 2)

    def _measured_a(self, place: int) -> float:
        values = [grid_a[place] for _, grid_a, _ in self._readings]
        mean_a, most_a = sum(values) / len(values), max(values)
        ratio = most_a / self._site.limit_a
        weight = min(max((ratio - BLEND_FROM) / (BLEND_TO - BLEND_FROM), 0.0), 1.0)
        return mean_a + weight * (most_a - mean_a)
