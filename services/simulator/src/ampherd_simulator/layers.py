"""Whose doing an overload is, and the figures of each layer; nothing is dropped.

- `house`: the house alone is over the limit;
- `reaction`: the house rose less long ago than meter, decision, wallbox and a standard car (IEC 61851-1: 5 s) take;
- `car`: a car draws more than its wallbox offered within the last 5 s;
- `wallbox`: a wallbox cannot be commanded, and all others have made room already;
- `blind`: the newest reading that reached a charger through meter, balancer and bus is older than a healthy one;
- `unmetered`: a car behind a wallbox without a meter takes more than it took before, or more than it is offered below
  a circuit without a meter (see docs/safety.md);
- `lie`: a meter shows import as export, or a wallbox tells what is not so;
- `ours`: the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Layer(StrEnum):
    """Whose doing an overload is."""

    HOUSE = "house"
    REACTION = "reaction"
    CAR = "car"
    WALLBOX = "wallbox"
    BLIND = "blind"
    UNMETERED = "unmetered"
    LIE = "lie"
    OURS = "ours"


@dataclass(slots=True)
class Tally:
    """One layer's figures: the whole in A·s, the worst in A, the longest over 1 A in s, and what acted at the worst."""

    total_as: float = 0.0
    worst_a: float = 0.0
    longest_s: float = 0.0
    worst_run_as: float = 0.0
    at_worst: tuple[str, ...] = ()

    def merge(self, other: Tally) -> None:
        """Take in another world's."""
        self.total_as += other.total_as
        if other.worst_a > self.worst_a:
            self.worst_a, self.at_worst = other.worst_a, other.at_worst
        self.longest_s = max(self.longest_s, other.longest_s)
        self.worst_run_as = max(self.worst_run_as, other.worst_run_as)
