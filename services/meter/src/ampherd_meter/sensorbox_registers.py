"""The Sensorbox's input registers as a table, and what they say; no I/O.

Register facts: SmartEVSE's Sensorbox 2 documentation. The low byte of register 1 tells what is new since the
last read; a block whose flag is not set still holds old or foreign values and is not looked at.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from enum import IntFlag, StrEnum
from typing import Final, Literal, NamedTuple

from ampherd_meter.sample import NO_PHASES, Count, MeterPhases, PhaseValues, RefusedError, Sample

REGISTERS: Final = 0x14
"""All that is used; Sensorbox 1 and 1.5 answer this count only, version 2 can give 32."""

NOMINAL_INTERVAL_S: Final = 2.0
"""As often as SmartEVSE polls it; Sensorbox 2 warns when not read for 2.5 s."""

POLLS_WITHOUT_P1: Final = 6
"""Clamps that are not fitted read 0 A, so they are believed only when no P1 telegram came in 12 s of polls."""

_ABSENT_ABOVE: Final = 1e6
"""A one-phase P1 meter leaves 3.4e38 in L2 and L3."""


class Model(NamedTuple):
    """What a version byte stands for; `can_sign_clamps`: its clamps know the direction when its mains plug is in."""

    name: str
    can_sign_clamps: bool


_VERSION: Final = 0x0000
_FLAGS: Final = 0x0001
_P1_VOLTS: Final = 0x0002
_P1_AMPS: Final = 0x0008
_CT_AMPS: Final = 0x000E

_MODELS: Final = {
    0x0A: Model("1", can_sign_clamps=False),
    0x0F: Model("1.5", can_sign_clamps=False),
    0x14: Model("2", can_sign_clamps=True),
    0x15: Model("2", can_sign_clamps=True),
    0x16: Model("2", can_sign_clamps=True),
    0x17: Model("2", can_sign_clamps=True),
}
_THREE_WIRE_VERSIONS: Final = frozenset({0x16, 0x17})
"""Bit 1 of Sensorbox 2's version byte: three wires, no neutral."""


class Fresh(IntFlag):
    """Low byte of register 1: what is new since the last read."""

    P1 = 0x80
    P1_WITHOUT_PHASES = 0x40
    CLAMPS = 0x03


class Block(StrEnum):
    """Where the currents come from."""

    P1 = "p1"
    CLAMPS = "ct"


class BlockChoice:
    """Which block to believe: the policy's, or with `auto` P1 as soon as it is seen, clamps only when it never is."""

    def __init__(self, currents: Literal["auto", "p1", "ct"]) -> None:
        self._fixed = None if currents == "auto" else Block(currents)
        self._chosen: Block | None = None
        self._polls_without_p1 = 0

    def choose(self, fresh: Fresh, *, is_delta: bool) -> Block | None:
        """The block for one reply; None while that is not clear."""
        # The box computes the P1 currents as P/U, which is blind to a whole line where there is no neutral.
        if self._fixed is not None or is_delta:
            return self._fixed or Block.CLAMPS
        if fresh & Fresh.P1:
            self._chosen = Block.P1
        elif self._chosen is None and fresh == fresh & Fresh.CLAMPS:
            self._polls_without_p1 += 1
            if self._polls_without_p1 >= POLLS_WITHOUT_P1:
                self._chosen = Block.CLAMPS
        return self._chosen


def fresh_flags(registers: Sequence[int]) -> Fresh:
    """What a reply says is new; raises RefusedError for what is no Sensorbox's answer."""
    if len(registers) < REGISTERS or any(not 0 <= register <= 0xFFFF for register in registers):
        raise RefusedError(Count.UNPARSABLE, f"{len(registers)} registers are no Sensorbox's answer")
    if registers[_VERSION] & 0xFF not in _MODELS:
        raise RefusedError(Count.UNPARSABLE, f"register 0 holds {registers[_VERSION]:#06x}: that is no Sensorbox")
    return Fresh(registers[_FLAGS] & 0xFF)


def is_three_wire(registers: Sequence[int]) -> bool:
    """Whether the box is set to three wires without neutral."""
    return registers[_VERSION] & 0xFF in _THREE_WIRE_VERSIONS


def decode(registers: Sequence[int], block: Block | None, *, ct_ratio: float, is_delta: bool) -> Sample | None:
    """The sample in a reply of 20 or 32 registers; None when `block` holds nothing new. Raises RefusedError."""
    fresh = fresh_flags(registers)
    if fresh & Fresh.P1_WITHOUT_PHASES and block is not Block.CLAMPS:
        raise RefusedError(
            Count.NO_CURRENTS, "the P1 port gives no currents per phase; fit clamps and set `currents: ct` in site.yaml"
        )
    if block is Block.P1 and is_delta:
        raise RefusedError(Count.NO_CURRENTS, "without neutral the P1 block misses a line; fit clamps")
    if block is None or not fresh & (Fresh.P1 if block is Block.P1 else Fresh.CLAMPS):
        return None
    phases = _p1(registers) if block is Block.P1 else _clamps(registers, ct_ratio)
    if phases == NO_PHASES:
        raise RefusedError(Count.NO_CURRENTS, "no phase has a value")
    powers = [phase.power_w for phase in phases if phase is not None]
    known = [power_w for power_w in powers if power_w is not None]
    return Sample(
        phases=phases,
        power_w=sum(known) if known and len(known) == len(powers) else None,
        nominal_interval_s=NOMINAL_INTERVAL_S,
        is_delta=is_delta,
    )


def _p1(registers: Sequence[int]) -> MeterPhases:
    """Signed currents, (P+ - P-)/U as the box computes them; the power follows from them."""
    one, two, three = (
        None
        if (current_a := _float(registers, _P1_AMPS + 2 * place)) is None
        else _p1_phase(current_a, _float(registers, _P1_VOLTS + 2 * place))
        for place in range(3)
    )
    return one, two, three


def _p1_phase(current_a: float, voltage_v: float | None) -> PhaseValues:
    power_w = None if voltage_v is None else current_a * voltage_v
    return PhaseValues(current_a=current_a, power_w=power_w, voltage_v=voltage_v)


def _clamps(registers: Sequence[int], ct_ratio: float) -> MeterPhases:
    """Clamp currents: a negative one knows its direction, any other counts as import."""
    can_sign = _MODELS[registers[_VERSION] & 0xFF].can_sign_clamps
    amps = [_float(registers, _CT_AMPS + 2 * place) for place in range(3)]
    one, two, three = (
        None if current_a is None else PhaseValues(current_a=ct_ratio * (current_a if can_sign else abs(current_a)))
        for current_a in amps
    )
    return one, two, three


def _float(registers: Sequence[int], address: int) -> float | None:
    """Big-endian float32 of two registers; None for what stands for no such phase."""
    value: float = struct.unpack(">f", struct.pack(">HH", *registers[address : address + 2]))[0]
    return value if math.isfinite(value) and abs(value) < _ABSENT_ABOVE else None
