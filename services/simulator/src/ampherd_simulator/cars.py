"""A car on its cable: when it charges, and how much it takes of what it is offered.

The car sees two things of its wallbox: the offer on the control pilot (A; 0 = no offer) and whether the contactor
is closed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import ZERO, Phases
from ampherd_core.units import MIN_OFFER_A, NOMINAL_VOLTAGE_V

FULL_A: Final = 0.5
"""A tapering car that would take less than this is full and opens its switch."""

S2_CLOSE_S: Final = 1.0
"""From a valid offer to the car's switch S2 closing."""


@dataclass(frozen=True, slots=True)
class CarTraits:
    """What kind of car it is."""

    phases: int = 3
    max_a: float = 16.0
    min_a: float = MIN_OFFER_A
    """On less it keeps its switch closed and takes nothing: a Zoe below 8 A."""
    lag_s: float = 1.0
    ramp_up_a_s: float = 4.0
    ramp_down_a_s: float = math.inf
    under_a: float = 0.3
    overdraw_factor: float = 1.0
    is_stubborn: bool = False
    battery_wh: float = 60_000.0
    taper_from: float = 0.9
    sleeps_after: int | None = None
    """Interruptions after which it stays in state B until it is plugged in anew; None: never."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A time at the wallbox; `wants_wh` is as far as its charge limit, up to which it does not taper (None: full)."""

    arrives_s: float = 0.0
    leaves_s: float = math.inf
    wants_wh: float | None = None


HERE: Final = (Visit(),)
"""Plugged in from the beginning, for ever."""


