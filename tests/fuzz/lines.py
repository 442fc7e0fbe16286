"""A network without wires and a clock without waiting: connections lead to a `Far` end that answers at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Far(Protocol):
    """What stands at the other end of every connection."""

    def answer(self, request: bytes) -> Sequence[bytes] | None:
        """The portions that come back; None ends the connection."""
        ...


class _Jump(selectors.SelectSelector):
    """Nothing ever waits: the clock jumps to when something is due."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return []


class InstantLoop(asyncio.SelectorEventLoop):
    """Time passes in no time, and whoever connects reaches `far`."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self.far: Far | None = None

    def time(self) -> float:
        return self._jump.now_s

    async def create_connection(
        self, protocol_factory: Callable[[], Any], *_: object, **__: object
    ) -> tuple[asyncio.Transport, Any]:
        assert self.far is not None
        protocol = protocol_factory()
        wire = _Wire(self, protocol, self.far)
        protocol.connection_made(wire)
        return wire, protocol


class _Wire(asyncio.Transport):
    """The near end. Like asyncio's own, it closes when the protocol fails on what it is given."""

    def __init__(self, loop: InstantLoop, protocol: Any, far: Far) -> None:
        super().__init__()
        self._loop, self._protocol, self._far = loop, protocol, far
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._loop.call_soon(self._exchange, bytes(data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def _exchange(self, request: bytes) -> None:
        portions = self._far.answer(request)
        if portions is None:
            self.close()
        for portion in portions or ():
            if self._is_closing or not portion:
                continue
            try:
                self._protocol.data_received(portion)
            except Exception as err:  # noqa: BLE001 - asyncio catches as much, and prints a trace
                self._loop.call_exception_handler({"message": "protocol.data_received() failed", "exception": err})
                self.close()
