"""The agent on the bus: hears grants, tells what the wallbox does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.messages import ChargerState, Grant, Severity
from ampherd_core.policy import Charger, Policy
from ampherd_core.service import GRANTS_FIRST_S, Service

from ampherd_charger_agent.attendant import Attendant
from ampherd_charger_agent.drivers import DRIVERS
from ampherd_charger_agent.evcc import Mirror
from ampherd_charger_agent.lease import Verdict
from ampherd_charger_agent.link import ModbusLink
from ampherd_charger_agent.pacing import pacer_for
from ampherd_charger_agent.safety import Notice, SafetyLoop
from ampherd_charger_agent.slot import Slot

STATE_EVERY_S: Final = 1.0
"""The state is repeated so often; grants echo its stamp, so a lease needs it."""

NEWS_A: Final = 0.5
"""A change of the drawn current worth telling at once, A."""

log = structlog.get_logger()


class Moved(Exception):  # noqa: N818 - no error: the policy gives this process other work
    """The charger, its driver or its link changed: start anew."""


class IdleSlot(Service):
    """A place without a charger: says so, and ends when a later policy has one for it."""

    speaks_sealed = True

    def __init__(self, slot: Slot, environment: Environment, policy: Policy) -> None:
        super().__init__(slot.name, environment, policy)
        self._slot = slot
        self.detail = slot.lack
        self.is_moved = False
        self._has_work = asyncio.Event()

    def hear(self, message: Inbound) -> None:
        """It subscribes to nothing."""

    async def main(self) -> None:
        """Wait for work."""
        await self._has_work.wait()
        self.is_moved = True

    async def policy_changed(self, policy: Policy) -> None:
        """A new policy may have a charger for this slot."""
        if self._slot.charger_in(policy) is not None:
            self._has_work.set()


class AgentService(Service):
    """Attends one charger until told to stop, or until the policy gives it other work (`is_moved`)."""

    speaks_sealed = True

    def __init__(self, slot: Slot, charger_id: str, environment: Environment, policy: Policy) -> None:
        self._slot = slot
        self._charger_id = charger_id
        super().__init__(f"agent-{charger_id}"[:32].rstrip("-"), environment, policy)
        charger = policy.chargers[charger_id]
        self._address = _address(charger)
        self.is_moved = False
        self._moved = asyncio.Event()
        self._changed = asyncio.Event()
        self._notices: asyncio.Queue[Notice] = asyncio.Queue()
        self._mirror = Mirror()
        self._told: ChargerState | None = None
        self._granted_s = 0.0
        self._link = ModbusLink(charger.endpoint, charger.unit)
        wallbox = DRIVERS[charger.driver](self._link)
        self._loop = SafetyLoop(
            charger_id,
            charger,
            lease_s=policy.timings.lease_s,
            session=SESSION,
            started_s=boot_s(),
            settle_s=wallbox.capabilities.settle_s,
        )
        self._attendant = Attendant(
            self._loop, wallbox, self._link, pacer=pacer_for(wallbox.capabilities), on_change=self._changed.set
        )

    def filters(self) -> Sequence[str]:
        """Only the charger's own grants."""
        return (self.topics.grant(self._charger_id),)

    def hear(self, message: Inbound) -> None:
        """A grant; what the broker remembers is no grant, for it may be of any age."""
        if message.is_retained:
            self.wire.refuse("retained", message.topic, "a grant must not be retained")
            return
        grant = self.wire.read_sealed(Grant, message)
        if grant is None:
            return
        self._granted_s = boot_s()
        verdict = self._loop.hear(grant, self._granted_s)
        if verdict is not Verdict.ACCEPTED:
            self.wire.refuse(verdict, message.topic, f"grant {grant.id.epoch}/{grant.id.seq}: {verdict}")
            return
        self._attendant.decide()
        self._changed.set()

    async def main(self) -> None:
        """Attend, and tell."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._attendant.run(), name="attendant")
                group.create_task(self._tell_state(), name="state")
                group.create_task(self._tell_notices(), name="notices")
                group.create_task(self._until_moved(), name="moved")
        except* Moved:
            self.is_moved = True

    async def connected(self) -> None:
        """Say the state at once: the balancer needs a fresh stamp before it can grant."""
        self._told = None
        self._changed.set()

    async def policy_changed(self, policy: Policy) -> None:
        """Take new limits; another charger, driver or link needs a fresh start."""
        charger = policy.chargers.get(self._charger_id)
        is_same = self._slot.charger_in(policy) == self._charger_id
        if not is_same or charger is None or _address(charger) != self._address:
            self._moved.set()
            return
        self._loop.take_policy(charger, policy.timings.lease_s)
        self._attendant.decide()
        self._changed.set()

    async def stopping(self) -> None:
        """Leave the wallbox at its fallback, and say so."""
        await self._attendant.part()
        await self._say_state(self._state())
        log.info("parted", charger=self._charger_id, offer_a=self._state().offer_a)

    async def _until_moved(self) -> None:
        await self._moved.wait()
        raise Moved

    async def _tell_state(self) -> None:
        due_s = 0.0
        while True:
            await asyncio.sleep(self._granted_s + GRANTS_FIRST_S - boot_s())
            self._collect_notices()
            state = self._state()
            if boot_s() >= due_s or is_news(self._told, state):
                due_s = boot_s() + STATE_EVERY_S
                await self._say_state(state)
            try:
                async with asyncio.timeout(max(0.0, due_s - boot_s())):
                    await self._changed.wait()
            except TimeoutError:
                continue
            self._changed.clear()

    async def _say_state(self, state: ChargerState) -> None:
        topic = self.topics.charger_state(self._charger_id)
        payload = self.wire.write_sealed(topic, state)
        is_told = await self.record(state.measured_at, Outbound(topic, payload, is_retained=True))
        self._told = state if is_told else None
        if not is_told:
            return
        for name, value in self._mirror.due(state, state.stamp.at_s).items():
            await self.bus.publish(Outbound(self.topics.evcc(self._charger_id, name), value.encode(), is_retained=True))

    def _state(self) -> ChargerState:
        refused = {f"grants_{cause}": count for cause, count in self.wire.refused.items()}
        return self._loop.state(boot_s(), utc_now(), {**self._link.counters, **refused})

    def _collect_notices(self) -> None:
        for notice in self._loop.take_notices():
            (log.info if notice.severity is Severity.INFO else log.warning)(
                notice.code.replace("-", "_"), charger=self._charger_id, text=notice.text
            )
            self._notices.put_nowait(notice)

    async def _tell_notices(self) -> None:
        while True:
            notice = await self._notices.get()
            await self.bus.connected.wait()
            await self.event(notice.code, notice.severity, notice.text, charger=self._charger_id)


def is_news(told: ChargerState | None, state: ChargerState) -> bool:
    """Whether the state should be said now rather than at its next repetition."""
    if told is None or _loud(told) != _loud(state):
        return True
    before, now = told.drawn_a, state.drawn_a
    if before is None or now is None:
        return before is not now
    return any(abs(b - n) >= NEWS_A for b, n in zip(before, now, strict=True))


def _loud(state: ChargerState) -> tuple[object, ...]:
    return state.link, state.iec_state, state.offer_a, state.phases, state.applied, state.is_fallback, state.error


def _address(charger: Charger) -> tuple[str, str, int]:
    return charger.driver, charger.link, charger.unit
