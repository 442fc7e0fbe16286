"""The balancer's shell: the bus, the clock, the store and the lock; every decision is the core's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

import structlog
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.messages import ChargerState, Grant, Reading, SetResult, Severity
from ampherd_core.policy import Policy
from ampherd_core.service import Environment, Service
from ampherd_core.store import RedisStore, StoreError
from ampherd_core.topics import ANY, SETTINGS
from ampherd_core.wire import Wire

from ampherd_balancer import settings
from ampherd_balancer.core import Balancer, Outcome
from ampherd_balancer.leader import Candidate
from ampherd_balancer.report import decisions, site_state
from ampherd_balancer.settings import SettingError, Wishes

TICK_S: Final = 0.25
"""How often the shell looks whether a decision, a report or the lock is due."""

DECIDE_EVERY_S: Final = 1.0
REPORT_EVERY_S: Final = 1.0
CAMPAIGN_EVERY_S: Final = 1.0

_SETTINGS_NAME: Final = "wishes"

log = structlog.get_logger()


class BalancerService(Service):
    """Leads, or stands by for the one that does."""

    def __init__(self, name: str, environment: Environment, policy: Policy) -> None:
        super().__init__(name, environment, policy)
        self._wire = Wire()
        self._store = RedisStore(environment.redis_url, policy.site.id)
        self._candidate = Candidate(self._store, f"{name}-{SESSION}")
        self._core: Balancer | None = None
        self._wishes: dict[str, Wishes] = {}
        self._are_wishes_saved = True
        self._highest_epoch = 0
        self._decided_s = self._reported_s = self._campaigned_s = float("-inf")
        self._was_grid_fresh = True

    def filters(self) -> Sequence[str]:
        """Readings, states, grants of a rival, and what users set."""
        t = self.topics
        return (t.reading(ANY), t.charger_state(ANY), t.grant(ANY), t.set(ANY, ANY))

    def hear(self, message: Inbound) -> Awaitable[None] | None:
        """One message; a grid reading is decided on at once."""
        levels = self.topics.parse(message.topic)
        match levels:
            case ("meter", _, "reading"):
                return self._hear_reading(message)
            case ("charger", _, "state") if not message.is_retained:
                self._hear_state(message)
            case ("charger", _, "grant"):
                self._hear_grant(message)
            case ("charger", charger, setting, "set") if not message.is_retained:
                return self._hear_set(charger, setting, message)
        return None

    async def main(self) -> None:
        """Campaign, decide at least once a second, report once a second."""
        while True:
            now_s = boot_s()
            if now_s - self._campaigned_s >= CAMPAIGN_EVERY_S:
                self._campaigned_s = now_s
                await self._campaign()
            if now_s - self._decided_s >= DECIDE_EVERY_S:
                await self._decide()
            await asyncio.sleep(TICK_S)

    async def policy_changed(self, policy: Policy) -> None:
        """Decide under the edited policy at once."""
        if self._core is not None:
            self._core.take_policy(policy, boot_s())
            await self._decide()

    async def stopping(self) -> None:
        """Let a standby take over at once."""
        if self._core is not None:
            await self._candidate.resign()
        await self._store.close()

    async def _campaign(self) -> None:
        begins = await self._candidate.campaign(self._highest_epoch)
        if begins:
            await self._begin()
        elif self._candidate.epoch is None and (self._core is not None or not self.detail):
            await self._step_down("another balancer holds the lock")
        if not self._are_wishes_saved:
            await self._save_wishes()

    async def _begin(self) -> None:
        epoch = self._candidate.epoch or 0
        self._core = Balancer(self.policy, epoch=epoch, now_s=boot_s())
        try:
            document = await self._store.load(_SETTINGS_NAME)
            self._wishes = settings.load(document) if document else self._wishes
        except StoreError as err:
            log.warning("wishes_not_loaded", error=str(err))
        for charger, wishes in self._wishes.items():
            if charger in self._core.desks:
                self._core.desks[charger].wishes = wishes
        log.info("leading", epoch=epoch)
        await self.tell(f"leading, epoch {epoch}")

    async def _step_down(self, why: str) -> None:
        self._core = None
        log.info("standing_by", because=why)
        await self.tell("standing by")

    async def _hear_reading(self, message: Inbound) -> None:
        reading = self._wire.read(Reading, message)
        if reading is None or self._core is None:
            return
        if self._core.hear_reading(reading, boot_s()) and reading.meter == self.policy.grid_meter:
            await self._decide()

    def _hear_state(self, message: Inbound) -> None:
        state = self._wire.read(ChargerState, message)
        if state is None:
            return
        if state.applied is not None:
            self._highest_epoch = max(self._highest_epoch, state.applied.epoch)
        if self._core is not None:
            self._core.hear_state(state, boot_s())

    def _hear_grant(self, message: Inbound) -> None:
        grant = self._wire.read(Grant, message)
        if grant is None:
            return
        self._highest_epoch = max(self._highest_epoch, grant.id.epoch)
        if self._core is not None:
            self._core.hear_grant(grant)

    async def _decide(self) -> None:
        core = self._core
        if core is None:
            return
        self._decided_s = now_s = boot_s()
        outcome = core.decide(now_s)
        if outcome.must_yield:
            await self._candidate.resign()
            await self._step_down("this process was frozen, or a higher epoch was heard")
            return
        for grant in outcome.grants:
            await self.bus.publish(
                Outbound(self.topics.grant(grant.charger), grant.to_json(), expires_after_s=int(grant.lease_s))
            )
        if outcome.grants or now_s - self._reported_s >= REPORT_EVERY_S:
            await self._report(core, outcome, now_s)

    async def _report(self, core: Balancer, outcome: Outcome, now_s: float) -> None:
        self._reported_s = now_s
        at = utc_now()
        site = site_state(core, outcome, now_s, at)
        await self.bus.publish(Outbound(self.topics.site_state, site.to_json(), is_retained=True))
        for decision in decisions(core, outcome, now_s, at):
            topic = self.topics.decision(decision.charger)
            await self.bus.publish(Outbound(topic, decision.to_json(), is_retained=True))
        if site.is_grid_fresh != self._was_grid_fresh:
            self._was_grid_fresh = site.is_grid_fresh
            if site.is_grid_fresh:
                await self.event("grid-back", Severity.INFO, "The grid meter is heard again.")
            else:
                await self.event(
                    "grid-stale", Severity.ALARM, "The grid meter is silent: chargers go to their fallback."
                )

    async def _hear_set(self, charger: str, setting: str, message: Inbound) -> None:
        if self._core is None:
            return
        try:
            change = settings.read_change(setting, message.payload, self.policy.chargers.get(charger))
        except SettingError as err:
            self._wire.refuse("setting", message.topic, str(err))
            await self._answer(charger, setting, message, SetResult(is_accepted=False, error=str(err)[:500]))
            return
        wishes = self._wishes.get(charger, Wishes()).model_copy(update={change.field: change.value})
        self._wishes[charger] = self._core.desks[charger].wishes = wishes
        log.info("setting_changed", charger=charger, setting=setting, value=change.value)
        await self._answer(charger, setting, message, SetResult(is_accepted=True))
        await self._decide()
        await self._save_wishes()

    async def _answer(self, charger: str, setting: str, message: Inbound, result: SetResult) -> None:
        payload = result.to_json()
        if not result.is_accepted and charger in self.policy.chargers and setting in SETTINGS:
            await self.bus.publish(Outbound(self.topics.set_error(charger, setting), payload, qos=1))
        if message.response_topic is not None:
            answer = Outbound(message.response_topic, payload, qos=1, correlation=message.correlation)
            await self.bus.publish(answer)

    async def _save_wishes(self) -> None:
        try:
            await self._store.save(_SETTINGS_NAME, settings.dump(self._wishes))
        except StoreError as err:
            self._are_wishes_saved = False
            log.debug("wishes_not_saved", error=str(err))
        else:
            self._are_wishes_saved = True
