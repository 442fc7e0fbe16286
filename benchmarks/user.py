"""A user who has the prices of the night, and tells of each car when it is plugged in what it is to get by when."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ampherd_balancer.planning import Planning
from ampherd_balancer.sampling import SAMPLE_EVERY_S
from ampherd_core.phases import Phases, each
from ampherd_core.policy import CONNECTION
from ampherd_meter.electrics import WHOLE_AMP_A
from ampherd_simulator.builder import build_site
from ampherd_simulator.p1 import P1Meter
from ampherd_simulator.scenario import P1Part
from ampherd_simulator.virtual_planner import VirtualPlanner
from ampherd_simulator.world import DAWN, World

from benchmarks.case import Case
from benchmarks.rivals.seen import Goal, Rate

QUARTER_S: Final = 900
DAY_S: Final = 86_400
WH_PER_KWH: Final = 1_000.0

LEARNS_DAYS: Final = 14
"""So long the balancer has looked at this house before; each of those days is another than the one that is played."""


class Said(NamedTuple):
    """What the planner told its user of one plan, so long after the beginning (s)."""

    at_s: float
    charger: str
    text: str


class Wish(NamedTuple):
    """What a user says, so long after the beginning (s), that a car is to get."""

    at_s: float
    charger: str
    goal: Goal


class PlanningUser:
    """Sets prices and plans by the same payloads that go over MQTT; pass `watch` to `World.run`."""

    def __init__(self, case: Case, world: World) -> None:
        self.said: list[Said] = []
        self._planner = VirtualPlanner(world)
        _look_back(case, world, self._planner.planning)
        self._wishes = sorted(wishes(case))
        self._began_at = world.wall_clock()
        if case.tariff is not None:
            self._planner.hear_prices(_price_list(rates(case), self._began_at))

    @property
    def planned_eur(self) -> float | None:
        """What all that is still to be charged costs by the newest schedule.

        None before that has all cars in it, and where one will go short.
        """
        states = self._planner.states.values()
        if self._wishes or not all(state.is_met for state in states):
            return None
        return sum(state.cost or 0.0 for state in states)

    def watch(self, world: World) -> None:
        """One step has passed."""
        while self._wishes and self._wishes[0].at_s <= world.now_s:
            wish = self._wishes.pop(0)
            by = (self._began_at + timedelta(seconds=wish.goal.by_s)).astimezone(UTC)
            plan = {"energy_kwh": wish.goal.energy_wh / WH_PER_KWH, "by": by.isoformat()}
            self._planner.set(wish.charger, "plan", json.dumps(plan).encode())
        before = len(self._planner.events)
        self._planner.watch(world)
        for event in self._planner.events[before:]:
            self.said.append(Said(world.now_s, event.charger or "", event.text))


def wishes(case: Case) -> Iterator[Wish]:
    """What each car is to get by the time it leaves; said as it comes."""
    for charger, part in case.scenario.chargers.items():
        for visit in part.car.visits:
            if visit.leaves_s is not None and visit.wants_wh is not None:
                yield Wish(visit.arrives_s, charger, Goal(visit.wants_wh, visit.leaves_s))


def rates(case: Case) -> Sequence[Rate]:
    """The prices of the whole case, by the quarter-hour."""
    if case.tariff is None:
        return ()
    begins_utc_s = (case.scenario.starts_at or DAWN).timestamp()
    first_s = -(begins_utc_s % QUARTER_S)
    starts_s = [first_s + QUARTER_S * place for place in range(math.ceil((case.lasts_s - first_s) / QUARTER_S))]
    return [Rate(at_s, at_s + QUARTER_S, case.tariff.import_price(begins_utc_s + at_s)) for at_s in starts_s]


def _look_back(case: Case, world: World, planning: Planning) -> None:
    """Learn of house and sun from the same hours of the days before."""
    zone = ZoneInfo(world.policy.site.timezone)
    p1 = case.scenario.p1 or P1Part()
    meter = P1Meter(p1.kind, p1.rounding)
    for back in range(LEARNS_DAYS, 0, -1):
        begins_at = world.wall_clock() - timedelta(days=back)
        scenario = case.past or case.scenario.model_copy(update={"seed": case.scenario.seed + back})
        house = build_site(scenario, begins_at).house
        for at_s in range(0, int(case.lasts_s), int(SAMPLE_EVERY_S)):
            moment, house_a = begins_at + timedelta(seconds=at_s), house.at(at_s)
            local, now_s = moment.astimezone(zone), at_s - back * DAY_S
            planning.usual.note({CONNECTION: _told(meter, house_a)}, local, now_s)
            planning.sun.note(sum(house_a) * scenario.voltage_v, local, now_s)


def _told(meter: P1Meter, house_a: Phases) -> Phases:
    """The guard currents of a house that imports: whole amps count by one more."""
    margin_a = WHOLE_AMP_A if meter.resolution_a >= WHOLE_AMP_A else 0.0
    return each(lambda amps: meter.reported_a(amps) + margin_a, house_a)


def _price_list(prices: Sequence[Rate], began_at: datetime) -> bytes:
    def clock(at_s: float) -> str:
        return (began_at + timedelta(seconds=at_s)).astimezone(UTC).isoformat()

    return json.dumps(
        [{"start": clock(rate.start_s), "end": clock(rate.end_s), "price": rate.price} for rate in prices]
    ).encode()
