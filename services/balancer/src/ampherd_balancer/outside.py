"""The limits from outside the wires: each rule keeps its own state, and together they give the caps of a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ampherd_core.messages import Reading
from ampherd_core.policy import Policy

from ampherd_balancer.cap import Cap
from ampherd_balancer.fleet import Fleet
from ampherd_balancer.quarter import START_SHARE, Quarter

QUARTER: Final = "quarter"
"""The code of the quarter-hour's peak."""

REACTS_S: Final = 2.0
"""Meter, bus, agent and wallbox together take no longer to pass a command on to a car."""

START_EVERY_S: Final = 900.0
"""A cap costs a contactor one start in a quarter of an hour."""


class Outside:
    """All limits that no wire sets; rules that the policy leaves out cost nothing."""

    def __init__(self, policy: Policy) -> None:
        self.quarter: Quarter | None = None
        self.take_policy(policy)

    def take_policy(self, policy: Policy) -> None:
        """Go on under an edited policy: a rule that stays keeps its state."""
        self._policy = policy
        rule, timezone = policy.limits.quarter_peak, policy.site.timezone
        if rule is None:
            self.quarter = None
        elif self.quarter is None:
            self.quarter = Quarter(rule, timezone)
        else:
            self.quarter.take_policy(rule, timezone)
        self._lag_s = policy.timings.car_lag_s + REACTS_S

    @property
    def is_quiet(self) -> bool:
        """Whether no rule holds."""
        return self.quarter is None

    def note(self, reading: Reading, power_w: float, house_w: float | None, at_s: float) -> None:
        """A grid reading, as it was measured at `at_s`; its power, and what of it no car takes, W."""
        if self.quarter is not None:
            self.quarter.note(reading, power_w, house_w, at_s)

    def caps(self, fleet: Fleet, now_s: float) -> Sequence[Cap]:
        """What holds now for these chargers."""
        found = []
        if self.quarter is not None and self.quarter.is_known:
            found.append(self._quarter_cap(self.quarter, fleet, now_s))
        return found

    def sentence(self, cap: Cap) -> str:
        """What the cap leaves, for people."""
        return self.quarter.sentence(cap.likely_room) if self.quarter is not None else ""

    def rests_until_s(self, code: str, started_s: float | None, now_s: float) -> float:
        """When a car that started then, and that this cap stops now, may start again."""
        if started_s is None:
            return now_s
        if code == QUARTER and self.quarter is not None:
            return self.quarter.rests_until_s(started_s)
        return started_s + START_EVERY_S

    def remember(self) -> bytes | None:
        """The running quarter as a document, for `recall` after a restart; None where nothing is to be kept."""
        return self.quarter.remember() if self.quarter is not None else None

    def recall(self, document: bytes) -> None:
        """Take up a remembered quarter; nonsense is ignored."""
        if self.quarter is not None:
            self.quarter.recall(document)

    def _quarter_cap(self, quarter: Quarter, fleet: Fleet, now_s: float) -> Cap:
        rooms = quarter.rooms(fleet.rest_w, fleet.least_w, self._lag_s, now_s)
        goal_weights = {
            charger: weight_w * START_SHARE if charger in fleet.idle else weight_w
            for charger, weight_w in fleet.weights_w.items()
        }
        return Cap(QUARTER, rooms.sure_w, rooms.goal_w, rooms.goal_w, fleet.weights_w, goal_weights)
