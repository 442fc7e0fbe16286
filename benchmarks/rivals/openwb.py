"""openWB 2: every ten seconds the whole budget is shared anew, in stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import Mode
from ampherd_core.phases import Phases, add

from benchmarks.rivals.seen import Seen, SeenCharger, Site

CYCLE_S: Final = 10.0
TOTAL_W: Final = 24_000.0
SWITCH_ON_W: Final = 1_500.0
"""A phase; surplus above it for `SWITCH_ON_S` starts a car."""

SWITCH_ON_S: Final = 30.0
SWITCH_OFF_W: Final = 0.0
SWITCH_OFF_S: Final = 60.0
CONTROL_RANGE_W: Final = (0.0, 230.0)
STEP_A: Final = 5.0
"""A car on surplus moves by no more in a cycle."""


@dataclass(slots=True)
class Point:
    """What openWB keeps of a charge point: whether surplus has switched it on, and the running timer's start."""

    offer_a: float = 0.0
    is_on: bool = False
    since_s: float | None = None


class OpenWb:
    """Load management in stages (peers.md, openWB 1 to 5) with the defaults, and the fuse as the currents' limit.

    Budget per phase: the fuse less what the house takes now, never below 0. First each car's minimum in a fixed order,
    as long as it fits; then the missing part is divided by the number of cars that still miss something; cars on
    surplus last, within 5 A of what they draw. A car that does not charge yet stays at its minimum.

    Left out: sub-counters, batteries, imbalance (off by default), 1p/3p, modes by price and time, and the sort by
    charge and energy (all cars tie on what they require, and those need what the car tells).
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._points: dict[str, Point] = {}
        self._cycled_s = float("-inf")

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """The offers after this cycle, A; whole amps."""
        points = {charger.id: self._points.setdefault(charger.id, Point()) for charger in seen.chargers}
        if now_s - self._cycled_s >= CYCLE_S:
            self._cycled_s = now_s
            self._switch(seen, now_s)
            for charger_id, offer_a in self._shared(seen).items():
                points[charger_id].offer_a = float(int(offer_a + 1e-6))
        return {charger_id: point.offer_a for charger_id, point in points.items()}

    def _switch(self, seen: Seen, now_s: float) -> None:
        """Stage 0: the thresholds of the cars on surplus, and their timers; a running timer reserves its surplus."""
        volts = self._site.voltage_v
        usable_w = sum(self._spare_w(charger) for charger in seen.chargers) - seen.grid_w
        for charger in seen.chargers:
            point = self._points[charger.id]
            if charger.mode is not Mode.SOLAR or not charger.is_connected:
                point.is_on, point.since_s = charger.is_connected and charger.mode is not Mode.OFF, None
                continue
            threshold_w = SWITCH_ON_W * len(charger.lines)
            is_due = -usable_w > SWITCH_OFF_W if point.is_on else usable_w > threshold_w
            if not is_due:
                point.since_s = None
                continue
            point.since_s = now_s if point.since_s is None else point.since_s
            is_off_next, patience_s = point.is_on, SWITCH_OFF_S if point.is_on else SWITCH_ON_S
            if now_s - point.since_s >= patience_s:
                point.is_on, point.since_s = not point.is_on, None
            usable_w += volts * charger.min_a * len(charger.lines) if is_off_next else -threshold_w

    def _spare_w(self, charger: SeenCharger) -> float:
        """What a car on surplus draws above its minimum, W."""
        above_a = sum(max(current_a - charger.min_a, 0.0) for current_a in charger.drawn_a)
        return above_a * self._site.voltage_v if charger.is_sunny else 0.0

    def _shared(self, seen: Seen) -> dict[str, float]:
        budget = self._budget(seen)
        offers = dict.fromkeys((charger.id for charger in seen.chargers), 0.0)
        for charger in seen.chargers:
            if self._points[charger.id].is_on and budget.room_a(charger) >= charger.min_a:
                offers[charger.id] = charger.min_a
                budget.take(charger, charger.min_a)
        growing = [charger for charger in seen.chargers if offers[charger.id] > 0 and charger.is_charging]
        steady = [charger for charger in growing if not charger.is_sunny]
        sunny = [charger for charger in growing if charger.is_sunny]
        shares = _divided(steady, budget, {charger.id: charger.max_a for charger in steady})
        shares |= self._surplus(sunny, seen, budget)
        return {charger_id: offer_a + shares.get(charger_id, 0.0) for charger_id, offer_a in offers.items()}

    def _budget(self, seen: Seen) -> Budget:
        drawn: Phases = (0.0, 0.0, 0.0)
        for charger in seen.chargers:
            drawn = add(drawn, charger.drawn_a)
        most_w = TOTAL_W if self._site.most_w is None else min(TOTAL_W, self._site.most_w)
        return Budget(
            left_a=[
                max(self._site.limit_a - grid_a + own_a, 0.0) for grid_a, own_a in zip(seen.grid_a, drawn, strict=True)
            ],
            total_a=max((most_w - seen.grid_w) / self._site.voltage_v + sum(drawn), 0.0),
        )

    def _surplus(self, sunny: Sequence[SeenCharger], seen: Seen, budget: Budget) -> dict[str, float]:
        """Stage 3: what the cars on surplus draw above their minimum, plus what is left over, shared alike."""
        low_w, high_w = CONTROL_RANGE_W
        error_w = 0.0 if low_w <= seen.grid_w <= high_w else (low_w + high_w) / 2 - seen.grid_w
        usable_w = sum(self._spare_w(charger) for charger in sunny) + error_w
        budget.total_a = min(budget.total_a, max(usable_w, 0.0) / self._site.voltage_v)
        goals = {charger.id: min(charger.max_a, max(max(charger.drawn_a) + STEP_A, charger.min_a)) for charger in sunny}
        return _divided(sunny, budget, goals)


@dataclass(slots=True)
class Budget:
    """What is left to give: on each line, and over all of them, A."""

    left_a: list[float]
    total_a: float

    def room_a(self, charger: SeenCharger, heads: Sequence[SeenCharger] = ()) -> float:
        """What the charger's worst line leaves, or the total, divided by the heads that share it, A."""
        heads = heads or (charger,)
        by_line = [self.left_a[line.place] / sum(line in each.lines for each in heads) for line in charger.lines]
        return min(self.total_a / sum(len(each.lines) for each in heads), *by_line)

    def take(self, charger: SeenCharger, amps: float) -> None:
        """Give so much to the charger."""
        for line in charger.lines:
            self.left_a[line.place] -= amps
        self.total_a -= amps * len(charger.lines)


def _divided(chargers: Sequence[SeenCharger], budget: Budget, goals: Mapping[str, float]) -> dict[str, float]:
    """Each in turn gets the room of its worst phase by the number of those who still miss something there, A."""
    more: dict[str, float] = {}
    for place, charger in enumerate(chargers):
        missing_a = max(goals[charger.id] - charger.min_a, 0.0)
        more[charger.id] = max(min(missing_a, budget.room_a(charger, chargers[place:])), 0.0)
        budget.take(charger, more[charger.id])
    return more
