"""Doubt about the wiring: a line that stays over its limit though no car is left on it, while cars charge elsewhere.

Then either the house alone is too much, or a charger's `lines` are wrong in the policy and the cut went to the wrong
cars. A look tells: everything below the meter stops, and if that relieves the line by what some of the cars took, it
was the wiring. A relief that is nobody's current may be the house's, which went down just then: that is believed when
it happens again. From then on each charger below counts on every line, with its offer and with what it takes. That
keeps every line within its limit wherever the cars are: no line gains more than all offers together exceed what all
cars take.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

from ampherd_core.phases import Phases, total

LASTS_S: Final = 8.0
"""A cut has shown by then: a car's five seconds, and the delays between."""

OVER_A: Final = 1.0
"""Whole amps may hide as much."""

ELSEWHERE_A: Final = 4.0
"""Cars that take less elsewhere are not worth a stop."""

MATCHES_A: Final = 1.5
"""A relief is some cars' current when it is within this of their sum: whole amps, and what else changes meanwhile."""

TOLD_APART: Final = 6
"""The sums of more cars lie too close together to tell whose current a relief is."""

HOLDS_S: Final = 21_600.0
"""What a look found holds so long, unless the policy is edited or another leads; then it is tried, and found anew."""

TRUSTS_S: Final = 900.0
"""After a look that found nothing there is no other one so long; one that was relieved by chance is remembered so."""

_STOPPED_A: Final = 1.0
"""A car that takes less has stopped."""


class _Look(NamedTuple):
    """All below was stopped to look at one line: what that carried then, what each car took, and all elsewhere, A."""

    since_s: float
    place: int
    load_a: float
    cars_a: Sequence[float]
    elsewhere_a: float

    def is_cars(self, relief_a: float) -> bool:
        """Whether so much is what some of the cars took together, as far as they can be told apart."""
        taking = [amps for amps in self.cars_a if amps > _STOPPED_A]
        if len(taking) > TOLD_APART:
            return True
        sums = (sum(some) for count in range(1, len(taking) + 1) for some in combinations(taking, count))
        return any(abs(relief_a - amps) <= MATCHES_A for amps in sums)


class Doubt:
    """One metered node's. `look` at every decision; times are on the balancer's clock.

    `place` is the line on which current was found that the policy has elsewhere, `seen` the charger if that is known.
    """

    def __init__(self) -> None:
        self._since_s: list[float | None] = [None, None, None]
        self._look: _Look | None = None
        self._trusts_until_s = self._suspects_until_s = float("-inf")
        self._holds_until_s = float("-inf")
        self.place: int | None = None
        self.seen: str | None = None

    def look(self, load: Phases, limit_a: float, cars: Sequence[Phases], interval_s: float, now_s: float) -> bool:
        """Whether every charger below must stand still, to look.

        `load` is the meter's, `cars` what the policy believes each car to take on each line (A); the meter's period
        says how old both may be.
        """
        lasts_s = interval_s + LASTS_S
        if self._look is not None:
            self._conclude(self._look, load, cars, lasts_s, now_s)
        if self._look is not None:
            return True
        if now_s < self._holds_until_s:
            return False
        self.place = None
        if now_s >= self._trusts_until_s:
            self._search(load, limit_a, cars, lasts_s, now_s)
        return self._look is not None

    def found(self, place: int, now_s: float, *, seen: str | None = None) -> None:
        """Current of some car is on a line where the policy has none; of one that was `seen` there it is certain."""
        self._holds_until_s = now_s + HOLDS_S if seen is None else float("inf")
        self.place, self.seen = place, seen
        self._look = None

    def _search(self, load: Phases, limit_a: float, cars: Sequence[Phases], lasts_s: float, now_s: float) -> None:
        drawn = total(cars)
        for place, load_a in enumerate(load):
            excess_a, elsewhere_a = load_a - limit_a, max(drawn) - drawn[place]
            if excess_a <= OVER_A or drawn[place] >= excess_a or elsewhere_a < ELSEWHERE_A:
                self._since_s[place] = None
                continue
            since_s = self._since_s[place]
            if since_s is None:
                self._since_s[place] = now_s
            elif now_s - since_s >= lasts_s:
                self._look = _Look(now_s, place, load_a, [max(car) for car in cars], elsewhere_a)

    def _conclude(self, look: _Look, load: Phases, cars: Sequence[Phases], lasts_s: float, now_s: float) -> None:
        """Once the cars have stopped: did that relieve the line, and by their current?"""
        may_wait = now_s - look.since_s < 2 * lasts_s
        if may_wait and max(total(cars)) > _STOPPED_A:
            return
        relief_a = look.load_a - load[look.place]
        is_relieved = relief_a >= look.elsewhere_a / 2
        if is_relieved and (now_s < self._suspects_until_s or look.is_cars(relief_a)):
            self.found(look.place, now_s)
        elif may_wait:
            return
        elif is_relieved:
            self._suspects_until_s = now_s + TRUSTS_S
        else:
            self._trusts_until_s = now_s + TRUSTS_S
        self._look = None
        self._since_s = [None, None, None]
