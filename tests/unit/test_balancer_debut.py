"""A car's first start: alone, at its minimum, until the meter has shown it on its lines; wrong lines show at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations

import pytest
from ampherd_balancer.debut import PATIENCE_S
from ampherd_core.phases import LINES, Line

from tests.support.bench import Bench, flat, steps
from tests.support.wiring import alarms, mend_policy, wired_bench

KETTLE_A = 9.0


def starts(bench: Bench) -> dict[str, float]:
    """When each wallbox first offered something, s after the beginning."""
    return {
        car.id: next(at_s for at_s, offer_a in car.changes if offer_a > 0) - bench.began_s
        for car in bench.cars.values()
        if car.offer_a > 0
    }


@pytest.mark.parametrize("every_s", [1.0, 10.0])
@pytest.mark.parametrize("lag_s", [0.0, 3.0, 6.0])
@pytest.mark.parametrize("wired", list(permutations(LINES))[1:])
def test_wrong_lines_are_seen_before_any_line_is_over(wired: Sequence[Line], lag_s: float, every_s: float) -> None:
    bench = wired_bench(flat(2, 12, 5), wired, lag_s=lag_s, every_s=every_s)
    bench.run(300)
    assert max(max(grid) for grid in bench.grid) <= 25
    assert len(alarms(bench)) == 1
    assert any(offer_a >= 6 for offer_a in bench.offers().values())


def test_the_alarm_names_the_car_and_the_line() -> None:
    bench = wired_bench(flat(2, 12, 5), (Line.L3, Line.L2, Line.L1))
    bench.run(60)
    assert alarms(bench)[0].startswith("The car at a was seen on L3 of connection, and the policy has it on L1: check")


@pytest.mark.parametrize("every_s", [1.0, 10.0])
@pytest.mark.parametrize("lag_s", [0.0, 3.0, 6.0])
def test_with_right_lines_they_begin_one_after_the_other_and_all_within_a_minute(lag_s: float, every_s: float) -> None:
    bench = wired_bench(flat(2, 12, 5), lag_s=lag_s, every_s=every_s)
    bench.run(90)
    began_s = sorted(starts(bench).values())
    assert len(began_s) == 3
    assert all(later_s - sooner_s >= lag_s for sooner_s, later_s in pairwise(began_s))
    assert began_s[-1] <= 60
    bench.run(120)
    assert alarms(bench) == ()
    assert bench.offers() == {"a": 22.0, "b": 12.0, "c": 19.0}


def test_the_page_says_why_they_wait() -> None:
    bench = wired_bench(flat(2, 12, 5))
    bench.run_until(lambda: bench.offers()["a"] > 0, 10)
    bench.run(2)
    assert bench.reason("a").sentence == "Its first start: 6 A until the meter has shown it on L1."
    assert bench.reason("b").sentence == "Starts when the meter has shown the car at a on its line: one at a time."


def test_a_second_start_knows_no_such_care() -> None:
    bench = wired_bench(flat(2, 12, 5)).run(200)
    bench.house = flat(22, 22, 22)
    bench.run_until(lambda: set(bench.offers().values()) == {0.0}, 60)
    bench.house = flat(2, 2, 2)
    bench.run_until(lambda: min(bench.offers().values()) > 0, 900)
    began_s = [car.changes[-1][0] for car in bench.cars.values()]
    assert max(began_s) - min(began_s) <= 2


def test_a_car_that_takes_nothing_keeps_the_others_waiting_for_half_a_minute_at_most() -> None:
    bench = wired_bench(flat(2, 12, 5))
    bench.cars["a"].is_hungry = False
    bench.run(120)
    began_s = sorted(starts(bench).values())
    assert began_s[1] - began_s[0] <= PATIENCE_S + 3
    assert bench.offers()["c"] == 19.0


@pytest.mark.parametrize("at_s", range(2, 12))
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("amps", [-KETTLE_A, KETTLE_A])
def test_a_kettle_beside_a_first_start_is_no_wrong_wiring(at_s: int, line: Line, amps: float) -> None:
    before = (11.0, 11.0, 11.0)
    after = tuple(11.0 + amps * (place == line) for place in LINES)
    bench = wired_bench(steps((0, before), (at_s, (after[0], after[1], after[2]))))
    bench.run(200)
    assert alarms(bench) == ()


def test_nobody_can_tell_a_car_that_nobody_measures() -> None:
    """They start as ever; should a line be over its limit, `doubt` looks."""
    bench = wired_bench(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1), is_metered=False)
    bench.run(10)
    assert len(set(starts(bench).values())) == 1


def test_the_lines_of_an_edited_policy_are_seen_anew() -> None:
    bench = wired_bench(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1)).run(120)
    assert len(alarms(bench)) == 1
    mend_policy(bench)
    bench.run(300)
    assert alarms(bench) == ()
    assert min(bench.offers().values()) >= 6
