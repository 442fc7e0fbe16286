"""The balancer's shell: the bus, the clock, the store and the lock; every decision is the core's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.messages import ChargerState, Grant, GrantId, Reading
from ampherd_core.policy import Policy
from ampherd_core.service import GRANTS_FIRST_S, Service
from ampherd_core.store import RedisStore
from ampherd_core.topics import ANY, SETTINGS

from ampherd_balancer import planning
from ampherd_balancer.alarms import Alarms
from ampherd_balancer.answers import Answers
from ampherd_balancer.core import Balancer, Outcome
from ampherd_balancer.leader import Candidate
from ampherd_balancer.memory import Memory
from ampherd_balancer.operator_cap import Signal
from ampherd_balancer.operator_signal import read_input, read_signal
from ampherd_balancer.plan_keeper import PlanKeeper
from ampherd_balancer.report import decisions, doubts, site_state
from ampherd_balancer.settings import SettingError
from ampherd_balancer.wish_keeper import WishKeeper

TICK_S: Final = 0.25
"""How often the shell looks whether a decision, the lock or the store is due."""

DECIDE_EVERY_S: Final = 1.0
REPORT_EVERY_S: Final = 1.0
KEEP_EVERY_S: Final = 15.0
CAMPAIGN_EVERY_S: Final = 1.0

_HIGHEST_EPOCH: Final = 2**52
"""Epochs count reigns. A higher one is a fault of its sender: the next leader's must still fit on the wire."""

D = TypeVar("D", Reading, ChargerState, Grant)

log = structlog.get_logger()


