"""A wallbox without a wire: the real driver asks, the twin's registers answer, and faults stand between them."""

from __future__ import annotations

import struct
from collections.abc import Coroutine, Sequence
from typing import Final, TypeVar

from ampherd_charger_agent.drivers import DRIVERS
from ampherd_charger_agent.wallbox import GarbledError, NoAnswerError, PhaseSwitcher, Snapshot
from ampherd_core.phases import PhaseCount
from ampherd_core.policy import DriverName

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.faults import Faults, Kind
from ampherd_simulator.wallboxes.edgetech import Edgetech
from ampherd_simulator.wallboxes.pdu import READ_HOLDING, READ_INPUT, WRITE_ONE
from ampherd_simulator.wallboxes.smartevse_v2 import SmartEvseV2

T = TypeVar("T")

LINK_FAULTS: Final = (Kind.LINK_SILENT, Kind.LINK_LATE, Kind.LINK_PREVIOUS, Kind.LINK_GARBAGE)


def driver_of(charger: SimulatedCharger) -> DriverName:
    """Which driver a twin needs."""
    if isinstance(charger.wallbox, Edgetech):
        return DriverName.EDGETECH
    return DriverName.SMARTEVSE_V2 if isinstance(charger.wallbox, SmartEvseV2) else DriverName.SMARTEVSE_V2_LEGACY


class VirtualRegisters:
    """What a driver needs of a link, at the moment `now_s`; raises AgentError as the real link does."""

    def __init__(self, charger: SimulatedCharger, faults: Faults) -> None:
        self.now_s = 0.0
        self._charger = charger
        self._faults = faults
        self._previous = b""

    async def read_input(self, address: int, count: int) -> Sequence[int]:
        """Function 4."""
        return self._read(READ_INPUT, address, count)

    async def read_holding(self, address: int, count: int) -> Sequence[int]:
        """Function 3."""
        return self._read(READ_HOLDING, address, count)

    async def write(self, address: int, value: int) -> None:
        """Function 6, held against its echo."""
        request = struct.pack(">BHH", WRITE_ONE, address, value)
        if self._ask(request) != request:
            raise GarbledError("the echo of a write differs")

    def _read(self, function: int, address: int, count: int) -> Sequence[int]:
        reply = self._ask(struct.pack(">BHH", function, address, count))
        if len(reply) != 2 + 2 * count or reply[0] != function:
            raise GarbledError(f"{count} registers were asked for, something else came")
        return struct.unpack(f">{count}H", reply[2:])

    def _ask(self, request: bytes) -> bytes:
        if self._faults.active and self._is_at_fault():
            return self._ask_badly(request)
        reply = self._charger.answer(request, self.now_s)
        if reply is None:
            raise NoAnswerError("no answer")
        self._previous = reply.pdu
        return reply.pdu

    def _is_at_fault(self) -> bool:
        return any(self._faults.is_on(kind, self._charger.id) for kind in LINK_FAULTS)

    def _ask_badly(self, request: bytes) -> bytes:
        faults, name = self._faults, self._charger.id
        is_deaf = any(
            fault.kind is Kind.LINK_SILENT and fault.who == name and fault.amount == 0 for fault in faults.active
        )
        reply = None if is_deaf else self._charger.answer(request, self.now_s)
        if reply is None or faults.is_on(Kind.LINK_SILENT, name):
            raise NoAnswerError("no answer")
        if faults.is_on(Kind.LINK_GARBAGE, name):
            raise GarbledError("garbage")
        if faults.is_on(Kind.LINK_PREVIOUS, name):
            previous, self._previous = self._previous, reply.pdu
            return previous
        self._previous = reply.pdu
        return reply.pdu


class VirtualLink:
    """One wallbox as an agent reaches it, through its real driver."""

    def __init__(self, charger: SimulatedCharger, voltage_v: float, faults: Faults) -> None:
        self._charger = charger
        self._voltage_v = (voltage_v, voltage_v, voltage_v)
        self._registers = VirtualRegisters(charger, faults)
        self._driver = DRIVERS[driver_of(charger)](self._registers)
        self._faults = faults
        self.capabilities = self._driver.capabilities

    @property
    def is_late(self) -> bool:
        """Whether an answer takes until the next step."""
        return bool(self._faults.active) and self._faults.is_on(Kind.LINK_LATE, self._charger.id)

    def read(self, now_s: float, clock_s: float) -> Snapshot:
        """What the driver reads, begun at `clock_s` of the agent; raises AgentError."""
        wallbox = self._charger.wallbox
        if isinstance(wallbox, Edgetech) and not self._faults.active and not _is_at_fault(self._charger, now_s):
            return self._short_cut(wallbox, now_s, clock_s)
        self._registers.now_s = now_s
        return _now(self._driver.read(clock_s))

    def write(self, offer_a: float, now_s: float) -> None:
        """Offer so much, A per phase; raises AgentError."""
        self._registers.now_s = now_s
        _now(self._driver.write(offer_a))

    def switch(self, phases: PhaseCount, now_s: float) -> None:
        """Connect so many phases from the next start on; raises AgentError."""
        self._registers.now_s = now_s
        if isinstance(self._driver, PhaseSwitcher):
            _now(self._driver.switch(phases))

    def _short_cut(self, wallbox: Edgetech, now_s: float, clock_s: float) -> Snapshot:
        """The same snapshot without the registers: this wallbox is read in every step."""
        sensors = wallbox.sensors
        return Snapshot(
            iec_state=wallbox.shown_state,
            offer_a=wallbox.offer_a,
            read_at_s=clock_s,
            drawn_a=sensors.drawn_a,
            max_a=wallbox.most_a,
            phases=wallbox.set_phases,
            resolution_a=1.0,
            voltage_v=self._voltage_v,
            session_wh=sensors.session_wh,
            total_wh=sensors.total_wh,
            uptime_s=wallbox.uptime_s(now_s),
        )


def _is_at_fault(charger: SimulatedCharger, now_s: float) -> bool:
    faults = charger.faults
    return faults.is_silent or faults.answers_garbage or charger.wallbox.is_deaf(now_s)


def _now(call: Coroutine[None, None, T]) -> T:
    """The result of a coroutine that never waits: virtual registers answer at once."""
    try:
        call.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("a driver waited for something else than its registers")
