"""Where a P1 port's bytes come from: a serial port, a TCP bridge, or a recording that is played back."""

from __future__ import annotations

import asyncio
import mmap
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import serial
from ampherd_core.endpoint import Endpoint, Transport
from ampherd_core.policy import DsmrVersion

from ampherd_meter.sample import LinkError, SourceEndedError

SILENCE_S: Final = 30.0
"""Three periods of the slowest meter: a link that gives nothing for so long is opened anew."""

_CONNECT_S: Final = 5.0
_CHUNK_BYTES: Final = 64 * 1024

_TELEGRAM_END: Final = re.compile(rb"(?<=\n)![0-9A-Fa-f]{0,4}\0?\r?\n")
_CLOCK: Final = re.compile(rb"^0-0:1\.0\.0(?:\*255)?\((\d{12})[SW]?\)", re.MULTILINE)
_UNCLOCKED_S: Final = 1.0
"""The pace of recorded telegrams without a clock."""
_LONGEST_STEP_S: Final = 60.0
"""A recording's clock that jumps further (or back) does not stop the replay."""


class ByteStream(Protocol):
    """Bytes as they come."""

    @property
    def is_live(self) -> bool:
        """Whether what waits unread grows old."""
        ...

    async def read(self) -> bytes:
        """All that is there, at least one byte; raises LinkError."""
        ...


class _Line(Protocol):
    """What must be held as long as it is read, and closed then."""

    def close(self) -> None:
        """Give the line back."""


@asynccontextmanager
async def open_stream(endpoint: Endpoint, version: DsmrVersion) -> AsyncIterator[ByteStream]:
    """The stream of an endpoint for the length of a block; raises LinkError."""
    if endpoint.transport is Transport.FILE:
        with _map(endpoint.path) as data:
            yield Replay(endpoint, data)
        return
    reader, line = await (_dial(endpoint) if endpoint.transport is Transport.TCP else _open(endpoint, version))
    try:
        yield LiveStream(reader)
    finally:
        line.close()


class LiveStream:
    """A serial port or a TCP connection."""

    is_live = True

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self) -> bytes:
        """All that is there; LinkError at its end, on a fault, or after 30 s of silence."""
        try:
            async with asyncio.timeout(SILENCE_S):
                data = await self._reader.read(_CHUNK_BYTES)
        except TimeoutError as err:
            raise LinkError(f"nothing arrives on the line for {SILENCE_S:g} s") from err
        except OSError as err:
            raise LinkError(f"the line failed: {err}") from err
        if not data:
            raise LinkError("the other side closed the line")
        return data


class Replay:
    """A recording at the pace of its own clock, times `speed`; 0 is as fast as it is read, `loop=1` begins anew."""

    is_live = False

    def __init__(self, endpoint: Endpoint, data: mmap.mmap) -> None:
        try:
            self._speed = float(endpoint.options.get("speed", "1"))
        except ValueError as err:
            raise LinkError(f"the recording cannot be played: {err}") from err
        self._data = data
        self._does_loop = endpoint.options.get("loop", "0") not in {"0", "false", "no"}
        self._position = 0
        self._clock: datetime | None = None
        self._due_s: float | None = None

    async def read(self) -> bytes:
        """The next telegram with what stands before it, when it is due."""
        if self._position >= len(self._data):
            if not self._does_loop:
                raise SourceEndedError("the recording has ended")
            self._position = 0
        limit = min(self._position + _CHUNK_BYTES, len(self._data))
        end = _TELEGRAM_END.search(self._data, self._position, limit)
        stop = end.end() if end else limit
        chunk, self._position = self._data[self._position : stop], stop
        await self._wait(chunk)
        return chunk

    async def _wait(self, chunk: bytes) -> None:
        loop = asyncio.get_running_loop()
        step_s = self._step_s(chunk)
        if self._speed <= 0 or self._due_s is None:
            self._due_s = loop.time()
            await asyncio.sleep(0)
            return
        self._due_s += step_s / self._speed
        await asyncio.sleep(max(0.0, self._due_s - loop.time()))

    def _step_s(self, chunk: bytes) -> float:
        clock = _clock(chunk)
        before, self._clock = self._clock, clock or self._clock
        if clock is None or before is None:
            return _UNCLOCKED_S
        step_s = (clock - before).total_seconds()
        return step_s if 0 <= step_s <= _LONGEST_STEP_S else _UNCLOCKED_S


def _clock(chunk: bytes) -> datetime | None:
    match = _CLOCK.search(chunk)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1].decode(), "%y%m%d%H%M%S")  # noqa: DTZ007 - only differences are used
    except ValueError:
        return None


def _map(path: str) -> mmap.mmap:
    """The recording, read as it is needed: a day of telegrams is 80 MB."""
    try:
        with Path(path).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as err:
        raise LinkError(f"the recording cannot be played: {err}") from err


async def _dial(endpoint: Endpoint) -> tuple[asyncio.StreamReader, _Line]:
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except TimeoutError as err:
        raise LinkError(f"{endpoint.bus} does not answer") from err
    except OSError as err:
        raise LinkError(f"cannot connect to {endpoint.bus}: {err.strerror or err}") from err
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reader, writer


async def _open(endpoint: Endpoint, version: DsmrVersion) -> tuple[asyncio.StreamReader, _Line]:
    """DSMR 2.2 and 3 speak 9600 7E1 (section 5.1), all others 115200 8N1; opening discards what waited."""
    is_old = version is DsmrVersion.V2_2
    try:
        port = serial.Serial(
            endpoint.path,
            baudrate=int(endpoint.options.get("baudrate", "9600" if is_old else "115200")),
            bytesize=int(endpoint.options.get("bytesize", "7" if is_old else "8")),
            parity=endpoint.options.get("parity", "E" if is_old else "N").upper(),
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError) as err:
        raise LinkError(f"cannot open {endpoint.path}: {err}") from err
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), port
    )
    return reader, transport
