"""The plans of a simulated day: drivers set them, the balancer lays them out, and here is what became of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ampherd_balancer.planner import MET_WITHIN_WH
from ampherd_core.plans import PlanState

from ampherd_simulator.books import WH_PER_KWH
from ampherd_simulator.cars import Car
from ampherd_simulator.virtual_planner import VirtualPlanner
from ampherd_simulator.whatif.costs import LISTED_EVERY_S, Costs
from ampherd_simulator.world import World

LEAVES_EARLY: Final = timedelta(minutes=15)
"""Who leaves so shortly before the time of a plan wanted it met; who leaves earlier gave it up."""

_NOT_LAID: Final = frozenset({"none", "no-car", "off", "later", "soc-unknown", "done"})
"""The codes of plans that nothing is laid out for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a driver sets when the car is plugged in, so long after the beginning (s)."""

    arrives_s: float
    charger: str
    energy_wh: float
    by: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan whose time came while its car was there: what it asked for, and what was charged towards it by then."""

    due: datetime
    wanted_wh: float
    charged_wh: float = 0.0
    is_full: bool = False

    @property
    def missing_wh(self) -> float:
        """What it went short of, Wh; a car that is full can get no more."""
        missing_wh = self.wanted_wh - self.charged_wh
        return 0.0 if self.is_full or missing_wh <= MET_WITHIN_WH else missing_wh

    @property
    def is_met(self) -> bool:
        """Whether all of it was there in time."""
        return self.missing_wh == 0.0


@dataclass(slots=True)
class Diary:
    """One charger: the plan that is under way, from which reading of its car's meter on, and those that are over."""

    open: Planned | None = None
    from_wh: float = 0.0
    over: list[Planned] = field(default_factory=list)

    def note(self, state: PlanState | None, car: Car, at: datetime) -> None:
        """What the balancer says of the plan, and its car, at that time."""
        if self.open is not None:
            self._go_on(self.open, state, car, at)
        if self.open is None and car.is_plugged and state is not None:
            self._begin(state, car, at)

    def _go_on(self, plan: Planned, state: PlanState | None, car: Car, at: datetime) -> None:
        self.open = plan = replace(
            plan, charged_wh=car.taken_wh - self.from_wh, is_full=car.is_full if car.is_plugged else plan.is_full
        )
        if at >= plan.due or (not car.is_plugged and at >= plan.due - LEAVES_EARLY):
            self.over.append(plan)
            self.open = None
        elif not car.is_plugged or state is None or state.due != plan.due:
            self.open = None

    def _begin(self, state: PlanState, car: Car, at: datetime) -> None:
        if state.code in _NOT_LAID or state.due is None or state.wanted_wh is None or state.due <= at:
            return
        self.open, self.from_wh = Planned(state.due, state.wanted_wh), car.taken_wh


class Plans:
    """The plans of a world; pass `watch` to `World.run`."""

    def __init__(self, world: World, wishes: Iterable[Wish], costs: Costs) -> None:
        self._planner = VirtualPlanner(world)
        self._wishes = sorted(wishes, key=lambda wish: wish.arrives_s)
        self._costs = costs
        self._listed_s = float("-inf")
        self._here: set[str] = set()
        self._diaries = {charger: Diary() for charger in world.policy.chargers}

    def watch(self, world: World) -> None:
        """One step has passed."""
        if world.now_s - self._listed_s >= LISTED_EVERY_S:
            self._listed_s = world.now_s
            listed = self._costs.price_list(self._planner.at)
            if listed is not None:
                self._planner.hear_prices(listed)
        while self._wishes and self._wishes[0].arrives_s <= world.now_s:
            self._set(self._wishes.pop(0))
        self._tell_socs(world)
        self._planner.watch(world)
        for charger, diary in self._diaries.items():
            diary.note(self._planner.states.get(charger), world.site.chargers[charger].car, self._planner.at)

    def over(self) -> Mapping[str, tuple[Planned, ...]]:
        """Those whose time has come, by charger."""
        return {charger: tuple(diary.over) for charger, diary in self._diaries.items() if diary.over}

    def _set(self, wish: Wish) -> None:
        plan = {"energy_kwh": wish.energy_wh / WH_PER_KWH, "by": wish.by.isoformat()}
        self._planner.set(wish.charger, "plan", json.dumps(plan).encode())

    def _tell_socs(self, world: World) -> None:
        """A car that comes tells how full it is, where a plan could ask for it."""
        here = {charger for charger in self._diaries if world.site.chargers[charger].car.is_plugged}
        for charger in sorted(here - self._here):
            if world.policy.chargers[charger].battery_kwh is not None:
                self._planner.set(charger, "soc", f"{world.site.chargers[charger].car.soc * 100:.1f}".encode())
        self._here = here
