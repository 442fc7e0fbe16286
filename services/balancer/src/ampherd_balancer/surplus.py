"""The surplus as cars may follow it: measured every second, steady enough that a kettle moves nobody twice.

A pool is what is netted: net accounting has one pool (the first place), per-phase accounting one for each line.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

from ampherd_core.phases import Phases, each, most

from ampherd_balancer.power import MOST_SAMPLES, STEADY_S
from ampherd_balancer.traces import Peak

_FALL_SHARE: Final = 0.2
"""A fall counts from this share of the deadband on: what is shared out above the surplus is bought."""


class Surplus:
    """What the sun has left for cars, W per pool; below zero the house takes more than the sun gives."""

    def __init__(self, rise_after_s: float) -> None:
        self._least = Peak(rise_after_s)
        self._samples: deque[tuple[float, Phases]] = deque(maxlen=MOST_SAMPLES)
        self.now: Phases | None = None
        self.lasting: Phases | None = None

    def note(self, at_s: float, pools: Phases) -> None:
        """A sample, W per pool."""
        self._samples.append((at_s, pools))
        while self._samples[0][0] < at_s - STEADY_S:
            self._samples.popleft()
        self.now = each(lambda *values: median(values), *[sample for _, sample in self._samples])
        self._least.note(at_s, _negative(self.now))
        least = self._least.most(at_s)
        self.lasting = _negative(least) if least is not None else self.now


class Room:
    """How much is shared out, W per pool: falls at once, rises with what lasts, and rests within a deadband."""

    def __init__(self, deadband_w: float) -> None:
        self.deadband_w = deadband_w
        self._shared: Phases | None = None

    def follow(self, now: Phases, lasting: Phases) -> Phases:
        """The room under this surplus."""
        shared = self._shared
        self._shared = lasting if shared is None else each(self._step, shared, now, lasting)
        return self._shared

    def open_up(self, now: Phases) -> None:
        """A car starts: what there is now is shared out at once."""
        self._shared = now if self._shared is None else most(self._shared, now)

    def _step(self, shared: float, now: float, lasting: float) -> float:
        if now < shared - _FALL_SHARE * self.deadband_w:
            return now
        return lasting if lasting > shared + self.deadband_w else shared


def _negative(pools: Phases) -> Phases:
    return -pools[0], -pools[1], -pools[2]
