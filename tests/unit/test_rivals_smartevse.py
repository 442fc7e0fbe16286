"""SmartEVSE's balancing against the reference traces of its description."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import Line

from benchmarks.rivals.seen import SeenCharger, Site
from benchmarks.rivals.smartevse import SmartEvse
from benchmarks.rivals.smartevse_balance import Balance, Mains, shares_da
from tests.support.rivals import Stage, flat, then


def trace(balance: Balance, base_da: Sequence[int], *, cars: int = 1, lag: int = 1) -> tuple[list[int], int | None]:
    """Set-points cycle by cycle for a base load a cycle, and the cycle of the trip."""
    shares = shares_da(balance.set_da, [320] * cars)
    drawn = deque([sum(shares)] * lag, maxlen=lag)
    found: list[int] = []
    for cycle, base in enumerate(base_da):
        worst_da = base + drawn[0]
        if balance.cycle(Mains(worst_da, 3 * worst_da), shares, 2.0 * cycle, is_join=False, is_solar=False):
            return found, cycle
        shares = shares_da(balance.set_da, [320] * cars)
        drawn.append(sum(shares))
        found.append(balance.set_da)
    return found, None


def test_one_car_rises_by_a_quarter_of_the_room() -> None:
    found, _ = trace(Balance(250, 60), [50] * 14)
    assert found == [95, 121, 140, 155, 166, 174, 180, 185, 188, 191, 193, 194, 195, 196]


def test_a_step_of_the_house_is_taken_back_in_one_cycle() -> None:
    found, tripped = trace(Balance(250, 191), [150] * 4)
    assert (found[0], found[-1], tripped) == (100, 100, None)


def test_a_car_that_lags_two_cycles_is_cut_too_deep_and_comes_back() -> None:
    found, tripped = trace(Balance(250, 191), [150] * 6, lag=2)
    assert (found, tripped) == ([100, 60, 60, 70, 80, 87], None)


def test_a_car_that_lags_three_cycles_is_stopped_though_there_is_room_for_it() -> None:
    found, tripped = trace(Balance(250, 191), [50, *[150] * 9], lag=3)
    assert found == [193, 102, 60, 60]
    assert tripped == 4, "eight seconds after the step, with 10 A to give"


def test_two_cars_where_only_one_fits_are_both_stopped() -> None:
    found, tripped = trace(Balance(250, 120), [110] * 3 + [140] * 5, cars=2)
    assert found[3:] == [120, 120]
    assert tripped == 5, "the third cycle in a row without room for both"


def test_four_cars_share_alike() -> None:
    balance = Balance(500, 240)
    found, _ = trace(balance, [50] * 60, cars=4)
    assert found[:2] == [292, 331]
    assert shares_da(292, [160] * 4) == [73] * 4
    assert shares_da(331, [160] * 4) == [82, 83, 83, 83]
    assert found[-1] // 4 == 111


@pytest.mark.parametrize(
    ("set_da", "most_da", "expected"),
    [
        (125, [160, 160], [62, 63]),
        (300, [60, 160, 160], [60, 120, 120]),
        (900, [160, 160], [160, 160]),
        (300, [60, 100, 320], [60, 100, 140]),
    ],
)
def test_a_cap_below_the_average_is_met_first(set_da: int, most_da: list[int], expected: list[int]) -> None:
    assert shares_da(set_da, most_da) == expected


@pytest.mark.parametrize(
    ("sum_da", "worst_da", "change_da"),
    [
        (-20, -7, 5),
        (-5, 0, 1),
        (0, 0, 0),
        (3, 0, 0),
        (8, 4, -1),
        (15, 5, -5),
        (41, 20, -20),
    ],
)
def test_solar_goes_up_in_small_steps_and_down_by_half_the_import(sum_da: int, worst_da: int, change_da: int) -> None:
    balance = Balance(250, 100)
    balance.cycle(Mains(worst_da, sum_da), [100], 0.0, is_join=False, is_solar=True)
    assert balance.set_da == 100 + change_da


def test_ten_minutes_without_sun_stop_a_car_on_solar() -> None:
    balance = Balance(250, 60, phases=1)
    stops = [t for t in range(0, 700, 2) if balance.cycle(Mains(70, 70), [60], float(t), is_join=False, is_solar=True)]
    assert stops[0] == 600


def test_a_single_sample_of_twice_the_fuse_stops_all() -> None:
    assert Balance(250, 100).cycle(Mains(501, 501), [100], 0.0, is_join=False, is_solar=False)


def test_a_car_that_joins_gets_at_once_all_that_its_own_start_leaves() -> None:
    balance = Balance(250, 250)
    balance.cycle(Mains(50, 150), [0], 0.0, is_join=True, is_solar=False)
    assert balance.set_da == 200


def test_a_car_starts_at_the_minimum_and_then_rises_to_all_there_is() -> None:
    stage = Stage(SmartEvse(Site()), [SeenCharger("a", max_a=32)], flat(5, 5, 5))
    offers = [offers["a"] for _, offers in stage.run(60)]
    assert offers[:5] == [6.0, 6.0, 14.0, 14.0, 15.5]
    assert offers[-1] == pytest.approx(20, abs=0.4)


def test_all_stop_where_the_minimum_of_all_does_not_fit_and_rest_for_a_minute() -> None:
    site = Site(limit_a=25, phases=1)
    cars = [SeenCharger(name, lines=(Line.L1,)) for name in "ab"]
    stage = Stage(SmartEvse(site), cars, then((5, 0, 0), 20, (14, 0, 0)))
    totals = {t: sum(offers.values()) for t, offers in stage.run(100)}
    assert totals[18] == pytest.approx(20, abs=1)
    stopped_s = next(t for t in totals if t > 20 and totals[t] == 0)
    assert 24 <= stopped_s <= 28
    again_s = next(t for t in totals if t > stopped_s and totals[t] > 0)
    assert 60 <= again_s - stopped_s <= 66
    assert totals[again_s] == 6, "one at a time where only one fits"


def test_solar_starts_at_four_amps_of_export_over_all_phases() -> None:
    car = SeenCharger("a", mode=Mode.SOLAR)
    assert Stage(SmartEvse(Site()), [car], flat(-1.3, -1.3, -1.3)).last(100) == {"a": 0.0}
    assert Stage(SmartEvse(Site()), [car], flat(-1.4, -1.4, -1.4)).last(10) == {"a": 6.0}


def test_solar_stays_at_the_minimum_for_forty_seconds() -> None:
    stage = Stage(SmartEvse(Site()), [SeenCharger("a", mode=Mode.SOLAR)], flat(-12, -12, -12))
    offers = {t: offers["a"] for t, offers in stage.run(200)}
    assert max(offers[t] for t in range(1, 41)) == 6.0
    assert offers[198] == pytest.approx(12, abs=0.5)
