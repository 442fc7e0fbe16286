"""WARP (Tinkerforge): an allocator every ten seconds on filtered limits, with rotation and an urgent path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import Mode
from ampherd_core.phases import ZERO, Phases, add, on_lines

from benchmarks.rivals.seen import Seen, SeenCharger, Site
from benchmarks.rivals.warp_limits import Limits

ALLOCATE_S: Final = 10.0
URGENT_S: Final = 5.0
ROTATE_S: Final = 900.0
WELCOME_S: Final = 210.0
HYSTERESIS_S: Final = 210.0
ENABLE_RATIO: Final = 1.5
LEARN_S: Final = 60.0
DEMAND_MARGIN_A: Final = 1.0
"""How far above the measured current a car's demand is learned; the outline names no figure."""

SLICE_A: Final = 0.1
"""Shares grow in steps of this."""


@dataclass(slots=True)
class Box:
    """What the manager keeps of a charger."""

    offer_a: float = 0.0
    changed_s: float = float("-inf")
    plugged_s: float | None = None
    charging_s: float | None = None
    given_as: float = 0.0

    def mean_a(self, now_s: float) -> float:
        """What it was given since its car came, A."""
        return self.given_as / max(now_s - self.plugged_s, 1.0) if self.plugged_s is not None else 0.0


