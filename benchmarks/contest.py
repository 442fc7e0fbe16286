"""One contender on one case: the same world, meter, links and cars for all, and the books of what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ampherd_simulator.account import Account
from ampherd_simulator.bookkeeper import Bookkeeper
from ampherd_simulator.judge import Judge
from ampherd_simulator.layers import Layer
from ampherd_simulator.world import World

from benchmarks.bound import bound
from benchmarks.case import Case, Kind
from benchmarks.contenders import COST, FAST, SOLAR, Contender
from benchmarks.ordered import ordered_wh
from benchmarks.rivals.optimum import Plan
from benchmarks.user import PlanningUser, Said

STEP_S: Final = 1.0

NOT_LATE: Final = frozenset({Layer.HOUSE, Layer.REACTION})
"""What is over by the house alone, or while meter, decision, wallbox and a standard car take their time."""

_TAKE_PART: Final = {Kind.SURPLUS: SOLAR, Kind.COST: COST}


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender's day, what it said of plans that cannot be met, and what it would pay by its own forecast, EUR.

    That was the least by its planner when it knew of all plans; None without plans, or where one could not be met.
    `late_as` is what was over though it could have been prevented, A·s.
    """

    name: str
    account: Account
    late_as: float
    said: tuple[Said, ...] = ()
    foreseen_eur: float | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """A case as it was played: every contender's day, and the bounds; `ordered_wh` where energy alone counts."""

    case: Case
    lasts_s: float
    entries: tuple[Entry, ...]
    best: Plan
    ordered_wh: float | None = None


def contenders(case: Case) -> tuple[Contender, ...]:
    """Who takes part in such a case."""
    return tuple(_TAKE_PART.get(case.kind, FAST))


def play(case: Case, name: str, lasts_s: float) -> Entry:
    """The day of the contender of that name, in steps of a second."""
    contender = next(each for each in contenders(case) if each.name == name)
    world = World(case.policy(contender.mode, contender.solar), case.scenario, make_mind=contender.mind(case))
    keeper = Bookkeeper(world, case.tariff)
    judge = Judge(world, STEP_S, {feeder_id: feeder.limit_a for feeder_id, feeder in world.site.feeders.items()})
    user = PlanningUser(case, world) if contender.has_plans and contender.rival is None else None
    foreseen_eur: float | None = None

    def watch(now: World) -> None:
        nonlocal foreseen_eur
        keeper.watch(now)
        judge.watch()
        if user is not None:
            user.watch(now)
            if foreseen_eur is None and user.planned_eur is not None:
                foreseen_eur = user.planned_eur + (keeper.account().charging_cost or 0.0)

    world.run(lasts_s, STEP_S, watch=watch)
    late_as = sum(tally.total_as for layer, tally in judge.tallies.items() if layer not in NOT_LATE)
    said = tuple(user.said) if user is not None else ()
    return Entry(contender.name, keeper.account(), late_as, said, foreseen_eur)


def in_order(case: Case, lasts_s: float) -> float | None:
    """What the site's order could have given with perfect foresight, Wh; None where more than energy counts."""
    return ordered_wh(case, case.policy(contenders(case)[0].mode), lasts_s) if case.kind is Kind.CONTENTION else None


def best(case: Case, lasts_s: float) -> Plan:
    """What perfect foresight could have done."""
    return bound(case, case.policy(contenders(case)[0].mode), lasts_s)
