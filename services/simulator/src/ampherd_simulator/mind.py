"""What may decide in a virtual balancer: the real core, or a rival in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ampherd_core.messages import ChargerState, Grant, Reading
from ampherd_core.policy import Policy


class Decided(Protocol):
    """What comes of a decision."""

    @property
    def grants(self) -> Sequence[Grant]:
        """To be sent."""
        ...

    @property
    def must_yield(self) -> bool:
        """Whether somebody else leads."""
        ...


class Mind(Protocol):
    """What decides in a balancer; `now_s` is its process's boot clock."""

    def take_policy(self, policy: Policy, now_s: float) -> None:
        """Go on under an edited policy."""
        ...

    def hear_reading(self, reading: Reading, now_s: float) -> bool:
        """Take in a meter's sample; whether it is news."""
        ...

    def hear_state(self, state: ChargerState, now_s: float) -> bool:
        """Take in a charger's state; whether it is news."""
        ...

    def hear_grant(self, grant: Grant) -> None:
        """Another balancer's grant."""
        ...

    def decide(self, now_s: float) -> Decided:
        """Who may draw how much from now on; called at each grid reading, and at least once a second."""
        ...


class MindMaker(Protocol):
    """Makes the mind of a new reign; `ampherd_balancer.core.Balancer` itself is one."""

    def __call__(self, policy: Policy, *, epoch: int, now_s: float) -> Mind:
        """A mind under this policy and epoch."""
        ...
