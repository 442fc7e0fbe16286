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
    chargers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """Lines of one node that the same chargers use: what stays true of their limit while their load changes."""

    node_id: str
    codes: Mapping[int, str]
    limit_a: float
    weights: Mapping[str, float]

    def beside(self, other: Phases) -> Limit:
        """The limit on the fullest of the lines, beside what they carry besides the chargers (A per line)."""
        place = max(self.codes, key=other.__getitem__)
        return Limit(self.codes[place], self.limit_a - other[place], self.weights)


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
    """One for each set of chargers that load the same lines of a node; `used` are the lines that each charger loads."""
    found = []
    for node in tree:
        together: dict[tuple[str, ...], dict[int, str]] = {}
        for line in policy.connection.lines:
            users = tuple([charger_id for charger_id in node.chargers if line in used[charger_id]])
            together.setdefault(users, {})[line.place] = code_of(node.id, line)
        found += [
            Bound(node.id, codes, node.limit_a, dict.fromkeys(users, 1.0)) for users, codes in together.items() if users
        ]
    return tuple(found)


def code_of(node_id: str, line: Line) -> str:
    """What the limit of a node's line is called in allocations."""
    return f"{node_id}-{line.lower()}"


def loads(policy: Policy, charger_id: str, drawn: Phases) -> Phases:
    """What a charger's current puts on the site's lines (A).

    Between two lines of a connection without neutral one current flows in both, though the wallbox measures it once.
    """
    if policy.connection.wiring is not Wiring.DELTA:
        return drawn
    lines = policy.chargers[charger_id].lines
    return on_lines(lines, max(drawn)) if len(lines) < len(LINES) else drawn