class Warp:
    """Outline of the allocator and the grid controller (peers.md, WARP); the constants are those it names.

    Off where the minimum does not fit any more (longest on first, surplus before fast); on in the order of least mean
    power, where the lowest limit of four minutes has room, half as much again while others charge; then the minimum
    for all, then fair shares up to each car's learned demand. On the quarter-hour those who waited take over.

    Left out: 1p/3p, waking full cars, the spread filter, the reaction to deaf boxes. The largest consumer and the
    margin are what users set: here none, so the target is the fuse.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._limits = Limits(site)
        self._boxes: dict[str, Box] = {}
        self._ran_s = float("-inf")
        self._decided_s: float | None = None
        self._quarter = -1

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """The offers after this run, A."""
        boxes = {charger.id: self._boxes.setdefault(charger.id, Box()) for charger in seen.chargers}
        self._note(seen.chargers, now_s)
        self._limits.hear(seen)
        is_urgent = self._limits.is_urgent() and now_s - self._ran_s >= URGENT_S
        if is_urgent or now_s - self._ran_s >= ALLOCATE_S:
            self._ran_s = now_s
            self._run(seen.chargers, now_s)
        return {charger_id: box.offer_a for charger_id, box in boxes.items()}

    def _note(self, chargers: Sequence[SeenCharger], now_s: float) -> None:
        passed_s = 0.0 if self._decided_s is None else now_s - self._decided_s
        self._decided_s = now_s
        for charger in chargers:
            box = self._boxes[charger.id]
            if not charger.is_connected:
                box.plugged_s, box.given_as = None, 0.0
            elif box.plugged_s is None:
                box.plugged_s = now_s
            if not charger.is_charging:
                box.charging_s = None
            elif box.charging_s is None:
                box.charging_s = now_s
            box.given_as += box.offer_a * passed_s

    def _run(self, chargers: Sequence[SeenCharger], now_s: float) -> None:
        allocated: Phases = ZERO
        for charger in chargers:
            allocated = add(allocated, on_lines(charger.lines, self._boxes[charger.id].offer_a))
        sunny = [charger for charger in chargers if charger.is_sunny]
        sunny_a = sum(self._boxes[charger.id].offer_a * len(charger.lines) for charger in sunny)
        self._limits.settle(allocated, sunny_a, now_s)
        wanting = [charger for charger in chargers if charger.is_connected and charger.mode is not Mode.OFF]
        on = [charger for charger in wanting if self._boxes[charger.id].offer_a > 0]
        on = self._rotated(on, wanting, now_s)
        on = self._shed(on)
        on = self._joined(on, wanting, now_s)
        offers = self._shared(on, now_s)
        for charger in chargers:
            self._set(charger, offers.get(charger.id, 0.0), now_s)

    def _set(self, charger: SeenCharger, offer_a: float, now_s: float) -> None:
        box = self._boxes[charger.id]
        if (offer_a > 0) != (box.offer_a > 0):
            box.changed_s = now_s
        box.offer_a = offer_a

    def _rotated(self, on: list[SeenCharger], wanting: Sequence[SeenCharger], now_s: float) -> list[SeenCharger]:
        """Stage 1: at each quarter-hour one leaves for each who waits, the richest first."""
        quarter = int(now_s // ROTATE_S)
        waiting = len(wanting) - len(on)
        if quarter == self._quarter or waiting == 0:
            self._quarter = quarter
            return on
        self._quarter = quarter
        fair = [charger for charger in on if self._is_free(charger, now_s)]
        richest = sorted(fair, key=lambda charger: -self._boxes[charger.id].mean_a(now_s))[:waiting]
        return [charger for charger in on if charger not in richest]

    def _shed(self, on: list[SeenCharger]) -> list[SeenCharger]:
        """Stage 3: those whose minimum does not fit any more, longest on first; the sun counts at its best of late."""
        order = sorted(on, key=lambda charger: (not charger.is_sunny, self._boxes[charger.id].changed_s))
        kept = list(order)
        for charger in order:
            if self._fits(kept, self._limits.raw, self._limits.sun_high_a):
                break
            is_at_fault = charger.is_sunny or not self._fits(kept, self._limits.raw, math.inf)
            if is_at_fault:
                kept.remove(charger)
        return [charger for charger in on if charger in kept]

    def _joined(self, on: list[SeenCharger], wanting: Sequence[SeenCharger], now_s: float) -> list[SeenCharger]:
        """Stages 2 and 4: newcomers at once, the others by least mean power, where the lowest limits have room."""
        waiting = [charger for charger in wanting if charger not in on and self._is_free(charger, now_s)]
        waiting.sort(key=lambda charger: (charger.is_sunny, self._boxes[charger.id].mean_a(now_s)))
        joined = list(on)
        for charger in waiting:
            is_welcome = self._is_welcome(charger, now_s)
            ratio = ENABLE_RATIO if joined and not is_welcome else 1.0
            sun_a = math.inf if is_welcome else self._limits.sun_low_a
            if self._fits([*joined, charger], self._limits.low, sun_a, ratio):
                joined.append(charger)
        return joined

    def _is_welcome(self, charger: SeenCharger, now_s: float) -> bool:
        plugged_s = self._boxes[charger.id].plugged_s
        return plugged_s is not None and now_s - plugged_s < WELCOME_S

    def _is_free(self, charger: SeenCharger, now_s: float) -> bool:
        return now_s - self._boxes[charger.id].changed_s >= HYSTERESIS_S

    @staticmethod
    def _fits(chargers: Sequence[SeenCharger], limit: Phases, sun_a: float, last_ratio: float = 1.0) -> bool:
        """Whether the minimum of all fits, that of the last times the ratio."""
        needed: Phases = ZERO
        sunny_a = 0.0
        for place, charger in enumerate(chargers, start=1):
            least_a = charger.min_a * (last_ratio if place == len(chargers) else 1.0)
            needed = add(needed, on_lines(charger.lines, least_a))
            sunny_a += least_a * len(charger.lines) if charger.is_sunny else 0.0
        return all(need_a <= limit_a for need_a, limit_a in zip(needed, limit, strict=True)) and sunny_a <= sun_a

    def _shared(self, on: Sequence[SeenCharger], now_s: float) -> dict[str, float]:
        """Stages 6 to 8: the minimum to all, then alike in small slices up to each demand."""
        offers = {charger.id: charger.min_a for charger in on}
        left = list(self._limits.raw)
        sun_a = self._limits.sun_a
        for charger in on:
            sun_a -= _spend(left, charger, charger.min_a)
        growing = list(on)
        while growing:
            for charger in list(growing):
                step_a = min(SLICE_A, self._demand_a(charger, now_s) - offers[charger.id])
                has_room = all(left[line.place] >= step_a for line in charger.lines)
                has_sun = not charger.is_sunny or sun_a >= step_a * len(charger.lines)
                if step_a <= 0 or not has_room or not has_sun:
                    growing.remove(charger)
                    continue
                offers[charger.id] += step_a
                sun_a -= _spend(left, charger, step_a)
        return offers

    def _demand_a(self, charger: SeenCharger, now_s: float) -> float:
        """What the car asks for: learned once it has charged for a minute, A."""
        since_s = self._boxes[charger.id].charging_s
        if since_s is None or now_s - since_s < LEARN_S:
            return charger.max_a
        taken_a = max(charger.drawn_a)
        is_held_back = taken_a >= self._boxes[charger.id].offer_a - DEMAND_MARGIN_A
        return charger.max_a if is_held_back else max(charger.min_a, min(charger.max_a, taken_a + DEMAND_MARGIN_A))


def _spend(left: list[float], charger: SeenCharger, amps: float) -> float:
    """Take `amps` from the charger's lines; what it costs the sun, A over all phases."""
    for line in charger.lines:
        left[line.place] -= amps
    return amps * len(charger.lines) if charger.is_sunny else 0.0
