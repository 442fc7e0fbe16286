"""evcc: loadpoints that take turns at the grid, each within a circuit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import Mode

from benchmarks.rivals.seen import Seen, SeenCharger, Site

INTERVAL_S: Final = 30.0
ENABLE_DELAY_S: Final = 60.0
DISABLE_DELAY_S: Final = 180.0
ENABLE_W: Final = 0.0
DISABLE_W: Final = 0.0
ACTIVE_A: Final = 1.0
"""A phase counts as used above this."""

SLOW_A: Final = 2.0
"""A car that follows slowly counts as drawing so much more, up to its offer."""

METER_TIMEOUT_S: Final = 60.0
"""After this a circuit without meter values counts as loaded without end."""

ELAPSED_S: Final = float("-inf")
"""A delay that is over from its beginning."""


@dataclass(slots=True)
class Loadpoint:
    """What evcc keeps of one charger; `since_s` is the running timer's start, None while none runs."""

    offer_a: float = 0.0
    since_s: float | None = None
    was_connected: bool = False
    measured_phases: int | None = None


class Evcc:
    """evcc's rules for current (evcc.md, 2.1 to 2.8) with its defaults, and a circuit with the fuse and its meter.

    Every 30 s one loadpoint has its turn. `fast`: all the circuit has room for. `solar`: what it draws plus the
    surplus, starting after 60 s of enough, stopping after 180 s of too little. A circuit measures the worst of the
    three phases; whoever has the turn gives up the whole excess, and stops where less than the minimum is left.

    Left out: switching between one and three phases (no wallbox here can), batteries, priorities (all are equal), and
    what vehicles tell. A timer that has done its work is reset.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loadpoints: dict[str, Loadpoint] = {}
        self._ticked_s = float("-inf")
        self._turn = -1

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """The offers after this tick, A; whole amps."""
        points = {charger.id: self._loadpoints.setdefault(charger.id, Loadpoint()) for charger in seen.chargers}
        if seen.chargers and now_s - self._ticked_s >= INTERVAL_S:
            self._ticked_s = now_s
            self._turn = (self._turn + 1) % len(seen.chargers)
            charger = seen.chargers[self._turn]
            self._update(points[charger.id], seen, charger, now_s)
        return {charger_id: point.offer_a for charger_id, point in points.items()}

    def _update(self, point: Loadpoint, seen: Seen, charger: SeenCharger, now_s: float) -> None:
        if charger.is_connected and not point.was_connected:
            point.since_s = ELAPSED_S
            point.measured_phases = None
        point.was_connected = charger.is_connected
        was_enabled = point.offer_a > 0
        wanted_a = self._wanted_a(point, seen, charger, now_s)
        point.offer_a = self._limited_a(wanted_a, seen, charger, now_s)
        if was_enabled != (point.offer_a > 0):
            point.since_s = None

    def _wanted_a(self, point: Loadpoint, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        if not charger.is_connected or charger.mode is Mode.OFF:
            return 0.0
        return self._sunny_a(point, seen, charger, now_s) if charger.is_sunny else charger.max_a

    def _sunny_a(self, point: Loadpoint, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        """The rule of pvMaxCurrent."""
        volts = self._site.voltage_v * self._phases(point, charger)
        drawn_a = min(max(charger.drawn_a) + SLOW_A, point.offer_a) if charger.is_charging else 0.0
        target_a = max(0.0, drawn_a - seen.grid_w / volts)
        if charger.mode is Mode.MIN_SOLAR:
            return min(max(target_a, charger.min_a), charger.max_a)
        if point.offer_a > 0 and target_a < charger.min_a:
            is_over = self._has_lasted(point, seen.grid_w >= DISABLE_W, DISABLE_DELAY_S, now_s)
            return 0.0 if is_over else charger.min_a
        if point.offer_a == 0:
            has_sun = target_a >= charger.min_a if ENABLE_W == 0 else seen.grid_w <= ENABLE_W
            return charger.min_a if self._has_lasted(point, has_sun, ENABLE_DELAY_S, now_s) else 0.0
        point.since_s = None
        return min(target_a, charger.max_a)

    @staticmethod
    def _has_lasted(point: Loadpoint, is_so: bool, delay_s: float, now_s: float) -> bool:
        """Whether the condition holds since the delay; a single miss resets the timer."""
        if not is_so:
            point.since_s = None
            return False
        point.since_s = now_s if point.since_s is None else point.since_s
        return now_s - point.since_s >= delay_s

    def _phases(self, point: Loadpoint, charger: SeenCharger) -> int:
        measured = sum(current_a > ACTIVE_A for current_a in charger.drawn_a)
        if measured:
            point.measured_phases = measured
        return min(len(charger.lines), point.measured_phases or len(charger.lines))

    def _limited_a(self, wanted_a: float, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        """Through the circuit, cut to whole amps; below the minimum it is disabled at once."""
        drawn_a = max(charger.drawn_a) if charger.is_charging else 0.0
        is_stale = now_s - seen.read_s > METER_TIMEOUT_S
        room_a = float("-inf") if is_stale else self._site.limit_a - max(seen.grid_a[: self._site.phases])
        if self._site.most_w is not None:
            volts = self._site.voltage_v * len(charger.lines)
            room_a = min(room_a, (self._site.most_w - seen.grid_w) / volts)
        if max(0.0, wanted_a - drawn_a) > room_a:
            wanted_a = min(wanted_a, max(0.0, drawn_a + room_a))
        whole_a = float(int(wanted_a))
        return whole_a if whole_a >= charger.min_a else 0.0
