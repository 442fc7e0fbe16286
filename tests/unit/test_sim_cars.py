"""Cars as timelines: what one draws, second by second, on what it is offered."""

from __future__ import annotations

import math

import pytest
from ampherd_core.messages import IecState
from ampherd_simulator.cars import Car, CarTraits, Visit


def timeline(car: Car, offers: dict[float, float], until_s: float, *, step_s: float = 1.0) -> dict[float, float]:
    """Drawn per phase (A) by second, on offers that change at the given seconds."""
    drawn: dict[float, float] = {}
    offer_a = 0.0
    for tick in range(int(until_s / step_s) + 1):
        now_s = tick * step_s
        offer_a = offers.get(now_s, offer_a)
        drawn[now_s] = car.step(offer_a, now_s)[0]
    return drawn


@pytest.mark.parametrize("lag_s", [0, 3, 6])
def test_follows_a_lower_offer_after_its_lag(lag_s: float) -> None:
    car = Car(CarTraits(lag_s=lag_s))

    drawn = timeline(car, {0: 16, 60: 10}, 80)

    assert drawn[59] == pytest.approx(15.7)
    if lag_s:
        assert drawn[60 + lag_s - 1] == pytest.approx(15.7)
    assert drawn[60 + lag_s] == pytest.approx(9.7)


def test_rises_no_faster_than_its_ramp() -> None:
    drawn = timeline(Car(CarTraits(lag_s=0, ramp_up_a_s=2)), {0: 16}, 20)

    rises = [drawn[second + 1] - drawn[second] for second in range(20)]
    assert max(rises) == pytest.approx(2)
    assert drawn[20] == pytest.approx(15.7)


def test_falls_at_its_own_pace_when_it_has_one() -> None:
    drawn = timeline(Car(CarTraits(lag_s=0, ramp_down_a_s=1)), {0: 16, 60: 6}, 80)

    assert drawn[62] == pytest.approx(15.7 - 3)
    assert drawn[75] == pytest.approx(5.7)


def test_a_zoe_takes_nothing_below_eight_amps_and_keeps_its_switch_closed() -> None:
    car = Car(CarTraits(min_a=8, lag_s=0))

    drawn = timeline(car, {0: 7, 20: 8}, 40)

    assert drawn[19] == 0
    assert car.iec_state is IecState.C
    assert drawn[40] == pytest.approx(7.7)


def test_lets_go_when_the_offer_is_withdrawn_and_comes_back_with_it() -> None:
    car = Car(CarTraits(lag_s=2))

    drawn = timeline(car, {0: 16, 60: 0, 90: 6}, 120)

    assert drawn[61] == pytest.approx(15.7)
    assert drawn[62] == 0
    assert drawn[120] == pytest.approx(5.7)
    assert (car.starts, car.interruptions) == (2, 1)


def test_a_stubborn_car_ignores_a_lower_offer_and_stops_only_when_its_power_goes() -> None:
    car = Car(CarTraits(is_stubborn=True, lag_s=0))

    drawn = timeline(car, {0: 16, 30: 6, 60: 0}, 90)

    assert drawn[90] == pytest.approx(15.7)
    assert car.step(0, 91, is_powered=False)[0] == 0


def test_an_overdrawer_takes_more_than_it_is_offered() -> None:
    drawn = timeline(Car(CarTraits(overdraw_factor=1.3, max_a=32, under_a=0, lag_s=0)), {0: 10}, 30)

    assert drawn[30] == pytest.approx(13)


@pytest.mark.parametrize(("phases", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1))])
def test_draws_on_as_many_terminals_as_it_has_phases(phases: int, expected: tuple[int, int, int]) -> None:
    car = Car(CarTraits(phases=phases, lag_s=0))
    for second in range(30):
        drawn = car.step(10, float(second))

    assert tuple(int(value > 0) for value in drawn) == expected


def test_a_battery_tapers_fills_and_the_car_lets_go() -> None:
    car = Car(CarTraits(battery_wh=2_000, lag_s=0), soc=0.8)

    drawn = timeline(car, {0: 16}, 1_800)

    assert drawn[20] == pytest.approx(15.7)
    tapering = [value for second, value in drawn.items() if second > 100 and value > 0]
    assert tapering == sorted(tapering, reverse=True)
    assert car.iec_state is IecState.B
    assert car.soc > 0.99
    assert car.taken_wh == pytest.approx((car.soc - 0.8) * 2_000)


def test_comes_and_goes_by_its_plan_and_by_hand() -> None:
    car = Car(CarTraits(lag_s=0), visits=[Visit(10, 30)])

    states = {}
    for second in range(41):
        car.step(16, float(second))
        states[second] = car.iec_state

    assert (states[9], states[10], states[29], states[30], states[40]) == (
        IecState.A,
        IecState.B,
        IecState.C,
        IecState.A,
        IecState.A,
    )
    car.plug()
    assert car.iec_state is IecState.B


def test_a_sleeper_needs_to_be_plugged_in_anew() -> None:
    car = Car(CarTraits(sleeps_after=1, lag_s=0))
    timeline(car, {0: 16, 30: 0, 40: 16}, 100)
    assert str(car.iec_state) == "B"

    car.unplug()
    car.plug()
    for second in range(101, 110):
        car.step(16, float(second))
    assert str(car.iec_state) == "C"


def test_energy_is_current_times_voltage_times_time() -> None:
    car = Car(CarTraits(lag_s=0, ramp_up_a_s=math.inf, under_a=0, battery_wh=1e6), voltage_v=230)
    for tenth in range(36_011):
        car.step(10, tenth / 10)

    assert car.taken_wh == pytest.approx(3 * 230 * 10, rel=1e-3)