class Car:
    """One car; in its `visits`, one after the other, it is plugged in, and `plug`/`unplug` do it by hand.

    `traits` may be changed while it charges, `nature` keeps what it is; while `is_sated` it takes nothing.
    """

    def __init__(
        self,
        traits: CarTraits,
        *,
        visits: Sequence[Visit] = HERE,
        soc: float = 0.3,
        voltage_v: float = NOMINAL_VOLTAGE_V,
    ) -> None:
        self.traits = self.nature = traits
        self.is_sated = False
        self.soc = soc
        self.iec_state = IecState.A
        self.taken_wh = 0.0
        self.terminals = 3
        self.starts = 0
        self.interruptions = 0
        self._to_come = deque(visits)
        self._leaves_s = math.inf
        self._full_at_wh = math.inf
        self._voltage_v = voltage_v
        self._now_s: float | None = None
        self._drawn_a = 0.0
        self._seen_a = 0.0
        self._followed_a = 0.0
        self._coming: deque[tuple[float, float]] = deque()
        self._closes_at_s = math.inf
        self._is_asleep = False

    @property
    def is_plugged(self) -> bool:
        """Whether the cable is in."""
        return self.iec_state is not IecState.A

    @property
    def left_wh(self) -> float | None:
        """What it still wants in this visit; None where it wants to be full, and while it is away."""
        return None if self._full_at_wh == math.inf or not self.is_plugged else self._full_at_wh - self.taken_wh

    @property
    def is_full(self) -> bool:
        """Whether it would take nothing, whatever it is offered."""
        return self.is_sated or self._ceiling_a() < FULL_A

    @property
    def phases(self) -> int:
        """Phases it charges on: its own, as far as `terminals`, those the wallbox connects, go."""
        return min(self.traits.phases, self.terminals)

    def plug(self) -> None:
        """Put the cable in now, whatever the schedule says."""
        if self.iec_state is IecState.A:
            self.iec_state = IecState.B
            self._is_asleep = False
            self.interruptions = 0
            self._full_at_wh = math.inf

    def unplug(self) -> None:
        """Pull the cable now."""
        self.iec_state = IecState.A
        self._leaves_s = math.inf
        self._forget()

    def step(self, offer_a: float, now_s: float, *, is_powered: bool = True) -> Phases:
        """Live until `now_s` on an offer; returns what is drawn per terminal of the wallbox, A."""
        before_s = self._now_s
        dt_s = now_s - before_s if before_s is not None else 0.0
        self._now_s = now_s
        self._follow_schedule(now_s)
        if self.iec_state is IecState.A:
            return ZERO
        self._charge(dt_s)
        if offer_a != self._seen_a or self._coming:
            self._see(offer_a, now_s)
        self._switch(now_s)
        self._drawn_a = self._ramp(dt_s) if is_powered and self.iec_state is IecState.C else 0.0
        if self._drawn_a == 0.0:
            return ZERO
        drawn_a, phases = self._drawn_a, self.phases
        return drawn_a, drawn_a if phases > 1 else 0.0, drawn_a if phases > 2 else 0.0

    def _follow_schedule(self, now_s: float) -> None:
        if now_s >= self._leaves_s:
            self.unplug()
        if self._to_come and now_s >= self._to_come[0].arrives_s:
            visit = self._to_come.popleft()
            self.plug()
            self._leaves_s = visit.leaves_s
            self._full_at_wh = math.inf if visit.wants_wh is None else self.taken_wh + visit.wants_wh

    def _see(self, offer_a: float, now_s: float) -> None:
        if offer_a != self._seen_a:
            self._seen_a = offer_a
            self._coming.append((now_s + self.traits.lag_s, offer_a))
        while self._coming and self._coming[0][0] <= now_s:
            is_ignored = self.traits.is_stubborn and self._coming[0][1] < self._followed_a
            if is_ignored and len(self._coming) == 1:
                return  # heeded as soon as it is stubborn no more
            followed_a = self._coming.popleft()[1]
            if not is_ignored:
                self._followed_a = followed_a

    def _switch(self, now_s: float) -> None:
        """Close S2 a second after an offer the car can use; open it when there is none, or when full."""
        wants = self._followed_a >= MIN_OFFER_A and not self._is_asleep and not self.is_full
        if self.iec_state is IecState.C:
            if not wants:
                self._open()
        elif not wants:
            self._closes_at_s = math.inf
        elif self._closes_at_s == math.inf:
            self._closes_at_s = now_s + S2_CLOSE_S
        elif now_s >= self._closes_at_s:
            self.iec_state = IecState.C
            self.starts += 1

    def _open(self) -> None:
        self.iec_state = IecState.B
        self._closes_at_s = math.inf
        if self._followed_a < MIN_OFFER_A:
            self.interruptions += 1
            sleeps_after = self.traits.sleeps_after
            self._is_asleep = sleeps_after is not None and self.interruptions >= sleeps_after

    def _ceiling_a(self) -> float:
        traits = self.traits
        if self._full_at_wh != math.inf:
            return traits.max_a if self.taken_wh < self._full_at_wh else 0.0
        if self.soc <= traits.taper_from:
            return traits.max_a
        return traits.max_a * max(1.0 - self.soc, 0.0) / (1.0 - traits.taper_from)

    def _ramp(self, dt_s: float) -> float:
        traits = self.traits
        if self._followed_a < traits.min_a:
            return 0.0
        asked_a = self._followed_a * traits.overdraw_factor - traits.under_a
        wanted_a = max(min(asked_a, self._ceiling_a()), 0.0)
        if wanted_a > self._drawn_a:
            return min(wanted_a, self._drawn_a + traits.ramp_up_a_s * dt_s)
        return max(wanted_a, self._drawn_a - traits.ramp_down_a_s * dt_s if dt_s else wanted_a)

    def _charge(self, dt_s: float) -> None:
        if self._drawn_a and dt_s:
            energy_wh = self._drawn_a * self.phases * self._voltage_v * dt_s / 3_600
            self.taken_wh += energy_wh
            self.soc = min(self.soc + energy_wh / self.traits.battery_wh, 1.0)

    def _forget(self) -> None:
        self._drawn_a = self._seen_a = self._followed_a = 0.0
        self._coming.clear()
        self._closes_at_s = math.inf
