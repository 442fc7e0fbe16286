"""The HTTP API behind its real server protocol: raw bytes of a connection, and what a browser would never send."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final
from unittest.mock import patch

import h11
from ampherd_api.app import create_app
from ampherd_api.guard import counting_protocol
from ampherd_api.service import ApiService
from ampherd_api.tokens import Role
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import utc_now
from ampherd_core.messages import SetResult
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from tests.fuzz.listeners import MemoryStore
from tests.fuzz.messages import environment, full_site
from tests.fuzz.policies import FULL
from tests.fuzz.quiet import Ears, listening
from tests.fuzz.recorded_bus import RecordedBus
from tests.fuzz.target import TAKEN, Mutation, Outcome, promise

_WITHIN_S: Final = 5.0
_STREAM_S: Final = 0.005
"""A live stream never ends; so long it may speak before its watcher leaves."""

_UNREADY: Final = frozenset({503, 504})
"""What the api says while the bus, the history or a place is missing."""

_VALUES: Final = (
    b'"\\ud800"', b"NaN", b"1e999", b"9" * 5_000, b"[" * 2_000, b"{}", b"null", b'"off"', b"6.5", b"[1]", b'"x"',
    b"-1", b'""', b'{"value":"off"}', b'"' + b"a" * 3_000 + b'"', b'"07:00"', b'"2026-11-22T07:00"', b'["mon","mon"]',
    b'{"soc_percent":80,"by":"24:00"}', b'{"energy_kwh":1e-300,"by":"9999-12-31T23:59:59-23:59"}', b"true", b"1e-320",
)  # fmt: skip
_QUERY: Final = (
    b"start=0001-01-01T00:00:00Z", b"stop=9999-12-31T23:59:59Z", b"stop=9999-12-31T23:59:59-23:59", b"step=1e308",
    b"step=nan", b"step=1.0000001", b"step=inf", b"field=%00", b"field=" + b"a" * 41, b"tags=a:b", b"tags=:",
    b"tags=charger:%ED%A0%80", b"tags=__class__:x", b"measurement=%2e", b"start=12", b"stop=1e400",
    b"limit=99999999999999999999", b"limit=-1", b"&&&=", b"%",
    b"start=1969-12-31T23:59:59Z&stop=1970-01-01T00:00:01Z", b"start=2026-01-01T00:00:00%2B23:59", b"step=0",
    b"limit=1",
)  # fmt: skip
_PATHS: Final = (
    b"/", b"/api/state", b"/api/live", b"/api/chargers/left/mode", b"/api/policy", b"/api/policy/check",
    b"/api/history", b"/api/session", b"/metrics", b"/%00", b"/..%2f..%2fetc/passwd", b"//", b"/%ff", b"/vendor",
    b"/index.html/x", b"/api/%ED%A0%80", b"/api/chargers/%E2%80%AE", b"*", b"http://x/api/state",
    b"/" + b"a" * 9_000, b"/page/../main.js", b"/style.css\\..", b"/api/meters/grid",
)  # fmt: skip
_HEADERS: Final = (
    b"Content-Length: 99999999999999999999", b"Content-Length: -1", b"Content-Length: \xb2",
    b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: upgrade\r\nUpgrade: websocket",
    b"Range: bytes=0-0,-1,5-", b"Range: bytes=--", b"Host:", b"If-Modified-Since: \xff", b"If-None-Match: \"x\"",
    b"If-Modified-Since: Mon, 99 Foo 9999999 00:00:00", b"Cookie: ampherd=write.9e9.x.y",
    b"Cookie: ampherd=\xff.\xff", b"Cookie: ampherd=...; ampherd=", b"Authorization: Bearer",
    b"Authorization: Bearer \xff", b"Authorization: Basic eDp5", b"If-Match: *", b"If-Match: W/\"\xff\"",
    b"Content-Type: text/plain; charset=utf-16", b"X: " + b"y" * 70_000, b"Content-Encoding: gzip",
    b"Content-Type: application/json; charset=klingon", b"Origin: http://evil", b"X-Ampherd: 1",
)  # fmt: skip


class Connection(asyncio.Transport):
    """A client's end of a connection, from an address of its own, so that guesses of tokens are told apart."""

    def __init__(self, number: int) -> None:
        super().__init__(
            {
                "peername": (f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1),
                "sockname": ("127.0.0.1", 2),
            }
        )
        self.received = bytearray()
        self.is_shut = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.received += data

    def is_closing(self) -> bool:
        return self.is_shut

    def close(self) -> None:
        self.is_shut = True

    abort = close

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """No other protocol is spoken."""

    def pause_reading(self) -> None:
        """Nothing more comes anyway."""

    def resume_reading(self) -> None:
        """Nothing more comes anyway."""