class BalancerService(Service):
    """Leads, or stands by for the one that does."""

    speaks_sealed = True

    def __init__(self, name: str, environment: Environment, policy: Policy) -> None:
        super().__init__(name, environment, policy)
        self._store = RedisStore(environment.redis_url, policy.site.id)
        self._memory = Memory(self._store)
        self._candidate = Candidate(self._store, f"{name}-{SESSION}")
        self._core: Balancer | None = None
        self._wishes = WishKeeper(self._store)
        self._highest_epoch = 0
        self._decided_s = self._reported_s = self._kept_s = float("-inf")
        self._outcome: Outcome | None = None
        self._has_news = asyncio.Event()
        self._alarms = Alarms(self.event, boot_s())
        self._answers = Answers(self.topics, self.wire, self.bus.publish)
        self._plans = PlanKeeper(lambda: self._core, self._store, self.topics, self.bus.publish, environment.site)

    def filters(self) -> Sequence[str]:
        """Readings, states, grants of a rival, what users set, prices, and the network operator's signal."""
        t, digital_input = self.topics, self._digital_input
        return (
            t.reading(ANY),
            t.charger_state(ANY),
            t.grant(ANY),
            t.set(ANY, ANY),
            t.prices_set,
            t.limit_set,
            *(() if digital_input is None else (digital_input,)),
        )

    def hear(self, message: Inbound) -> Awaitable[None] | None:
        """One message; a grid reading is decided on at once."""
        levels = self.topics.parse(message.topic)
        match levels:
            case ("meter", meter, "reading"):
                return self._hear_reading(meter, message)
            case ("charger", charger, "state") if not message.is_retained:
                self._hear_state(charger, message)
            case ("charger", charger, "grant"):
                self._hear_grant(charger, message)
            case ("charger", charger, setting, "set") if not message.is_retained:
                return self._hear_set(charger, setting, message)
            case ("site", "prices", "set"):
                return self._plans.hear_prices(message, self.wire)
            case ("site", "limit", "set") if not message.is_retained:
                return self._hear_signal(read_signal, message)
            case None if message.topic == self._digital_input:
                return self._hear_signal(read_input, message)
        return None

    async def connected(self) -> None:
        """Say again what is retained and not repeated."""
        await self._plans.say_again()

    async def main(self) -> None:
        """Decide and report once a second at least; the lock and the store are another task's, so neither waits."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_deciding(), name="decide")
            tasks.create_task(self._keep_reporting(), name="report")
            tasks.create_task(self._keep_campaigning(), name="campaign")
            tasks.create_task(self._plans.keep(), name="plans")

    async def policy_changed(self, policy: Policy) -> None:
        """Decide under the edited policy at once."""
        if self._core is not None:
            self._core.take_policy(policy, boot_s())
            self._wishes.give(self._core)
            await self._decide()

    async def stopping(self) -> None:
        """Let a standby take over at once."""
        if self._core is not None:
            await self._wishes.keep(self._core)
            await self._memory.keep(self._core, boot_s(), utc_now())
            await self._candidate.resign()
        await self._store.close()

    async def _keep_deciding(self) -> None:
        while True:
            if boot_s() - self._decided_s >= DECIDE_EVERY_S:
                await self._decide()
            await asyncio.sleep(TICK_S)

    async def _keep_campaigning(self) -> None:
        campaigned_s = float("-inf")
        while True:
            if boot_s() - campaigned_s >= CAMPAIGN_EVERY_S:
                campaigned_s = boot_s()
                await self._campaign()
            if self._core is not None:
                await self._wishes.keep(self._core)
            if self._core is not None and boot_s() - self._kept_s >= KEEP_EVERY_S:
                self._kept_s = boot_s()
                await self._memory.keep(self._core, boot_s(), utc_now())
            await asyncio.sleep(TICK_S)

    async def _campaign(self) -> None:
        begins = await self._candidate.campaign(self._highest_epoch)
        if begins:
            await self._begin()
        elif self._candidate.epoch is None and (self._core is not None or not self.detail):
            await self._step_down("another balancer holds the lock")

    async def _begin(self) -> None:
        await self._wishes.recall()
        epoch = self._candidate.epoch
        if epoch is None:
            return
        core = Balancer(self.policy, epoch=epoch, now_s=boot_s())
        await self._memory.recall(core, boot_s(), utc_now())
        await self._plans.begin()
        self._core = core
        self._wishes.give(core)
        log.info("leading", epoch=epoch)
        await self.tell(f"leading, epoch {epoch}")

    async def _step_down(self, why: str) -> None:
        self._core = None
        log.info("standing_by", because=why)
        await self.tell("standing by")

    async def _hear_reading(self, meter: str, message: Inbound) -> None:
        reading = self._read(Reading, meter, message)
        if reading is None or self._core is None:
            return
        if self._core.hear_reading(reading, boot_s()) and reading.meter == self.policy.grid_meter:
            await self._decide()

    def _hear_state(self, charger: str, message: Inbound) -> None:
        state = self._read(ChargerState, charger, message)
        if state is None:
            return
        if state.applied is not None:
            self._highest_epoch = max(self._highest_epoch, state.applied.epoch)
        if self._core is not None:
            self._core.hear_state(state, boot_s())

    def _hear_grant(self, charger: str, message: Inbound) -> None:
        grant = self._read(Grant, charger, message)
        if grant is None:
            return
        self._highest_epoch = max(self._highest_epoch, grant.id.epoch)
        if self._core is not None:
            self._core.hear_grant(grant)

    def _read(self, model: type[D], sender: str, message: Inbound) -> D | None:
        """What the topic's owner says now; None after counting what is of another, of the past, or beyond reason."""
        if message.is_retained:
            self.wire.refuse("retained", message.topic, "what the broker remembers is no news")
            return None
        document = self.wire.read_sealed(model, message)
        if document is None:
            return None
        if sender != (document.meter if isinstance(document, Reading) else document.charger):
            self.wire.refuse("mismatch", message.topic, "the document names another sender than its topic")
            return None
        if _epoch(document) > _HIGHEST_EPOCH:
            self.wire.refuse("epoch", message.topic, f"epoch {_epoch(document)}: no home has seen so many reigns")
            return None
        return document

    async def _decide(self) -> None:
        core = self._core
        if core is None:
            return
        self._decided_s = now_s = boot_s()
        self._outcome = outcome = core.decide(now_s)
        if outcome.must_yield:
            await self._step_down("this process was frozen, or a higher epoch was heard")
            await self._candidate.resign()
            return
        with self.bus.in_one_piece():
            for grant in outcome.grants:
                topic = self.topics.grant(grant.charger)
                payload = self.wire.write_sealed(topic, grant)
                await self.bus.publish(Outbound(topic, payload, expires_after_s=int(grant.lease_s)))
        if outcome.grants or now_s - self._reported_s >= REPORT_EVERY_S:
            self._has_news.set()

    async def _keep_reporting(self) -> None:
        while True:
            await self._has_news.wait()
            await asyncio.sleep(GRANTS_FIRST_S)
            self._has_news.clear()
            if self._core is not None and self._outcome is not None:
                await self._report(self._core, self._outcome)

    async def _report(self, core: Balancer, outcome: Outcome) -> None:
        self._reported_s = now_s = boot_s()
        at = utc_now()
        site = site_state(core, outcome, now_s, at)
        await self.record(at, Outbound(self.topics.site_state, site.to_json(), is_retained=True))
        for decision in decisions(core, outcome, now_s, at):
            topic = self.topics.decision(decision.charger)
            await self.bus.publish(Outbound(topic, decision.to_json(), is_retained=True))
        await self._alarms.tell_grid(is_fresh=site.is_grid_fresh, now_s=now_s)
        await self._alarms.tell_doubts(doubts(core))

    async def _hear_set(self, charger: str, setting: str, message: Inbound) -> None:
        if self._core is None:
            return
        try:
            if setting in planning.SETTINGS:
                self._plans.set(self._core, charger, setting, message.payload)
            else:
                self._wishes.set(self._core, charger, setting, message.payload)
        except SettingError as err:
            is_known = charger in self.policy.chargers and setting in SETTINGS
            error_topic = self.topics.set_error(charger, setting) if is_known else None
            await self._answers.refuse(message, "setting", err, error_topic)
            return
        await self._decide()
        await self._answers.accept(message)

    async def _hear_signal(self, read: Callable[[bytes], Signal | None], message: Inbound) -> None:
        if self._core is None:
            return
        try:
            signal = self._signal(read, message.payload)
        except SettingError as err:
            await self._answers.refuse(message, "signal", err, self.topics.limit_error)
            return
        self._core.outside.operator.take(signal, boot_s())
        self._kept_s = float("-inf")
        log.info("operator_signal", topic=message.topic, signal=signal)
        await self._decide()
        await self._answers.accept(message)

    @property
    def _digital_input(self) -> str | None:
        """The topic of an input that carries the network operator's signal."""
        operator = self.policy.limits.operator
        return operator.input_topic if operator is not None else None

    def _signal(self, read: Callable[[bytes], Signal | None], payload: bytes) -> Signal | None:
        if self.policy.limits.operator is None:
            raise SettingError("limit: the policy has no limits.operator, so no signal is obeyed")
        return read(payload)


def _epoch(document: Reading | ChargerState | Grant) -> int:
    """The reign that it tells of; 0 where it tells of none."""
    match document:
        case Grant():
            return document.id.epoch
        case ChargerState(applied=GrantId() as applied):
            return applied.epoch
    return 0
