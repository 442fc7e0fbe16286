"""evcc's rules: turns of 30 s, thresholds and delays, and a circuit that looks at its worst phase."""

from __future__ import annotations

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import Line, Phases

from benchmarks.rivals.evcc import Evcc
from benchmarks.rivals.seen import SeenCharger, Site
from tests.support.rivals import Stage, drawing, flat, seen, then

CAR = SeenCharger("a", max_a=16)
SUNNY = SeenCharger("a", max_a=16, mode=Mode.SOLAR)


def offers_of(stage: Stage, until_s: float) -> dict[float, float]:
    return {t: offers["a"] for t, offers in stage.run(until_s)}


def test_fast_takes_what_the_circuit_has_left_on_its_worst_phase() -> None:
    assert Evcc(Site()).decide(seen(0, (5, 13.5, 5), CAR), 0) == {"a": 11.0}


@pytest.mark.parametrize(
    ("grid", "drawn_a", "expected_a"),
    [
        ((20.0, 20.0, 20.0), 10.0, 15.0),
        ((28.0, 28.0, 28.0), 10.0, 7.0),
        ((30.0, 5.0, 5.0), 10.0, 0.0),
        ((24.9, 5.0, 5.0), 16.0, 16.0),
    ],
)
def test_whoever_has_the_turn_gives_up_the_whole_excess_and_stops_below_the_minimum(
    grid: Phases, drawn_a: float, expected_a: float
) -> None:
    assert Evcc(Site()).decide(seen(0, grid, drawing(CAR, drawn_a)), 0) == {"a": expected_a}


def test_an_overload_of_another_phase_stops_a_car_that_does_not_use_it() -> None:
    car = drawing(SeenCharger("a", lines=(Line.L3,)), 10)
    assert Evcc(Site()).decide(seen(0, (30, 0, 10), car), 0) == {"a": 0.0}


def test_loadpoints_take_turns_thirty_seconds_apart() -> None:
    cars = [SeenCharger(name) for name in "abc"]
    stage = Stage(Evcc(Site(limit_a=63)), cars, flat(1, 1, 1))
    begun: dict[str, float] = {}
    for t, offers in stage.run(120):
        for name, offer_a in offers.items():
            if offer_a > 0:
                begun.setdefault(name, t)
    assert begun == {"a": 0, "b": 30, "c": 60}


def test_a_plugged_car_starts_at_once_on_enough_sun_and_then_follows_it() -> None:
    offers = offers_of(Stage(Evcc(Site()), [SUNNY], flat(-9, -9, -9)), 120)
    assert (offers[0], offers[31], offers[119]) == (6.0, 9.0, 9.0)


def test_sun_that_comes_later_must_last_a_minute() -> None:
    offers = offers_of(Stage(Evcc(Site()), [SUNNY], then((0.5,) * 3, 100, (-9.0,) * 3)), 300)
    assert next(t for t in offers if offers[t] > 0) == 180, "the tick at 120 starts the timer, that at 180 ends it"


def test_without_sun_it_stays_at_the_minimum_for_three_minutes_and_stops() -> None:
    offers = offers_of(Stage(Evcc(Site()), [SUNNY], then((-9.0,) * 3, 100, (1.0,) * 3)), 500)
    assert offers[121] == 6.0
    assert next(t for t in offers if t > 100 and offers[t] == 0) == 300


def test_a_single_tick_of_sun_restarts_the_delay() -> None:
    house = lambda t: (-9.0,) * 3 if t < 100 or 200 <= t < 215 else (1.0,) * 3  # noqa: E731
    offers = offers_of(Stage(Evcc(Site()), [SUNNY], house), 600)
    assert next(t for t in offers if t > 100 and offers[t] == 0) == 420


def test_min_pv_never_goes_below_the_minimum() -> None:
    car = SeenCharger("a", mode=Mode.MIN_SOLAR)
    offers = offers_of(Stage(Evcc(Site()), [car], then((-9.0,) * 3, 100, (2.0,) * 3)), 900)
    assert set(offers.values()) == {6.0, 9.0}


def test_a_circuit_without_meter_values_counts_as_full_after_a_minute() -> None:
    rival, shown = Evcc(Site()), seen(0, (5, 5, 5), drawing(CAR, 10))
    assert rival.decide(shown, 30) == {"a": 16.0}
    assert rival.decide(shown, 90) == {"a": 0.0}
