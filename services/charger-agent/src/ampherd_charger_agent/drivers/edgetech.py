"""Edgetech Smart EVSE, charger module EVSE-C-3x32A (register list 2.10.17 of 2025-04-09).

When its master vanishes it keeps the last current: no watchdog is documented. After a reboot it is plug-and-charge
at its jumper's 16 or 32 A. The agent covers both: it writes its fallback when its lease lapses and when it is told
to stop, reads the uptime to notice a reboot and writes again at once, and reads every write back.

Reading one of the registers 0x000A to 0x0017 makes the device do something (save, reset, disconnect the car): only
the blocks below are ever read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import ZERO, PhaseCount, Phases

from ampherd_charger_agent.wallbox import (
    Capabilities,
    GarbledError,
    RefusedError,
    Registers,
    Snapshot,
    high_byte,
    low_byte,
)


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that are read together."""

    address: int
    count: int


UPTIME: Final = Block(0x0006, 4)
"""Milliseconds since boot, 64 bits."""

STATUS: Final = Block(0x0102, 3)
"""Offer (high byte) and cable rating (low byte), A; errors and state; board temperature, °C."""

STATUS_AND_MEASURES: Final = Block(0x0102, 13)
"""The same, then currents (3), session energy, voltages (3), options, total energy (2, low word first)."""

MAX_CURRENT: Final = 0x0201
"""Whole A, the same in both bytes: low is the limit, high the limit of the next second. 0 pauses."""

SETTINGS: Final = 0x0204
"""Bits: the phases from the next start on, and how the wallbox guards itself, which must stay as it is."""

_THREE_PHASES: Final = 0x0001

_STATES: Final = {
    0: IecState.F,
    1: IecState.A,
    2: IecState.B,
    3: IecState.C,
    4: IecState.D,
    5: IecState.E,
    6: IecState.F,
}

_ERRORS: Final = {
    0x01: "it is too hot",
    0x02: "its relay is stuck",
    0x04: "no earth, or a fault to earth",
    0x08: "the control pilot's voltage is too low",
    0x10: "the control pilot's voltage is too high",
    0x20: "a direct current leaks",
    0x40: "its sensors do not start",
    0x80: "its sensors do not answer",
}
_STUCK_RELAY: Final = 0x02

_OPTION_32_A: Final = 0x02
"""Option bit 1: the jumper allows 32 A, else 16 A."""

_PER_UNIT: Final = 256
"""Currents, voltages and energies come in 1/256 A, V and kWh."""

_WH_PER_KWH: Final = 1000
_MS_PER_S: Final = 1000


class Edgetech:
    """Speaks whole amps; reads in three requests."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    @property
    def capabilities(self) -> Capabilities:
        """It may be asked as often as the line carries."""
        return Capabilities()

    async def read(self, now_s: float) -> Snapshot:
        """One snapshot; the power is apparent (volts times amps), for the device has no other."""
        block = STATUS_AND_MEASURES
        registers = await self._registers.read_input(block.address, block.count)
        status, measures = registers[: STATUS.count], registers[STATUS.count :]
        uptime = await self._registers.read_input(UPTIME.address, UPTIME.count)
        phases = await self._phases()
        if low_byte(status[1]) not in _STATES:
            raise GarbledError(f"the wallbox says that its state is {low_byte(status[1])}")
        state, errors = _STATES[low_byte(status[1])], high_byte(status[1])
        drawn_a = _drawn_a(measures, state, errors)
        voltage_v = _thirds(measures[4:7])
        return Snapshot(
            iec_state=state,
            offer_a=float(high_byte(status[0])),
            read_at_s=now_s,
            drawn_a=drawn_a,
            max_a=_max_a(low_byte(status[0]), measures[7]),
            phases=phases,
            resolution_a=1.0,
            voltage_v=voltage_v,
            power_w=_power_w(drawn_a, voltage_v),
            session_wh=measures[3] / _PER_UNIT * _WH_PER_KWH,
            total_wh=(measures[8] | measures[9] << 16) / _PER_UNIT * _WH_PER_KWH,
            temperature_c=float(_signed(status[2])),
            uptime_s=_uptime_s(uptime),
            error=_error(low_byte(status[1]), errors),
        )

    async def write(self, offer_a: float) -> None:
        """Whole A, rounded down; 0 pauses."""
        amps = math.floor(offer_a)
        await self._registers.write(MAX_CURRENT, amps << 8 | amps)

    async def switch(self, phases: PhaseCount) -> None:
        """One bit of the settings, and never while it offers current: it may have restarted since it was read.

        Nothing is saved: a restart of the wallbox brings back what was.
        """
        status = await self._registers.read_input(STATUS.address, STATUS.count)
        if high_byte(status[0]):
            return
        settings = (await self._registers.read_holding(SETTINGS, 1))[0]
        switched = settings | _THREE_PHASES if phases == 3 else settings & ~_THREE_PHASES
        if switched != settings:
            await self._registers.write(SETTINGS, switched)

    async def _phases(self) -> PhaseCount | None:
        """None where the wallbox does not tell its settings."""
        try:
            settings = (await self._registers.read_holding(SETTINGS, 1))[0]
        except RefusedError:
            return None
        return 3 if settings & _THREE_PHASES else 1


def _drawn_a(measures: Sequence[int], state: IecState, errors: int) -> Phases:
    """A per terminal; 0 while the contactor is open, whatever the registers still hold."""
    is_open = state in {IecState.A, IecState.B} and not errors & _STUCK_RELAY
    return ZERO if is_open else _thirds(measures[0:3])


def _thirds(registers: Sequence[int]) -> Phases:
    return registers[0] / _PER_UNIT, registers[1] / _PER_UNIT, registers[2] / _PER_UNIT


def _power_w(drawn_a: Phases, voltage_v: Phases) -> float:
    return sum(amps * volts for amps, volts in zip(drawn_a, voltage_v, strict=True))


def _max_a(cable_a: int, options: int) -> float:
    board_a = 32 if options & _OPTION_32_A else 16
    return float(min(board_a, cable_a) if cable_a else board_a)


def _signed(register: int) -> int:
    return register - 0x10000 if register & 0x8000 else register


def _uptime_s(words: Sequence[int]) -> float:
    """Seconds since boot; the order of the words is not documented, and only the right one gives the smaller number."""
    first_high = last_high = 0
    for high_first, low_first in zip(words, reversed(words), strict=True):
        first_high = first_high << 16 | high_first
        last_high = last_high << 16 | low_first
    return min(first_high, last_high) / _MS_PER_S


def _error(state: int, bits: int) -> str | None:
    texts = [text for bit, text in _ERRORS.items() if bits & bit]
    if state not in {1, 2, 3, 4} and not texts:
        texts = ["it reports an error without a cause"] if state else ["it does not know its state yet"]
    return f"the wallbox has a fault: {', '.join(texts)}" if texts else None
