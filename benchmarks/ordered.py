"""What the site's own order gives with perfect foresight: each second's room, shared as the balancer shares it.

The other bound looks for the most energy, whoever gets it: a three-phase car takes three times as much of an ampere on
a full line as a one-phase car. Here cars are equals, the margin is kept, wallboxes signal whole amps, offers count in
full, and a meter of whole amps counts by as little more as it can. What is left out is all that time costs: lags,
what was seen last, and the care after a load that may come back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from ampherd_balancer.allocate import Car, Limit, allocate, fits
from ampherd_core.phases import LINES
from ampherd_core.policy import Policy
from ampherd_core.units import MIN_OFFER_A
from ampherd_meter.electrics import WHOLE_AMP_A
from ampherd_simulator.builder import build_site
from ampherd_simulator.p1 import P1Meter, Rounding
from ampherd_simulator.scenario import P1Part
from ampherd_simulator.world import DAWN

from benchmarks.bound import under_a, visits
from benchmarks.case import Case
from benchmarks.rivals.optimum import Visit

SECONDS_PER_HOUR: Final = 3_600.0


def ordered_wh(case: Case, policy: Policy, lasts_s: float) -> float:
    """The energy of all cars together, Wh."""
    scenario = case.scenario
    house = build_site(scenario, scenario.starts_at or DAWN).house
    room_a = policy.connection.limit_a - _least_guard_a(scenario.p1 or P1Part())
    cars = list(visits(case, lasts_s))
    missing_wh = {car.id: car.wanted_wh for car in cars}
    for at_s in range(int(lasts_s)):
        here = tuple([car for car in cars if car.arrives_s <= at_s < car.leaves_s and missing_wh[car.id] > 0])
        rooms = tuple([math.floor(room_a - amps) for amps in house.at(at_s)])
        turn = int(at_s // policy.timings.turn_s)
        for car, offer_a in zip(here, _offers(here, rooms, turn % max(1, len(here))), strict=True):
            power_w = max(0.0, offer_a - under_a(case, car)) * len(car.lines) * scenario.voltage_v
            missing_wh[car.id] = max(0.0, missing_wh[car.id] - power_w / SECONDS_PER_HOUR)
    return sum(car.wanted_wh - missing_wh[car.id] for car in cars)


def _least_guard_a(p1: P1Part) -> float:
    """By how much the guard current is above the true one at the least, A."""
    meter = P1Meter(p1.kind, p1.rounding)
    if meter.resolution_a < WHOLE_AMP_A:
        return 0.0
    return WHOLE_AMP_A - (meter.resolution_a / 2 if meter.rounding is Rounding.ROUND else meter.resolution_a)


@cache
def _offers(cars: Sequence[Visit], rooms: Sequence[int], turn: int) -> Sequence[float]:
    """Whole amps for each car; what equal shares leave over goes to one after the other."""
    limits = [
        Limit(line, float(room), {car.id: 1.0 for car in cars if line in car.lines})
        for line, room in zip(LINES, rooms, strict=True)
    ]
    wanting = [Car(car.id, MIN_OFFER_A, car.max_a, rank=(place + turn) % len(cars)) for place, car in enumerate(cars)]
    offers: Mapping[str, float] = {
        car_id: float(math.floor(offer_a + 1e-6)) for car_id, offer_a in allocate(wanting, limits).offers.items()
    }
    for car in cars:
        raised = {**offers, car.id: offers[car.id] + 1}
        if offers[car.id] > 0 and raised[car.id] <= car.max_a and fits(raised, limits):
            offers = raised
    return [offers[car.id] for car in cars]
