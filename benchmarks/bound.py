"""The bound of a case: what perfect foresight could have done with the same house, sun and visits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from ampherd_core.phases import Phases
from ampherd_core.policy import Policy
from ampherd_simulator.builder import build_site
from ampherd_simulator.house import House
from ampherd_simulator.scenario import CarPart
from ampherd_simulator.world import DAWN

from benchmarks.case import Case, Kind
from benchmarks.rivals.optimum import Day, Plan, Visit, least_cost, most_energy, most_surplus
from benchmarks.rivals.whole_amps import Taker, most_a

SLOT_S: Final = 60
WH_PER_KWH: Final = 1_000.0

_PLANS: Final = {
    Kind.CONTENTION: most_energy,
    Kind.CAP: most_energy,
    Kind.SURPLUS: most_surplus,
    Kind.COST: least_cost,
}


def bound(case: Case, policy: Policy, lasts_s: float) -> Plan:
    """The best that the case allows: energy, surplus or cost, by its kind.

    Where it is energy under the wires alone, cars take nothing or their minimum and wallboxes signal whole amps;
    elsewhere both are left aside.
    """
    day, cars = _day(case, policy, lasts_s), list(visits(case, lasts_s))
    if case.kind is Kind.CONTENTION:
        day = replace(day, spare_w=list(_takable_w(case, policy, cars, lasts_s)))
    return _PLANS[case.kind](day, cars)


def _takable_w(case: Case, policy: Policy, cars: Sequence[Visit], lasts_s: float) -> Iterator[float]:
    """The most power that the cars can take of the room, second by second, as means of the slots."""
    scenario, rating_a = case.scenario, policy.connection.rating_a
    house = build_site(scenario, scenario.starts_at or DAWN).house
    for begins_s in range(0, int(lasts_s), SLOT_S):
        takers = [
            Taker(car.lines, car.max_a, under_a(case, car)) for car in cars if car.arrives_s <= begins_s < car.leaves_s
        ]
        amps = 0.0
        for at_s in range(begins_s, begins_s + SLOT_S):
            one, two, three = house.at(at_s)
            amps += most_a((max(rating_a - one, 0.0), max(rating_a - two, 0.0), max(rating_a - three, 0.0)), takers)
        yield amps / SLOT_S * scenario.voltage_v


def _day(case: Case, policy: Policy, lasts_s: float) -> Day:
    scenario = case.scenario
    begins_at = scenario.starts_at or DAWN
    house = build_site(scenario, begins_at).house
    rooms, surplus_w, spare_w = [], [], []
    most_w = math.inf if case.most_w is None else case.most_w
    for begins_s in range(0, int(lasts_s), SLOT_S):
        room_a, sunny_w, left_w = _slot(house, begins_s, policy, most_w)
        rooms.append(room_a)
        surplus_w.append(sunny_w)
        spare_w.append(left_w)
    return Day(
        slot_s=SLOT_S,
        rooms_a=rooms,
        surplus_w=surplus_w,
        spare_w=spare_w if case.most_w is not None else (),
        eur_per_wh=_prices(case, begins_at, lasts_s),
        sold_eur_per_wh=case.export_price / WH_PER_KWH if case.export_price is not None else None,
        voltage_v=scenario.voltage_v,
    )


def _slot(house: House, begins_s: int, policy: Policy, most_w: float) -> tuple[Phases, float, float]:
    """Means of a slot's seconds: room per line (A), surplus (W), what is left of the cap (W)."""
    connection = policy.connection
    one = two = three = sunny_w = left_w = 0.0
    for at_s in range(begins_s, begins_s + SLOT_S):
        house_a = house.at(at_s)
        power_w = sum(house_a) * connection.voltage_v
        one += max(connection.rating_a - house_a[0], 0.0)
        two += max(connection.rating_a - house_a[1], 0.0)
        three += max(connection.rating_a - house_a[2], 0.0)
        sunny_w += max(-power_w, 0.0)
        left_w += max(most_w - power_w, 0.0)
    return (one / SLOT_S, two / SLOT_S, three / SLOT_S), sunny_w / SLOT_S, left_w / SLOT_S


def _prices(case: Case, begins_at: datetime, lasts_s: float) -> list[float]:
    if case.tariff is None:
        return []
    since_utc_s = begins_at.timestamp()
    slots = range(0, int(lasts_s), SLOT_S)
    return [case.tariff.import_price(since_utc_s + at_s) / WH_PER_KWH for at_s in slots]


def under_a(case: Case, car: Visit) -> float:
    """How much less than its offer it draws, A."""
    return case.scenario.chargers[car.id.rpartition("-")[0]].car.under_a


def visits(case: Case, lasts_s: float) -> Iterator[Visit]:
    """Who is there when, and what each wants."""
    for charger_id, part in case.scenario.chargers.items():
        lines = part.lines[: part.car.phases]
        for place, (arrives_s, leaves_s, wanted_wh) in enumerate(_stays(part.car)):
            yield Visit(
                f"{charger_id}-{place}",
                lines,
                float(part.max_a),
                arrives_s - arrives_s % SLOT_S,
                _slot_end_s(min(leaves_s, lasts_s)),
                wanted_wh,
            )


def _slot_end_s(at_s: float) -> float:
    """Stays are widened to whole slots, so that the bound stays a bound."""
    return math.ceil(at_s / SLOT_S) * SLOT_S


def _stays(car: CarPart) -> Iterator[tuple[float, float, float]]:
    """When it comes and goes (s), and what it wants (Wh)."""
    for visit in car.visits:
        yield visit.arrives_s, visit.leaves_s or math.inf, visit.wants_wh or car.battery_wh
    if not car.visits:
        yield car.arrives_s, car.leaves_s or math.inf, (1.0 - car.soc) * car.battery_wh
