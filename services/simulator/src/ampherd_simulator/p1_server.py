"""The P1 port on TCP, as ser2net gives it: every client gets every telegram, each in one write."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

from ampherd_core.clock import boot_s

from ampherd_simulator.p1_feed import TelegramSource

MAX_BACKLOG_BYTES: Final = 65_536
"""A client that reads so much too slowly is let go, as a small bridge would."""

BITS_PER_BYTE: Final = 10
"""8N1 on the wire."""

PACED_BYTES: Final = 16
"""A paced port hands over a UART's FIFO at a time."""


class P1Server:
    """Sends what its source gives, once a period of `source.period_s` / `speed` seconds."""

    def __init__(
        self,
        source: TelegramSource,
        clock: Callable[[], float],
        *,
        speed: float = 1.0,
        baud: float | None = None,
        on_sent: Callable[[bytes, float], None] | None = None,
    ) -> None:
        self.port = 0
        self._source = source
        self._clock = clock
        self._speed = speed
        self._baud = baud
        self._on_sent = on_sent
        self._clients: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[P1Server]:
        """Listen and send while the block runs; `port` tells where."""
        server = await asyncio.start_server(self._welcome, host, port)
        self.port = server.sockets[0].getsockname()[1]
        ticking = asyncio.create_task(self._tick(), name="p1")
        try:
            yield self
        finally:
            ticking.cancel()
            server.close()
            for client in self._clients:
                client.close()

    @property
    def clients(self) -> int:
        """How many listen now."""
        return len(self._clients)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while await reader.read(1):
                pass
        self._clients.discard(writer)
        writer.close()

    async def _tick(self) -> None:
        period_s = self._source.period_s / self._speed
        due_s = boot_s() + period_s
        while True:
            await asyncio.sleep(max(due_s - boot_s(), 0.0))
            due_s += period_s
            if self._source.waits_for_listener and not self._clients:
                continue
            telegram = self._source.next(self._clock())
            if telegram is not None:
                await self._send(telegram)

    async def _send(self, telegram: bytes) -> None:
        if self._baud is None:
            self._write(telegram)
        else:
            for start in range(0, len(telegram), PACED_BYTES):
                chunk = telegram[start : start + PACED_BYTES]
                await asyncio.sleep(len(chunk) * BITS_PER_BYTE / self._baud)
                self._write(chunk)
        if self._on_sent is not None:
            self._on_sent(telegram, boot_s())

    def _write(self, data: bytes) -> None:
        for client in tuple(self._clients):
            if client.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
                self._clients.discard(client)
                client.transport.abort()
            elif not client.is_closing():
                client.write(data)
