"""The bound of perfect foresight, on days that can be reckoned by hand."""

from __future__ import annotations

import pytest
from ampherd_core.phases import LINES, Line

from benchmarks.rivals.optimum import Day, Visit, least_cost, most_energy, most_surplus

HOUR_S = 3_600.0
FULL = 1e6


def visit(name: str = "a", lines: tuple[Line, ...] = LINES, *, until_h: float = 2, wanted_wh: float = FULL) -> Visit:
    return Visit(name, lines, 16.0, 0.0, until_h * HOUR_S, wanted_wh)


def test_energy_is_what_the_worst_phase_leaves() -> None:
    plan = most_energy(Day(HOUR_S, [(20, 20, 10), (5, 20, 20)]), [visit()])
    assert plan.energy_wh["a"] == pytest.approx(3 * 230 * (10 + 5))


def test_cars_on_different_phases_do_not_share_one() -> None:
    cars = [visit("a", (Line.L1,)), visit("b", (Line.L2,)), visit("c", (Line.L1,))]
    plan = most_energy(Day(HOUR_S, [(20, 20, 20)]), cars)
    assert sum(plan.energy_wh.values()) == pytest.approx(230 * (20 + 16))


def test_a_car_takes_no_more_than_it_wants_and_nothing_after_it_left() -> None:
    day = Day(HOUR_S, [(25, 25, 25)] * 3)
    plan = most_energy(day, [visit("a", until_h=1), visit("b", until_h=3, wanted_wh=500)])
    assert plan.energy_wh == pytest.approx({"a": 3 * 230 * 16, "b": 500})


def test_surplus_is_taken_to_the_last_watt_and_no_further() -> None:
    plan = most_surplus(Day(HOUR_S, [(25, 25, 25)] * 3, surplus_w=[1_000, 0, 20_000]), [visit(until_h=3)])
    assert plan.energy_wh["a"] == pytest.approx(1_000 + 3 * 16 * 230)


def test_a_cap_on_power_counts_beside_the_fuse() -> None:
    plan = most_energy(Day(HOUR_S, [(24, 24, 24), (1, 24, 24)], spare_w=[1_810, 1_810]), [visit()])
    assert plan.energy_wh["a"] == pytest.approx(1_810 + 690)


def test_cost_fills_the_cheap_hours_first_and_misses_no_deadline() -> None:
    day = Day(HOUR_S, [(25, 25, 25)] * 3, eur_per_wh=[3e-4, 1e-4, 2e-4])
    plan = least_cost(day, [visit(until_h=3, wanted_wh=12_000)])
    assert plan.energy_wh["a"] == pytest.approx(12_000)
    assert plan.cost_eur == pytest.approx(11_040 * 1e-4 + 960 * 2e-4)
    hurried = least_cost(day, [visit(until_h=1, wanted_wh=12_000)])
    assert hurried.energy_wh["a"] == pytest.approx(11_040), "all that can be had, at any price"


def test_what_the_sun_leaves_over_costs_what_it_would_have_earned() -> None:
    """The first hour's 2 kW and the last one's 5 kW are worth 0.08, the night in between 0.18."""
    day = Day(
        HOUR_S,
        [(25, 25, 25)] * 3,
        surplus_w=[2_000, 0, 5_000],
        eur_per_wh=[3e-4, 1.8e-4, 3e-4],
        sold_eur_per_wh=0.8e-4,
    )
    cars = [visit("a", until_h=3, wanted_wh=6_000), visit("b", until_h=3, wanted_wh=3_000)]
    assert least_cost(day, cars).cost_eur == pytest.approx(7_000 * 0.8e-4 + 2_000 * 1.8e-4)
