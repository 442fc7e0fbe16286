"""The target of one decision: the cars that want current as the allocation sees them, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ampherd_core.messages import Mode

from ampherd_balancer.allocate import Allocation, Car, Limit, allocate, fits, with_rest
from ampherd_balancer.desk import Desk
from ampherd_balancer.situation import Situation
from ampherd_balancer.turns import Turns


class Aim:
    """Who should get how much; remembers the turns, and the allocation while nothing changes."""

    def __init__(self, turn_s: float) -> None:
        self.turns = Turns(turn_s)
        self._allocated: tuple[Sequence[Car], Sequence[Limit], Allocation] = ((), (), Allocation({}, {}))

    def target(self, wanting: Sequence[Desk], situation: Situation, now_s: float) -> Allocation:
        """What each of those that want current should get, under the limits as they lately were.

        One must wait for another (it is scarce) where not all fit beside what the rest takes for certain. Where only
        the memory of a load is in the way of one that waits, nobody is stopped for it.
        """
        queue = [desk for desk in wanting if not desk.appetite.is_idle and desk.is_connected]
        waits = any(desk.granted_a == 0 for desk in queue)
        is_scarce = waits and not fits({desk.id: desk.min_a for desk in queue}, situation.sure)
        ranks = self.turns.order([desk.id for desk in queue], now_s, is_scarce=is_scarce)
        able = [desk for desk in wanting if desk.granted_a > 0 or desk.waits_s(now_s) == 0]
        cars = [_car(desk, ranks, now_s, is_spared=waits and not is_scarce) for desk in able]
        ready = _ready({desk.id: desk for desk in able}, cars, situation)
        target = self._allocate(ready, situation.likely) if ready else Allocation({}, {})
        welcome = {desk.id: desk.welcome_a for desk in wanting if desk.agenda.takes_more}
        target = with_rest(target, ready, welcome, situation.likely) if welcome else target
        self.turns.served([car_id for car_id, offer_a in target.offers.items() if offer_a > 0], now_s)
        return target

    def _allocate(self, cars: Sequence[Car], likely: Sequence[Limit]) -> Allocation:
        """The same cars under the same limits get the same: while nothing changes it is found once."""
        known_cars, known_limits, allocation = self._allocated
        if cars != known_cars or likely != known_limits:
            allocation = allocate(cars, likely)
            self._allocated = cars, likely, allocation
        return allocation


def _ready(desks: Mapping[str, Desk], cars: Sequence[Car], situation: Situation) -> Sequence[Car]:
    """Without those that had to stop and would find no room in what the house lately took at its most."""
    stopped = {car.id for car in cars if _waits_for_calm(desks[car.id], car)}
    if not stopped:
        return cars
    lasting = allocate(cars, situation.lasting).offers
    return [car for car in cars if car.id not in stopped or lasting[car.id] > 0]


def _waits_for_calm(desk: Desk, car: Car) -> bool:
    return desk.is_stopped or (car.is_idle and desk.granted_a == 0)


def _car(desk: Desk, ranks: Mapping[str, int], now_s: float, *, is_spared: bool) -> Car:
    is_standby = desk.id not in ranks
    starts_beside_sun = desk.granted_a == 0 and desk.mode is Mode.MIN_SOLAR
    is_on_minimum = is_standby or starts_beside_sun or desk.appetite.is_asked
    return Car(
        id=desk.id,
        min_a=desk.min_a,
        max_a=desk.min_a if is_on_minimum else desk.useful_a,
        priority=desk.precedence,
        rank=ranks.get(desk.id, 0),
        is_pinned=desk.is_pinned(now_s) or (is_spared and desk.granted_a > 0),
        is_standby=is_standby,
        is_idle=desk.is_idle(now_s),
    )
