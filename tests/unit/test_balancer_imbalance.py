"""No line far above another because of cars (VDE-AR-N 4100: 20 A)."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from ampherd_core.phases import LINES, Phases
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.bench import Bench, Car, House, flat, policy_of

LIMIT_A = 20.0


def site(lines: dict[str, list[str]], house: House, lag_s: float = 0, max_a: float = 32) -> Bench:
    policy = policy_of(
        {car: {"max_a": max_a, "lines": wired} for car, wired in lines.items()},
        connection={"rating_a": 63, "margin_a": 0},
        limits={"imbalance_a": LIMIT_A},
    )
    return Bench(policy, [Car(car, lag_s=lag_s) for car in lines], house)


def spread_a(load: Phases) -> float:
    return max(load) - min(load)


@pytest.mark.parametrize(
    ("lines", "house", "expected"),
    [
        ({"a": ["L1"]}, (1, 1, 1), {"a": 20}),
        ({"a": ["L1"]}, (5, 1, 1), {"a": 16}),
        ({"a": ["L1"]}, (1, 9, 5), {"a": 24}),
        ({"a": ["L1"]}, (-10, 0, 0), {"a": 30}),
        ({"a": ["L1"], "b": ["L1"]}, (1, 1, 1), {"a": 10, "b": 10}),
        ({"a": ["L1"], "b": ["L2"]}, (1, 1, 1), {"a": 20, "b": 20}),
        ({"a": ["L1", "L2"]}, (1, 1, 1), {"a": 20}),
        ({"a": ["L1", "L2", "L3"]}, (21, 1, 1), {"a": 32}),
        ({"a": ["L1", "L2", "L3"], "b": ["L1"]}, (1, 1, 1), {"a": 32, "b": 20}),
    ],
)
def test_what_cars_may_put_on_a_line(lines: dict[str, list[str]], house: Phases, expected: dict[str, float]) -> None:
    bench = site(lines, flat(*house)).run(120)
    assert bench.offers() == pytest.approx(expected, abs=0.11)


def test_it_says_so() -> None:
    bench = site({"a": ["L2"]}, flat(1, 1, 1)).run(120)
    assert bench.reason("a").code == "imbalance-l2"
    assert bench.reason("a").sentence == "L2 may carry 20 A more than the least loaded line, and no more."


AMPS = st.floats(-8, 8)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(5, 60), st.tuples(AMPS, AMPS, AMPS)), min_size=1, max_size=8),
    st.dictionaries(st.sampled_from("abc"), st.sets(st.sampled_from(LINES), min_size=1), min_size=1),
    st.sampled_from([0.0, 3.0, 6.0]),
)
def test_offers_keep_the_lines_together(
    loads: list[tuple[int, Phases]], lines: dict[str, set[str]], lag_s: float
) -> None:
    """Whatever the house does: a few seconds after it moved, cars make no line stand out by more than the limit."""
    since_s, at_s = [], 0
    for seconds, _ in loads:
        since_s.append(at_s)
        at_s += seconds

    def house(t: float) -> Phases:
        return loads[max(0, bisect_right(since_s, t) - 1)][1]

    bench = site({car: sorted(wired) for car, wired in lines.items()}, house, lag_s)
    for _ in range(at_s + 30):
        bench.run(1)
        if house(bench.t) == house(max(0.0, bench.t - lag_s - 3)):
            assert spread_a(bench.grid_now) <= max(LIMIT_A, spread_a(house(bench.t))) + 0.01
