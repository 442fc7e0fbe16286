"""evcc's charging plans: each loadpoint in the cheapest slots before its time, as if it were alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import Mode

from benchmarks.rivals.evcc import ELAPSED_S, Evcc, Loadpoint
from benchmarks.rivals.seen import Goal, Rate, Seen, SeenCharger, Site

SLOT_S: Final = 900.0
SHORT_S: Final = SLOT_S - 60.0
"""For less than this no charging is begun, and between two slots none is ended."""

_NOTHING_S: Final = 0.5
SECONDS_PER_HOUR: Final = 3_600.0


@dataclass(slots=True)
class _Progress:
    """What became of a goal: the energy so far (Wh), whether its plan runs, and when the slot that ran last ends."""

    goal: Goal
    charged_wh: float = 0.0
    is_active: bool = False
    slot_ends_s: float = float("-inf")


class EvccPlan(Evcc):
    """evcc in mode `pv` with a plan for each car (its core/planner/planner.go and core/loadpoint_plan.go).

    What is missing takes so long at full power; that much of the time until the goal is chosen, the cheapest quarters
    first, of equals the last. In such a slot the car charges as fast as the circuit lets it, elsewhere on sun alone.
    A loadpoint knows neither what the others plan nor what the house leaves; it plans anew each time it has its turn.

    Left out: goals in percent, several goals at once, continuous plans and preconditioning, which are off by default.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._progress: dict[str, _Progress] = {}
        self._metered_s: float | None = None

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """The offers after this tick, A; whole amps."""
        passed_h = 0.0 if self._metered_s is None else (now_s - self._metered_s) / SECONDS_PER_HOUR
        self._metered_s = now_s
        for charger in seen.chargers:
            if charger.goal is None:
                self._progress.pop(charger.id, None)
                continue
            known = self._progress.get(charger.id)
            if known is None or known.goal != charger.goal:
                known = self._progress[charger.id] = _Progress(charger.goal)
            known.charged_wh += sum(charger.drawn_a) * self._site.voltage_v * passed_h
        return super().decide(seen, now_s)

    def _wanted_a(self, point: Loadpoint, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        progress = self._progress.get(charger.id)
        if progress is not None:
            was_active = progress.is_active
            progress.is_active = charger.is_connected and self._is_due(progress, charger, now_s)
            if progress.is_active and charger.mode is not Mode.OFF:
                return charger.max_a
            if was_active:
                point.since_s = ELAPSED_S  # where a slot ends, no delay is waited for
        return super()._wanted_a(point, seen, charger, now_s)

    def _is_due(self, progress: _Progress, charger: SeenCharger, now_s: float) -> bool:
        """Whether a slot of the plan is on, or what runs is not worth to be interrupted."""
        most_w = charger.max_a * self._site.voltage_v * len(charger.lines)
        needed_s = (progress.goal.energy_wh - progress.charged_wh) / most_w * SECONDS_PER_HOUR
        if needed_s <= _NOTHING_S:
            return False
        slots = cheapest(self._site.rates, needed_s, now_s, progress.goal.by_s)
        slot = next((slot for slot in slots if slot.start_s <= now_s < slot.end_s), None)
        if slot is None:
            is_near = bool(slots) and slots[0].start_s - now_s < SHORT_S
            return progress.is_active and (now_s < progress.slot_ends_s or needed_s < SLOT_S or is_near)
        goes_on = any(other.start_s == slot.end_s for other in slots)
        if not progress.is_active and slot.end_s - now_s < SHORT_S and not goes_on:
            return False
        progress.slot_ends_s = slot.end_s
        return True


def cheapest(rates: Sequence[Rate], needed_s: float, now_s: float, by_s: float) -> Sequence[Rate]:
    """The slots to charge in, in their order: as many as take `needed_s`, the cheapest, of equals the last.

    The dearest of them is cut short: its end, or its beginning where it comes before all others. Where the time does
    not suffice, or prices are not known for so long, it is all of the time from now, or up to `by_s`.
    """
    starts_s = max(now_s, by_s - needed_s)
    open_slots = [
        Rate(max(rate.start_s, now_s), min(rate.end_s, by_s), rate.price)
        for rate in rates
        if rate.start_s < by_s and rate.end_s > now_s
    ]
    known_s = sum(slot.end_s - slot.start_s for slot in open_slots)
    if by_s - now_s <= needed_s or known_s < needed_s:
        return [Rate(starts_s, starts_s + needed_s, 0.0)]
    chosen: list[Rate] = []
    for slot in sorted(open_slots, key=lambda slot: (slot.price, -slot.start_s)):
        lasts_s = min(needed_s, slot.end_s - slot.start_s)
        is_first = bool(chosen) and all(slot.start_s < other.start_s for other in chosen)
        start_s = slot.end_s - lasts_s if is_first else slot.start_s
        chosen.append(Rate(start_s, start_s + lasts_s, slot.price))
        needed_s -= lasts_s
        if needed_s <= 0:
            break
    return sorted(chosen)
