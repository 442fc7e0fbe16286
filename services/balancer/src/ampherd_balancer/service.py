"""The balancer's shell: the bus, the clock, the store and the lock; every decision is the core's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import structlog
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.messages import ChargerState, Grant, GrantId, Reading, SetResult, Severity
from ampherd_core.policy import Policy
from ampherd_core.service import Service
from ampherd_core.store import RedisStore, StoreError
from ampherd_core.topics import ANY, SETTINGS

from ampherd_balancer import planning, settings
from ampherd_balancer.core import Balancer, Outcome
from ampherd_balancer.leader import Candidate
from ampherd_balancer.memory import Memory
from ampherd_balancer.operator_cap import Signal
from ampherd_balancer.operator_signal import read_input, read_signal
from ampherd_balancer.plan_keeper import PlanKeeper
from ampherd_balancer.report import decisions, doubts, site_state
from ampherd_balancer.settings import SettingError, Wishes

TICK_S: Final = 0.25
"""How often the shell looks whether a decision, the lock or the store is due."""

DECIDE_EVERY_S: Final = 1.0
REPORT_EVERY_S: Final = 1.0
GRANTS_FIRST_S: Final = 0.02
"""A report waits this long, so that broker and agents have the processor while grants are under way."""

KEEP_EVERY_S: Final = 15.0
START_GRACE_S: Final = 15.0
"""All services start together: a meter that is not heard yet is no alarm."""

CAMPAIGN_EVERY_S: Final = 1.0

_SETTINGS_NAME: Final = "wishes"

_GUARDED: Final = frozenset({"ampherd", "$SYS", "homeassistant"})
"""First levels of topics that somebody obeys or believes: ours, the broker's, the discovery of devices."""

_HIGHEST_EPOCH: Final = 2**52
"""Epochs count reigns. A higher one is a fault of its sender: the next leader's must still fit on the wire."""

