"""A policy with wrong lines: the cut goes to the wrong cars, until the balancer doubts the wiring."""

from __future__ import annotations

from collections.abc import Sequence

from ampherd_balancer.doubt import STANDS_STILL_S
from ampherd_balancer.report import site_state
from ampherd_core.phases import LINES, Line

from tests.support.bench import AT, Bench, Car, House, flat, policy_of, steps

ONE_EACH = {"a": (Line.L1,), "b": (Line.L2,), "c": (Line.L3,)}
FOUND_WITHIN_S = 30.0


def bench_of(house: House, wired: Sequence[Line]) -> Bench:
    """Three one-phase cars, which the policy has on L1, L2 and L3; `wired` is where they really are."""
    policy = policy_of({car: {"lines": list(lines), "max_a": 32} for car, lines in ONE_EACH.items()})
    cars = [Car(car, lag_s=3.0, wired=(line,)) for car, line in zip(ONE_EACH, wired, strict=True)]
    bench = Bench(policy, cars, house)
    bench.checks_overload = bench.checks_promises = False
    return bench


def longest_over_s(bench: Bench, limit_a: float = 25.0) -> int:
    longest = run = 0
    for grid in bench.grid:
        run = run + 1 if max(grid) > limit_a + 0.01 else 0
        longest = max(longest, run)
    return longest


def alarms(bench: Bench) -> tuple[str, ...]:
    return site_state(bench.balancer, bench.outcome, bench.now_s, AT).alarms


def test_lines_turned_by_one_stop_charging_and_say_why() -> None:
    bench = bench_of(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1))
    bench.run_until(lambda: max(bench.grid_now) > 25, 120)
    bench.run(FOUND_WITHIN_S)
    assert set(bench.offers().values()) == {0.0}
    assert max(bench.grid_now) < 25
    assert bench.reason("a").code == "wiring-doubted"
    assert any("check `lines`" in alarm for alarm in alarms(bench))
    bench.run(STANDS_STILL_S - FOUND_WITHIN_S)
    assert longest_over_s(bench) <= FOUND_WITHIN_S


def test_once_the_policy_is_mended_all_charge() -> None:
    bench = bench_of(flat(2, 12, 5), (Line.L2, Line.L3, Line.L1))
    bench.run(300)
    assert set(bench.offers().values()) == {0.0}
    mended = policy_of({car.id: {"lines": list(car.wired or LINES), "max_a": 32} for car in bench.cars.values()})
    for car in bench.cars.values():
        car.lines = car.wired or LINES
    bench.policy = mended
    bench.balancer.take_policy(mended, bench.now_s)
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
