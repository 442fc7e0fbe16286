"""The api as a service: hears the whole site, serves HTTP, and records."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.messages import (
    ChargerState,
    Decision,
    Event,
    HistoryRequest,
    MeterStatus,
    Reading,
    ServiceStatus,
    SiteState,
)
from ampherd_core.plans import PlanState, UsualLoad
from ampherd_core.policy import Policy
from ampherd_core.service import Service
from ampherd_core.store import RedisStore

from ampherd_api.app import create_app
from ampherd_api.commands import Commands
from ampherd_api.context import Context
from ampherd_api.guard import counting_protocol
from ampherd_api.history_open import open_history
from ampherd_api.inbox import Document, Inbox, filters
from ampherd_api.live import Live
from ampherd_api.policy_store import PolicyStore
from ampherd_api.price_feed import PriceKeeper
from ampherd_api.recorder import Recorder
from ampherd_api.tokens import Tokens
from ampherd_api.view import View

_HOST: Final = "127.0.0.1"
_PORT: Final = "8080"
_PORT_FILE: Final = "http-port"
_LAST_WORDS_S: Final = 1
"""How long a request may go on once the service is told to stop; live streams would never end."""

_CONNECTIONS: Final = 256
_BACKLOG: Final = 128

log = structlog.get_logger()


class ApiService(Service):
    """REST, the live page and the history writer."""

    patience_s = 0.05
    """No eye sees it, and the agents have the processor while their grants arrive."""

    def __init__(self, name: str, environment: Environment, policy: Policy) -> None:
        super().__init__(name, environment, policy)
        self._store = RedisStore(environment.redis_url, policy.site.id)
        self._inbox = Inbox(self.topics, policy)
        self._view = View(policy)
        self._live = Live(self._view, lambda: self.bus.is_connected)
        self._commands = Commands(self.bus, self.topics, self._reply_topic)
        history = open_history(environment.history_url, environment.extra)
        self._prices = PriceKeeper(policy.tariff.feed, self._publish_prices, self.event)
        self._recorder = Recorder(policy.site.id, self._store, history, marks=self._store)
        self.context = Context(
            view=self._view,
            live=self._live,
            inbox=self._inbox,
            commands=self._commands,
            policy=PolicyStore(environment.site, policy.site.id),
            tokens=Tokens(environment.state_dir),
            recorder=self._recorder,
            history=history,
            is_bus_connected=lambda: self.bus.is_connected,
            are_metrics_open=environment.extra.get("AMPHERD_METRICS_OPEN") == "1",
        )

    @property
    def _reply_topic(self) -> str:
        return f"{self.topics.root}/service/{self.name}/reply/{SESSION}"

    def filters(self) -> Sequence[str]:
        """Everything but grants and settings, and the answers to our own questions."""
        return (*filters(self.topics), self._reply_topic)

    def hear(self, message: Inbound) -> None:
        """Take what the site says; never waits."""
        if self._commands.hear(message):
            return
        document = self._inbox.read(message)
        if document is None:
            return
        if self._inbox.is_backlog(message):
            self._recorder.take(document)
            return
        self._view.take(document, boot_s() - (_age_s(document) if message.is_retained else 0.0))
        self._live.changed()
        if not message.is_retained:
            self._recorder.take(document)

    async def connected(self) -> None:
        """Ask everyone for what was said while nobody recorded."""
        request = HistoryRequest(since=await self._recorder.recorded_until())
        await self.bus.publish(Outbound(self.topics.history_request, request.to_json(), qos=1, is_retained=True))

    async def policy_changed(self, policy: Policy) -> None:
        """Show the new site."""
        self._inbox.policy = policy
        self._prices.take_feed(policy.tariff.feed)
        self._view.adopt(policy)
        self._live.renewed()

    async def main(self) -> None:
        """Serve and record until cancelled."""
        if not self.context.tokens.all():
            log.warning("no_token_yet", remedy="make one: python -m ampherd_api.token new NAME")
        server = _server(self.context)
        with _listening(self.environment) as listener:
            recording = asyncio.create_task(self._recorder.run(), name="recorder")
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
            pricing = asyncio.create_task(self._prices.keep(), name="prices")
            try:
                done, _ = await asyncio.wait({recording, serving, pricing}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                recording.cancel()
                pricing.cancel()
                server.should_exit = True
                await asyncio.gather(recording, serving, pricing, return_exceptions=True)

    async def _publish_prices(self, payload: bytes) -> bool:
        return await self.bus.publish(Outbound(self.topics.prices_set, payload, qos=1, is_retained=True))

    async def stopping(self) -> None:
        """Put what is in memory away."""
        await self._recorder.flush()
        await self.context.history.close()
        await self._store.close()


class _Server(uvicorn.Server):
    """Leaves the signals to the service's runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(context: Context) -> _Server:
    config = uvicorn.Config(
        create_app(context),
        http=counting_protocol(context.refused),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    return _Server(config)


@contextlib.contextmanager
def _listening(environment: Environment) -> Iterator[socket.socket]:
    """The listening socket; the port that it got is written to `http-port` in the state directory."""
    host = environment.extra.get("AMPHERD_HTTP_HOST", _HOST)
    port = int(environment.extra.get("AMPHERD_HTTP_PORT", _PORT))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=False) as listener:
        bound = listener.getsockname()[1]
        _tell(environment.state_dir / _PORT_FILE, bound)
        log.info("http_listening", host=host, port=bound)
        yield listener


def _tell(path: Path, port: int) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(f"{port}\n", encoding="utf-8")
    fresh.replace(path)


def _age_s(document: Document) -> float:
    """How old a retained document says it is, s: the broker remembers it, its sender may be long gone."""
    match document:
        case Reading() | ChargerState():
            at = document.measured_at
        case SiteState() | Decision() | MeterStatus() | Event() | PlanState() | UsualLoad():
            at = document.at
        case ServiceStatus():
            return 0.0
    return max(0.0, (utc_now() - at).total_seconds())
