"""Who may charge on the sun, and with how much: start and stop, patience with clouds, and turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ampherd_core.phases import ZERO, Phases, add, each, most, subtract, total
from ampherd_core.policy_solar import Solar

from ampherd_balancer.surplus import Room, Surplus

_LONGEST_STEP_S: Final = 5.0
"""A longer pause between two looks is a gap, and no time in which sun was seen."""

_DIP_WEIGHT: Final = 2.0
"""A second without enough sun takes back two with it."""

_S_PER_H: Final = 3600.0

_CREDIT_H: Final = 1 / 3
"""A car starts a little before the sun suffices: when one phase's allowance would carry what is missing for so long."""

_LEAST_SUN: Final = 0.5
"""But never while less than this share of its minimum is there."""

_REFILLED_AFTER_H: Final = 6.0
"""A night makes the allowance whole again, and a gloomy day no more often."""

_STARTS_WITHIN_S: Final = 30.0
"""An allowed car's minimum is kept free for it so long."""


class SunCar(NamedTuple):
    """A car in a solar mode. `needs` is its minimum, W per pool, on so many `phases`; 1 is the first priority.

    One that `is_min_solar` charges at its minimum whatever the sun does; one that is idle takes nothing.
    """

    id: str
    needs: Phases
    phases: int
    priority: int
    is_min_solar: bool
    is_running: bool
    is_idle: bool


@dataclass(slots=True)
class Place:
    """How a `solar` car stands with the sun: allowed or waiting since then; times on the balancer's clock."""

    since_s: float
    is_allowed: bool = False
    is_lit: bool = False
    is_short: bool = False
    is_gone: bool = False
    has_w: float = 0.0
    needs_w: float = 0.0
    started_s: float | None = None
    stopped_s: float = float("-inf")
    patience_s: float = 0.0
    lit_s: float = 0.0
    short_since_s: float | None = None


class Sunlight(NamedTuple):
    """Who of the `solar` cars may charge, and what all in solar modes may take together (W per pool)."""

    allowed: frozenset[str]
    room: Phases


