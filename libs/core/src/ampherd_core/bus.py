"""The bus that services speak through.

Reconnecting and subscribing again live here once. What repeats is QoS 0 and dropped while the broker is away: its
next repetition is fresher than any queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import structlog

from ampherd_core.backoff import Backoff
from ampherd_core.broker_address import BrokerAddress
from ampherd_core.connection import Connection, ConnectionLostError
from ampherd_core.mail import MAX_PAYLOAD_BYTES, Inbound, Outbound
from ampherd_core.topics import subscription_qos

__all__ = ["MAX_PAYLOAD_BYTES", "BrokerAddress", "Bus", "Inbound", "MqttBus", "Outbound", "running"]

Listener: TypeAlias = Callable[[Inbound], Awaitable[None] | None]
OnConnect: TypeAlias = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Bus(Protocol):
    """The port that services speak through."""

    @property
    def is_connected(self) -> bool:
        """Whether the broker hears us."""
        ...

    async def publish(self, message: Outbound) -> bool:
        """Say it now; False (and nothing queued) when the broker is away."""
        ...


class MqttBus:
    """A connection that heals itself. `run` it as a task; `publish` from anywhere in the same loop.

    Whoever is in no hurry sets `patience_s`: what comes in then waits so long.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        *,
        filters: Sequence[str] = (),
        listener: Listener | None = None,
        on_connect: OnConnect | None = None,
        will: Outbound | None = None,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._filters = tuple(filters)
        self._listener = listener
        self._on_connect = on_connect
        self._will = will
        self.patience_s = 0.0
        self._connection: Connection | None = None
        self.connected = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the broker hears us."""
        return self.connected.is_set()

    async def publish(self, message: Outbound) -> bool:
        """Say it now; False (and nothing queued) when the broker is away."""
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.publish(message)
        except (ConnectionLostError, ValueError) as err:
            log.debug("publish_failed", topic=message.topic, error=str(err))
            return False
        return True

    def in_one_piece(self) -> contextlib.AbstractContextManager[None]:
        """What is published at QoS 0 within reaches the broker together, at the end."""
        return contextlib.nullcontext() if self._connection is None else self._connection.in_one_piece()

    async def listen(self, filters: Sequence[str]) -> None:
        """Hear these and nothing else: from now on, and again at each connection."""
        self._filters = tuple(filters)
        connection = self._connection
        if connection is None:
            return
        try:
            await self._subscribe(connection)
        except ConnectionLostError as err:
            log.debug("listening_later", error=str(err))

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = Backoff()
        while True:
            try:
                async with Connection(self._address, self._client_id, self._will) as connection:
                    await self._subscribe(connection)
                    self._connection = connection
                    self.connected.set()
                    log.info("bus_connected", host=self._address.host, port=self._address.port)
                    backoff = backoff.reset()
                    if self._on_connect is not None:
                        await self._on_connect()
                    if self.patience_s:
                        connection.be_patient(self.patience_s)
                    async for message in connection.messages():
                        await self._hear(message)
            except ConnectionLostError as err:
                backoff = backoff.after_failure()
                (log.warning if backoff.failures == 1 else log.debug)(
                    "bus_lost", error=str(err), retry_s=backoff.delay_s
                )
            finally:
                self._connection = None
                self.connected.clear()
            await asyncio.sleep(backoff.delay_s)

    async def _subscribe(self, connection: Connection) -> None:
        settled: tuple[str, ...] | None = None
        # `listen` may have been called while the broker was asked.
        while settled != self._filters:
            settled = self._filters
            # One packet a filter: an embedded broker delivers few retained messages per SUBSCRIBE.
            for topic_filter in settled:
                if topic_filter not in connection.filters:
                    await _try_to_subscribe(connection, topic_filter)
            for topic_filter in connection.filters.difference(settled):
                await connection.unsubscribe(topic_filter)

    async def _hear(self, message: Inbound) -> None:
        result = self._listener(message) if self._listener is not None else None
        if result is not None:
            await result


async def _try_to_subscribe(connection: Connection, topic_filter: str) -> None:
    try:
        await connection.subscribe(topic_filter, subscription_qos(topic_filter))
    except PermissionError as err:
        log.error("subscription_refused", topic=topic_filter, why=str(err))  # noqa: TRY400 - no trace helps here


@contextlib.asynccontextmanager
async def running(bus: MqttBus) -> AsyncIterator[MqttBus]:
    """Run a bus in the background for the length of a block."""
    task = asyncio.create_task(bus.run(), name="bus")
    try:
        yield bus
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
