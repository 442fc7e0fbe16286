"""A car that draws more than it is offered: first lowered, then stopped, then reported."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final

from ampherd_core.units import OVERDRAW_S, overdraw_limit_a

FORGIVEN_AFTER_S: Final = 60.0
"""A car that had to be stopped is tried again no sooner: each try is a stroke of the contactor."""


class Stage(IntEnum):
    """How far the agent had to go."""

    FOLLOWS = 0
    LOWERED = 1
    STOPPED = 2
    DEFIANT = 3


class Overdraw:
    """Counts the seconds that a car draws too much, and those that it follows again."""

    def __init__(self) -> None:
        self.stage = Stage.FOLLOWS
        self.drawn_a = 0.0
        self._over_since_s: float | None = None
        self._follows_since_s: float | None = None

    def saw(self, drawn_a: float, offer_a: float, now_s: float) -> bool:
        """Judge one sample (A on the fullest phase against the offer read back); True when the stage changed."""
        before = self.stage
        self.drawn_a = drawn_a
        if drawn_a > overdraw_limit_a(offer_a):
            self._too_much(now_s)
        else:
            self._follow(now_s)
        return self.stage is not before

    def unseen(self) -> None:
        """No sample: nothing counts as continuous."""
        self._over_since_s = self._follows_since_s = None

    def unplugged(self) -> bool:
        """The car left, and its offence with it; True when the stage changed."""
        before = self.stage
        self.stage = Stage.FOLLOWS
        self.unseen()
        return before is not Stage.FOLLOWS

    def ceiling_a(self, min_a: float) -> float:
        """The most that may be offered at this stage, A; without bound when nothing is wrong."""
        if self.stage is Stage.FOLLOWS:
            return math.inf
        return min_a if self.stage is Stage.LOWERED else 0.0

    def text(self) -> str | None:
        """What is wrong, for a person."""
        if self.stage is Stage.FOLLOWS:
            return None
        deeds = {
            Stage.LOWERED: "its offer is lowered to the minimum",
            Stage.STOPPED: "it is stopped",
            Stage.DEFIANT: "it goes on although it is stopped: switch the wallbox off and have it checked",
        }
        return f"the car draws more than it is offered (last {self.drawn_a:.1f} A); {deeds[self.stage]}"

    def _too_much(self, now_s: float) -> None:
        self._follows_since_s = None
        if self._over_since_s is None:
            self._over_since_s = now_s
        if now_s - self._over_since_s >= OVERDRAW_S and self.stage is not Stage.DEFIANT:
            self.stage = Stage(self.stage + 1)
            self._over_since_s = now_s

    def _follow(self, now_s: float) -> None:
        self._over_since_s = None
        if self._follows_since_s is None:
            self._follows_since_s = now_s
        patience_s = FORGIVEN_AFTER_S if self.stage >= Stage.STOPPED else OVERDRAW_S
        if now_s - self._follows_since_s >= patience_s:
            self.stage = Stage.FOLLOWS
