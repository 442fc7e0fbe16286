"""Keeps one wallbox at what the safety loop decides: reads, writes and ticks, each on its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from ampherd_core.backoff import Backoff
from ampherd_core.clock import boot_s

from ampherd_charger_agent.orders import Order
from ampherd_charger_agent.pacing import Gate, Pacer
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_charger_agent.wallbox import AgentError, PhaseSwitcher, RefusedError, Wallbox

TICK_S: Final = 0.25
"""The lease watchdog looks four times a second, whatever the line does."""

READ_TIMEOUT_S: Final = 4.0
"""A whole read, of a few requests that have timeouts of their own."""

PARTING_S: Final = 2.0
"""An agent that is told to stop spends no longer on its fallback."""

_RETRY: Final = Backoff(base_s=0.25, cap_s=2.0)

T = TypeVar("T")


class Connection(Protocol):
    """What the attendant may do with a link besides what the driver does."""

    def close(self) -> None:
        """Let it go; the next request opens it again."""
        ...


class Attendant:
    """Runs `loop` against `wallbox`; calls `on_change` after everything that may have changed the state."""

    def __init__(
        self, loop: SafetyLoop, wallbox: Wallbox, connection: Connection, *, pacer: Pacer, on_change: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._wallbox = wallbox
        self._connection = connection
        self._pacer = pacer
        self._on_change = on_change
        self._order: Order | None = None
        self._has_order = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._read_soon = asyncio.Event()
        self._retry = _RETRY
        self._retry_at_s = 0.0

    async def run(self) -> None:
        """Attend until cancelled; the line is closed at the end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tick(), name="tick")
                group.create_task(self._keep_reading(), name="reader")
                group.create_task(self._keep_writing(), name="writer")
        finally:
            self._connection.close()

    def decide(self) -> None:
        """Let the loop decide now; an order goes to the writer at once."""
        now_s = boot_s()
        self._hand_out(self._loop.decide(now_s, Gate.SHUT if now_s < self._retry_at_s else self._pacer.gate(now_s)))

    async def part(self) -> None:
        """Apply the fallback, once and within `PARTING_S`; `run` must have ended."""
        self._loop.surrender(boot_s())
        order = self._loop.decide(boot_s()) or self._order
        with contextlib.suppress(AgentError, TimeoutError):
            async with asyncio.timeout(PARTING_S):
                if order is not None and order.phases is None:
                    await self._wallbox.write(order.offer_a)
                began_s = boot_s()
                self._loop.saw(await self._wallbox.read(began_s), boot_s())
        self._connection.close()

    async def _tick(self) -> None:
        while True:
            self.decide()
            await asyncio.sleep(TICK_S)

    async def _keep_reading(self) -> None:
        while True:
            now_s = boot_s()
            lapse_s = now_s + self._loop.lease_left_s(now_s)
            wait_s = max(self._pacer.next_read_s(now_s, lapse_s), self._retry_at_s) - now_s
            if wait_s > 0:
                await self._nap(min(wait_s, TICK_S))
                continue
            await self._may_read.wait()
            await self._read()

    async def _nap(self, seconds: float) -> None:
        """Wait, or until something was written that is to be read back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._read_soon.wait()
        self._read_soon.clear()

    async def _read(self) -> None:
        began_s = boot_s()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                snapshot = await _twice(lambda: self._wallbox.read(began_s))
        except (AgentError, TimeoutError) as err:
            self._lost(str(err) or "it hangs")
            self._hand_out(self._loop.decide(boot_s()))  # some lines still carry a write when they carry no read
            return
        finally:
            self._pacer.read(began_s, boot_s())
        self._retry, self._retry_at_s = self._retry.reset(), 0.0
        self._loop.saw(snapshot, boot_s())
        self.decide()
        self._on_change()

    def _hand_out(self, order: Order | None) -> None:
        if order is not None:
            self._order = order
            self._has_order.set()
            # Whoever reads before the write has left would judge the order by an old value.
            self._may_read.clear()

    async def _keep_writing(self) -> None:
        while True:
            await self._has_order.wait()
            self._has_order.clear()
            order = self._order
            if order is not None:
                await self._write(order)

    async def _write(self, order: Order) -> None:
        try:
            await _twice(lambda: self._put(order))
        except RefusedError:
            pass  # what is read back will differ, and the loop counts that
        except AgentError as err:
            self._lost(str(err))
        self._pacer.wrote(boot_s())
        if self._order is order:
            self._order = None
            self._may_read.set()
            self._read_soon.set()

    async def _put(self, order: Order) -> None:
        """Write, unless time or a newer order made it wrong: the line may have kept it waiting."""
        if self._order is not order or not self._loop.may_still_write(order, boot_s()):
            return
        try:
            if order.phases is None:
                await self._wallbox.write(order.offer_a)
            elif isinstance(self._wallbox, PhaseSwitcher):
                await self._wallbox.switch(order.phases)
        finally:
            self._loop.wrote(order, boot_s())

    def _lost(self, why: str) -> None:
        self._loop.missed(boot_s(), why)
        self._retry = self._retry.after_failure()
        self._retry_at_s = boot_s() + self._retry.delay_s
        self._on_change()


async def _twice(call: Callable[[], Awaitable[T]]) -> T:
    """Once more at once: the link reopens after a failure, and one lost telegram is no lost wallbox."""
    try:
        return await call()
    except RefusedError:
        raise
    except AgentError:
        return await call()
