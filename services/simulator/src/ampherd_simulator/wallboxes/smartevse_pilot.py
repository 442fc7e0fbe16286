"""The SmartEVSE v2's own state machine: pilot, contactor, delays; both register maps look into it.

Standalone in Normal mode (LOADBL off): the current is MAX unless an override replaces it. Written from the firmware's
described behaviour: states and timers, errors, override and access.
"""

from __future__ import annotations

import math
from enum import IntEnum, IntFlag
from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.units import MAX_OFFER_A, MIN_OFFER_A

from ampherd_simulator.wallboxes.wallbox import FORCED_OPEN_S

CYCLE_S: Final = 2.0
"""The firmware computes its currents every two seconds."""

CHARGE_DELAY_S: Final = 15.0
"""After C1, before B may follow."""

ERROR_DELAY_S: Final = 60.0
"""CHARGEDELAY: what a written error arms."""

B1_LEAST_S: Final = 3.0
ACTIVATION_AFTER_S: Final = 30.0
"""State B without the car closing its switch: one activation pulse."""

ACTIVATION_S: Final = 3.0
DECIAMP: Final = 10


class State(IntEnum):
    """What register 0x0000 shows."""

    A = 0
    B = 1
    C = 2
    D = 3
    ACTIVATION = 8
    B1 = 9
    C1 = 10


class Fault(IntFlag):
    """The error bits."""

    LESS_6A = 1
    NO_COMM = 2
    TEMP_HIGH = 4
    RCD = 16
    NO_SUN = 32


OFFERING: Final = frozenset({State.B, State.C})


class SmartEvsePilot:
    """State, error bits, override and access, and what follows for pilot and contactor; a new one is a fresh boot."""

    def __init__(self, max_a: int) -> None:
        self.max_a = max_a
        self.state = State.A
        self.faults = Fault(0)
        self.override_da = 0
        self.assigned_da = 0
        self.has_access = True
        self.offer_a = 0.0
        self.is_closed = False
        self._since_s = 0.0
        self._delay_until_s = -math.inf
        self._is_pulse_due = True

    def calculate(self) -> None:
        """One control cycle: the assigned current becomes the override, or MAX without one."""
        if self.state is State.C:
            self.assigned_da = min(self.override_da or self.max_a * DECIAMP, int(MAX_OFFER_A) * DECIAMP)
        self._signal()

    def set_access(self, has_access: bool, now_s: float) -> None:
        """Pause (C1, then B1) or allow again."""
        self.has_access = has_access
        if not has_access:
            self._stop(now_s)

    def raise_fault(self, fault: Fault, now_s: float, delay_s: float = ERROR_DELAY_S) -> None:
        """Stop charging, and wait at least `delay_s` before the next start."""
        self.faults |= fault
        self._delay_until_s = max(self._delay_until_s, now_s + delay_s)
        self._stop(now_s)

    def step(self, now_s: float, car: IecState) -> None:
        """Follow the car."""
        if self.state is State.C1:
            self._stopping(now_s, car)
        elif car is IecState.A:
            self._move(State.A, now_s)
        elif self.state in {State.A, State.B1}:
            self._admit(now_s)
        elif self.state is State.B:
            self._await_car(now_s, car)
        elif self.state is State.ACTIVATION:
            self._pulse(now_s)
        elif not car.is_charging:
            self._move(State.B, now_s)

    def _admit(self, now_s: float) -> None:
        """A car is there: offer, or wait in B1. Without access a car that comes is not even seen: the state stays A."""
        is_free = self.has_access and not self.faults and now_s >= self._delay_until_s
        is_rested = self.state is State.A or now_s - self._since_s >= B1_LEAST_S
        if is_free and is_rested:
            self.assigned_da = int(MIN_OFFER_A) * DECIAMP
            self._is_pulse_due = True
            self._move(State.B, now_s)
        elif self.state is State.A and self.has_access:
            self._move(State.B1, now_s)

    def _await_car(self, now_s: float, car: IecState) -> None:
        if car.is_charging:
            self._move(State.C, now_s)
            self.calculate()
        elif self._is_pulse_due and now_s - self._since_s >= ACTIVATION_AFTER_S:
            self._is_pulse_due = False
            self._move(State.ACTIVATION, now_s)

    def _pulse(self, now_s: float) -> None:
        if now_s - self._since_s >= ACTIVATION_S:
            self._move(State.B, now_s)

    def _stopping(self, now_s: float, car: IecState) -> None:
        if not car.is_charging or now_s - self._since_s >= FORCED_OPEN_S:
            self._move(State.A if car is IecState.A else State.B1, now_s)

    def _stop(self, now_s: float) -> None:
        if self.state is State.C:
            self._delay_until_s = max(self._delay_until_s, now_s + CHARGE_DELAY_S)
            self._move(State.C1, now_s)
        elif self.state in {State.B, State.ACTIVATION}:
            self._move(State.B1, now_s)

    def _move(self, state: State, now_s: float) -> None:
        if state is not self.state:
            self.state = state
            self._since_s = now_s
            self.is_closed = state is State.C or (state is State.C1 and self.is_closed)
            if state is State.A:
                self.assigned_da = 0
            self._signal()

    def _signal(self) -> None:
        """The duty cycle: 6 A is the least it can say, whatever lower value is assigned."""
        self.offer_a = max(self.assigned_da / DECIAMP, MIN_OFFER_A) if self.state in OFFERING else 0.0
