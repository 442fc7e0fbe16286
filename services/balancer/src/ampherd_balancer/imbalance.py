"""No line far above another (VDE-AR-N 4100: 20 A): a bound for the cars that load fewer than all lines.

Cars on every line lift all of them alike. What the others put on a line may lift it above the least loaded by the
limit at most; that bound holds whatever the cars on the other lines do, so it may keep back a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ampherd_core.phases import LINES, Line, Phases

from ampherd_balancer.cap import Cap
from ampherd_balancer.estimate import Interval

CODE = "imbalance"


def imbalance_caps(limit_a: float, rest: Interval, lines_of: Mapping[str, Sequence[Line]]) -> Sequence[Cap]:
    """One for each line that such cars load (A); `rest` is what the connection carries beside the chargers."""
    found = []
    for line in LINES:
        users = [charger for charger, lines in lines_of.items() if line in lines and len(lines) < len(LINES)]
        if users:
            weights = dict.fromkeys(users, 1.0)
            found.append(
                Cap(
                    f"{CODE}-{line.lower()}",
                    _room_a(limit_a, rest.low, rest.low, line),
                    _room_a(limit_a, rest.low, rest.likely, line),
                    _room_a(limit_a, rest.low, rest.high, line),
                    weights,
                    weights,
                )
            )
    return found


def sentence(limit_a: float, code: str) -> str:
    """What such a bound says, for people."""
    line = code.rpartition("-")[2].upper()
    return f"{line} may carry {limit_a:g} A more than the least loaded line, and no more."


def _room_a(limit_a: float, others: Phases, own: Phases, line: Line) -> float:
    return limit_a + min([others[other.place] for other in LINES if other is not line]) - own[line.place]
