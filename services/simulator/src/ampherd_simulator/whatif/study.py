"""One policy lived through one day, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import MeterRole
from ampherd_core.policy import Policy

from ampherd_simulator.account import Account
from ampherd_simulator.bookkeeper import Bookkeeper
from ampherd_simulator.household import HOUR_S
from ampherd_simulator.judge import Judge
from ampherd_simulator.layers import Layer, Tally
from ampherd_simulator.mirror import mirror
from ampherd_simulator.p1 import P1Kind
from ampherd_simulator.scenario import CarPart, P1Part, Scenario
from ampherd_simulator.whatif.costs import Costs
from ampherd_simulator.whatif.day import Day
from ampherd_simulator.whatif.plans import Planned, Plans, Wish
from ampherd_simulator.whatif.traces import Traces
from ampherd_simulator.world import World

STEP_S: Final = 1.0
TELLS_EVERY_S: Final = 900.0
NO_COSTS: Final = Costs()

Progress = Callable[[float], None]
"""Is told the share of the day that has passed, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Study:
    """What became of a policy: books, plans by charger, the judge's layers above the policy's limits, and curves."""

    name: str
    policy: Policy
    account: Account
    plans: Mapping[str, tuple[Planned, ...]]
    layers: Mapping[Layer, Tally]
    traces: Traces

    @property
    def plans_met(self) -> tuple[int, int]:
        """How many plans were met in time, of how many whose time came."""
        over = [plan.is_met for plans in self.plans.values() for plan in plans]
        return sum(over), len(over)


def study(  # noqa: PLR0913 - a day has a house, cars, plans, prices and chance
    name: str,
    policy: Policy,
    day: Day,
    cars: Mapping[str, CarPart],
    *,
    wishes: Sequence[Wish] = (),
    costs: Costs = NO_COSTS,
    seed: int = 1,
    progress: Progress | None = None,
) -> Study:
    """Live through the day under this policy."""
    lasts_s = day.hours * HOUR_S
    world = World(policy, _scenario(policy, day, cars, seed))
    keeper = Bookkeeper(world, costs.tariff)
    judge = Judge(world, STEP_S) if policy.chargers else None
    world.bus.listener = judge
    traces = Traces(list(policy.chargers), lasts_s, world.site.voltage_v)
    has_plans = bool(wishes) or any(charger.plan is not None for charger in policy.chargers.values())
    plans = Plans(world, wishes, costs) if has_plans else None

    def watch(now: World) -> None:
        keeper.watch(now)
        if plans is not None:
            plans.watch(now)
        if judge is not None:
            judge.watch()
        if keeper.books.last is not None:
            traces.note(keeper.books.last)
        if progress is not None and now.now_s % TELLS_EVERY_S == 0:
            progress(now.now_s / lasts_s)

    world.run(lasts_s, STEP_S, watch)
    return Study(
        name,
        policy,
        keeper.account(),
        plans.over() if plans is not None else {},
        judge.tallies if judge is not None else {},
        traces,
    )


def _scenario(policy: Policy, day: Day, cars: Mapping[str, CarPart], seed: int) -> Scenario:
    grid = next(meter for meter in policy.meters.values() if meter.role is MeterRole.GRID)
    is_fine = grid.driver == "sensorbox" or grid.dsmr == "be"
    update = {
        "starts_at": day.starts_at,
        "seed": seed,
        "p1": P1Part(kind=P1Kind.BELGIAN if is_fine else P1Kind.DSMR_5),
    }
    return mirror(policy, house=day.house, cars=cars).model_copy(update=update)
