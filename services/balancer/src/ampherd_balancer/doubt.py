"""Doubt about the wiring: a line that stays over its limit though no car is left on it, while cars charge elsewhere.

Then either the house alone is too much, or a charger's `lines` are wrong in the policy and the cut went to the wrong
cars. One look tells: everything below the meter stops, and if that relieves the line, it was the wiring. From then on
each charger below counts on every line, with its offer and with what it takes. That keeps every line within its limit
wherever the cars are: no line gains more than all offers together exceed what all cars take.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ampherd_core.phases import ZERO, Phases

LASTS_S: Final = 8.0
"""A cut has shown by then: a car's five seconds, and the delays between."""

OVER_A: Final = 1.0
"""Whole amps may hide as much."""

ELSEWHERE_A: Final = 4.0
"""Cars that take less elsewhere are not worth a stop."""

HOLDS_S: Final = 21_600.0
"""What was found holds so long, or until the policy is edited or another leads: then it is tried, and found again."""

TRUSTS_S: Final = 900.0
"""After a look that found nothing there is no other one so long."""


class _Look(NamedTuple):
    """All below was stopped to look at one line: what that carried then, and what cars took elsewhere, A."""

    since_s: float
    place: int
    load_a: float
    elsewhere_a: float


class Doubt:
    """One metered node's. `look` at every decision; times are on the balancer's clock."""

    def __init__(self) -> None:
        self._since_s: list[float | None] = [None, None, None]
        self._look: _Look | None = None
        self._trusts_until_s = float("-inf")
        self._holds_until_s = float("-inf")
        self.place: int | None = None

    def look(self, load: Phases, limit_a: float, drawn: Phases, interval_s: float, now_s: float) -> bool:
        """Whether every charger below must stand still, to look; `place` is the line on which wrong wiring was found.

        `load` is the meter's, `drawn` what the policy believes cars to take on each line (A); the meter's period says
        how old both may be.
        """
        lasts_s = interval_s + LASTS_S
        if self._look is not None:
            self._conclude(self._look, load, drawn, lasts_s, now_s)
        if self._look is not None:
            return True
        if now_s < self._holds_until_s:
            return False
        self.place = None
        if now_s >= self._trusts_until_s:
            self._search(load, limit_a, drawn, lasts_s, now_s)
        return self._look is not None

    def _search(self, load: Phases, limit_a: float, drawn: Phases, lasts_s: float, now_s: float) -> None:
        for place, load_a in enumerate(load):
            excess_a, elsewhere_a = load_a - limit_a, max(drawn) - drawn[place]
            if excess_a <= OVER_A or drawn[place] >= excess_a or elsewhere_a < ELSEWHERE_A:
                self._since_s[place] = None
                continue
            since_s = self._since_s[place]
            if since_s is None:
                self._since_s[place] = now_s
            elif now_s - since_s >= lasts_s:
                self._look = _Look(now_s, place, load_a, elsewhere_a)

    def _conclude(self, look: _Look, load: Phases, drawn: Phases, lasts_s: float, now_s: float) -> None:
        """Once the cars have stopped: did that relieve the line?"""
        if drawn != ZERO and max(drawn) > 1.0 and now_s - look.since_s < 2 * lasts_s:
            return
        if look.load_a - load[look.place] >= look.elsewhere_a / 2:
            self._holds_until_s, self.place = now_s + HOLDS_S, look.place
        elif now_s - look.since_s < 2 * lasts_s:
            return
        else:
            self._trusts_until_s = now_s + TRUSTS_S
        self._look = None
        self._since_s = [None, None, None]
