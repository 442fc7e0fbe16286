"""The target: who should get how much, as the exact optimum of the site's order.

The order: who must not be interrupted, then priority, then the head of the queue, then as many cars as fit at their
minimum, then the rest of the queue; of what is left, each class of priority in turn shares equally (max-min fair on
the limits that really bind a car, so what one cannot use goes to those who can). Idle cars get their minimum of what
nobody else can use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, groupby
from typing import Final, NamedTuple

EXACT_UP_TO: Final = 8
"""Subsets of this many cars are searched one by one; above it the queue's order decides greedily."""

_EPSILON_A: Final = 1e-6

OWN_MAXIMUM: Final = "own-maximum"


class Car(NamedTuple):
    """One car that wants current: at least `min_a`, at most `max_a` (A per phase).

    `priority` 1 is served first; `rank` is its place in the queue among equals; a pinned car must not be stopped
    for another; a standby one (an empty wallbox that must stand ready) comes after all others. An idle one, whose car
    took nothing, is only reckoned with where something is left over.
    """

    id: str
    min_a: float
    max_a: float
    priority: int = 5
    rank: int = 0
    is_pinned: bool = False
    is_standby: bool = False
    is_idle: bool = False

    @property
    def admission_class(self) -> int:
        """Whose minimum is looked after first."""
        if self.is_standby:
            return 99
        return 0 if self.is_pinned else self.priority


class Limit(NamedTuple):
    """A hard limit: the offers of its members, each times its weight, stay within `room_a`."""

    code: str
    room_a: float
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Allocation:
    """Offers in A by car (0 for a car that is not admitted), and the code of what limits each."""

    offers: Mapping[str, float]
    limited_by: Mapping[str, str]


def allocate(cars: Sequence[Car], limits: Sequence[Limit]) -> Allocation:
    """The optimum of the order above; every offer is 0 or at least the car's minimum, and no limit is passed."""
    offers: dict[str, float] = {}
    limited_by: dict[str, str] = {}
    queue = sorted(cars, key=lambda car: (car.is_idle, car.admission_class, car.rank, car.id))
    for _, alike in groupby(queue, key=lambda car: car.is_idle):
        _share(list(alike), limits, offers, limited_by)
    return Allocation(offers, limited_by)


def _share(queue: Sequence[Car], limits: Sequence[Limit], offers: dict[str, float], limited_by: dict[str, str]) -> None:
    """Admit and raise these in what others' `offers` leave; changes its last two arguments."""
    left = [limit._replace(room_a=limit.room_a - _load(limit, offers)) for limit in limits] if offers else limits
    admitted = _admit(queue, left)
    offers.update({car.id: car.min_a if car.id in admitted else 0.0 for car in queue})
    limited_by.update({car.id: _blocker(car, offers, limits) for car in queue if car.id not in admitted})
    slack = [limit.room_a - _load(limit, offers) for limit in limits]
    by_priority = sorted((car for car in queue if car.id in admitted), key=_fill_order)
    for _, group in groupby(by_priority, key=_fill_order):
        _raise_equally(list(group), limits, slack, offers, limited_by)


def with_rest(
    allocation: Allocation, cars: Sequence[Car], welcome_a: Mapping[str, float], limits: Sequence[Limit]
) -> Allocation:
    """What an allocation leaves over goes to those of its cars that may take more than they need, by the same order."""
    served = [
        car._replace(min_a=offer, max_a=max(offer, welcome_a.get(car.id, offer)))
        for car in cars
        if (offer := allocation.offers[car.id]) > 0
    ]
    more = allocate(served, limits)
    if 0 in more.offers.values():
        return allocation
    return Allocation({**allocation.offers, **more.offers}, {**allocation.limited_by, **more.limited_by})


def fits(offers: Mapping[str, float], limits: Sequence[Limit]) -> bool:
    """Whether the offers (A by car) stay within every limit that one of them loads."""
    for limit in limits:
        load_a = _load(limit, offers)
        if load_a > 0 and load_a > limit.room_a + _EPSILON_A:
            return False
    return True


def _fill_order(car: Car) -> int:
    return 99 if car.is_standby else car.priority


def _load(limit: Limit, offers: Mapping[str, float]) -> float:
    return sum([weight * offers.get(car_id, 0.0) for car_id, weight in limit.weights.items()])


