"""The runtime that every service shares: logs, signals, and its life on the bus."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Final

import structlog

from ampherd_core.backlog import Backlog
from ampherd_core.bus import Inbound, MqttBus, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.logs import configure_logs
from ampherd_core.messages import Event, HistoryRequest, ServiceStatus, Severity
from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, PolicyWatch, load_policy
from ampherd_core.topics import Topics
from ampherd_core.wire import Wire

POLICY_POLL_S: Final = 0.5
"""Two looks at the same text take up an edit of the policy, within two seconds."""

STOPPING_S: Final = 8.0
"""Longer than a wallbox takes to be set to its fallback, shorter than a supervisor waits before it kills."""

_CANCEL_AGAIN_S: Final = 1.0

GRANTS_FIRST_S: Final = 0.02
"""Reports and states wait this long after grants: broker and agents, on the same machine, have them to write now."""

ALARM_EVERY_S: Final = 60.0
"""Who forges messages must not fill the list of events."""

EXIT_CONFIG: Final = 78
"""sysexits.h EX_CONFIG: a restart will not help, a person must edit something."""

log = structlog.get_logger()


class Service:
    """One running service: its policy, its bus, and what it tells about itself.

    Subclasses implement `main`; they override `filters`, `hear`, `connected`, `policy_changed`, `stopping` as needed.
    """

    speaks_sealed: ClassVar[bool] = False
    """Whether others act on what it says, or it on what others say: then both are sealed."""

    patience_s: ClassVar[float] = 0.0
    """How long it lets what it hears wait, s; who only shows and records gives way to those who act on it."""

    def __init__(self, name: str, environment: Environment, policy: Policy) -> None:
        self.name = name
        self.environment = environment
        self.policy = policy
        self.topics = Topics(policy.site.id)
        self._since = utc_now()
        self.detail = ""
        self._backlog = Backlog()
        self.wire = Wire(environment.seal, self._note_unsealed)
        self._alarmed_s = float("-inf")
        self._alarm: asyncio.Task[None] | None = None
        self._saying_again: asyncio.Task[None] | None = None
        self._policy_error: str | None = None
        self._watch = PolicyWatch(environment.site)
        self.bus = MqttBus(
            environment.broker,
            f"ampherd-{policy.site.id}-{name}-{SESSION[:6]}",
            filters=self._all_filters(),
            listener=self._route,
            on_connect=self._announce,
            will=Outbound(
                self.topics.service_status(name),
                self._status(is_online=False).to_json(),
                qos=1,
                is_retained=True,
            ),
        )
        self.bus.patience_s = self.patience_s

    def filters(self) -> Sequence[str]:
        """The topics to hear, by `self.policy`; asked before the subclass's own set-up, and after each edit."""
        return ()

    def hear(self, message: Inbound) -> Awaitable[None] | None:
        """One message from the bus; may return a coroutine to await before the next."""
        raise NotImplementedError

    async def main(self) -> None:
        """The service's own work, until cancelled."""
        raise NotImplementedError

    async def connected(self) -> None:
        """Called at each (re)connection to the bus: say again what is retained."""

    async def policy_changed(self, policy: Policy) -> None:
        """A new good policy; `self.policy` holds it already."""

    async def stopping(self) -> None:
        """Told to stop: leave the hardware safe, while the bus still runs."""

    async def record(self, at: datetime, message: Outbound) -> bool:
        """Publish what belongs to history; `at` names it there. It is said again to a recorder that missed it."""
        self._backlog.note(at, message.topic, message.payload)
        return await self.bus.publish(message)

    async def event(
        self,
        code: str,
        severity: Severity,
        text: str,
        *,
        charger: str | None = None,
        meter: str | None = None,
    ) -> None:
        """Tell people."""
        event = Event(
            at=utc_now(),
            service=self.name,
            code=code,
            severity=severity,
            text=text[:500],
            charger=charger,
            meter=meter,
        )
        await self.bus.publish(Outbound(self.topics.event, event.to_json(), qos=1))

    async def run(self) -> None:
        """Live until SIGTERM or SIGINT; a task that fails ends the process, whose supervisor starts it anew."""
        if self.speaks_sealed and self.environment.seal is None:
            log.warning("no_seal_key", why="whoever may write on the bus is believed; set AMPHERD_SEAL_KEY_FILE")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        bus = asyncio.create_task(self.bus.run(), name="bus")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        work = {
            stopped,
            asyncio.create_task(self.main(), name="main"),
            asyncio.create_task(self._keep_policy(), name="policy"),
            asyncio.create_task(self._beat(), name="heartbeat"),
        }
        done, _ = await asyncio.wait({bus, *work}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(work)
        try:
            await self._leave("stopped" if stopped in done else "failed")
        finally:
            await _cancel({bus})
        for task in done:
            task.result()

    def _all_filters(self) -> Sequence[str]:
        return (*self.filters(), self.topics.history_request)

    async def _leave(self, detail: str) -> None:
        try:
            async with asyncio.timeout(STOPPING_S):
                await self.stopping()
        except TimeoutError:
            log.error("stopping_took_too_long", limit_s=STOPPING_S)  # noqa: TRY400 - a trace of our own patience is noise
        finally:
            await self._say(self._status(is_online=False, detail=detail))

    def _route(self, message: Inbound) -> Awaitable[None] | None:
        if message.topic != self.topics.history_request:
            return self.hear(message)
        request = self.wire.read(HistoryRequest, message)
        if request is not None and (self._saying_again is None or self._saying_again.done()):
            # Beside the listener: a grant must not wait behind minutes of history.
            self._saying_again = asyncio.create_task(self._say_again(request.since), name="backlog")
        return None

    def _note_unsealed(self, topic: str) -> None:
        if boot_s() - self._alarmed_s >= ALARM_EVERY_S:
            self._alarmed_s = boot_s()
            text = (
                f"A message on {topic[:200]} was ignored: it bears no seal of ours. Somebody forges messages on the "
                "bus, or one of the services has another seal key."
            )
            self._alarm = asyncio.create_task(self.event("forged", Severity.ALARM, text), name="alarm")

    async def _say_again(self, since: datetime) -> None:
        for topic, payload in self._backlog.since(since):
            await self.bus.publish(Outbound(self.topics.backlog(topic), payload, qos=1))

    async def _announce(self) -> None:
        await self._say(self._status(is_online=True))
        await self.connected()

    async def _say(self, status: ServiceStatus) -> None:
        await self.bus.publish(
            Outbound(self.topics.service_status(self.name), status.to_json(), qos=1, is_retained=True)
        )

    async def tell(self, detail: str) -> None:
        """Say in the service's status what it is doing, for a person."""
        self.detail = detail
        await self._say(self._status(is_online=True))

    def _status(self, *, is_online: bool, detail: str | None = None) -> ServiceStatus:
        return ServiceStatus(
            service=self.name,
            is_online=is_online,
            version=_version(),
            since=self._since,
            detail=self.detail if detail is None else detail,
            policy_error=self._policy_error[:500] if self._policy_error else None,
            is_sealed=self.environment.seal is not None if self.speaks_sealed else None,
        )

    async def _keep_policy(self) -> None:
        while True:
            await asyncio.sleep(POLICY_POLL_S)
            try:
                policy = await asyncio.to_thread(self._watch.poll)
            except PolicyError as err:
                await self._refuse_policy(str(err))
            else:
                if policy is not None:
                    await self._take_policy(policy)

    async def _take_policy(self, policy: Policy) -> None:
        if policy.site.id != self.policy.site.id:
            await self._refuse_policy("site.id cannot change while running; restart Ampherd to rename the site")
            return
        is_new, is_mended = policy != self.policy, self._policy_error is not None
        self.policy, self._policy_error = policy, None
        if is_new or is_mended:
            log.info("policy_taken")
            await self._say(self._status(is_online=True))
        if is_new:
            await self.policy_changed(policy)
            await self.bus.listen(self._all_filters())

    async def _refuse_policy(self, why: str) -> None:
        self._policy_error = why
        log.warning("policy_refused", error=why)
        await self._say(self._status(is_online=True))

    async def _beat(self) -> None:
        """Touch the heartbeat file while the event loop turns; the container's health check reads its age."""
        while True:
            if self.environment.heartbeat is not None:
                # Without it the health check fails, which is what a broken disk deserves; the work goes on.
                with contextlib.suppress(OSError):
                    self.environment.heartbeat.touch()
            await asyncio.sleep(1.0)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks; asked again, for `asyncio.wait_for` may lose a cancellation that meets its result."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)


def start(service_class: type[Service], name: str) -> None:
    """A service's entry point: settings, logs, policy, then run; a bad policy exits with EX_CONFIG."""
    configure_logs(name)
    try:
        environment = Environment.read()
        service = service_class(name, environment, load_policy(environment.site))
    except (PolicyError, ValueError, OSError) as err:
        log.error("cannot_start", error=str(err))  # noqa: TRY400 - the message is for the user, a trace is noise
        sys.exit(EXIT_CONFIG)
    asyncio.run(service.run())


def _version() -> str:
    try:
        return version("ampherd-core")
    except PackageNotFoundError:
        return "unknown"
