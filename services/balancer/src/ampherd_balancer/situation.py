"""What limits the site at one moment, for the decision and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ampherd_core.phases import Phases

from ampherd_balancer.allocate import Limit
from ampherd_balancer.cap import Cap
from ampherd_balancer.estimate import Interval
from ampherd_balancer.site import Bound, Node


class Situation(NamedTuple):
    """The chargers and the limits as one decision sees them.

    Chargers that are `commanded` obey grants, those `wanting` want current too; `stuck_a` is what each commanded one
    takes above its grants (A). Those `doubted` stand still for a look: their wiring may not agree with the meter.
    `rests` is each node's load beside the current that grants can change; `overloaded` nodes are so far above their
    limit that every charger below them stops; `outlasted` are the codes of the wires that stay over their limit though
    a cut should have shown by now. `caps` are limits that no wire sets: in watts, with watts per ampere as
    weights; they join those of the wires for cuts, targets and raises, with a room for each.
    """

    is_grid_fresh: bool
    is_fenced: bool
    stale_nodes: frozenset[str]
    doubted: frozenset[str]
    overloaded: Sequence[Node]
    outlasted: frozenset[str]
    commanded: frozenset[str]
    wanting: frozenset[str]
    stuck_a: Mapping[str, float]
    rests: Mapping[str, Interval]
    bounds: Sequence[Bound]
    caps: Sequence[Cap] = ()

    @property
    def others(self) -> Mapping[str, Phases]:
        """Each node's load beside the chargers as it must be reckoned with (A per line)."""
        return {node_id: rest.high for node_id, rest in self.rests.items()}

    @property
    def wires(self) -> Sequence[Limit]:
        """Those of the wires alone under what the rest certainly is."""
        return [bound.beside(self.rests[bound.node_id].low) for bound in self.bounds]

    @property
    def sure(self) -> Sequence[Limit]:
        """The limits under what the rest certainly is: for cuts."""
        return [*self.wires, *(cap.sure for cap in self.caps)]

    @property
    def likely(self) -> Sequence[Limit]:
        """The limits under what the rest lately was: for the target."""
        return [
            *(bound.beside(self.rests[bound.node_id].likely) for bound in self.bounds),
            *(cap.likely for cap in self.caps),
        ]

    @property
    def lasting(self) -> Sequence[Limit]:
        """The limits under what the rest took at its most for longer: for who had to stop."""
        return [
            *(bound.beside(self.rests[bound.node_id].lasting) for bound in self.bounds),
            *(cap.likely for cap in self.caps),
        ]

    @property
    def promised(self) -> Sequence[Limit]:
        """The limits under the most that the rest may be: for raises."""
        return [
            *(bound.beside(self.rests[bound.node_id].high) for bound in self.bounds),
            *(cap.promised for cap in self.caps),
        ]
