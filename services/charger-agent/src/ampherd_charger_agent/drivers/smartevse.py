"""What the two register maps of SmartEVSE v2 share: the states, the error bits, override and access."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.units import MIN_OFFER_A

from ampherd_charger_agent.wallbox import Capabilities, GarbledError, Registers, Snapshot

SETTLE_S: Final = 6.5
"""A new override shows after 4 s without requests and one control cycle of 2 s (firmware 2.30, `EVSE.c`)."""

_STATES: Final = {
    0: IecState.A,
    1: IecState.B,
    2: IecState.C,
    3: IecState.D,
    4: IecState.B,  # a node asks for B
    5: IecState.B,
    6: IecState.B,  # a node asks for C
    7: IecState.C,
    8: IecState.B,  # activation: the pilot is pulsed to wake the car
    9: IecState.B,  # B1: connected, no pilot
    10: IecState.C,  # C1: stopping, the car may still draw for up to 6 s
}

_FAULTS: Final = {
    2: (IecState.E, "it misses its meter or its master"),
    4: (IecState.E, "it is too hot"),
    16: (IecState.F, "its residual current device has tripped"),
    64: (IecState.F, "it tests itself"),
    128: (IecState.F, "it waits for new firmware"),
}

_WAITS: Final = {1: "it sees less than 6 A for its car", 32: "it waits for sun"}
"""Error bits that only tell why the wallbox does not charge."""

_NORMAL_MODE: Final = 0
_KELVIN_C: Final = 273
_TENTHS: Final = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """One register map: where the status block starts, how long it is, and the place of each value in it."""

    start: int
    count: int
    state: int
    error: int
    current: int
    access: int
    mode: int
    max_current: int
    temperature: int | None


class SmartEvse:
    """A standalone SmartEVSE v2 in mode Normal, driven by its override and its access bit.

    Writing 0 to the override cancels it and the wallbox returns to its own maximum, so a pause is access := 0. The
    register shows the assigned current only while a car charges; before that the override that the wallbox has
    acknowledged is what it will offer, and is written again in each burst, for this wallbox does not tell of a reboot.
    """

    def __init__(self, registers: Registers, layout: Layout) -> None:
        self._registers = registers
        self._layout = layout
        self._told_a: float | None = None
        self._has_access: bool | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Short bursts, then silence; the read-back is slow."""
        return Capabilities(settle_s=SETTLE_S, is_bursty=True)

    async def read(self, now_s: float) -> Snapshot:
        """One snapshot from one request; these wallboxes do not measure what the car draws."""
        layout = self._layout
        block = await self._registers.read_input(layout.start, layout.count)
        code, bits = block[layout.state], block[layout.error]
        if code not in _STATES:
            raise GarbledError(f"the wallbox says that its state is {code}")
        state = _STATES[code]
        self._has_access = block[layout.access] == 1
        snapshot = Snapshot(
            iec_state=next((fault for bit, (fault, _) in _FAULTS.items() if bits & bit), state),
            offer_a=self._offer_a(state, block[layout.current] / _TENTHS, float(block[layout.max_current])),
            read_at_s=now_s,
            max_a=float(block[layout.max_current]) or None,
            needs_standby=True,
            temperature_c=None if layout.temperature is None else float(block[layout.temperature] - _KELVIN_C),
            error=_error(bits, block[layout.mode]),
        )
        if self._told_a is not None and self._has_access and not state.is_charging:
            await self._override(self._told_a)
        return snapshot

    async def write(self, offer_a: float) -> None:
        """Set the override, then give access; 0 takes access away and leaves the override."""
        if offer_a < MIN_OFFER_A:
            await self._registers.write(self._layout.start + self._layout.access, 0)
            self._has_access = False
            return
        await self._override(math.floor(offer_a * _TENTHS + 1e-6) / _TENTHS)
        if not self._has_access:
            await self._registers.write(self._layout.start + self._layout.access, 1)
            self._has_access = True

    async def _override(self, offer_a: float) -> None:
        await self._registers.write(self._layout.start + self._layout.current, round(offer_a * _TENTHS))
        self._told_a = offer_a

    def _offer_a(self, state: IecState, assigned_a: float, max_a: float) -> float:
        if not self._has_access:
            return 0.0
        if state.is_charging:
            return assigned_a
        return self._told_a if self._told_a is not None else max(assigned_a, max_a)


def _error(bits: int, mode: int) -> str | None:
    texts = [text for bit, (_, text) in _FAULTS.items() if bits & bit]
    texts += [text for bit, text in _WAITS.items() if bits & bit]
    if mode != _NORMAL_MODE:
        texts.append("its mode is not Normal: choose Normal in its menu, else it follows its own meter")
    return f"the wallbox reports: {', '.join(texts)}" if texts else None
