"""Any home comes to rest: no hunting, no chatter, and nobody waits for ever."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ampherd_balancer.turns import Turns
from ampherd_core.phases import Phases
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.bench import Bench, Car, House, flat, policy_of

SETTLED_S = 200
WATCHED_S = 300
"""Together less than a turn."""

CYCLE_S = 20.0

SLOW = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)

lags_s = st.sampled_from([0.0, 1.0, 2.5, 4.0, 6.0])
periods_s = st.sampled_from([1.0, 2.0, 5.0, 10.0])
loads = st.tuples(*[st.floats(-20, 24).map(lambda amps: round(amps, 1))] * 3)


def bench_of(count: int, lag_s: float, house: House, **options: object) -> Bench:
    names = "abcd"[:count]
    policy = policy_of({name: {"max_a": 16} for name in names})
    return Bench(policy, [Car(name, lag_s=lag_s) for name in names], house, **options)  # type: ignore[arg-type]


def changes_after(bench: Bench, second: float) -> dict[str, list[float]]:
    return {
        car.id: [offer_a for at_s, offer_a in car.changes if at_s > bench.began_s + second]
        for car in bench.cars.values()
    }


def strokes(bench: Bench, second: float) -> int:
    """How often a contactor moved since then."""
    count = 0
    for car in bench.cars.values():
        offers = [(bench.began_s, 0.0), *car.changes]
        count += sum((a > 0) is not (b > 0) and at_s > bench.began_s + second for (_, a), (at_s, b) in pairwise(offers))
    return count


@SLOW
@given(st.integers(1, 4), lags_s, periods_s, loads, st.booleans())
def test_a_house_that_stands_still_lets_the_offers_stand_still(
    count: int, lag_s: float, meter_every_s: float, load: Phases, whole_amps: bool
) -> None:
    house = flat(*load)
    bench = bench_of(count, lag_s, house, meter_every_s=meter_every_s, whole_amps=whole_amps).run(SETTLED_S + WATCHED_S)
    assert not any(changes_after(bench, SETTLED_S).values()), "no limit cycle"


@SLOW
@given(st.integers(1, 4), lags_s, periods_s, st.floats(1, 22), st.floats(1, 8), st.sampled_from([4.0, 8.0, 12.0, 16.0]))
def test_a_load_that_cycles_every_20_s_moves_no_contactor(
    count: int, lag_s: float, meter_every_s: float, peak_a: float, base_a: float, on_s: float
) -> None:
    def stove(t: float) -> Phases:
        amps = max(peak_a, base_a) if t % CYCLE_S < on_s else base_a
        return amps, amps / 2, base_a

    bench = bench_of(count, lag_s, stove, meter_every_s=meter_every_s).run(SETTLED_S + WATCHED_S)
    assert strokes(bench, SETTLED_S) == 0


@pytest.mark.parametrize(("count", "fits"), [(2, 1), (3, 1), (4, 1), (4, 2), (4, 3)])
def test_every_car_that_waits_is_served_in_bounded_time(count: int, fits: int) -> None:
    """Within as many turns as it takes to go round, plus what a change of hands takes."""
    turn_s, hands_s = 120.0, 60.0
    names = "abcd"[:count]
    timings = {"turn_s": turn_s, "min_on_s": 30, "min_off_s": 10}
    policy = policy_of({name: {"max_a": 16} for name in names}, timings=timings)
    bench = Bench(policy, [Car(name, lag_s=3) for name in names], flat(*[25 - 6.5 * fits] * 3))
    rounds = -(-count // fits)
    idle_s = dict.fromkeys(names, 0.0)
    for _ in range(int(3 * rounds * turn_s)):
        bench.run(1)
        for name, car in bench.cars.items():
            idle_s[name] = 0.0 if car.drawn_a > 0 else idle_s[name] + 1
            assert idle_s[name] <= (rounds - 1) * turn_s + rounds * hands_s, f"{name} waits for ever"


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.lists(st.integers(0, 400), min_size=6, max_size=6))
def test_the_queue_itself_lets_nobody_wait_longer_than_a_round(count: int, fits: int, arrivals: list[int]) -> None:
    """Whenever each comes, it is served once those ahead have had their turns, which change together."""
    turn_s, tick_s = 60, 5
    turns, waited_s = Turns(turn_s), dict.fromkeys("abcdef"[:count], 0)
    for now_s in range(0, 2_000, tick_s):
        here = [car for car, came_s in zip(waited_s, arrivals, strict=False) if now_s >= came_s]
        ranks = turns.order(here, now_s)
        admitted = sorted(ranks, key=lambda car: ranks[car])[:fits]
        turns.served(admitted, now_s)
        for car in here:
            waited_s[car] = 0 if car in admitted else waited_s[car] + tick_s
            assert waited_s[car] <= (-(-count // fits) + 1) * (turn_s + tick_s)
