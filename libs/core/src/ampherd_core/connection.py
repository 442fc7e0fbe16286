"""One MQTT 5 connection on the event loop: the only module that names an MQTT library.

paho reads, writes and keeps the protocol; this turns its callbacks into futures and a queue. What is said leaves in
the same turn of the loop, in one system call: a grant must not wait for a task switch.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ampherd_core.broker_address import BrokerAddress
from ampherd_core.mail import MAX_PAYLOAD_BYTES, Inbound, Outbound
from ampherd_core.topics import Qos

KEEPALIVE_S: Final = 5
TIMEOUT_S: Final = 5.0

PUBLISH_TIMEOUT_S: Final = 1.0
"""A frozen broker may hold up a caller no longer: safety loops turn every second."""

_MISC_EVERY_S: Final = 1.0
"""How often the library looks whether the broker still answers."""

_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
"""Linux's alone, and to be said again after each packet."""

_CORK: Final[int | None] = getattr(socket, "TCP_CORK", None)
"""Linux's alone."""

_QUEUE: Final = 5_000
"""More waiting messages than a site says in a minute; what comes on top is dropped."""

log = structlog.get_logger()


class ConnectionLostError(Exception):
    """The broker cannot be reached, refused us, or went away."""


class Connection:
    """An async context manager; once lost it stays lost, and everything raises ConnectionLostError."""

    def __init__(self, address: BrokerAddress, client_id: str, will: Outbound | None = None) -> None:
        self._address = address
        self._patience_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._granted: asyncio.Future[ReasonCode] = self._loop.create_future()
        self.filters: set[str] = set()
        self._asked: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._unacknowledged: list[tuple[MQTTMessageInfo, asyncio.Future[None]]] = []
        self._inbox: asyncio.Queue[Inbound | None] = asyncio.Queue()
        self._has_dropped = False
        self._lost: str | None = None
        self._watcher: socket.socket | None = None
        self._keeper: asyncio.Future[None] = self._loop.create_future()
        self._client = self._new_client(client_id, will)

    async def __aenter__(self) -> Connection:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                # It resolves the name and shakes hands, and blocks meanwhile.
                await asyncio.to_thread(self._client.connect, self._address.host, self._address.port, KEEPALIVE_S)
                self._watch()
                reason = await self._granted
        except (OSError, ValueError) as err:
            self._close()
            raise ConnectionLostError(str(err) or "the broker does not answer") from err
        except BaseException:
            self._close()
            raise
        if reason.is_failure:
            self._close()
            raise ConnectionLostError(f"the broker refuses us: {reason}")
        self._keeper = asyncio.create_task(self._keep(), name="mqtt-keepalive")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        self._client.disconnect()
        self._close()

    async def subscribe(self, topic_filter: str, qos: Qos = 1) -> None:
        """Hear a filter; raises PermissionError when the broker refuses it."""
        _, mid = self._client.subscribe(topic_filter, qos=qos)
        codes = await self._answer(mid)
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            raise PermissionError(", ".join(refused))
        self.filters.add(topic_filter)

    async def unsubscribe(self, topic_filter: str) -> None:
        """Hear it no more."""
        _, mid = self._client.unsubscribe(topic_filter)
        await self._answer(mid)
        self.filters.discard(topic_filter)

    async def publish(self, message: Outbound) -> None:
        """QoS 0 has left when this returns, without a pause; QoS 1 was taken by the broker."""
        if self._client.want_write():
            raise ConnectionLostError("the broker takes nothing now")
        info = self._client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.is_retained,
            properties=_properties(message, omits_expiry=self._address.omits_expiry),
        )
        self._flush()
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionLostError(self._lost or "not connected")
        if message.qos:
            taken: asyncio.Future[None] = self._loop.create_future()
            self._unacknowledged.append((info, taken))
            await self._within(PUBLISH_TIMEOUT_S, taken)

    @contextlib.contextmanager
    def in_one_piece(self) -> Iterator[None]:
        """What is said at QoS 0 within leaves at the end: the broker wakes once for all of it."""
        self._set(_CORK, 1)
        try:
            yield
        finally:
            self._set(_CORK, 0)

    def be_patient(self, patience_s: float) -> None:
        """From now on let what comes in wait so long: more comes meanwhile, and those who act on it go first."""
        self._patience_s = patience_s
        if self._watcher is not None:
            self._loop.add_reader(self._watcher, self._wait)

    async def messages(self) -> AsyncIterator[Inbound]:
        """What comes in, in order, until the connection is lost."""
        while (message := await self._inbox.get()) is not None:
            yield message
        raise ConnectionLostError(self._lost or "the broker went away")

    async def _answer(self, mid: int | None) -> list[ReasonCode]:
        """What the broker says to a packet of ours."""
        if mid is None:
            raise ConnectionLostError(self._lost or "not connected")
        answer = self._asked[mid] = self._loop.create_future()
        self._flush()
        codes: list[ReasonCode] = await self._within(TIMEOUT_S, answer)
        return codes

    async def _within(self, limit_s: float, answer: asyncio.Future[Any]) -> Any:
        if self._lost is not None:
            raise ConnectionLostError(self._lost)
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except TimeoutError as err:
            raise ConnectionLostError("the broker does not answer") from err

    def _new_client(self, client_id: str, will: Outbound | None) -> Client:
        protocol = MQTTv311 if self._address.is_old else MQTTv5
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False)
        client.connect_timeout = TIMEOUT_S
        client.on_connect = lambda _client, _data, _flags, reason, _properties: self._answered(reason)
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self._lose(str(reason))
        client.on_subscribe = lambda _client, _data, mid, codes, _properties: self._heed(mid, codes)
        client.on_unsubscribe = lambda _client, _data, mid, codes, _properties: self._heed(mid, codes)
        client.on_message = lambda _client, _data, message: self._hear(message)
        client.on_socket_close = lambda _client, _data, _sock: self._unwatch()
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.uses_tls:
            client.tls_set_context(self._address.tls_context())
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.is_retained)
        return client

    def _watch(self) -> None:
        sock = self._client.socket()
        if not isinstance(sock, socket.socket):
            raise ConnectionLostError(self._lost or "the broker went away")
        # Without it the chain meter → balancer → agent takes 88 ms instead of 1.3 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watcher = sock
        self._loop.add_reader(sock, self._read)

    def _unwatch(self) -> None:
        sock, self._watcher = self._watcher, None
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _wait(self) -> None:
        if self._watcher is not None:
            self._loop.remove_reader(self._watcher)
            self._loop.call_later(self._patience_s, self._resume)

    def _resume(self) -> None:
        if self._watcher is not None:
            self._loop.add_reader(self._watcher, self._read_on)

    def _read_on(self) -> None:
        self._read()
        if self._watcher is not None and not _has_more(self._watcher):
            self._loop.add_reader(self._watcher, self._wait)

    def _read(self) -> None:
        self._acknowledge()
        try:
            self._client.loop_read()
            # What TLS has decrypted already wakes no selector.
            while isinstance(self._watcher, ssl.SSLSocket) and self._watcher.pending():
                self._client.loop_read()
        except Exception as err:  # noqa: BLE001 - a packet that the library chokes on ends the connection, nothing else
            self._lose(f"unreadable: {err!r}")
            self._close()
        self._settle()
        self._flush()

    def _acknowledge(self) -> None:
        """At once: a broker that waits for it (Nagle) keeps the next message for up to 40 ms, and iotcore does wait."""
        self._set(_QUICKACK, 1)

    def _set(self, option: int | None, value: int) -> None:
        """Options of TCP that a system may lack, and that a dying socket refuses."""
        if self._watcher is not None and option is not None:
            with contextlib.suppress(OSError):
                self._watcher.setsockopt(socket.IPPROTO_TCP, option, value)

    def _flush(self) -> None:
        """Whatever the socket did not take at once goes when it can."""
        if self._watcher is not None and self._client.want_write():
            self._loop.add_writer(self._watcher, self._write)

    def _write(self) -> None:
        self._client.loop_write()
        if self._watcher is not None and not self._client.want_write():
            self._loop.remove_writer(self._watcher)

    def _settle(self) -> None:
        if not self._unacknowledged:
            return
        waiting = []
        for info, taken in self._unacknowledged:
            if taken.done():
                continue
            if info.is_published():
                taken.set_result(None)
            else:
                waiting.append((info, taken))
        self._unacknowledged = waiting

    def _answered(self, reason: ReasonCode) -> None:
        if not self._granted.done():
            self._granted.set_result(reason)

    def _heed(self, mid: int, codes: list[ReasonCode]) -> None:
        answer = self._asked.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _hear(self, message: MQTTMessage) -> None:
        if self._inbox.qsize() >= _QUEUE:
            if not self._has_dropped:
                self._has_dropped = True
                log.warning("inbox_full", first_dropped=message.topic)
            return
        properties = message.properties
        self._inbox.put_nowait(
            Inbound(
                topic=message.topic,
                payload=bytes(message.payload[: MAX_PAYLOAD_BYTES + 1]),
                is_retained=message.retain,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
            )
        )

    def _lose(self, why: str) -> None:
        if self._lost is not None:
            return
        self._lost = why
        self._inbox.put_nowait(None)
        waiting: list[asyncio.Future[Any]] = [self._granted, *self._asked.values()]
        for answer in (*waiting, *(taken for _, taken in self._unacknowledged)):
            if not answer.done():
                answer.set_exception(ConnectionLostError(why))
                answer.exception()

    def _close(self) -> None:
        sock = self._client.socket()
        self._unwatch()
        if sock is not None:
            sock.close()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_MISC_EVERY_S)
            self._client.loop_misc()
            self._flush()


def _has_more(sock: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(0))


def _properties(message: Outbound, *, omits_expiry: bool) -> Properties | None:
    expires_after_s = None if omits_expiry else message.expires_after_s
    if expires_after_s is None and message.response_topic is None and message.correlation is None:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if expires_after_s is not None:
        properties.MessageExpiryInterval = expires_after_s
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    if message.correlation is not None:
        properties.CorrelationData = message.correlation
    return properties
