"""What the wallbox was told, and whether it obeys: every write is held against what is read back after it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ampherd_core.messages import GrantId
from ampherd_core.phases import PhaseCount

from ampherd_charger_agent.wallbox import Snapshot

IGNORED_AFTER: Final = 3
"""So many writes without effect are called ignored."""

RETRY_S: Final = 5.0
"""An ignored write is repeated this often."""

UNANSWERED_S: Final = 20.0
"""An order whose outcome nobody reported for this long is given again."""

EPSILON_A: Final = 1e-6
_READ_BACK_A: Final = 0.05
"""Half of the finest step (0.1 A) in which a wallbox reports its offer."""


class Outcome(StrEnum):
    """What became of an order."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    IGNORED = "ignored"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """What to write to the wallbox: `offer_a` A per phase, 0 = pause; a lowering is urgent.

    With `phases` it is the count of phases alone that is written, while the offer stands at 0.
    """

    offer_a: float
    is_urgent: bool
    at_s: float
    grant: GrantId | None
    phases: PhaseCount | None = None


def stands(seen: Snapshot | None, offer_a: float) -> bool:
    """Whether the wallbox, as read, offers just this."""
    if seen is None:
        return False
    return abs(seen.offer_a - offer_a) <= max(seen.resolution_a / 2, _READ_BACK_A) + EPSILON_A


class Orders:
    """The newest order and its outcome; `mismatches` counts the writes that had no effect.

    `settle_s`: a write shows in the read-back this long after it at the latest.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._order: Order | None = None
        self._written_s = float("-inf")
        self._outcome = Outcome.CONFIRMED
        self._ignored = 0
        self._written: deque[tuple[float, float]] = deque()
        self.mismatches = 0

    @property
    def is_obeyed(self) -> bool:
        """Whether nothing is under way and the last order, if any, was read back."""
        return self._outcome is Outcome.CONFIRMED

    @property
    def is_deaf(self) -> bool:
        """Whether the wallbox ignored one write after the other."""
        return self._ignored >= IGNORED_AFTER

    def needs(self, wanted_a: float, seen: Snapshot | None, now_s: float) -> bool:
        """Whether `wanted_a` has to be written now; `seen` is None while the link is lost."""
        order = self._order
        if order is None or order.offer_a != wanted_a:
            if self._outcome in {Outcome.PENDING, Outcome.FAILED} or not stands(seen, wanted_a):
                return True
            self._order, self._outcome, self._ignored = None, Outcome.CONFIRMED, 0
            return False
        waited_s = now_s - order.at_s
        if self._outcome is Outcome.IGNORED:
            return not self.is_deaf or waited_s >= RETRY_S
        if self._outcome is Outcome.PENDING:
            return waited_s >= UNANSWERED_S
        return self._outcome is Outcome.FAILED

    def is_lowering(self, wanted_a: float, seen: Snapshot | None) -> bool:
        """Whether `wanted_a` is below what the wallbox offers, or may offer by an order under way."""
        known = [seen.offer_a if seen is not None else math.inf]
        if self._order is not None and not self.is_obeyed:
            known.append(self._order.offer_a)
        return wanted_a < max(known) - EPSILON_A

    def give(self, order: Order) -> Order:
        """The order that now counts."""
        self._order, self._outcome = order, Outcome.PENDING
        self._await(order, order.at_s)
        return order

    def wrote(self, order: Order, now_s: float) -> None:
        """The write is over, maybe long after the order was given: only from now on must it show."""
        self._await(order, now_s)

    @property
    def pending_a(self) -> Sequence[float]:
        """The orders that may not have shown in what was read last, A; none for a wallbox that shows them at once."""
        return [offer_a for _, offer_a in self._written]

    def standing_a(self, seen: Snapshot | None) -> float | None:
        """The least that the wallbox may offer now, A: what was read, or an order under way; None if never read."""
        if seen is None:
            return None
        is_under_way = self._order is not None and not self.is_obeyed
        return min(seen.offer_a, self._order.offer_a) if self._order is not None and is_under_way else seen.offer_a

    def judge(self, seen: Snapshot) -> bool:
        """Hold the order against a later read; True when the wallbox just turned out to be deaf."""
        while self._written and seen.read_at_s >= self._written[0][0] + self._settle_s:
            self._written.popleft()
        order = self._order
        if order is None or seen.read_at_s < self._written_s:
            return False
        if stands(seen, order.offer_a):
            self._outcome, self._ignored = Outcome.CONFIRMED, 0
            return False
        if seen.read_at_s < self._written_s + self._settle_s:
            return False
        was_deaf = self.is_deaf
        if self._outcome is Outcome.PENDING:
            self._ignored = min(self._ignored + 1, IGNORED_AFTER)
            self.mismatches += 1
        self._outcome = Outcome.IGNORED
        return self.is_deaf and not was_deaf

    def failed(self) -> None:
        """The order under way may not have arrived."""
        if self._outcome is Outcome.PENDING:
            self._outcome = Outcome.FAILED

    def forgotten(self) -> None:
        """The wallbox restarted: whatever it was told is gone."""
        self._outcome = Outcome.FAILED

    def _await(self, order: Order, since_s: float) -> None:
        if order is self._order:
            self._written_s = since_s
        if self._settle_s > 0:
            self._written.append((since_s, order.offer_a))

    def complaint(self, seen: Snapshot | None) -> str | None:
        """How a deaf wallbox deviates; one that offers less than told while no car is there is at ease, not deaf."""
        order = self._order
        if not self.is_deaf or seen is None or order is None or stands(seen, order.offer_a):
            return None
        if seen.offer_a < order.offer_a and not seen.iec_state.is_connected:
            return None
        return f"the wallbox ignores its orders: told {order.offer_a:g} A, it offers {seen.offer_a:g} A"
