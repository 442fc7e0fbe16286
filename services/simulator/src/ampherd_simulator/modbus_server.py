"""Modbus lines with simulated devices on them: Modbus TCP, RTU over TCP, and RTU on a pseudo-terminal.

The framing is our own because the twins' quirks (exceptions without the top bit, garbage, late replies) are what is
simulated, and a conformant server would straighten them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ampherd_core.clock import boot_s

from ampherd_simulator.device import Device, Reply
from ampherd_simulator.framing import Frame, Framer, RtuFramer, TcpFramer
from ampherd_simulator.wallboxes.pdu import WRITES, RefusedError, parse_request

READ_BYTES: Final = 4_096
BITS_PER_BYTE: Final = 10
"""8N1 on the wire."""

SILENT_BYTES: Final = 3.5
"""RTU: the gap before and after a frame."""


class LineKind(StrEnum):
    """How a line carries Modbus; the names are those of the policy's link addresses."""

    TCP = "tcp"
    RTU_OVER_TCP = "rtu+tcp"
    RTU = "rtu"


@dataclass(frozen=True, slots=True)
class Write:
    """A Modbus write as it arrived: when its last byte was read, on the boot clock."""

    unit: int
    address: int
    values: tuple[int, ...]
    boot_s: float


class ModbusLine:
    """One line; a request goes to the device with its unit, all others overhear it."""

    def __init__(
        self,
        kind: LineKind,
        devices: Iterable[Device],
        clock: Callable[[], float],
        *,
        baud: float | None = None,
        on_write: Callable[[Device, Write], None] | None = None,
    ) -> None:
        self.kind = kind
        self.url = ""
        self._devices = tuple(devices)
        self._clock = clock
        self._baud = baud
        self._on_write = on_write
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[ModbusLine]:
        """Listen while the block runs; `url` tells where. A pseudo-terminal needs neither host nor port."""
        if self.kind is LineKind.RTU:
            async with self._serve_terminal():
                yield self
            return
        server = await asyncio.start_server(self._converse, host, port)
        bound = server.sockets[0].getsockname()
        self.url = f"{self.kind}://{bound[0]}:{bound[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        framer: Framer = TcpFramer() if self.kind is LineKind.TCP else RtuFramer()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(READ_BYTES):
                await self._handle(data, framer, writer.write)
        writer.close()

    @contextlib.asynccontextmanager
    async def _serve_terminal(self) -> AsyncIterator[None]:
        ours, theirs = os.openpty()
        tty.setraw(theirs, termios.TCSANOW)
        os.set_blocking(ours, False)
        self.url = f"rtu://{os.ttyname(theirs)}" + (f"?baudrate={self._baud:.0f}" if self._baud else "")
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: arrived.put_nowait(os.read(ours, READ_BYTES)))
        task = asyncio.create_task(self._answer_terminal(ours, arrived), name="terminal")
        try:
            yield
        finally:
            loop.remove_reader(ours)
            task.cancel()
            os.close(ours)
            os.close(theirs)

    async def _answer_terminal(self, ours: int, arrived: asyncio.Queue[bytes]) -> None:
        framer = RtuFramer()
        while True:
            data = await arrived.get()
            await self._handle(data, framer, lambda reply: _write_all(ours, reply))

    async def _handle(self, data: bytes, framer: Framer, write: Callable[[bytes], object]) -> None:
        received_s = boot_s()
        for frame in framer.feed(data):
            async with self._turn:
                reply = self._route(frame, received_s)
                if reply is None:
                    continue
                framed = framer.reply(frame, reply.pdu)
                await self._wait(reply.delay_s, len(frame.pdu) + len(framed))
                write(framed)

    async def _wait(self, delay_s: float, wire_bytes: float) -> None:
        if self._baud:
            delay_s += (wire_bytes + 3 + 2 * SILENT_BYTES) * BITS_PER_BYTE / self._baud
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    def _route(self, frame: Frame, received_s: float) -> Reply | None:
        now_s, reply = self._clock(), None
        for device in self._devices:
            if device.unit == frame.unit:
                self._note_write(device, frame, received_s)
                reply = device.answer(frame.pdu, now_s)
            else:
                device.overhear(now_s)
        return reply

    def _note_write(self, device: Device, frame: Frame, received_s: float) -> None:
        if self._on_write is None or frame.pdu[0] not in WRITES:
            return
        with contextlib.suppress(RefusedError):
            request = parse_request(frame.pdu)
            self._on_write(device, Write(frame.unit, request.address, request.values, received_s))


def _write_all(terminal: int, data: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        os.write(terminal, data)
