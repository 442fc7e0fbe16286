"""One metered node of the tree: what its meter said last, whether that is fresh, and its house."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ampherd_core.messages import Reading
from ampherd_core.phases import LINES, Line, Phases

from ampherd_balancer.doubt import LASTS_S, Doubt
from ampherd_balancer.estimate import House
from ampherd_balancer.hearing import Sender


@dataclass(slots=True)
class Metered:
    """The lines that the node must guard and their limit (A), its house, and whether its meter is fresh.

    `over_since_s` tells since when each line above its limit has been so without a break or a gap in the readings;
    `doubt` is of the wiring.
    """

    lines: tuple[Line, ...]
    limit_a: float
    house: House
    sender: Sender
    heard_s: float = float("-inf")
    valid_for_s: float = 0.0
    reading: Reading | None = None
    doubt: Doubt = field(default_factory=Doubt)
    over_since_s: dict[Line, float] = field(default_factory=dict)

    def hear(self, reading: Reading, now_s: float) -> bool:
        """Take in a sample; False when it is old, repeated or lacks a line that must be guarded."""
        at_s = self.sender.hear(reading.stamp, now_s)
        load = _guard(reading, self.lines)
        if at_s is None or load is None or now_s - at_s > reading.valid_for_s:
            return False
        was_over_s = self.over_since_s if self.is_fresh(now_s) else {}
        over = [line for line in LINES if load[line.place] > self.limit_a]
        self.over_since_s = {line: was_over_s.get(line, now_s) for line in over}
        self.heard_s, self.valid_for_s, self.reading = at_s, reading.valid_for_s, reading
        self.house.note(min(at_s, now_s), load, reading.interval_s)
        return True

    def outlasted(self, now_s: float, lasts_s: float = LASTS_S) -> Sequence[Line]:
        """The lines that have been over their limit for so long: by default, longer than a cut takes to show."""
        return [line for line, since_s in self.over_since_s.items() if now_s - since_s >= lasts_s]

    def is_doubted(self, cars: Sequence[Phases], now_s: float) -> bool:
        """Whether the chargers below must stand still; `cars` is what each takes by the policy (A per line)."""
        if self.reading is None or self.house.load is None:
            return False
        return self.doubt.look(self.house.load, self.limit_a, cars, self.reading.interval_s, now_s)

    def is_fresh(self, now_s: float) -> bool:
        """Whether the newest sample still counts."""
        return now_s - self.heard_s <= self.valid_for_s


def _guard(reading: Reading, lines: Iterable[Line]) -> Phases | None:
    """The reading's guard current per line (A), or None when one of `lines` is missing."""
    samples = reading.phases
    for line in lines:
        if samples[line.place] is None:
            return None
    one, two, three = samples
    return (
        one.guard_a if one is not None else 0.0,
        two.guard_a if two is not None else 0.0,
        three.guard_a if three is not None else 0.0,
    )
