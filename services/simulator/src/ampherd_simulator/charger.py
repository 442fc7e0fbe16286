"""A wallbox with its car, wired to lines of the site, and the faults that can be switched on."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import Line, Phases

from ampherd_simulator.cars import Car
from ampherd_simulator.device import Reply
from ampherd_simulator.wallboxes.edgetech import Edgetech
from ampherd_simulator.wallboxes.pdu import WRITE_MANY, WRITES
from ampherd_simulator.wallboxes.smartevse_v2 import SmartEvseV2
from ampherd_simulator.wallboxes.smartevse_v2_legacy import SmartEvseV2Legacy

SLOW_S: Final = 0.5
"""How late a slow wallbox answers."""

GARBAGE_BYTES: Final = 11

AnyWallbox = SmartEvseV2 | SmartEvseV2Legacy | Edgetech


@dataclass(slots=True)
class WallboxFaults:
    """Switches; all off is a wallbox that works."""

    is_silent: bool = False
    is_slow: bool = False
    ignores_writes: bool = False
    answers_garbage: bool = False
    has_stale_currents: bool = False
    has_ghost_car: bool = False
    reboots_at_s: float = math.inf


class SimulatedCharger:
    """One charging point; `lines` gives the site line on each terminal."""

    def __init__(
        self,
        charger_id: str,
        wallbox: AnyWallbox,
        car: Car,
        *,
        lines: Sequence[Line],
        circuits: Sequence[str] = (),
        is_delta: bool = False,
    ) -> None:
        self.id = charger_id
        self.wallbox = wallbox
        self.car = car
        self.circuits = tuple(circuits)
        self.faults = WallboxFaults()
        self.load_a: Phases = (0.0, 0.0, 0.0)
        self._places = tuple(line.place for line in lines)
        self._is_delta = is_delta
        self._noise = random.Random(charger_id)  # noqa: S311 - repeatable garbage, no secret
        self._energy_wh = 0.0
        self._shown_car = IecState.A
        self._drawn_a: Phases = (0.0, 0.0, 0.0)

    def step(self, now_s: float) -> Phases:
        """Live until `now_s`; the load per line of the site, A."""
        wallbox, car = self.wallbox, self.car
        if now_s >= self.faults.reboots_at_s:
            self.faults.reboots_at_s = math.inf
            wallbox.reboot(now_s)
        if not (self.faults.has_ghost_car and car.iec_state is IecState.A):
            self._shown_car = car.iec_state
        wallbox.step(now_s, self._shown_car)
        car.terminals = min(wallbox.terminals, len(self._places))
        drawn_a = car.step(wallbox.offer_a, now_s, is_powered=wallbox.is_closed)
        wallbox.sensors.is_stale = self.faults.has_stale_currents
        wallbox.sense(drawn_a, car.taken_wh - self._energy_wh)
        self._energy_wh = car.taken_wh
        if drawn_a != self._drawn_a:
            self._drawn_a = drawn_a
            self.load_a = self._wired(drawn_a)
        return self.load_a

    def answer(self, pdu: bytes, now_s: float) -> Reply | None:
        """The wallbox's reply as it reaches the line, faults and all; None when nothing comes."""
        faults = self.faults
        if faults.is_silent:
            return None
        if faults.answers_garbage:
            return Reply(self._noise.randbytes(GARBAGE_BYTES))
        is_ignored = faults.ignores_writes and pdu[0] in WRITES
        reply = _hollow_reply(pdu) if is_ignored else self.wallbox.answer(pdu, now_s)
        if reply is None:
            return None
        return Reply(reply, SLOW_S if faults.is_slow else 0.0)

    def overhear(self, now_s: float) -> None:
        """A request for another unit passed on the same line."""
        self.wallbox.overhear(now_s)

    @property
    def unit(self) -> int:
        """The wallbox's Modbus address."""
        return self.wallbox.unit

    @property
    def is_charging(self) -> bool:
        """Whether current may flow: the car asks and the contactor is closed."""
        return self.wallbox.is_closed and self.car.iec_state is IecState.C

    def _wired(self, drawn_a: Phases) -> Phases:
        """From terminals to lines; without neutral a one-phase car sits between its first two lines."""
        load_a = [0.0, 0.0, 0.0]
        if self._is_delta and self.car.phases == 1 and len(self._places) > 1:
            drawn_a = (drawn_a[0], drawn_a[0], 0.0)
        for place, current_a in zip(self._places, drawn_a, strict=False):
            load_a[place] += current_a
        return load_a[0], load_a[1], load_a[2]


def _hollow_reply(pdu: bytes) -> bytes:
    """What the reply to a write would be, though nothing was written."""
    return pdu[:5] if pdu[0] == WRITE_MANY else pdu
