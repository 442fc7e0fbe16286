"""A wallbox without a wire: writes go through the twin's registers, reads see what those registers would say.

It stands where link and driver stand in an agent. It is written from the register facts, as the twins are, and knows
nothing of the agents' drivers.
"""

from __future__ import annotations

import struct
from typing import Final

from ampherd_charger_agent.wallbox import Capabilities, Snapshot
from ampherd_core.messages import IecState

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.errors import SimulatorError
from ampherd_simulator.wallboxes.edgetech import Edgetech
from ampherd_simulator.wallboxes.pdu import WRITE_ONE
from ampherd_simulator.wallboxes.smartevse_pilot import DECIAMP, SmartEvsePilot, State
from ampherd_simulator.wallboxes.smartevse_v2 import SmartEvseV2

EDGETECH_LIMIT: Final = 0x0201
V2_OVERRIDE, V2_ACCESS = 0x0002, 0x0005
LEGACY_OVERRIDE, LEGACY_ACCESS = 0x00A6, 0x00A7

EDGETECH: Final = Capabilities(settle_s=0.0, is_bursty=False)
SMARTEVSE_V2: Final = Capabilities(settle_s=7.0, is_bursty=True)
"""Four seconds of hold-off and a cycle of two, then it shows."""

SMARTEVSE_LEGACY: Final = Capabilities(settle_s=3.0, is_bursty=False)

PILOT_STATES: Final = {
    State.A: IecState.A,
    State.B: IecState.B,
    State.B1: IecState.B,
    State.ACTIVATION: IecState.B,
    State.C: IecState.C,
    State.C1: IecState.C,
    State.D: IecState.D,
}


class LinkError(SimulatorError):
    """The wallbox did not answer, or answered garbage."""


class VirtualLink:
    """One wallbox as an agent reaches it."""

    def __init__(self, charger: SimulatedCharger, voltage_v: float) -> None:
        self._charger = charger
        self._voltage_v = (voltage_v, voltage_v, voltage_v)
        self._is_edgetech = isinstance(charger.wallbox, Edgetech)
        is_v2 = isinstance(charger.wallbox, SmartEvseV2)
        self._override, self._access = (V2_OVERRIDE, V2_ACCESS) if is_v2 else (LEGACY_OVERRIDE, LEGACY_ACCESS)
        smartevse = SMARTEVSE_V2 if is_v2 else SMARTEVSE_LEGACY
        self.capabilities = EDGETECH if self._is_edgetech else smartevse

    def read(self, now_s: float) -> Snapshot:
        """What a driver would have read; LinkError when nothing sensible comes."""
        charger, wallbox = self._charger, self._charger.wallbox
        if charger.faults.is_silent or charger.faults.answers_garbage or wallbox.is_deaf(now_s):
            raise LinkError("no answer")
        wallbox.overhear(now_s)
        if isinstance(wallbox, Edgetech):
            return self._read_edgetech(wallbox, now_s)
        return self._read_smartevse(wallbox.pilot, now_s)

    def write(self, offer_a: float, now_s: float) -> None:
        """Offer so much, A per phase; 0 pauses. LinkError when it is not acknowledged."""
        if self._is_edgetech:
            amps = int(offer_a)
            self._write(EDGETECH_LIMIT, amps << 8 | amps, now_s)
        elif offer_a > 0:
            self._write(self._override, round(offer_a * DECIAMP), now_s)
            self._write(self._access, 1, now_s)
        else:
            self._write(self._access, 0, now_s)

    def _write(self, address: int, value: int, now_s: float) -> None:
        request = struct.pack(">BHH", WRITE_ONE, address, value)
        reply = self._charger.answer(request, now_s)
        if reply is None or reply.pdu != request:
            raise LinkError("the write was not acknowledged")

    def _read_edgetech(self, wallbox: Edgetech, now_s: float) -> Snapshot:
        sensors = wallbox.sensors
        return Snapshot(
            iec_state=wallbox.shown_state,
            offer_a=wallbox.offer_a,
            read_at_s=now_s,
            drawn_a=sensors.drawn_a,
            max_a=wallbox.most_a,
            resolution_a=1.0,
            voltage_v=self._voltage_v,
            session_wh=sensors.session_wh,
            total_wh=sensors.total_wh,
            uptime_s=wallbox.uptime_s(now_s),
        )

    def _read_smartevse(self, pilot: SmartEvsePilot, now_s: float) -> Snapshot:
        return Snapshot(
            iec_state=PILOT_STATES[pilot.state],
            offer_a=_standing_a(pilot),
            read_at_s=now_s,
            max_a=pilot.max_a,
            needs_standby=True,
        )


def _standing_a(pilot: SmartEvsePilot) -> float:
    """What the car has, or will have when it starts: while it waits, the override that its start will bring."""
    if not pilot.has_access:
        return 0.0
    if pilot.state is State.C:
        return pilot.offer_a
    return pilot.override_da / DECIAMP or float(pilot.max_a)
