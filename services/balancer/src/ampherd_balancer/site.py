"""The tree of limits: which chargers load which line of which circuit, and how much room each has."""

from __future__ import annotations

from collections.abc import Mapping
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
    chargers: frozenset[str]


def nodes(policy: Policy) -> tuple[Node, ...]:
    """The connection first, then every circuit."""
    below: dict[str, set[str]] = {circuit_id: set() for circuit_id in policy.circuits}
    for charger_id in policy.chargers:
        for circuit_id in policy.circuits_above(charger_id):
            below[circuit_id].add(charger_id)
    root = Node(CONNECTION, policy.connection.limit_a, policy.grid_meter, 0.0, frozenset(policy.chargers))
    return root, *(
        Node(circuit_id, circuit.limit_a, circuit.meter, circuit.reserve_a, frozenset(below[circuit_id]))
        for circuit_id, circuit in policy.circuits.items()
    )


def limits(
    policy: Policy, tree: tuple[Node, ...], others: Mapping[str, Phases], used: Mapping[str, tuple[Line, ...]]
) -> tuple[Limit, ...]:
    """One limit for each line of each node that a charger uses.

    `others` gives each node's load beside the chargers (A per line), `used` the lines that each charger loads.
    """
    found = []
    for node in tree:
        other = others[node.id]
        for line in policy.connection.lines:
            weights = {charger_id: 1.0 for charger_id in node.chargers if line in used[charger_id]}
            if weights:
                found.append(Limit(f"{node.id}-{line.lower()}", node.limit_a - other[line.place], weights))
    return tuple(found)


def loads(policy: Policy, charger_id: str, drawn: Phases) -> Phases:
    """What a charger's current puts on the site's lines (A).

    Between two lines of a connection without neutral one current flows in both, though the wallbox measures it once.
    """
    lines = policy.chargers[charger_id].lines
    if policy.connection.wiring is Wiring.DELTA and len(lines) < len(LINES):
        return on_lines(lines, max(drawn))
    return drawn
