"""A SmartEVSE Sensorbox at register level: versions 1, 1.5 and 2, with clamps or on the P1 port.

Freshness flags are cleared by every read. A P1 port older than DSMR 5 sets only flag 0x40, and its current slots keep
whatever they held.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ampherd_core.phases import ZERO, Phases

from ampherd_simulator.device import Reply
from ampherd_simulator.p1 import GridSample
from ampherd_simulator.wallboxes.pdu import (
    READ_HOLDING,
    READ_INPUT,
    WRITE_ONE,
    Refusal,
    RefusedError,
    Request,
    exception_reply,
    parse_request,
    read_reply,
    write_reply,
)

SENSORBOX_UNIT: Final = 0x0A
OLD_COUNT: Final = 20
REGISTERS: Final = 32

P1_FRESH: Final = 0x80
P1_TOO_OLD: Final = 0x40
CT_FRESH: Final = 0x03

ROTATION_AND_WIRES: Final = 0x0800
WIFI_MODE: Final = 0x0801
LEAST_VOLTAGE_V: Final = 1.0
"""A phase without voltage is taken at 1 V before dividing."""


class SensorboxVersion(StrEnum):
    """Which box."""

    V1 = "1"
    V1_5 = "1.5"
    V2 = "2"


IDENTITY: Final = {SensorboxVersion.V1: 0x000A, SensorboxVersion.V1_5: 0x000F, SensorboxVersion.V2: 0x0114}


class SensorboxSource(StrEnum):
    """What it listens to."""

    P1 = "p1"
    P1_OLD = "p1_old"
    CT = "ct"


DSMR_VERSION: Final = {SensorboxSource.P1: 0x32, SensorboxSource.P1_OLD: 0x2A, SensorboxSource.CT: 0x00}
FLAGS: Final = {
    SensorboxSource.P1: P1_FRESH,
    SensorboxSource.P1_OLD: P1_TOO_OLD,
    SensorboxSource.CT: CT_FRESH,
}


@dataclass(slots=True)
class SensorboxFaults:
    """Switches; all off is a box that works."""

    is_silent: bool = False
    is_frozen: bool = False


class Sensorbox:
    """One box; `take` is the moment its clamps or its P1 port gave it a sample."""

    def __init__(
        self,
        version: SensorboxVersion = SensorboxVersion.V2,
        source: SensorboxSource = SensorboxSource.CT,
        unit: int = SENSORBOX_UNIT,
    ) -> None:
        self.version = version
        self.source = source
        self.unit = unit
        self.faults = SensorboxFaults()
        self.wires = 0
        self._wifi_mode = 0
        self._flags = 0
        self._voltage_v: Phases = ZERO
        self._p1_a: Phases = ZERO
        self._ct_a: Phases = ZERO

    def take(self, sample: GridSample) -> None:
        """New data; a frozen box hears none."""
        if self.faults.is_frozen:
            return
        self._flags = FLAGS[self.source]
        if self.source is SensorboxSource.CT:
            is_signed = self.version is SensorboxVersion.V2
            one, two, three = sample.current_a
            self._ct_a = (one, two, three) if is_signed else (abs(one), abs(two), abs(three))
            return
        self._voltage_v = sample.voltage_v
        if self.source is SensorboxSource.P1:
            volts = sample.voltage_v
            one, two, three = sample.power_w
            self._p1_a = (
                one / max(volts[0], LEAST_VOLTAGE_V),
                two / max(volts[1], LEAST_VOLTAGE_V),
                three / max(volts[2], LEAST_VOLTAGE_V),
            )

    def answer(self, pdu: bytes, now_s: float) -> Reply | None:
        """The reply; None when silent, or when an old box hears any request but the one it knows."""
        del now_s
        reply = None if self.faults.is_silent else self._serve(pdu)
        return None if reply is None else Reply(reply)

    def overhear(self, now_s: float) -> None:
        """Requests for others do not disturb it."""

    def _serve(self, pdu: bytes) -> bytes | None:
        try:
            request = parse_request(pdu)
            return self._serve_new(request) if self.version is SensorboxVersion.V2 else self._serve_old(request)
        except RefusedError as err:
            return exception_reply(pdu[0], err.refusal) if self.version is SensorboxVersion.V2 else None

    def _serve_old(self, request: Request) -> bytes | None:
        if request.function != READ_INPUT or request.count != OLD_COUNT:
            return None
        return read_reply(READ_INPUT, self._read()[:OLD_COUNT])

    def _serve_new(self, request: Request) -> bytes:
        if request.function == WRITE_ONE:
            return self._write(request)
        if request.function not in {READ_HOLDING, READ_INPUT}:
            raise RefusedError(Refusal.FUNCTION)
        end = request.address + request.count
        if request.count == 0 or end > REGISTERS:
            raise RefusedError(Refusal.ADDRESS)
        return read_reply(request.function, self._read()[request.address : end])

    def _write(self, request: Request) -> bytes:
        if request.address == ROTATION_AND_WIRES:
            self.wires = request.values[0] & 0x03
        elif request.address == WIFI_MODE:
            self._wifi_mode = request.values[0]
        else:
            raise RefusedError(Refusal.ADDRESS)
        return write_reply(request)

    def _read(self) -> list[int]:
        """All registers; reading clears the flags and the DSMR version."""
        freshness = (DSMR_VERSION[self.source] << 8 | self._flags) if self._flags else 0
        self._flags = 0
        identity = IDENTITY[self.version] | (self.wires if self.version is SensorboxVersion.V2 else 0)
        floats = struct.pack(">9f", *self._voltage_v, *self._p1_a, *self._ct_a)
        words = [identity, freshness, *struct.unpack(">18H", floats), self._wifi_mode]
        return words + [0] * (REGISTERS - len(words))
