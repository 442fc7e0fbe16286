"""Which chargers should be on one phase and which on three: the count that uses most of the sun."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeAlias

from ampherd_core.messages import Mode
from ampherd_core.phases import PhaseCount, Phases, each, subtract

from ampherd_balancer.desk import Desk

SMOOTH_S: Final = 120.0
"""A switch interrupts the car for minutes, so shorter clouds must not cause one."""

UP_RATIO: Final = 1.1
"""Three phases are worth a switch when the sun has a tenth more than they need at least."""

DOWN_RATIO: Final = 0.95

_LONGEST_STEP_S: Final = 5.0
"""After a longer pause in which nothing was seen the last of it counts no more than this."""

Needs: TypeAlias = Callable[[Desk, PhaseCount], Phases]
"""The power of a car's minimum on so many phases, W per pool of the sun."""


class Phasing:
    """Look at the surplus before each decision; each desk's `phases` then say what to grant."""

    def __init__(self) -> None:
        self.surplus: Phases | None = None
        self._looked_s = -math.inf

    def look(
        self, desks: Collection[Desk], surplus: Phases | None, needs: Needs, now_s: float, *, may_switch: bool
    ) -> None:
        """`surplus` is what all cars in solar modes may take together, W per pool; None while unknown."""
        self._smooth(surplus, now_s)
        for desk in _last_first([desk for desk in desks if desk.charger.switches_phases and may_switch]):
            best = None if desk.is_pinned(now_s) else self._best(desk, desks, needs)
            desk.phases.choose(best, now_s, every_s=desk.policy.timings.switch_every_s)
        for desk in desks:
            desk.note_phases(now_s)

    def _smooth(self, surplus: Phases | None, now_s: float) -> None:
        passed_s, self._looked_s = min(now_s - self._looked_s, _LONGEST_STEP_S), now_s
        if surplus is None or self.surplus is None:
            self.surplus = surplus
        else:
            share = 1.0 - math.exp(-passed_s / SMOOTH_S)
            self.surplus = each(lambda before, now: before + share * (now - before), self.surplus, surplus)

    def _best(self, desk: Desk, desks: Collection[Desk], needs: Needs) -> PhaseCount | None:
        """None where it does not matter: nobody charges there, or a car that has shown that it uses one line only."""
        is_one_phase_car = len(desk.appetite.lines) == 1
        if not desk.is_connected or desk.appetite.is_idle or desk.mode is Mode.OFF or is_one_phase_car:
            return None
        if not desk.follows_sun:
            return 3
        if self.surplus is None:
            return None
        left = self.surplus
        for other in desks:
            if other is not desk and other.follows_sun and (other.granted_a > 0 or other.phases.is_switching):
                left = subtract(left, needs(other, other.phases.wish or 3))
        return _best_of(desk, left, needs(desk, 1), needs(desk, 3))


def _best_of(desk: Desk, left: Phases, one: Phases, three: Phases) -> PhaseCount | None:
    """Three where the sun has three minimums; one where it has one, or where nothing is interrupted for it."""
    ratio = UP_RATIO if desk.phases.confirmed == 1 else DOWN_RATIO
    if _covers(left, each(lambda watts: watts * ratio, three)):
        return 3
    stops_anyway = desk.mode is Mode.SOLAR and desk.granted_a > 0 and not _covers(left, one)
    return None if stops_anyway else 1


def _last_first(desks: Collection[Desk]) -> Sequence[Desk]:
    """Who is served last gives phases up first, and what that leaves counts for the others."""
    return sorted(desks, key=lambda desk: (-desk.priority, desk.id))


def _covers(left: Phases, needs: Phases) -> bool:
    return all(have >= need for have, need in zip(left, needs, strict=True) if need > 0)
