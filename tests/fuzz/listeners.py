"""The services that listen on the bus, each as a target sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from ampherd_api.gauges import exposition
from ampherd_api.service import ApiService
from ampherd_balancer.core import Balancer
from ampherd_balancer.leader import Candidate
from ampherd_balancer.service import BalancerService
from ampherd_charger_agent.lease import Lease
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_charger_agent.service import AgentService
from ampherd_charger_agent.slot import Slot
from ampherd_charger_agent.wallbox import Snapshot
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.messages import ChargerState, IecState, LinkHealth, MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.policy import Policy
from ampherd_core.store import RedisStore

from tests.fuzz.messages import Messages, hearing
from tests.fuzz.target import promise

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_EVERY = 32
"""So often the world speaks for itself between the inputs."""


class MemoryStore(RedisStore):
    """A store that is always there and forgets all."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1/0", "home")
        self._epoch = 0

    async def load(self, name: str) -> bytes | None:
        return None

    async def save(self, name: str, document: bytes) -> None:
        """It is gone."""

    async def acquire(self, owner: str, ttl_s: float) -> bool:
        return True

    async def release(self, owner: str) -> None:
        """Nobody else wants it."""

    async def next_epoch(self, at_least: int) -> int:
        self._epoch = max(self._epoch, at_least) + 1
        return self._epoch

    async def append(self, payloads: Sequence[bytes]) -> None:
        """Gone, too."""


class BalancerListener:
    """A leader; one that a higher epoch has ended leads again before the next message."""

    def __init__(self, environment: Environment, policy: Policy) -> None:
        self.service = BalancerService("balancer", environment, policy)
        self._store = MemoryStore()
        self.service._store = self._store
        self.service._candidate = Candidate(self._store, "fuzz")
        self._number = 0

    @property
    def core(self) -> Balancer:
        """The reign under attack."""
        assert self.service._core is not None
        return self.service._core

    @property
    def refused(self) -> Counter[str]:
        return self.service.wire.refused

    def state(self) -> object:
        core = self.service._core
        if core is None:
            return None
        desks = [(d.granted_a, d.wishes, d.state and d.state.stamp) for d in core.desks.values()]
        plans = self.service._plans.planning
        wanted = [(account.wish, account.soc) for account in plans.accounts.values()]
        signal = core.outside.operator._signal, core.outside.operator._ends_s
        heard = [m.heard_s for m in core.meters.values()], len(core.sides), self.service._highest_epoch
        return desks, heard, wanted, plans.prices, signal

    def check(self, *, is_thorough: bool) -> None:
        core = self.service._core
        if core is None:
            return
        promise(len(core.sides) <= len(core.policy.meters), "readings of strangers pile up")
        accounts = self.service._plans.planning.accounts
        promise(set(accounts) <= set(core.policy.chargers), "plans of strangers pile up")
        for desk in core.desks.values():
            least_a, most_a = desk.charger.min_a, desk.charger.max_a
            promise(desk.granted_a == 0 or least_a - 1e-6 <= desk.granted_a <= most_a + 1e-6, "a grant beyond bounds")
        if is_thorough:
            promise(core.epoch < 2**53, "an epoch that no grant can carry")

    async def live_on(self, number: int) -> None:
        is_new = number % _EVERY == 1
        if is_new and self.service._core is not None:
            await self.service._plans._turn(self.service._core)
        if is_new or self.service._core is None:
            await self._lead()
        if is_new:
            for message in world(boot_s(), self.core.policy):
                self.core.hear_state(message, boot_s()) if isinstance(message, ChargerState) else (
                    self.core.hear_reading(message, boot_s())
                )
            await self.service._decide()
        if number % 4 == 0 and self.service._core is not None and self.service._outcome is not None:
            await self.service._report(self.service._core, self.service._outcome)

    async def _lead(self) -> None:
        """A new reign: what an input made it believe of clocks and sessions is forgotten."""
        self.service._core, self.service._candidate.epoch = None, None
        await self.service._campaign()


def grid_reading(now_s: float, meter: str) -> Reading:
    """A quiet house."""
    return Reading(
        meter=meter,
        role=MeterRole.GRID,
        stamp=Stamp(session="true", at_s=now_s),
        measured_at=_AT,
        interval_s=1,
        valid_for_s=5,
        resolution_a=0.1,
        phases=(PhaseSample(current_a=5, guard_a=5),) * 3,
    )


def world(now_s: float, policy: Policy) -> Iterator[ChargerState | Reading]:
    """A quiet grid, and each charger with a car that charges."""
    yield grid_reading(now_s, policy.grid_meter)
    for charger in policy.chargers:
        yield ChargerState(
            charger=charger,
            stamp=Stamp(session=f"true-{charger}", at_s=now_s),
            measured_at=_AT,
            link=LinkHealth.OK,
            iec_state=IecState.C,
            offer_a=6.0,
            drawn_a=(6.0, 6.0, 6.0),
        )


class AgentListener:
    """An agent whose wallbox answers."""

    def __init__(self, environment: Environment, policy: Policy) -> None:
        self.service = AgentService(Slot(charger="left"), "left", environment, policy)
        self._charger = policy.chargers["left"]

    @property
    def loop(self) -> SafetyLoop:
        """Its mind."""
        return self.service._loop

    @property
    def refused(self) -> Counter[str]:
        return self.service.wire.refused

    def state(self) -> object:
        lease = self.loop._lease
        return lease.grant, lease.ends_s

    def check(self, *, is_thorough: bool) -> None:
        now_s = boot_s()
        promise(self.loop.lease_left_s(now_s) <= self.service.policy.timings.lease_s + 0.1, "a lease without end")
        order = self.service._attendant._order
        if order is not None:
            is_allowed = order.offer_a == 0 or self._charger.min_a <= order.offer_a <= self._charger.max_a
            promise(is_allowed, f"an order of {order.offer_a:g} A")
        if is_thorough:
            self.service._state().to_json()

    async def live_on(self, number: int) -> None:
        if number % _EVERY == 1:
            now_s = boot_s()
            self.loop._lease = Lease("left", SESSION)
            self.loop.saw(Snapshot(IecState.C, 6.0, now_s, max_a=16.0, resolution_a=1.0), now_s)
            self.loop.take_notices()


class ApiListener:
    """The picture for people, the metrics, and what goes to history."""

    def __init__(self, environment: Environment, policy: Policy) -> None:
        self.service = ApiService("api", environment, policy)
        self.service._recorder._spool = MemoryStore()

    @property
    def refused(self) -> Counter[str]:
        return self.service.context.inbox.wire.refused + self.service.wire.refused

    def state(self) -> object:
        return self.service.context.view.revision, self.service._recorder._newest

    def check(self, *, is_thorough: bool) -> None:
        view = self.service.context.view
        view.change(view.revision - 1, boot_s(), is_bus_connected=True).model_dump_json(exclude_none=True)
        if is_thorough:
            view.snapshot(boot_s(), utc_now(), is_bus_connected=True).model_dump_json(exclude_none=True)
            exposition(self.service.context)

    async def live_on(self, number: int) -> None:
        await self.service._recorder.flush()
        until = await self.service._recorder.recorded_until()
        promise(until <= utc_now(), "what is still to be said is taken for recorded")


def balancer() -> AbstractContextManager[Messages]:
    """The balancer hears."""
    return hearing(BalancerListener)


def agent() -> AbstractContextManager[Messages]:
    """An agent hears."""
    return hearing(AgentListener)


def api() -> AbstractContextManager[Messages]:
    """The api hears."""
    return hearing(ApiListener)
