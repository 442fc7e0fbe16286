"""OpenEVSE's own controllers: solar divert ("eco") and the current shaper, one of each in every wallbox."""

from __future__ import annotations

import math
from typing import Final

from benchmarks.rivals.seen import Seen, SeenCharger, Site

VOLTAGE_V: Final = 240.0
"""What the firmware reckons with unless it is told."""

FEED_S: Final = 5.0
"""A feed message every 5 to 10 s is recommended, and an emonPi sends one every 5 s."""

PV_RATIO: Final = 1.1
ATTACK_S: Final = 20.0
DECAY_S: Final = 600.0
LEAST_TAU_S: Final = 10.0
MIN_CHARGE_S: Final = 600.0
HYSTERESIS_A: Final = 0.5
RESERVE_W: Final = 1_000.0 * (PV_RATIO - 1.0)

SHAPER_LOOP_S: Final = 2.0
SHAPER_TAU_S: Final = 60.0
SHAPER_PAUSE_S: Final = 300.0
SHAPER_STALE_S: Final = 120.0


class Eco:
    """Solar divert on a grid feed (openevse-emon.md, 2.1), with the defaults that its users get.

    Runs once per feed message. The surplus, less 100 W, is smoothed with 20 s upwards and 600 s downwards; it decides
    whether to charge, the surplus of the moment decides how much. A started car charges for 600 s at least.

    Left out: the filter of a solar feed, the relay that closes without a car, and the older W2 firmware's constants.
    """

    def __init__(self) -> None:
        self._fed_s: float | None = None
        self._smoothed_a = 0.0
        self._rate_a = 0.0
        self._is_active = False
        self._was_charging = False
        self._keeps_until_s = float("-inf")

    def offer_a(self, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        """The claim that rules, A; whole amps."""
        if charger.is_charging and not self._was_charging:
            self._keeps_until_s = now_s + MIN_CHARGE_S
        self._was_charging = charger.is_charging
        if self._fed_s is None or seen.read_s - self._fed_s >= FEED_S:
            self._feed(seen, charger, now_s)
        return self._rate_a if self._is_active else 0.0

    def _feed(self, seen: Seen, charger: SeenCharger, now_s: float) -> None:
        volts = VOLTAGE_V * len(charger.lines)
        grid_a = seen.grid_w / volts - max(charger.drawn_a)
        available_a = max(-grid_a - RESERVE_W / volts, 0.0) if grid_a < 0 else 0.0
        self._smooth(available_a, seen.read_s)
        trigger_a = charger.min_a * min(1.0, PV_RATIO)
        if self._smoothed_a >= trigger_a + HYSTERESIS_A:
            self._is_active = True
            self._rate_a = min(max(_whole(available_a), charger.min_a), charger.max_a)
        elif self._smoothed_a <= trigger_a and self._is_active and now_s >= self._keeps_until_s:
            self._is_active = False

    def _smooth(self, available_a: float, read_s: float) -> None:
        passed_s = 0.0 if self._fed_s is None else float(int(read_s - self._fed_s))
        tau_s = max(ATTACK_S if available_a > self._smoothed_a else DECAY_S, LEAST_TAU_S)
        self._smoothed_a += (1.0 - math.exp(-passed_s / tau_s)) * (available_a - self._smoothed_a)
        self._fed_s = read_s


class Shaper:
    """The current shaper (openevse-emon.md, 2.2) with the whole fuse as its power.

    One sum of power over all phases: (allowed - live) / V + own car, a third of it for a three-phase box. Below 6 A it
    pauses for 300 s at least; meanwhile the live power counts with rises at once and falls smoothed over 60 s.

    Users divide the limit by hand: a one-phase box is told one phase's share of the fuse. Left out: the solar power on
    top of the allowed one, and claims that linger after a restart.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._fed_s: float | None = None
        self._live_w = 0.0
        self._offer_a = 0.0
        self._paused_s: float | None = None

    def offer_a(self, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        """The claim that rules, A; whole amps."""
        if now_s - seen.read_s > SHAPER_STALE_S:
            return 0.0
        if self._fed_s is None or seen.read_s - self._fed_s >= FEED_S:
            self._feed(seen, charger, now_s)
        return self._offer_a

    def _feed(self, seen: Seen, charger: SeenCharger, now_s: float) -> None:
        passed_s = 0.0 if self._fed_s is None else seen.read_s - self._fed_s
        self._fed_s = seen.read_s
        live_w = _live_w(seen, charger, self._site)
        is_filtered = self._paused_s is not None and live_w < self._live_w
        weight = 1.0 - math.exp(-passed_s / SHAPER_TAU_S) if is_filtered else 1.0
        self._live_w += weight * (live_w - self._live_w)
        phases = len(charger.lines)
        allowed_w = self._site.limit_a * self._site.voltage_v * phases
        if self._site.most_w is not None:
            allowed_w = min(allowed_w, self._site.most_w)
        most_a = (allowed_w - self._live_w) / self._site.voltage_v / phases + max(charger.drawn_a)
        self._claim(most_a, charger, now_s)

    def _claim(self, most_a: float, charger: SeenCharger, now_s: float) -> None:
        if most_a < charger.min_a:
            self._paused_s = now_s if self._paused_s is None else self._paused_s
            self._offer_a = 0.0
            return
        if self._paused_s is not None:
            has_waited = now_s - self._paused_s >= SHAPER_PAUSE_S
            if not has_waited or most_a - charger.min_a < HYSTERESIS_A:
                return
            self._paused_s = None
        self._offer_a = float(min(math.floor(most_a), charger.max_a))


def _live_w(seen: Seen, charger: SeenCharger, site: Site) -> float:
    """The sum for a three-phase box; the phase it is on for a one-phase box."""
    if len(charger.lines) == site.phases:
        return seen.grid_w
    return sum(seen.grid_a[line.place] for line in charger.lines) * site.voltage_v


def _whole(available_a: float) -> float:
    """Whole amps; one more when the rest would be worth it at this ratio, which above 1 it never is."""
    floored_a = math.floor(available_a)
    return float(floored_a + (available_a - floored_a > min(1.0, PV_RATIO)))
