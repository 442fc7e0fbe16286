"""Bugs that the soak found, each kept as the short story that showed it."""

from __future__ import annotations

import pytest
from ampherd_core.phases import Line
from ampherd_core.policy import DriverName
from ampherd_simulator.faults import Fault, Kind
from ampherd_simulator.house import Step
from ampherd_simulator.layers import Layer
from ampherd_simulator.p1 import P1Kind
from ampherd_simulator.story import Home, Place, Story
from ampherd_simulator.trial import try_story

L2 = (Line.L2,)

STORIES = {
    "a car without a meter that leaves its share of a cut unused": Story(
        home=Home(
            places=(
                Place("a", driver=DriverName.SMARTEVSE_V2_LEGACY, lines=L2, max_a=32, car_phases=1, arrives_s=4),
                Place("b", driver=DriverName.SMARTEVSE_V2, lines=L2, car_phases=1, car_max_a=10, arrives_s=30),
            ),
            rating_a=35,
            meter=P1Kind.BELGIAN,
            house_a=(5.8, 4.2, 6.4),
            loads=(Step(Line.L2, 11.9, 121),),
        ),
        until_s=180,
    ),
    "a lonely car without a meter that draws less than its offer": Story(
        home=Home(
            places=(
                Place("a", min_a=8, max_a=32, car_phases=1, arrives_s=4),
                Place(
                    "b", driver=DriverName.SMARTEVSE_V2_LEGACY, lines=(Line.L3,), max_a=20, car_phases=1, car_max_a=10
                ),
            ),
            meter=P1Kind.BELGIAN,
            house_a=(0.8, 5.0, 6.2),
            loads=(Step(Line.L3, 13.1, 221),),
        ),
        until_s=270,
    ),
    "a car that stops while nobody hears of it leaves no room": Story(
        home=Home(
            places=(Place("a", car_phases=2, arrives_s=14), Place("b", car_phases=2, arrives_s=14)),
            rating_a=16,
            meter=P1Kind.BELGIAN,
            house_a=(-3.9, -2.8, -5.8),
            hold_s=0,
        ),
        faults=(Fault(Kind.CUT_OFF, 61.3, 10, "b"), Fault(Kind.CAR_STOPS, 61.6, 2, "b")),
        until_s=90,
        step_s=0.25,
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_no_promise_is_broken(name: str) -> None:
    verdict = try_story(STORIES[name])

    assert verdict.broken == []
    assert verdict.tallies[Layer.OURS].worst_a < 1
