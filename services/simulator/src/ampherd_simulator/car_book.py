"""The book of one charger and its car, kept from what really flows and what the wallbox really offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ampherd_core.phases import ZERO, Phases

from ampherd_simulator.account import CarAccount, VisitAccount
from ampherd_simulator.site import SECONDS_PER_HOUR

CHANGE_A: Final = 0.05
"""Offers that differ by less are the same: half a step of the finest wallbox."""

FLAP_S: Final = 60.0
"""A change that is taken back so soon was none worth making."""

FLOWS_A: Final = 0.1


@dataclass(frozen=True, slots=True)
class CarInstant:
    """A charger and its car at one moment; `load_a` per line of the site.

    `left_wh` is what it still wants, None for one that wants to be full; `could_w` is the most that it could take.
    """

    load_a: Phases = ZERO
    offer_a: float = 0.0
    is_plugged: bool = False
    is_charging: bool = False
    is_full: bool = False
    left_wh: float | None = None
    could_w: float = 0.0


@dataclass(slots=True)
class _OpenVisit:
    """The visit that is going on."""

    arrived_s: float
    wanted_wh: float | None
    could_wh: float = 0.0
    taken_wh: float = 0.0
    phases: int = 0

    def close(self, left_s: float | None) -> VisitAccount:
        return VisitAccount(self.arrived_s, left_s, self.wanted_wh, self.could_wh, self.taken_wh)


class CarBook:
    """Notes one car moment by moment; an interval counts as the moment at which it began."""

    def __init__(self) -> None:
        self._before = CarInstant()
        self._visit: _OpenVisit | None = None
        self._ended: list[VisitAccount] = []
        self._energy_wh = self._surplus_wh = self._waited_s = 0.0
        self._starts = self._stops = self._phase_switches = 0
        self._changes = self._reversals = self._flaps = 0
        self._direction = 0
        self._changed_s = float("-inf")

    def spend(self, power_w: float, surplus_w: float, dt_s: float) -> None:
        """An interval passes at this power, of which so much is surplus."""
        hours = dt_s / SECONDS_PER_HOUR
        self._energy_wh += power_w * hours
        self._surplus_wh += surplus_w * hours
        visit, before = self._visit, self._before
        if visit is None:
            return
        visit.taken_wh += power_w * hours
        if not before.is_full:
            visit.could_wh += before.could_w * hours
            if not before.is_charging:
                self._waited_s += dt_s

    def note(self, now: CarInstant, at_s: float) -> None:
        """The moment that ends an interval and begins the next."""
        before, self._before = self._before, now
        if now.is_plugged is not before.is_plugged:
            self._come_or_go(now, at_s)
        if now.is_charging is not before.is_charging:
            self._starts += now.is_charging
            self._stops += not now.is_charging and now.is_plugged and not now.is_full
        if now.load_a != before.load_a:
            self._count_phases(now.load_a)
        if abs(now.offer_a - before.offer_a) >= CHANGE_A:
            self._count_change(1 if now.offer_a > before.offer_a else -1, at_s)

    def account(self) -> CarAccount:
        """All so far."""
        going_on = () if self._visit is None else (self._visit.close(None),)
        return CarAccount(
            energy_wh=self._energy_wh,
            surplus_wh=self._surplus_wh,
            waited_s=self._waited_s,
            starts=self._starts,
            stops=self._stops,
            phase_switches=self._phase_switches,
            setpoint_changes=self._changes,
            reversals=self._reversals,
            flaps=self._flaps,
            visits=(*self._ended, *going_on),
        )

    def _come_or_go(self, now: CarInstant, at_s: float) -> None:
        if self._visit is not None:
            self._ended.append(self._visit.close(at_s))
        self._visit = _OpenVisit(at_s, now.left_wh) if now.is_plugged else None

    def _count_phases(self, load_a: Phases) -> None:
        phases = sum(amps > FLOWS_A for amps in load_a)
        visit = self._visit
        if phases == 0 or visit is None or phases == visit.phases:
            return
        self._phase_switches += visit.phases > 0
        visit.phases = phases

    def _count_change(self, direction: int, at_s: float) -> None:
        self._changes += 1
        if direction == -self._direction:
            self._reversals += 1
            self._flaps += at_s - self._changed_s <= FLAP_S
        self._direction, self._changed_s = direction, at_s
