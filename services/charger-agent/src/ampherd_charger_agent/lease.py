"""The permission in force: which grants are taken, and when they lapse, on the agent's own clock."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ampherd_core.messages import Grant
from ampherd_core.policy import Charger

FORGET_ORDER_S: Final = 60.0
"""So long without a lease, an older epoch may lead again: no delayed grant outlives its lease, and a balancer whose
store was lost must not be locked out."""

_TOLERANCE_A: Final = 1e-6


class Verdict(StrEnum):
    """Whether a grant was taken, or why not."""

    ACCEPTED = "accepted"
    OTHER_CHARGER = "other_charger"
    OTHER_SESSION = "other_session"
    OLD_EPOCH_OR_SEQ = "old_epoch_or_seq"
    FROM_THE_FUTURE = "from_the_future"
    LAPSED = "lapsed"
    ABSURD = "absurd"
    UNREAD = "unread"


class Lease:
    """Holds at most one grant."""

    def __init__(self, charger_id: str, session: str) -> None:
        self.charger_id = charger_id
        self.session = session
        self.grant: Grant | None = None
        self.ends_s = float("-inf")
        self._newest: Grant | None = None

    def hear(self, grant: Grant, charger: Charger, lease_s: float, now_s: float) -> Verdict:
        """Take a grant; one that is refused changes nothing."""
        ends_s = grant.echo.at_s + min(grant.lease_s, lease_s)
        verdict = self._judge(grant, charger, ends_s, now_s)
        if verdict is Verdict.ACCEPTED:
            is_same = self.grant is not None and self.holds(now_s) and _is_alike(self.grant, grant)
            self.ends_s = max(self.ends_s, ends_s) if is_same else ends_s
            self.grant = grant
            self._newest = grant
        return verdict

    def holds(self, now_s: float) -> bool:
        """Whether a grant is in force."""
        return self.grant is not None and now_s < self.ends_s

    def left_s(self, now_s: float) -> float:
        """How long the grant still holds, s; 0 without one."""
        return max(0.0, self.ends_s - now_s) if self.grant is not None else 0.0

    def drop(self) -> None:
        """Forget the grant, but not its place in the order."""
        self.grant = None

    def _judge(self, grant: Grant, charger: Charger, ends_s: float, now_s: float) -> Verdict:
        is_absurd = grant.offer_a > charger.max_a + _TOLERANCE_A or 0 < grant.offer_a < charger.min_a - _TOLERANCE_A
        is_absurd |= grant.phases is not None and not charger.switches_phases
        verdict = Verdict.ACCEPTED
        if grant.charger != self.charger_id:
            verdict = Verdict.OTHER_CHARGER
        elif grant.echo.session != self.session:
            verdict = Verdict.OTHER_SESSION
        elif grant.echo.at_s > now_s:
            verdict = Verdict.FROM_THE_FUTURE
        elif is_absurd:
            verdict = Verdict.ABSURD
        elif ends_s <= now_s:
            verdict = Verdict.LAPSED
        elif not self._is_in_order(grant, now_s):
            verdict = Verdict.OLD_EPOCH_OR_SEQ
        return verdict

    def _is_in_order(self, grant: Grant, now_s: float) -> bool:
        """Newer than every grant taken, or the newest said again."""
        newest = self._newest
        if newest is None or now_s >= self.ends_s + FORGET_ORDER_S or grant.id.is_newer_than(newest.id):
            return True
        return newest.id == grant.id and _is_alike(newest, grant)


def _is_alike(one: Grant, other: Grant) -> bool:
    return one.offer_a == other.offer_a and one.phases == other.phases
