"""The tree of limits: which chargers load which line of which circuit, and how much room each has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ampherd_core.phases import LINES, Line, Phases, on_lines
from ampherd_core.policy import CONNECTION, Policy, Wiring

from ampherd_balancer.allocate import Limit


@dataclass(frozen=True, slots=True)
class Node:
    """The connection or a circuit: its limit (A per line), its meter if any, and the chargers below it."""

    id: str
    limit_a: float
    meter: str | None
    reserve_a: float
    chargers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """One line of one node that a charger uses: what stays true of its limit while its load changes."""

    code: str
    node_id: str
    place: int
    limit_a: float
    weights: Mapping[str, float]


def nodes(policy: Policy) -> tuple[Node, ...]:
    """The connection first, then every circuit; chargers in the order of the policy."""
    below: dict[str, list[str]] = {circuit_id: [] for circuit_id in policy.circuits}
    for charger_id in policy.chargers:
        for circuit_id in policy.circuits_above(charger_id):
            below[circuit_id].append(charger_id)
    root = Node(CONNECTION, policy.connection.limit_a, policy.grid_meter, 0.0, tuple(policy.chargers))
    return root, *(
        Node(circuit_id, circuit.limit_a, circuit.meter, circuit.reserve_a, tuple(below[circuit_id]))
        for circuit_id, circuit in policy.circuits.items()
    )


def bounds(policy: Policy, tree: tuple[Node, ...], used: Mapping[str, tuple[Line, ...]]) -> tuple[Bound, ...]:
    """One for each line of each node that a charger uses; `used` are the lines that each charger loads."""
    found = []
    for node in tree:
        for line in policy.connection.lines:
            weights = {charger_id: 1.0 for charger_id in node.chargers if line in used[charger_id]}
            if weights:
                found.append(Bound(f"{node.id}-{line.lower()}", node.id, line.place, node.limit_a, weights))
    return tuple(found)


def limits(known: Sequence[Bound], others: Mapping[str, Phases]) -> tuple[Limit, ...]:
    """The limits beside the load that each node carries besides its chargers (A per line)."""
    return tuple(
        [Limit(bound.code, bound.limit_a - others[bound.node_id][bound.place], bound.weights) for bound in known]
    )


def loads(policy: Policy, charger_id: str, drawn: Phases) -> Phases:
    """What a charger's current puts on the site's lines (A).

    Between two lines of a connection without neutral one current flows in both, though the wallbox measures it once.
    """
    lines = policy.chargers[charger_id].lines
    if policy.connection.wiring is Wiring.DELTA and len(lines) < len(LINES):
        return on_lines(lines, max(drawn))
    return drawn
