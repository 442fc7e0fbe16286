"""The shell round the plans: the clock, the store, the price list's file and a thread, all beside the control loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from stat import S_ISREG
from typing import Final, Protocol

import structlog
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import boot_s, utc_now
from ampherd_core.mail import MAX_PAYLOAD_BYTES
from ampherd_core.messages import Event, SetResult
from ampherd_core.plans import PlanState
from ampherd_core.policy import CONNECTION
from ampherd_core.store import Settings, StoreError
from ampherd_core.topics import Topics
from ampherd_core.wire import Wire

from ampherd_balancer.brief import lay
from ampherd_balancer.core import Balancer
from ampherd_balancer.planning import Planning
from ampherd_balancer.tariff import PriceError

TICK_S: Final = 1.0
KEEP_EVERY_S: Final = 15.0
"""What was charged towards a plan is saved this often, as the queue of turns is."""

LOOK_AT_FILE_EVERY_S: Final = 60.0

_PLANS: Final = "plans"
_USUAL: Final = "usual"
_SUN: Final = "usual-sun"
_PRICES: Final = "prices"

Say = Callable[[Outbound], Awaitable[bool]]

log = structlog.get_logger()


class Reign(Protocol):
    """Who asks: the core that leads now, None on standby."""

    def __call__(self) -> Balancer | None:
        """The core."""
        ...


class PlanKeeper:
    """Keeps the plans of one balancer; `keep` runs for its life, and nothing that decides waits for it."""

    def __init__(self, reign: Reign, store: Settings, topics: Topics, say: Say, site_file: Path) -> None:
        self.planning = Planning()
        self._reign = reign
        self._store = store
        self._topics = topics
        self._say = say
        self._site_file = site_file
        self._has_news = asyncio.Event()
        self._states: dict[str, PlanState] = {}
        self._are_loaded = False
        self._kept_s = self._looked_s = float("-inf")
        self._listed: tuple[str, int] | None = None
        self._is_list_well = True

    def set(self, core: Balancer, charger: str, setting: str, payload: bytes) -> None:
        """Take a plan or a state of charge; raises SettingError."""
        self.planning.set(core.policy, charger, setting, payload, utc_now())
        self._kept_s = float("-inf")
        self._has_news.set()

    async def hear_prices(self, message: Inbound, wire: Wire) -> None:
        """Take a list of prices, or count it as refused and say on its error topic what is wrong with it."""
        try:
            self.planning.hear_prices(message.payload)
        except PriceError as err:
            wire.refuse("prices", message.topic, str(err))
            if self._reign() is None:
                return
            result = SetResult(is_accepted=False, error=f"prices: {err}"[:500])
            await self._say(Outbound(self._topics.prices_error, result.to_json(), qos=1))
            return
        log.info("prices_taken", count=len(self.planning.prices.entries))
        self._has_news.set()
        if self._reign() is not None:
            await self._save(_PRICES, message.payload)

    async def begin(self) -> None:
        """A reign begins: take up what was kept."""
        self._are_loaded = False
        await self._load()

    async def say_again(self) -> None:
        """The broker may have forgotten what it retained."""
        if self._reign() is not None:
            for state in self._states.values():
                await self._publish(state)
            await self._say_usual()

    async def keep(self) -> None:
        """Look once a second whether there is anything to plan."""
        while True:
            core = self._reign()
            if core is not None:
                await self._turn(core)
            self._has_news.clear()
            try:
                await asyncio.wait_for(self._has_news.wait(), TICK_S)
            except TimeoutError:
                continue

    async def _turn(self, core: Balancer) -> None:
        if not self._are_loaded:
            await self._load()
        if boot_s() - self._looked_s >= LOOK_AT_FILE_EVERY_S:
            self._looked_s = boot_s()
            await self._look_at_file(core)
        has_learned = self.planning.note(core, utc_now(), boot_s())
        await self._plan(core)
        if self._are_loaded and boot_s() - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = boot_s()
            await self._save(_PLANS, self.planning.remember())
        if has_learned:
            await self._save(_USUAL, self.planning.usual.remember())
            await self._save(_SUN, self.planning.sun.remember())
            await self._say_usual()

    async def _plan(self, core: Balancer) -> None:
        brief = self.planning.brief(core, utc_now())
        if brief is None:
            return
        schedule = await asyncio.to_thread(lay, brief)
        if core is not self._reign():
            return
        report = self.planning.take(core, brief, schedule, utc_now(), boot_s())
        for state in report.states:
            self._states[state.charger] = state
            await self._publish(state)
        for event in report.events:
            await self._tell(event)

    async def _publish(self, state: PlanState) -> None:
        await self._say(Outbound(self._topics.plan(state.charger), state.to_json(), qos=1, is_retained=True))

    async def _tell(self, event: Event) -> None:
        await self._say(Outbound(self._topics.event, event.to_json(), qos=1))

    async def _say_usual(self) -> None:
        load = self.planning.usual_load(utc_now(), CONNECTION)
        await self._say(Outbound(self._topics.usual, load.to_json(), qos=1, is_retained=True))

    async def _look_at_file(self, core: Balancer) -> None:
        name = core.policy.tariff.list_file
        if name is None:
            return
        try:
            found = await asyncio.to_thread(_read_if_new, self._site_file.parent / name, self._listed)
            if found is None:
                return
            self._listed, payload = found
            self.planning.hear_prices(payload)
        except (OSError, PriceError) as err:
            (log.warning if self._is_list_well else log.debug)("price_list_not_read", file=name, error=str(err))
            self._is_list_well = False
            return
        self._is_list_well = True
        log.info("prices_taken", file=name, count=len(self.planning.prices.entries))

    async def _load(self) -> None:
        """What is stored is never replaced unread: without an answer it is asked for again."""
        try:
            plans, usual, sun, prices = [await self._store.load(name) for name in (_PLANS, _USUAL, _SUN, _PRICES)]
        except StoreError as err:
            log.debug("plans_not_loaded", error=str(err))
            return
        if plans:
            self.planning.recall(plans)
        if usual:
            self.planning.usual.recall(usual)
        if sun:
            self.planning.sun.recall(sun)
        if prices and not self.planning.prices.entries:
            try:
                self.planning.hear_prices(prices)
            except PriceError as err:
                log.debug("prices_not_recalled", error=str(err))
        self._are_loaded = True

    async def _save(self, name: str, document: bytes) -> None:
        try:
            await self._store.save(name, document)
        except StoreError as err:
            log.debug("plans_not_saved", document=name, error=str(err))


def _read_if_new(path: Path, before: tuple[str, int] | None) -> tuple[tuple[str, int], bytes] | None:
    """The file and what tells its next edit; None when it is the same as before."""
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise FileNotFoundError(f"{path} is no plain file")
    now = str(path), found.st_mtime_ns
    if now == before:
        return None
    with path.open("rb") as file:
        return now, file.read(MAX_PAYLOAD_BYTES + 1)
