"""A balancer in virtual time: the real core, and what its shell does with the lock, the bus and the store."""

from __future__ import annotations

from typing import Final

from ampherd_balancer.core import Balancer
from ampherd_core.messages import ChargerState, Grant
from ampherd_core.policy import Policy
from ampherd_core.store import StoreError

from ampherd_simulator.mind import Mind, MindMaker
from ampherd_simulator.virtual_process import Mail, VirtualProcess
from ampherd_simulator.virtual_store import VirtualStore

LOCK_TTL_S: Final = 5.0
DECIDE_EVERY_S: Final = 0.95
CAMPAIGN_EVERY_S: Final = 0.95
"""Once a second, a little early so that a step of one second never skips a turn."""

KEEP_EVERY_S: Final = 15.0
_TURNS: Final = "turns"
_QUARTER: Final = "quarter"


class VirtualBalancer(VirtualProcess):
    """Leads, or stands by, with the mind that `make_mind` makes; `say` publishes a grant."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        store: VirtualStore,
        *,
        owner: str,
        boot_s: float,
        make_mind: MindMaker = Balancer,
    ) -> None:
        super().__init__(name, boot_s=boot_s)
        self.policy = policy
        self.mind: Mind | None = None
        self.epoch: int | None = None
        self.decisions = 0
        self.outbox: list[Grant] = []
        self.decided: list[Grant] = []
        self._told_a: dict[str, float] = {}
        self._make_mind = make_mind
        self._store = store
        self._owner = owner
        self._highest_epoch = 0
        self._decided_s = self._campaigned_s = self._kept_s = float("-inf")

    @property
    def core(self) -> Balancer | None:
        """The mind, where it is the real one."""
        return self.mind if isinstance(self.mind, Balancer) else None

    def hear(self, message: Mail, now_s: float) -> None:
        """One message; a grid reading is decided on at once."""
        clock_s = self.clock_s(now_s)
        if isinstance(message, ChargerState):
            if message.applied is not None:
                self._highest_epoch = max(self._highest_epoch, message.applied.epoch)
            if self.mind is not None:
                self.mind.hear_state(message, clock_s)
        elif isinstance(message, Grant):
            self._highest_epoch = max(self._highest_epoch, message.id.epoch)
            if self.mind is not None:
                self.mind.hear_grant(message)
        elif self.mind is not None:
            is_news = self.mind.hear_reading(message, clock_s)
            if is_news and message.meter == self.policy.grid_meter:
                self._decide(now_s)

    def tick(self, now_s: float) -> None:
        """What its own timers do; a decision waits a moment for the reading of the same second."""
        if now_s - self._campaigned_s >= CAMPAIGN_EVERY_S:
            self._campaigned_s = now_s
            self._campaign(now_s)
        if now_s - self._decided_s >= DECIDE_EVERY_S:
            self._decide(now_s)
        if now_s - self._kept_s >= KEEP_EVERY_S and self.core is not None:
            self._kept_s = now_s
            self._keep(self.core, now_s)

    def take_outbox(self, now_s: float) -> list[Grant]:
        """The grants to publish now; one that freezes in the act publishes them when it thaws."""
        if not self.outbox:
            return []
        if self._freezes_until is not None and self._has_changes() and self._freezes_now(now_s):
            return []
        outbox, self.outbox = self.outbox, []
        for grant in outbox:
            self._told_a[grant.charger] = grant.offer_a
        return outbox

    def _has_changes(self) -> bool:
        return any(grant.offer_a != self._told_a.get(grant.charger) for grant in self.outbox)

    def lead(self, epoch: int, now_s: float) -> None:
        """Begin a reign."""
        self.epoch = epoch
        self.mind = self._make_mind(self.policy, epoch=epoch, now_s=self.clock_s(now_s))
        if self.core is not None:
            self._recall(self.core, now_s)

    def _decide(self, now_s: float) -> None:
        mind = self.mind
        if mind is None:
            return
        self._decided_s = now_s
        self.decisions += 1
        outcome = mind.decide(self.clock_s(now_s))
        if outcome.must_yield:
            self.mind = self.epoch = None
            try:
                self._store.release(self.name, self._owner)
            except StoreError:
                return
            return
        self.outbox.extend(outcome.grants)
        self.decided.extend(outcome.grants)

    def _campaign(self, now_s: float) -> None:
        """As `leader.Candidate`: without the store only a leader goes on."""
        try:
            if not self._store.acquire(self.name, self._owner, LOCK_TTL_S, now_s):
                self.mind = self.epoch = None
            elif self.epoch is None:
                self.lead(self._store.next_epoch(self.name, self._highest_epoch), now_s)
        except StoreError:
            return

    def _recall(self, core: Balancer, now_s: float) -> None:
        """What an earlier reign left: the queue, and the running quarter."""
        try:
            turns, quarter = self._store.load(self.name, _TURNS), self._store.load(self.name, _QUARTER)
        except StoreError:
            return
        if turns:
            core.turns.recall(turns, self.clock_s(now_s))
        if quarter:
            core.outside.recall(quarter)

    def _keep(self, core: Balancer, now_s: float) -> None:
        quarter = core.outside.remember()
        try:
            self._store.save(self.name, _TURNS, core.turns.remember(self.clock_s(now_s)))
            if quarter is not None:
                self._store.save(self.name, _QUARTER, quarter)
        except StoreError:
            return