class Requests:
    """What a client sends on one connection; `@READ` and `@WRITE` stand for the tokens, `@LENGTH` for the body's."""

    words: Sequence[bytes] = (
        *_VALUES[:10], *_QUERY, *_PATHS, *_HEADERS, b"\r\n", b"\r\n\r\n", b"GET ", b" HTTP/1.1\r\n", b"HTTP/9.9",
        b"0\r\n\r\n", b"\r\nffffffff\r\n",
    )  # fmt: skip

    def __init__(self, service: ApiService, directory: Path, loop: asyncio.AbstractEventLoop, ears: Ears) -> None:
        self._service, self._directory, self._loop, self._ears = service, directory, loop, ears
        self._number = 0
        tokens = service.context.tokens
        self._tokens = {role.value: tokens.make(role.value, role, utc_now()).encode() for role in Role}
        # A fuzzer changes more in a second than a person in an hour.
        service.context.writes.allowed = sys.maxsize
        self.app = create_app(service.context)
        self._config = Config(
            self.app, http=counting_protocol(service.context.refused), ws="none", lifespan="off", log_config=None
        )
        self._config.load()
        self._state = ServerState()
        api = service.topics
        assert isinstance(service.bus, RecordedBus)
        service.bus.answers = lambda message: _accepted(message) if message.topic.startswith(api.root) else None
        self._bus = service.bus
        self.seeds: Sequence[bytes] = _seeds(loop.run_until_complete(_paths(self.app)))
        self.mutations: Sequence[Mutation] = (_in_body, _in_query, _other_path, _more_headers)

    def token(self, role: str) -> str:
        """The plain token."""
        return self._tokens[role].decode()

    def feed(self, data: bytes) -> Outcome:
        """One connection."""
        return self._loop.run_until_complete(self._feed(data))

    async def _feed(self, data: bytes) -> Outcome:
        self._number += 1
        self._ears.faults.clear()
        for role, token in self._tokens.items():
            data = data.replace(b"@" + role.upper().encode(), token)
        head, blank, body = data.partition(b"\r\n\r\n")
        data = head.replace(b"@LENGTH", str(len(body)).encode()) + blank + body
        policy, said = (self._directory / "site.yaml").read_bytes(), list(self._bus.said)
        received = await self._converse(data)
        answers = _answers(received, data)
        promise(not self._ears.faults, f"a trace in the log: {self._ears.faults[:1]}")
        outcome = _judge(answers)
        is_same_policy = (self._directory / "site.yaml").read_bytes() == policy
        if outcome.cause != TAKEN:
            promise(is_same_policy, "refused, and yet the policy is another")
            promise(self._bus.said == said, "refused, and yet a setting was said")
        if not is_same_policy:
            (self._directory / "site.yaml").write_bytes(FULL)
        return outcome

    async def _converse(self, data: bytes) -> bytes:
        client = Connection(self._number)
        protocol = self._config.http_protocol_class(config=self._config, server_state=self._state, app_state={})  # type: ignore[call-arg]
        protocol.connection_made(client)
        assert isinstance(protocol, H11Protocol)
        try:
            if data:
                protocol.data_received(data)
            await self._settle(client, protocol)
        finally:
            protocol.connection_lost(None)
        if self._state.tasks:
            _, stuck = await asyncio.wait(set(self._state.tasks), timeout=_WITHIN_S)
            promise(not stuck, "a request goes on after its client has gone")
        return bytes(client.received)

    async def _settle(self, client: Connection, protocol: H11Protocol) -> None:
        """Until all is answered, the server waits for the rest of a body, or a stream has begun."""
        end_s = self._loop.time() + _WITHIN_S
        while self._state.tasks and not client.is_shut:
            await asyncio.wait(set(self._state.tasks), timeout=_STREAM_S)
            is_waiting = protocol.conn.their_state is h11.SEND_BODY
            if is_waiting or b"text/event-stream" in client.received[:2_000]:
                return
            promise(self._loop.time() < end_s, "no answer within 5 s")


