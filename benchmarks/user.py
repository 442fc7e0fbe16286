"""A user who has the prices of the night, and tells of each car when it is plugged in what it is to get by when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ampherd_simulator.books import Tariff
from ampherd_simulator.virtual_planner import VirtualPlanner
from ampherd_simulator.world import World

from benchmarks.case import Case

QUARTER_S: Final = 900
WH_PER_KWH: Final = 1_000.0


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
