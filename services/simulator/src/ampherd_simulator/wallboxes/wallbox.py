"""What every wallbox twin has in common: it answers Modbus requests, feeds its car and senses what the car draws."""

from __future__ import annotations

import math
from typing import Final, Protocol

from ampherd_core.messages import IecState
from ampherd_core.phases import ZERO, Phases

FORCED_OPEN_S: Final = 6.0
"""IEC 61851-1 sequence 10.2: under load the contactor opens at the earliest so long after the offer went."""

BOOT_S: Final = 3.0
"""A controller that restarts is deaf for a few seconds."""


class Wallbox(Protocol):
    """One wallbox; `offer_a` (0 = none) and `is_closed` are what its car sees."""

    unit: int
    offer_a: float
    is_closed: bool
    terminals: int

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """The reply to a request's function code and data; None when it stays silent."""
        ...

    def overhear(self, now_s: float) -> None:
        """A request for another unit passed on the same line."""
        ...

    def step(self, now_s: float, car: IecState) -> None:
        """Live until `now_s` with a car in that state."""
        ...

    def sense(self, drawn_a: Phases, energy_wh: float) -> None:
        """What the car draws per terminal, A, and the energy it has taken since the last call, Wh."""
        ...

    def reboot(self, now_s: float) -> None:
        """Lose everything volatile."""
        ...

    def forget_limit(self) -> None:
        """Lose the limit that it was told, and tell nobody."""
        ...


class Contactor:
    """Closes for a car in state C with an offer; opens when the car lets go, or six seconds after the offer went."""

    def __init__(self) -> None:
        self.is_closed = False
        self._forced_open_at_s = math.inf

    def step(self, now_s: float, car: IecState, offer_a: float) -> None:
        """Follow the car and the offer."""
        if not car.is_charging:
            self._open()
        elif offer_a > 0:
            self.is_closed = True
            self._forced_open_at_s = math.inf
        elif self.is_closed and self._forced_open_at_s == math.inf:
            self._forced_open_at_s = now_s + FORCED_OPEN_S
        elif now_s >= self._forced_open_at_s:
            self._open()

    def _open(self) -> None:
        self.is_closed = False
        self._forced_open_at_s = math.inf


class Sensors:
    """What a wallbox measures; while `is_stale`, the old values stay."""

    def __init__(self) -> None:
        self.drawn_a: Phases = ZERO
        self.session_wh = 0.0
        self.total_wh = 0.0
        self.is_stale = False

    def take(self, drawn_a: Phases, energy_wh: float) -> None:
        """One measurement: current per terminal, and energy since the last."""
        self.session_wh += energy_wh
        self.total_wh += energy_wh
        if not self.is_stale:
            self.drawn_a = drawn_a