_WILDCARDS: Final = frozenset("+#\0")
"""What a filter may have and a topic may not (MQTT 5, section 4.7)."""

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
        self._wishes: dict[str, Wishes] = {}
        self._are_wishes_saved = True
        self._are_wishes_loaded = False
        self._highest_epoch = 0
        self._decided_s = self._reported_s = self._kept_s = float("-inf")
        self._outcome: Outcome | None = None
        self._has_news = asyncio.Event()
        self._was_grid_fresh: bool | None = None
        self._doubts: Mapping[str, str] = {}
        self._began_s = boot_s()
        self._plans = PlanKeeper(lambda: self._core, self._store, self.topics, self.bus.publish, environment.site)

    def filters(self) -> Sequence[str]:
        """Readings, states, grants of a rival, what users set, prices, and the network operator's signal."""
        t, operator = self.topics, self.policy.limits.operator
        self._inputs = (operator.input_topic,) if operator is not None and operator.input_topic is not None else ()
        return (
            t.reading(ANY),
            t.charger_state(ANY),
            t.grant(ANY),
            t.set(ANY, ANY),
            t.prices_set,
            t.limit_set,
            *self._inputs,
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
                return self._plans.hear_prices(message)
            case ("site", "limit", "set") if not message.is_retained:
                return self._hear_signal(read_signal, message)
            case None if message.topic in self._inputs:
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
            self._give_wishes()
            await self._decide()

    async def stopping(self) -> None:
        """Let a standby take over at once."""
        if self._core is not None:
            await self._keep_wishes()
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
                await self._keep_wishes()
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
        self._are_wishes_loaded = False
        await self._load_wishes()
        epoch = self._candidate.epoch
        if epoch is None:
            return
        core = Balancer(self.policy, epoch=epoch, now_s=boot_s())
        await self._memory.recall(core, boot_s(), utc_now())
        await self._plans.begin()
        self._core = core
        self._give_wishes()
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
        await self._tell_grid(site.is_grid_fresh, now_s)
        await self._tell_doubts(doubts(core))

    async def _tell_doubts(self, found: Mapping[str, str]) -> None:
        known, self._doubts = self._doubts, found
        for node in found.keys() - known.keys():
            await self.event("wiring-doubted", Severity.ALARM, found[node])

    async def _tell_grid(self, is_fresh: bool, now_s: float) -> None:
        before = self._was_grid_fresh
        if is_fresh is before or (before is None and not is_fresh and now_s - self._began_s < START_GRACE_S):
            return
        self._was_grid_fresh = is_fresh
        if not is_fresh:
            await self.event("grid-stale", Severity.ALARM, "The grid meter is silent: chargers go to their fallback.")
        elif before is False:
            await self.event("grid-back", Severity.INFO, "The grid meter is heard again.")

    async def _hear_set(self, charger: str, setting: str, message: Inbound) -> None:
        if self._core is None:
            return
        try:
            if setting in planning.SETTINGS:
                self._plans.set(self._core, charger, setting, message.payload)
            else:
                self._set(self._core, charger, setting, message.payload)
        except SettingError as err:
            self.wire.refuse("setting", message.topic, str(err))
            await self._answer(charger, setting, message, SetResult(is_accepted=False, error=str(err)[:500]))
            return
        await self._decide()
        await self._answer(charger, setting, message, SetResult(is_accepted=True))

    def _set(self, core: Balancer, charger: str, setting: str, payload: bytes) -> None:
        change = settings.read_change(setting, payload, core.policy.chargers.get(charger))
        wishes = self._wishes.get(charger, Wishes()).model_copy(update={change.field: change.value})
        self._wishes[charger] = core.desks[charger].wishes = wishes
        log.info("setting_changed", charger=charger, setting=setting, value=change.value)
        self._are_wishes_saved = False

    async def _hear_signal(self, read: Callable[[bytes], Signal | None], message: Inbound) -> None:
        if self._core is None:
            return
        try:
            signal = self._signal(read, message.payload)
        except SettingError as err:
            self.wire.refuse("signal", message.topic, str(err))
            result = SetResult(is_accepted=False, error=str(err)[:500])
            await self.bus.publish(Outbound(self.topics.limit_error, result.to_json(), qos=1))
            await self._respond(message, result)
            return
        self._core.outside.operator.take(signal, boot_s())
        self._kept_s = float("-inf")
        log.info("operator_signal", topic=message.topic, signal=signal)
        await self._decide()
        await self._respond(message, SetResult(is_accepted=True))

    def _signal(self, read: Callable[[bytes], Signal | None], payload: bytes) -> Signal | None:
        if self.policy.limits.operator is None:
            raise SettingError("limit: the policy has no limits.operator, so no signal is obeyed")
        return read(payload)

    async def _answer(self, charger: str, setting: str, message: Inbound, result: SetResult) -> None:
        payload = result.to_json()
        if not result.is_accepted and charger in self.policy.chargers and setting in SETTINGS:
            await self.bus.publish(Outbound(self.topics.set_error(charger, setting), payload, qos=1))
        await self._respond(message, result)

    async def _respond(self, message: Inbound, result: SetResult) -> None:
        if message.response_topic is None:
            return
        if not self._may_answer_on(message.response_topic):
            self.wire.refuse("response-topic", message.topic, f"no answer is given on {message.response_topic[:200]}")
            return
        payload = result.to_json()
        await self.bus.publish(Outbound(message.response_topic, payload, qos=1, correlation=message.correlation))

    def _may_answer_on(self, topic: str) -> bool:
        """A guest names the topic, we have more rights than it has: never a topic that any service listens to."""
        match self.topics.parse(topic):
            case ("reply", _, *_) | ("service", _, "reply", _):
                return True
        return topic.partition("/")[0] not in _GUARDED and bool(topic) and not _WILDCARDS & set(topic)

    async def _keep_wishes(self) -> None:
        """Load what was not loaded, save what was not saved; what is stored is never replaced unread."""
        if not self._are_wishes_loaded:
            await self._load_wishes()
            self._give_wishes()
        if self._are_wishes_loaded and not self._are_wishes_saved:
            await self._save_wishes()

    async def _load_wishes(self) -> None:
        try:
            document = await self._store.load(_SETTINGS_NAME)
        except StoreError as err:
            log.debug("wishes_not_loaded", error=str(err))
            return
        newer = {} if self._are_wishes_saved else self._wishes
        self._wishes = (settings.load(document) if document else {}) | newer
        self._are_wishes_loaded = True

    def _give_wishes(self) -> None:
        if self._core is not None:
            for charger, desk in self._core.desks.items():
                desk.wishes = self._wishes.get(charger, Wishes())

    async def _save_wishes(self) -> None:
        document = settings.dump(self._wishes)
        self._are_wishes_saved = True
        try:
            await self._store.save(_SETTINGS_NAME, document)
        except StoreError as err:
            self._are_wishes_saved = False
            log.debug("wishes_not_saved", error=str(err))


def _epoch(document: Reading | ChargerState | Grant) -> int:
    """The reign that it tells of; 0 where it tells of none."""
    match document:
        case Grant():
            return document.id.epoch
        case ChargerState(applied=GrantId() as applied):
            return applied.epoch
    return 0
