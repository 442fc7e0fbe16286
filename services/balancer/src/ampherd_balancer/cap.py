"""A limit that no wire sets: from a tariff, the network operator, a rule, or the sun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ampherd_balancer.allocate import Limit


class Cap(NamedTuple):
    """One such limit, with its room for what runs, for the target and for raises; `weights` per ampere of offer.

    What runs is cut only when `sure_room` is passed. `goal_weights` may count a car that stands still for more than
    it takes, so that it starts only where it can stay.
    """

    code: str
    sure_room: float
    likely_room: float
    promised_room: float
    weights: Mapping[str, float]
    goal_weights: Mapping[str, float]

    @property
    def sure(self) -> Limit:
        """For cuts."""
        return Limit(self.code, self.sure_room, self.weights)

    @property
    def likely(self) -> Limit:
        """For the target."""
        return Limit(self.code, self.likely_room, self.goal_weights)

    @property
    def promised(self) -> Limit:
        """For raises."""
        return Limit(self.code, self.promised_room, self.goal_weights)
