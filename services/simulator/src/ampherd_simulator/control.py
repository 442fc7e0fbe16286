"""The control socket: lines of JSON on loopback that plug cars, switch loads and faults while the simulator runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from pydantic import ValidationError

from ampherd_simulator.command import COMMANDS, AnyCommand
from ampherd_simulator.errors import SimulatorError
from ampherd_simulator.truth import Json

LOOPBACK: Final = "127.0.0.1"


class CommandError(SimulatorError):
    """A command names something that is not there."""


class ControlServer:
    """Passes commands to `obey`, whose result goes back as `{"ok": true, …}`."""

    def __init__(self, obey: Callable[[AnyCommand], dict[str, Json]]) -> None:
        self.port = 0
        self._obey = obey

    @contextlib.asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[ControlServer]:
        """Listen while the block runs; `port` tells where."""
        server = await asyncio.start_server(self._converse, LOOPBACK, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> dict[str, Json]:
        try:
            return {"ok": True, **self._obey(COMMANDS.validate_json(line))}
        except ValidationError as err:
            return {"ok": False, "error": str(err)}
        except CommandError as err:
            return {"ok": False, "error": str(err)}
