"""A policy with wrong lines: the cut goes to the wrong cars, until the balancer doubts the wiring."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from ampherd_balancer.doubt import HOLDS_S, LASTS_S
from ampherd_core.phases import LINES, Line

from tests.support.bench import Bench, House, flat, steps
from tests.support.wiring import alarms, mend_policy, wired_bench

FOUND_WITHIN_S = 45.0


def bench_of(house: House, wired: Sequence[Line]) -> Bench:
    """Where the cars really are went unnoticed so far."""
    bench = wired_bench(house, wired, whole_amps=False)
    for desk in bench.balancer.desks.values():
        desk.is_seen = True
    return bench


def longest_over_s(bench: Bench, limit_a: float = 25.0, since: int = 0) -> int:
    longest = run = 0
    for grid in bench.grid[since:]:
        run = run + 1 if max(grid) > limit_a + 0.01 else 0
        longest = max(longest, run)
    return longest


def doubts(bench: Bench) -> bool:
    return bool(bench.outcome.situation.doubted)


def test_lines_turned_by_one_stop_for_a_look_and_say_why() -> None:
    bench = bench_of(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1))
    bench.run(1).run_until(lambda: bench.reason("a").code == "wiring-doubted", 120)
    bench.run_until(lambda: alarms(bench) != (), 2 * LASTS_S + 5)
    assert set(bench.offers().values()) == {0.0}
    assert max(bench.grid_now) < 25
    assert any("check `lines`" in alarm for alarm in alarms(bench))


@pytest.mark.parametrize("wired", list(permutations(LINES))[1:])
def test_with_any_wrong_lines_it_goes_on_carefully(wired: Sequence[Line]) -> None:
    """From the look on no line is over its limit for longer than a car takes, however the house jumps."""
    house = steps((0, (2, 12, 5)), (400, (2, 17, 5)), (700, (9, 12, 2)), (1000, (3, 3, 14)))
    bench = bench_of(house, wired)
    bench.run(120)
    before = len(bench.grid)
    bench.run(1800)
    assert longest_over_s(bench) <= FOUND_WITHIN_S
    assert longest_over_s(bench, since=before) <= 5
    assert sum(car.served_ah for car in bench.cars.values()) > 3


def test_it_is_tried_again_after_hours() -> None:
    bench = bench_of(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1))
    bench.run(1).run_until(lambda: alarms(bench) != (), 120)
    bench.run(HOLDS_S - 60)
    assert alarms(bench) != ()
    bench.run_until(lambda: alarms(bench) == (), 120)
    bench.run_until(lambda: alarms(bench) != (), 120)


def test_once_the_policy_is_mended_all_charge() -> None:
    bench = bench_of(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1))
    bench.run(300)
    assert alarms(bench) != ()
    mend_policy(bench)
    bench.run(300)
    assert all(offer_a >= 6 for offer_a in bench.offers().values())
    assert alarms(bench) == ()


def test_a_house_that_is_too_much_by_itself_stops_the_others_once_and_for_a_moment() -> None:
    bench = bench_of(steps((0, (2, 2, 2)), (100, (2, 26.5, 2))), (Line.L1, Line.L2, Line.L3))
    bench.run(900)
    assert bench.cars["b"].offer_a == 0
    stops = [at_s for at_s, offer_a in bench.cars["a"].changes if offer_a == 0]
    assert len(stops) == 1
    assert bench.cars["a"].offer_a > 0
    assert alarms(bench) == ()


def test_with_right_lines_nothing_is_doubted() -> None:
    bench = bench_of(steps((0, (2, 12, 5)), (200, (2, 21, 5)), (400, (2, 12, 5))), (Line.L1, Line.L2, Line.L3))
    bench.run(600)
    assert all(not outcome.situation.doubted for _, outcome in bench.decisions)


def test_a_load_that_ends_by_itself_during_the_look_is_no_wrong_wiring() -> None:
    bench = bench_of(steps((0, (2, 2, 2)), (100, (2, 26.5, 2))), (Line.L1, Line.L2, Line.L3))
    bench.run(90).run_until(lambda: doubts(bench), 60)
    bench.house = flat(2, 9, 2)
    bench.run_until(lambda: not doubts(bench), 3 * LASTS_S)
    bench.run(300)
    assert alarms(bench) == ()
    assert all(offer_a >= 6 for offer_a in bench.offers().values())


def test_wrong_lines_are_found_though_the_house_moves_with_the_look() -> None:
    """Twice a relief is no chance, even when it is nobody's current."""
    bench = bench_of(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1))
    bench.run(1)
    for house in (flat(2, 17, 5), flat(2, 12, 5)):
        bench.run_until(lambda: doubts(bench), 120)
        bench.house = house
        bench.run_until(lambda: not doubts(bench), 3 * LASTS_S)
    assert alarms(bench) != ()
