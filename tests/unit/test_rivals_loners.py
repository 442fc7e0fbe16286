"""The controllers that know one charger alone, and the one that knows no meter."""

from __future__ import annotations

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import Line, Phases

from benchmarks.rivals.edgetech import Edgetech
from benchmarks.rivals.equal_split import EqualSplit
from benchmarks.rivals.openevse import Eco, Shaper
from benchmarks.rivals.seen import Loners, SeenCharger, Site
from tests.support.rivals import Stage, drawing, flat, seen, then

CAR = SeenCharger("a", max_a=32)
SUNNY = SeenCharger("a", max_a=32, mode=Mode.SOLAR)
ONE_PHASE = SeenCharger("a", lines=(Line.L1,), max_a=32, mode=Mode.SOLAR)


@pytest.mark.parametrize(
    ("grid", "drawn_a", "expected_a"),
    [
        ((5.0, 5.0, 5.0), 0.0, 20.0),
        ((5.0, 9.9, 5.0), 0.0, 15.0),
        ((15.2, 15.2, 15.2), 10.0, 19.0),
        ((20.0, 5.0, 5.0), 0.0, 0.0),
        ((-20.0, -20.0, -20.0), 0.0, 32.0),
    ],
)
def test_edgetech_gives_the_worst_phase_in_whole_amps(grid: Phases, drawn_a: float, expected_a: float) -> None:
    charger = drawing(CAR, drawn_a)
    assert Edgetech(Site()).offer_a(seen(1, grid, charger), charger, 1) == expected_a


def test_edgetech_flaps_at_once_in_both_directions_and_keeps_the_last_value_without_telegrams() -> None:
    rival = Edgetech(Site())
    shown = [seen(1, (5, 5, 5), CAR), seen(2, (20, 5, 5), CAR), seen(3, (19, 5, 5), CAR)]
    assert [rival.offer_a(each, CAR, each.read_s) for each in shown] == [20.0, 0.0, 6.0]
    assert rival.offer_a(shown[-1], CAR, 3_600) == 6.0


@pytest.mark.parametrize(("cars", "share_a"), [(1, 16.0), (2, 12.0), (3, 8.0), (4, 6.0), (5, 0.0)])
def test_an_equal_split_is_whole_amps_and_never_below_the_minimum(cars: int, share_a: float) -> None:
    chargers = [SeenCharger(f"c{place}") for place in range(cars)]
    offers = EqualSplit(Site()).decide(seen(1, (30, 30, 30), *chargers), 1)
    assert set(offers.values()) == {share_a}


def test_eco_starts_when_the_smoothed_surplus_passes_six_and_a_half_amps() -> None:
    # 10 A of export at 230 V, less the reserve of 100 W, at the 240 V it reckons with: 9.17 A.
    stage = Stage(Loners({"a": Eco()}), [ONE_PHASE], flat(-10, 0, 0))
    offers = {t: offers["a"] for t, offers in stage.run(60)}
    # 9.17 (1 - exp(-t / 20)) passes 6.5 at 24.7 s; it looks every 5 s.
    assert next(t for t in offers if offers[t] > 0) == 25
    assert offers[59] == 9.0, "whole amps of the surplus of the moment"


def test_eco_goes_on_after_a_cloud_until_the_slow_average_falls_below_six() -> None:
    stage = Stage(Loners({"a": Eco()}), [ONE_PHASE], then((-14.1, 0, 0), 1_200, (1, 0, 0)))
    offers = {t: offers["a"] for t, offers in stage.run(2_400)}
    assert offers[1_199] == 13.0
    assert offers[1_206] == 6.0
    # 13.6 exp(-t / 600) falls below 6 after 493 s: import all the while.
    stopped_s = next(t for t in offers if t > 1_200 and offers[t] == 0)
    assert stopped_s - 1_200 == pytest.approx(493, abs=10)


def test_eco_charges_ten_minutes_at_least() -> None:
    stage = Stage(Loners({"a": Eco()}), [ONE_PHASE], then((-8.5, 0, 0), 44, (1, 0, 0)))
    offers = {t: offers["a"] for t, offers in stage.run(900)}
    started_s = next(t for t in offers if offers[t] > 0)
    stopped_s = next(t for t in offers if t > started_s and offers[t] == 0)
    assert 600 <= stopped_s - started_s <= 610


def test_eco_of_a_three_phase_box_sees_one_sum() -> None:
    charger = SUNNY
    stage = Stage(Loners({"a": Eco()}), [charger], flat(-24, 0, 0))
    assert stage.last(120)["a"] == 7.0, "it imports on two phases and exports on one"


@pytest.mark.parametrize(
    ("grid", "drawn_a", "expected_a"),
    [((5.0, 5.0, 5.0), 0.0, 20.0), ((30.0, 0.0, 0.0), 0.0, 15.0), ((20.0, 20.0, 20.0), 10.5, 15.0)],
)
def test_the_shaper_has_one_sum_of_power_for_all_phases(grid: Phases, drawn_a: float, expected_a: float) -> None:
    charger = drawing(CAR, drawn_a)
    assert Shaper(Site()).offer_a(seen(1, grid, charger), charger, 1) == expected_a


def test_the_shaper_pauses_five_minutes_at_least() -> None:
    house = lambda t: (20.0,) * 3 if 10 <= t < 20 else (5.0,) * 3  # noqa: E731
    stage = Stage(Loners({"a": Shaper(Site())}), [CAR], house)
    offers = {t: offers["a"] for t, offers in stage.run(400)}
    assert offers[9] == 20.0
    paused = [t for t in offers if offers[t] == 0]
    assert paused[0] in range(10, 16)
    assert paused[-1] - paused[0] == pytest.approx(300, abs=6)


def test_the_shaper_stops_two_minutes_after_the_last_message() -> None:
    rival, shown = Shaper(Site()), seen(1, (5, 5, 5), CAR)
    assert rival.offer_a(shown, CAR, 120) == 20.0
    assert rival.offer_a(shown, CAR, 122) == 0.0
