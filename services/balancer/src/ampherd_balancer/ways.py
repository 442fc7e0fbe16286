"""The ways to run the chargers in one slot: who charges, at least at its minimum, and how the room is shared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import combinations, permutations
from operator import mul
from typing import Final, NamedTuple, TypeAlias

from ampherd_balancer.allocate import Limit

EVERY_ORDER_UP_TO: Final = 4
"""Of this many cars every set is tried in every order; of more, those that are worth the most come first."""

_EPSILON_A: Final = 1e-6

Amps: TypeAlias = tuple[float, ...]
_Order: TypeAlias = Sequence[tuple[int, ...]]
"""Who is filled first, then next; three at a time where they stand in a ring."""


class Taker(NamedTuple):
    """One charger as a slot sees it: 0, or `min_a` to `max_a` (A per phase) of so many watts each."""

    id: str
    min_a: float
    max_a: float
    watts_per_amp: float


class Room:
    """What fits in one slot: the chargers that may run in it under its limits.

    A way is a set of chargers whose minima fit, each filled in its turn: those are the corners of all that fits, but
    for one kind: three chargers between two lines each, in a ring, meet where none comes before the others.
    """

    def __init__(self, takers: Sequence[Taker], limits: Sequence[Limit]) -> None:
        self._takers = takers
        self._limits = [
            (limit.room_a, [limit.weights.get(taker.id, 0.0) for taker in takers])
            for limit in limits
            if any(limit.weights.get(taker.id) for taker in takers)
        ]
        self._most = tuple([taker.max_a for taker in takers])
        self._has_room_for_all = self._fits(self._most)

    def best(self, values: Sequence[float]) -> Amps:
        """The currents (A by taker) that are worth the most, when an ampere is worth so much to each."""
        if self._has_room_for_all:
            return tuple([most if value > 0 else 0.0 for most, value in zip(self._most, values, strict=True)])
        return max(self.corners(values), key=lambda amps: sum(map(mul, amps, values)))

    def corners(self, values: Sequence[float]) -> Sequence[Amps]:
        """All that may be the best where worths are linear (A by taker); of many cars those that are likely to be."""
        return self._ways if len(self._takers) <= EVERY_ORDER_UP_TO else self._likely(values)

    def leasts(self, values: Sequence[float]) -> Sequence[Amps]:
        """Sets of chargers of which some are filled in turn, and the others run at their minimum (A by taker)."""
        return self._partly if len(self._takers) <= EVERY_ORDER_UP_TO else self._partly_of(self._by_worth(values))

    @cached_property
    def _ways(self) -> tuple[Amps, ...]:
        places = range(len(self._takers))
        orders = [order for count in range(1, len(places) + 1) for order in permutations(places, count)]
        steps: list[_Order] = [[(place,) for place in order] for order in orders]
        for ring in combinations(places, 3):
            if self._meeting(ring, (0.0,) * len(places)) is not None:
                others = [(place,) for place in places if place not in ring]
                steps += [[ring], *([ring, other] for other in others), *([other, ring] for other in others)]
        return self._filled_each(steps)

    @cached_property
    def _partly(self) -> tuple[Amps, ...]:
        places = range(len(self._takers))
        orders = [order for count in range(1, len(places) + 1) for order in permutations(places, count)]
        return tuple(dict.fromkeys([amps for order in orders for amps in self._partly_of(order)]))

    def _partly_of(self, order: Sequence[int]) -> tuple[Amps, ...]:
        """Of each beginning of this order: its first ones filled, the others at their minimum."""
        found = [
            self._filled([(place,) for place in order[:filled]], order[:count])
            for count in range(1, len(order) + 1)
            for filled in range(count)
        ]
        return tuple([amps for amps in found if amps is not None])

    def _by_worth(self, values: Sequence[float]) -> list[int]:
        return sorted([place for place, value in enumerate(values) if value > 0], key=lambda place: -values[place])

    def _likely(self, values: Sequence[float]) -> tuple[Amps, ...]:
        by_amp = self._by_worth(values)
        by_watt = sorted(by_amp, key=lambda place: -values[place] / self._takers[place].watts_per_amp)
        heads = [order[:count] for order in (by_amp, by_watt) for count in range(1, len(order) + 1)]
        alone = [[place] for place in by_amp]
        return self._filled_each([[(place,) for place in order] for order in heads + alone])

    def _filled_each(self, orders: Iterable[_Order]) -> tuple[Amps, ...]:
        idle = (0.0,) * len(self._takers)
        filled = [self._filled(order) for order in orders]
        return tuple(dict.fromkeys([idle, *[amps for amps in filled if amps is not None]]))

    def _filled(self, order: _Order, running: Sequence[int] = ()) -> Amps | None:
        """Each one's minimum, then in turn as much as fits; None where that cannot be. Who else runs stays at its."""
        members = {place for step in order for place in step} | set(running)
        amps = [taker.min_a if place in members else 0.0 for place, taker in enumerate(self._takers)]
        if not self._fits(amps):
            return None
        for step in order:
            if len(step) == 1:
                amps[step[0]] += self._spare_a(step[0], amps)
                continue
            meeting = self._meeting(step, amps)
            if meeting is None:
                return None
            for place, meeting_a in zip(step, meeting, strict=True):
                amps[place] = meeting_a
            if not self._are_allowed(step, meeting) or not self._fits(amps):
                return None
        return tuple([round(a, 6) for a in amps])

    def _spare_a(self, place: int, amps: Sequence[float]) -> float:
        """How much higher one charger can go, A."""
        spare_a = self._takers[place].max_a - amps[place]
        for room_a, weights in self._limits:
            if weights[place] > 0:
                spare_a = min(spare_a, (room_a - _dot(weights, amps)) / weights[place])
        return max(0.0, spare_a)

    def _meeting(self, ring: Sequence[int], amps: Sequence[float]) -> tuple[float, ...] | None:
        """Where three chargers of which each two share a line fill those lines (A each); None where they share none."""
        beside = [0.0 if place in ring else a for place, a in enumerate(amps)]
        shared: list[float] = []
        for out in ring:
            rooms_a = [
                room_a - _dot(weights, beside)
                for room_a, weights in self._limits
                if [place for place in ring if weights[place] == 1] == [place for place in ring if place != out]
                and weights[out] == 0
            ]
            if not rooms_a:
                return None
            shared.append(min(rooms_a))
        return tuple([sum(shared) / 2 - without for without in shared])

    def _are_allowed(self, places: Sequence[int], amps: Sequence[float]) -> bool:
        allowed = [(self._takers[place], a) for place, a in zip(places, amps, strict=True)]
        return all(taker.min_a - _EPSILON_A <= a <= taker.max_a + _EPSILON_A for taker, a in allowed)

    def _fits(self, amps: Sequence[float]) -> bool:
        for room_a, weights in self._limits:
            load_a = _dot(weights, amps)
            if load_a > 0 and load_a > room_a + _EPSILON_A:
                return False
        return True


def rooms(takers: Sequence[Taker], limits: Sequence[Sequence[Limit]]) -> list[Room]:
    """The room of each slot; slots that have the same share it."""
    known: dict[tuple[tuple[str, float], ...], Room] = {}
    found = []
    for slot in limits:
        key = tuple([(limit.code, round(limit.room_a, 3)) for limit in slot])
        found.append(known.setdefault(key, Room(takers, slot)))
    return found


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    total: float = sum(map(mul, left, right))
    return total