def _answers(received: bytes, data: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer; what is no HTTP breaks a promise."""
    found: list[tuple[int, bytes]] = []
    is_head = data.startswith(b"HEAD ")
    if is_head or not received:
        return [(int(received[9:12]), b"{}")] if received else []
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(received)
    body = b""
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            break
        if isinstance(event, h11.Response):
            found.append((event.status_code, b""))
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    return [(status, body) for status, _ in found[:1]]


def _judge(answers: Sequence[tuple[int, bytes]]) -> Outcome:
    if not answers:
        return Outcome("no answer")
    status, body = answers[0]
    promise(status < 500 or status in _UNREADY, f"status {status}: {body[:100]!r}")
    if status < 400:
        return Outcome(TAKEN if status < 300 else str(status))
    if not body.startswith(b"{"):
        return Outcome(str(status), body[:80].decode("utf-8", "replace"))
    plain = json.loads(body) if body != b"{}" else {"error": "", "message": "-"}
    promise(bool(plain.get("message")), f"status {status} without a word")
    return Outcome(f"{status} {plain['error']}".strip(), plain["message"])


def _accepted(message: Outbound) -> Inbound | None:
    if message.response_topic is None:
        return None
    return Inbound(message.response_topic, SetResult(is_accepted=True).to_json(), correlation=message.correlation)


async def _paths(app: object) -> Sequence[tuple[str, str]]:
    """Method and path of everything that the OpenAPI document names."""
    document = app.openapi()  # type: ignore[attr-defined]
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def _seeds(paths: Sequence[tuple[str, str]]) -> list[bytes]:
    bodies = {
        "mode": b'{"value":"off"}',
        "max_current": b'{"value":13}',
        "priority": b'{"value":2}',
        "plan": b'{"value":{"energy_kwh":20,"by":"07:00","weekdays":["mon"]}}',
        "soc": b'{"value":55.5}',
        "limit": b'{"active":true,"power_w":4200,"for_s":7200}',
        "session": b'{"token":"@READ"}',
    }
    found = []
    for method, path in paths:
        target = path.replace("{charger}", "left").replace("{meter}", "grid")
        if target.endswith("/history"):
            target += "?measurement=site&field=grid_l1_a"
        body = FULL if "policy" in path else bodies.get(path.rpartition("/")[2], b"{}")
        kind = b"application/yaml" if "policy" in path else b"application/json"
        head = f"{method} {target} HTTP/1.1\r\nHost: home\r\nAuthorization: Bearer @WRITE\r\n".encode()
        if method in {"POST", "PUT"}:
            head += b"If-Match: *\r\nContent-Type: " + kind + b"\r\nContent-Length: @LENGTH\r\n"
        found.append(head + b"\r\n" + (body if method in {"POST", "PUT"} else b""))
    found.append(b"GET / HTTP/1.1\r\nHost: home\r\n\r\n")
    return found


def _in_body(random: Random, data: bytes) -> bytes:
    head, blank, _ = data.partition(b"\r\n\r\n")
    keys = (
        b"value",
        b"token",
        b"more",
        b"\\ud800",
        b"va\\u0000lue",
        b"by",
        b"weekdays",
        b"power_w",
        b"for_s",
        b"active",
    )
    fields = [b'"' + random.choice(keys) + b'":' + random.choice(_VALUES) for _ in range(random.randint(1, 2))]
    return head + blank + random.choice((b"{" + b",".join(fields) + b"}", random.choice(_VALUES), random.randbytes(20)))


def _in_query(random: Random, data: bytes) -> bytes:
    line, newline, rest = data.partition(b"\r\n")
    method, _, target = line.partition(b" ")
    target, _, version = target.rpartition(b" ")
    mark = b"&" if b"?" in target else b"?"
    return method + b" " + target + mark + random.choice(_QUERY) + b" " + version + newline + rest


def _other_path(random: Random, data: bytes) -> bytes:
    line, newline, rest = data.partition(b"\r\n")
    method = random.choice(
        (line.partition(b" ")[0], b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"POST", b"\xff", b"PATCH")
    )
    return method + b" " + random.choice(_PATHS) + b" HTTP/1." + random.choice((b"1", b"0")) + newline + rest


def _more_headers(random: Random, data: bytes) -> bytes:
    head, blank, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if random.random() < 0.4 and len(lines) > 1:
        lines[random.randrange(1, len(lines))] = random.choice(_HEADERS)
    else:
        lines.insert(random.randint(1, len(lines)), random.choice(_HEADERS))
    return b"\r\n".join(lines) + blank + body


@contextmanager
def requests() -> Iterator[Requests]:
    """The target."""
    loop = asyncio.new_event_loop()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory() as directory,
        patch("ampherd_core.service.MqttBus", RecordedBus),
        listening() as ears,
    ):
        loop.set_exception_handler(ears.note)

        async def opened() -> ApiService:
            service = ApiService("api", environment(directory), full_site())
            service._recorder._spool = MemoryStore()
            return service

        service = loop.run_until_complete(opened())
        try:
            yield Requests(service, Path(directory), loop, ears)
        finally:
            loop.run_until_complete(service.context.history.close())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
