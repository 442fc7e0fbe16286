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
    plan = most_energy(Day(HOUR_S, [(5, 5, 15), (20, 5, 5)], 25), [visit()])
    assert plan.energy_wh["a"] == pytest.approx(3 * 230 * (10 + 5))


def test_cars_on_different_phases_do_not_share_one() -> None:
    day = Day(HOUR_S, [(5, 5, 5)], 25)
    plan = most_energy(day, [visit("a", (Line.L1,)), visit("b", (Line.L2,)), visit("c", (Line.L1,))])
    assert sum(plan.energy_wh.values()) == pytest.approx(230 * (20 + 16))


def test_a_car_takes_no_more_than_it_wants_and_nothing_after_it_left() -> None:
    day = Day(HOUR_S, [(0, 0, 0)] * 3, 25)
    plan = most_energy(day, [visit("a", until_h=1), visit("b", until_h=3, wanted_wh=500)])
    assert plan.energy_wh == pytest.approx({"a": 3 * 230 * 16, "b": 500})


def test_surplus_is_summed_over_the_phases_as_it_is_billed() -> None:
    day = Day(HOUR_S, [(-12, 1, 1), (3, 3, 3)], 25)
    plan = most_surplus(day, [visit()])
    assert plan.energy_wh["a"] == pytest.approx(10 * 230)
    assert plan.import_wh == pytest.approx(0)


def test_a_cap_in_watts_counts_beside_the_fuse() -> None:
    plan = most_energy(Day(HOUR_S, [(1, 1, 1)], 25, most_w=2_500), [visit()])
    assert plan.energy_wh["a"] == pytest.approx(2_500 - 690)


def test_cost_fills_the_cheap_hours_first_and_misses_no_deadline() -> None:
    day = Day(HOUR_S, [(0, 0, 0)] * 3, 25, prices_eur_per_wh=[3e-4, 1e-4, 2e-4])
    plan = least_cost(day, [visit(until_h=3, wanted_wh=12_000)])
    assert plan.energy_wh["a"] == pytest.approx(12_000)
    assert plan.cost_eur == pytest.approx(11_040 * 1e-4 + 960 * 2e-4)
    hurried = least_cost(day, [visit(until_h=1, wanted_wh=12_000)])
    assert hurried.energy_wh["a"] == pytest.approx(11_040), "all that can be had, at any price"
