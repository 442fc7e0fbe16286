"""Power beside the wires' currents: what the site takes beside its cars, and how many watts an ampere of offer is.

No fuse depends on it: budgets in watts (the sun, a quarter-hour's peak, an operator's cap) are held by it, and those
are averages or have seconds to spare. So one best value does, where a wire needs an interval.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final

from ampherd_core.messages import Reading
from ampherd_core.phases import LINES, Line
from ampherd_core.policy import Connection, Wiring

STEADY_S: Final = 5.0
"""Meter and wallboxes are read at different moments: the median of this long does not jump when a car moves."""

MOST_SAMPLES: Final = 10
"""Of a source faster than any meter fewer seconds count."""


class Rest:
    """The power of all that the balancer cannot command (W, import positive): the grid's less the cars'."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=MOST_SAMPLES)

    def note(self, at_s: float, grid_w: float, cars_w: float) -> None:
        """A grid reading, and what the cars took by then."""
        self._samples.append((at_s, grid_w - cars_w))
        while self._samples[0][0] < at_s - STEADY_S:
            self._samples.popleft()

    @property
    def power_w(self) -> float | None:
        """The best value now; None before the first reading."""
        return median([power_w for _, power_w in self._samples]) if self._samples else None


def power_w(reading: Reading, voltage_v: float) -> float:
    """The site's power as its meter gives it, or as its currents say, W; import positive."""
    if reading.power_w is not None:
        return reading.power_w
    return sum([sample.current_a for sample in reading.phases if sample is not None]) * voltage_v


def watts_per_amp(connection: Connection, lines: Sequence[Line]) -> float:
    """The power of one ampere of offer on these lines (W/A); between two lines without neutral one current flows."""
    if connection.wiring is Wiring.STAR:
        return connection.voltage_v * len(lines)
    return connection.voltage_v * (math.sqrt(3) if len(lines) == len(LINES) else 1.0)
