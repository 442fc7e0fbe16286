"""A device of registers on a Modbus line, with the faults that real lines and firmware have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Framing = Literal["tcp", "rtu"]
Request = tuple[int, int, int]
"""Function, address, and count or value."""


@dataclass
class Device:
    """Sparse registers; what is not there is refused with exception 2."""

    registers: dict[int, int] = field(default_factory=dict)
    unit: int = 1
    delay_s: float = 0.0
    is_silent: bool = False
    is_deaf: bool = False
    breaks_exceptions: bool = False
    swaps_reads: bool = False
    garbage: bytes | None = None
    on_write: Callable[[int, int], None] | None = None
    requests: list[Request] = field(default_factory=list)

    @property
    def writes(self) -> list[tuple[int, int]]:
        return [(address, value) for function, address, value in self.requests if function == 6]

    def hold(self, start: int, *values: int) -> None:
        """Set a run of registers."""
        self.registers.update(enumerate(values, start))

    def answer(self, pdu: bytes) -> bytes:
        function = pdu[0]
        address, number = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        self.requests.append((function, address, number))
        if function in {3, 4}:
            return self._read(function, address, number)
        if function == 6 and address in self.registers:
            if not self.is_deaf:
                self.registers[address] = number
                if self.on_write is not None:
                    self.on_write(address, number)
            return pdu
        return self._refuse(function, 2)

    def _read(self, function: int, address: int, count: int) -> bytes:
        wanted = range(address, address + count)
        if not all(place in self.registers for place in wanted):
            return self._refuse(function, 2)
        function = 7 - function if self.swaps_reads else function
        return bytes((function, 2 * count)) + b"".join(self.registers[at].to_bytes(2, "big") for at in wanted)

    def _refuse(self, function: int, code: int) -> bytes:
        return bytes((function if self.breaks_exceptions else function | 0x80, code))


class DeviceServer:
    """Serves one device on a port of its own; `stop` and `start` keep the port."""

    def __init__(self, device: Device, framing: Framing = "tcp") -> None:
        self.device = device
        self.framing = framing
        self.port = 0
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"{'tcp' if self.framing == 'tcp' else 'rtu+tcp'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> DeviceServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                await self._exchange(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(6) if self.framing == "tcp" else b""
        body = await reader.readexactly(int.from_bytes(head[4:6], "big") if head else 8)
        device = self.device
        answer = device.answer(body[1:6])
        if device.is_silent or body[0] != device.unit:
            return
        await asyncio.sleep(device.delay_s)
        body = body[:1] + answer
        frame = head[:4] + len(body).to_bytes(2, "big") + body if head else body + crc16(body)
        writer.write(frame if device.garbage is None else device.garbage)
        await writer.drain()


def crc16(data: bytes) -> bytes:
    """Modbus over Serial Line, section 6.2.2."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return bytes((value & 0xFF, value >> 8))


def edgetech(*, unit: int = 1, state: int = 3, offer_a: int = 16) -> Device:
    """An Edgetech Smart EVSE by its register list: 32 A jumper, 32 A cable, 230 V, nothing drawn yet."""
    device = Device(unit=unit)
    device.hold(0x0006, 0, 0, 1, 0)
    device.hold(0x0102, offer_a << 8 | 32, state, 25)
    device.hold(0x0105, 0, 0, 0, 256, 230 * 256, 230 * 256, 230 * 256, 0b11, 512, 1)
    device.hold(0x0201, offer_a << 8 | offer_a)
    device.hold(0x0204, 0b0000_0101)

    def obey(address: int, value: int) -> None:
        if address == 0x0201:
            device.registers[0x0102] = (value & 0xFF) << 8 | 32

    device.on_write = obey
    return device


def smartevse_v2(*, state: int = 2, current: int = 160, max_a: int = 16) -> Device:
    """A SmartEVSE v2 (2.30) by its register list, whose override shows at once."""
    device = Device()
    device.hold(0x0000, state, 0, current, 0, 0, 1, 0, max_a, 3, 0, 25 + 273, 4711)

    def obey(address: int, value: int) -> None:
        if address == 0x0002:
            device.registers[0x0002] = 10 * max_a if value == 0 else max(60, value)

    device.on_write = obey
    return device


def smartevse_v2_legacy(*, state: int = 2, current: int = 160, max_a: int = 16) -> Device:
    """A SmartEVSE v2 (2.20) by its register list."""
    device = Device()
    device.hold(0x00A0, state, 0, max_a, 6, 3, 0, current, 1, 0)
    return device