def _admit(queue: Sequence[Car], limits: Sequence[Limit]) -> frozenset[str]:
    minima = {car.id: car.min_a for car in queue}
    binding = [limit for limit in limits if _load(limit, minima) > limit.room_a + _EPSILON_A]
    if not binding:
        return frozenset(minima)
    return _best_subset(queue, binding) if len(queue) <= EXACT_UP_TO else _greedy(queue, binding)


def _best_subset(queue: Sequence[Car], limits: Sequence[Limit]) -> frozenset[str]:
    sizes = tuple(len(list(group)) for _, group in groupby(queue, key=lambda car: car.admission_class))
    needs = [
        (limit.room_a + _EPSILON_A, [limit.weights.get(car.id, 0.0) * car.min_a for car in queue]) for limit in limits
    ]
    for places in _by_merit(sizes):
        loads = ((sum([need[place] for place in places]), room_a) for room_a, need in needs)
        if all(load_a <= room_a or load_a == 0 for load_a, room_a in loads):
            return frozenset(queue[place].id for place in places)
    return frozenset()


@cache
def _by_merit(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Every set of places in a queue whose classes have these sizes, the best first.

    Class by class: with its head, then with more of it, then with those further ahead.
    """
    total = sum(sizes)
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    subsets = [tuple(places) for count in range(total + 1) for places in combinations(range(total), count)]

    def merit(places: tuple[int, ...]) -> tuple[int, ...]:
        merits: list[int] = []
        for start, size in zip(starts, sizes, strict=True):
            chosen = [int(place in places) for place in range(start, start + size)]
            merits += [chosen[0], sum(chosen), *chosen]
        return tuple(merits)

    return tuple(sorted(subsets, key=merit, reverse=True))


def _greedy(queue: Sequence[Car], limits: Sequence[Limit]) -> frozenset[str]:
    left = [limit.room_a + _EPSILON_A for limit in limits]
    admitted: set[str] = set()
    for car in queue:
        needs = [limit.weights.get(car.id, 0.0) * car.min_a for limit in limits]
        if all(need <= have for need, have in zip(needs, left, strict=True) if need):
            admitted.add(car.id)
            left = [have - need for need, have in zip(needs, left, strict=True)]
    return frozenset(admitted)


def _blocker(car: Car, offers: Mapping[str, float], limits: Sequence[Limit]) -> str:
    """The limit that is shortest of room for this car's minimum."""
    own = [limit for limit in limits if limit.weights.get(car.id)]
    if not own:
        return OWN_MAXIMUM
    return min(own, key=lambda limit: limit.room_a - _load(limit, offers) - limit.weights[car.id] * car.min_a).code


def _raise_equally(
    cars: list[Car],
    limits: Sequence[Limit],
    slack: list[float],
    offers: dict[str, float],
    limited_by: dict[str, str],
) -> None:
    """Lift the lowest offers together until each car meets its maximum or a limit; changes its last three arguments."""
    rising = _freeze(cars, limits, slack, offers, limited_by)
    while rising:
        lowest = min(offers[car.id] for car in rising)
        group = [car for car in rising if offers[car.id] <= lowest + _EPSILON_A]
        above = [offers[car.id] for car in rising if offers[car.id] > lowest + _EPSILON_A]
        ceiling = min([car.max_a for car in group] + above)
        pulls = [sum(limit.weights.get(car.id, 0.0) for car in group) for limit in limits]
        step = min(
            [ceiling - lowest] + [max(have, 0.0) / pull for have, pull in zip(slack, pulls, strict=True) if pull]
        )
        for car in group:
            offers[car.id] += step
        for place, pull in enumerate(pulls):
            slack[place] -= pull * step
        rising = _freeze(rising, limits, slack, offers, limited_by)


def _freeze(
    cars: list[Car],
    limits: Sequence[Limit],
    slack: Sequence[float],
    offers: Mapping[str, float],
    limited_by: dict[str, str],
) -> list[Car]:
    """The cars that can still rise; notes for the others what stopped them."""
    tight = [limit for limit, have in zip(limits, slack, strict=True) if have <= _EPSILON_A]
    rising: list[Car] = []
    for car in cars:
        if offers[car.id] >= car.max_a - _EPSILON_A:
            limited_by[car.id] = OWN_MAXIMUM
            continue
        code = next((limit.code for limit in tight if limit.weights.get(car.id)), None)
        if code is None:
            rising.append(car)
        else:
            limited_by[car.id] = code
    return rising
