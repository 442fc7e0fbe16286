"""A user who has the prices of the night, and tells of each car when it is plugged in what it is to get by when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ampherd_balancer.usual import SAMPLE_EVERY_S, UsualLoads
from ampherd_core.policy import CONNECTION
from ampherd_simulator.books import Tariff
from ampherd_simulator.builder import build_site
from ampherd_simulator.virtual_planner import VirtualPlanner
from ampherd_simulator.world import World

from benchmarks.case import Case

QUARTER_S: Final = 900
WH_PER_KWH: Final = 1_000.0

LEARNS_DAYS: Final = 14
"""So long the balancer has looked at this house before; each of those days is another than the one that is played."""


class Said(NamedTuple):
    """What the planner told its user of one plan, so long after the beginning (s)."""

    at_s: float
    charger: str
    text: str


class _Wish(NamedTuple):
    """A stay and what its car is to get."""

    arrives_s: float
    charger: str
    payload: bytes


class PlanningUser:
    """Sets prices and plans by the same payloads that go over MQTT; pass `watch` to `World.run`."""

    def __init__(self, case: Case, world: World) -> None:
        self.said: list[Said] = []
        self._planner = VirtualPlanner(world)
        self._planner.planning.usual = _usual(case, world)
        self._wishes = sorted(_wishes(case, world.wall_clock()))
        if case.tariff is not None:
            self._planner.hear_prices(_price_list(case.tariff, world.wall_clock().timestamp(), case.lasts_s))

    def watch(self, world: World) -> None:
        """One step has passed."""
        while self._wishes and self._wishes[0].arrives_s <= world.now_s:
            wish = self._wishes.pop(0)
            self._planner.set(wish.charger, "plan", wish.payload)
        before = len(self._planner.events)
        self._planner.watch(world)
        for event in self._planner.events[before:]:
            self.said.append(Said(world.now_s, event.charger or "", event.text))


def _wishes(case: Case, begins_at: datetime) -> Iterator[_Wish]:
    for charger, part in case.scenario.chargers.items():
        for visit in part.car.visits:
            if visit.leaves_s is None or visit.wants_wh is None:
                continue
            by = datetime.fromtimestamp(begins_at.timestamp() + visit.leaves_s, UTC)
            plan = {"energy_kwh": visit.wants_wh / WH_PER_KWH, "by": by.isoformat()}
            yield _Wish(visit.arrives_s, charger, json.dumps(plan).encode())


def _usual(case: Case, world: World) -> UsualLoads:
    """What was learned of the house in the same hours of the days before."""
    usual, zone = UsualLoads(), ZoneInfo(world.policy.site.timezone)
    for back in range(LEARNS_DAYS, 0, -1):
        begins_at = world.wall_clock() - timedelta(days=back)
        scenario = case.scenario.model_copy(update={"seed": case.scenario.seed + back})
        house = build_site(scenario, begins_at).house
        for at_s in range(0, int(case.lasts_s), int(SAMPLE_EVERY_S)):
            moment = begins_at + timedelta(seconds=at_s)
            usual.note({CONNECTION: house.at(at_s)}, moment.astimezone(zone), moment.timestamp())
    return usual


def _price_list(tariff: Tariff, begins_utc_s: float, lasts_s: float) -> bytes:
    first_s = int(begins_utc_s // QUARTER_S * QUARTER_S)
    entries = [
        {
            "start": datetime.fromtimestamp(at_s, UTC).isoformat(),
            "end": datetime.fromtimestamp(at_s + QUARTER_S, UTC).isoformat(),
            "price": tariff.import_price(at_s),
        }
        for at_s in range(first_s, int(begins_utc_s + lasts_s), QUARTER_S)
    ]
    return json.dumps(entries).encode()