class Sun:
    """Feed it the surplus with every grid reading; `look` before every decision."""

    def __init__(self, solar: Solar) -> None:
        self.solar = solar
        self.surplus = Surplus(solar.rise_after_s)
        self.whole_wh = solar.import_allowance_wh
        self._spent_wh = 0.0
        self.places: dict[str, Place] = {}
        self._room = Room(solar.deadband_w)
        self._looked_s: float | None = None
        self._may_borrow = False

    def look(self, now_s: float, cars: Sequence[SunCar]) -> Sunlight:
        """Who may charge from now on; `cars` are those in solar modes that want to."""
        passed_s = min(now_s - self._looked_s, _LONGEST_STEP_S) if self._looked_s is not None else 0.0
        self._looked_s = now_s
        self.whole_wh = self.solar.import_allowance_wh * max([car.phases for car in cars], default=1)
        if not cars and not self.places and not self._spent_wh:
            return Sunlight(frozenset(), self._shared(ZERO))  # most homes, at most moments
        queue = self._queue([car for car in cars if not car.is_min_solar], now_s)
        base = _needs(_hungry([car for car in cars if car.is_min_solar and car.is_running]))
        if self.surplus.now is not None:
            left = subtract(self.surplus.now, base)
            self._may_borrow = base == ZERO
            self._start(queue, left, now_s, passed_s)
            self._note(queue, left)
            self._stop(queue, left, now_s, passed_s)
        allowed = [car for car in queue if self.places[car.id].is_allowed]
        held = [car for car in allowed if car.is_running or now_s - self.places[car.id].since_s < _STARTS_WITHIN_S]
        return Sunlight(frozenset([car.id for car in allowed]), self._shared(add(base, _needs(_hungry(held)))))

    @property
    def allowance_wh(self) -> float:
        """What is left of the allowance, which is whole at `whole_wh`: so much for each phase of the widest car."""
        return max(0.0, self.whole_wh - self._spent_wh)

    def rests_s(self, car_id: str, now_s: float) -> float:
        """How long the car's pause lasts yet, s."""
        place = self.places.get(car_id)
        return max(0.0, place.stopped_s + self.solar.min_off_s - now_s) if place is not None else 0.0

    def is_kept_on(self, car_id: str, now_s: float) -> bool:
        """Whether the car started too short ago to be stopped."""
        started_s = self.places[car_id].started_s
        return started_s is not None and now_s - started_s < self.solar.min_on_s

    def _queue(self, cars: Sequence[SunCar], now_s: float) -> Sequence[SunCar]:
        """The first to get sun first; those that take nothing come last."""
        for gone in self.places.keys() - {car.id for car in cars}:
            self.places[gone].is_gone = True
        for car in cars:
            self._meet(car, now_s)
        return sorted(cars, key=lambda car: (car.is_idle, car.priority, *self._rank(car, now_s), car.id))

    def _rank(self, car: SunCar, now_s: float) -> tuple[int, float]:
        """Among equals: who is in its turn, then the longest waiting, then whose turn is over."""
        place = self.places[car.id]
        if not place.is_allowed:
            return 1, place.since_s
        return 0 if now_s - place.since_s < self.solar.turn_s else 2, place.since_s

    def _meet(self, car: SunCar, now_s: float) -> None:
        """A car that charges when it is met goes on, until the sun has shown that it does not suffice."""
        place = self.places.get(car.id)
        if place is None or place.is_gone:
            stopped_s = place.stopped_s if place is not None else float("-inf")
            place = self.places[car.id] = Place(now_s, car.is_running, stopped_s=stopped_s)
            place.patience_s = self.solar.start_after_s
        if not car.is_running:
            place.started_s = None
        elif place.started_s is None:
            place.started_s = now_s

    def _start(self, queue: Sequence[SunCar], left: Phases, now_s: float, passed_s: float) -> None:
        for car in queue:
            place = self.places[car.id]
            is_ready = not place.is_allowed and self._is_lit(car, left, passed_s) and not self.rests_s(car.id, now_s)
            if is_ready and self._displaces(car, queue, left, now_s):
                place.is_allowed, place.since_s, place.patience_s, place.lit_s = True, now_s, float("inf"), 0.0
                if self.surplus.now is not None:
                    self._room.open_up(self.surplus.now)
            if place.is_allowed and not car.is_idle:
                left = subtract(left, car.needs)

    def _is_lit(self, car: SunCar, left: Phases, passed_s: float) -> bool:
        """Whether the surplus suffices for a start, now and for long enough; a short dip does not begin it anew."""
        place = self.places[car.id]
        place.is_lit = _covers(left, each(self._starts_from_w, car.needs))
        place.lit_s = max(0.0, place.lit_s + (passed_s if place.is_lit else -_DIP_WEIGHT * passed_s))
        return place.is_lit and place.lit_s >= self.solar.start_after_s

    def _starts_from_w(self, needs_w: float) -> float:
        """The surplus of a pool that starts a car: its minimum, or less where a whole allowance bears the rest.

        It does for the first car alone: where one charges no surplus is lost for want of another.
        """
        if not needs_w:
            return 0.0
        is_first = self._may_borrow and not any(place.is_allowed for place in self.places.values())
        may_borrow = is_first and self._spent_wh == 0
        credit_w = min(self.solar.import_allowance_wh / _CREDIT_H, (1 - _LEAST_SUN) * needs_w) if may_borrow else 0.0
        return needs_w + self.solar.start_above_w - credit_w

    def _displaces(self, newcomer: SunCar, queue: Sequence[SunCar], left: Phases, now_s: float) -> bool:
        """Stop the cars further back that do not fit beside the newcomer; False where one must not be stopped yet."""
        left = subtract(left, newcomer.needs)
        displaced = []
        for car in queue[queue.index(newcomer) + 1 :]:
            if not self.places[car.id].is_allowed or car.is_idle:
                continue
            if _covers(left, car.needs):
                left = subtract(left, car.needs)
            else:
                displaced.append(car)
        if any(self.is_kept_on(car.id, now_s) for car in displaced):
            return False
        for car in displaced:
            self._end(car, now_s)
        return True

    def _note(self, queue: Sequence[SunCar], left: Phases) -> None:
        """What each car would have beside those ahead of it; an idle one takes nothing and is in nobody's way."""
        surplus = left
        for car in queue:
            place = self.places[car.id]
            left = surplus if car.is_idle else left
            place.is_short = not _covers(left, each(lambda watts: watts - self.solar.stop_below_w, car.needs))
            place.needs_w = sum(car.needs)
            place.has_w = sum([have for have, need in zip(left, car.needs, strict=True) if need])
            if place.is_allowed:
                place.patience_s = place.patience_s if place.is_short else self.solar.stop_after_s
                left = left if car.is_idle else subtract(left, car.needs)

    def _stop(self, queue: Sequence[SunCar], left: Phases, now_s: float, passed_s: float) -> None:
        running = [car for car in queue if self.places[car.id].is_allowed and not car.is_idle]
        self._keep_allowance([car for car in running if car.is_running] or queue[:1], left, passed_s)
        for car in queue:
            self._note_short(car, now_s)
        for car in reversed(queue):
            if self._is_over(car, now_s) and not self.is_kept_on(car.id, now_s):
                self._end(car, now_s)
                if not car.is_idle:
                    return

    def _keep_allowance(self, cars: Sequence[SunCar], left: Phases, passed_s: float) -> None:
        """What these cars' minimums lack is taken from the allowance if they charge; what they leave refills it."""
        needs = _needs(cars)
        bought = [min(max(need - have, 0.0), need) for need, have in zip(needs, left, strict=True)]
        excess_w = sum([max(have - need, 0.0) for need, have in zip(needs, left, strict=True)])
        shortage_w = sum(bought) if any(car.is_running for car in cars) else 0.0
        refill_w = self.whole_wh / _REFILLED_AFTER_H
        spent_wh = self._spent_wh + (shortage_w - excess_w - refill_w) * passed_s / _S_PER_H
        self._spent_wh = max(0.0, min(self.whole_wh, spent_wh))

    def _note_short(self, car: SunCar, now_s: float) -> None:
        place = self.places[car.id]
        if not place.is_allowed or not place.is_short:
            place.short_since_s = None
        elif place.short_since_s is None:
            place.short_since_s = now_s

    def _is_over(self, car: SunCar, now_s: float) -> bool:
        """Whether no cloud explains any more that the car is short of sun."""
        place = self.places[car.id]
        if place.short_since_s is None:
            return False
        is_used_up = self.allowance_wh <= 0 and not car.is_idle
        return is_used_up or now_s - place.short_since_s >= place.patience_s

    def _end(self, car: SunCar, now_s: float) -> None:
        place = self.places[car.id]
        place.is_allowed, place.since_s, place.short_since_s = False, now_s, None
        if car.is_running and not car.is_idle:
            place.stopped_s = now_s

    def _shared(self, floor: Phases) -> Phases:
        """The surplus, but never less than the minimums of those that are held."""
        now, lasting = self.surplus.now, self.surplus.lasting
        if now is None or lasting is None:
            return floor
        return most(self._room.follow(now, lasting), floor)


def _hungry(cars: Sequence[SunCar]) -> Sequence[SunCar]:
    return [car for car in cars if not car.is_idle]


def _needs(cars: Sequence[SunCar]) -> Phases:
    return total([car.needs for car in cars])


def _covers(left: Phases, needs: Phases) -> bool:
    """Whether every pool that the car draws from has enough."""
    return all(have >= need for have, need in zip(left, needs, strict=True) if need > 0)
