"""evcc's plans: the cheapest quarters before the time, each loadpoint by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import Phases

from benchmarks.rivals.evcc_plan import EvccPlan, cheapest
from benchmarks.rivals.seen import Goal, Rate, SeenCharger, Site
from tests.support.rivals import Stage, flat

QUARTER_S = 900.0
CAR_W = 16 * 3 * 230.0
CAR = SeenCharger("a", max_a=16, mode=Mode.SOLAR)


def rates(*prices: float) -> list[Rate]:
    return [Rate(place * QUARTER_S, (place + 1) * QUARTER_S, price) for place, price in enumerate(prices)]


def minutes(slots: Sequence[Rate]) -> list[tuple[float, float]]:
    return [(slot.start_s / 60, slot.end_s / 60) for slot in slots]


@pytest.mark.parametrize(
    ("prices", "needed_min", "now_min", "by_min", "expected"),
    [
        ((3, 1, 2, 4), 30, 0, 60, [(15, 30), (30, 45)]),
        ((2, 2, 2, 2), 30, 0, 60, [(30, 45), (45, 60)]),
        ((1, 2, 3, 4), 20, 0, 60, [(0, 15), (15, 20)]),
        ((2, 1, 3, 4), 20, 0, 60, [(10, 15), (15, 30)]),
        ((1, 2, 2, 4), 10, 5, 60, [(5, 15)]),
        ((1, 2, 3, 4), 60, 30, 60, [(30, 90)]),
        ((1, 2), 50, 0, 120, [(70, 120)]),
        ((5, 5, 1, 1), 15, 0, 40, [(25, 30), (30, 40)]),
    ],
    ids=[
        "the cheapest two",
        "of equals the last",
        "the dearest ends early",
        "the first begins late",
        "what is left of a slot",
        "too little time",
        "prices unknown for so long",
        "none after the time",
    ],
)
def test_slots(
    prices: Sequence[float], needed_min: float, now_min: float, by_min: float, expected: list[tuple[float, float]]
) -> None:
    assert minutes(cheapest(rates(*prices), needed_min * 60, now_min * 60, by_min * 60)) == expected


def charging(prices: Sequence[float], goal: Goal, until_s: float, house: Phases = (1.0, 1.0, 1.0)) -> list[float]:
    """When it charges, in minutes."""
    stage = Stage(EvccPlan(Site(rates=rates(*prices))), [replace(CAR, goal=goal)], flat(*house))
    return sorted({t // 60 for t, offers in stage.run(until_s) if offers["a"] > 0})


def test_it_charges_at_full_current_in_its_slots_alone_and_stops_when_the_energy_is_in() -> None:
    goal = Goal(CAR_W / 4, 3_600)
    assert charging((3, 3, 1, 3), goal, 3_600) == list(range(30, 45))


def test_without_a_goal_it_lives_on_the_sun() -> None:
    stage = Stage(EvccPlan(Site(rates=rates(1, 1))), [CAR], flat(1, 1, 1))
    assert {offers["a"] for _, offers in stage.run(900)} == {0.0}


def test_what_the_fuse_does_not_give_in_its_slot_is_made_up_for_in_the_next_cheapest() -> None:
    goal = Goal(CAR_W / 4, 3_600)
    begun = charging((3, 3, 1, 2), goal, 3_600, house=(17.0, 1.0, 1.0))
    assert begun == list(range(30, 60)), "8 A of 16: half of it, and as much again"
