"""What whole amps and the minimum leave of a room, by hand and by trying everything."""

from __future__ import annotations

import itertools

import pytest
from ampherd_core.phases import LINES, Line, Phases
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rivals.whole_amps import Taker, most_a

ONE = Taker((Line.L1,), 16.0, 0.3)
THREE = Taker(LINES, 16.0, 0.3)


@pytest.mark.parametrize(
    ("situation", "room_a", "takers", "expected"),
    [
        ("nobody is there", (25, 25, 25), [], 0),
        ("too little for a minimum", (5.6, 25, 25), [ONE], 0),
        ("a minimum, as the car takes it", (5.7, 0, 0), [ONE], 5.7),
        ("a car takes less than its wallbox allows", (25, 0, 0), [ONE], 15.7),
        ("whole amps leave a rest", (10.6, 0, 0), [ONE], 9.7),
        ("one more car takes the rest better", (22.8, 0, 0), [ONE] * 4, 22.8),
        ("the fullest of three phases counts", (20, 9, 20), [THREE], 3 * 8.7),
        ("the smaller car makes way", (12, 12, 12), [THREE, ONE], 3 * 11.7),
        ("each on its own phase", (9, 12, 5), [ONE, Taker((Line.L2,), 16.0, 0.3), Taker((Line.L3,), 16.0)], 8.7 + 11.7),
    ],
)
def test_situations(situation: str, room_a: Phases, takers: list[Taker], expected: float) -> None:
    assert most_a(room_a, takers) == pytest.approx(expected), situation


takers = st.builds(
    Taker,
    st.sampled_from([LINES, (Line.L1,), (Line.L2,), (Line.L1, Line.L2)]),
    st.sampled_from([8.0, 10.0]),
    st.just(0.0),
)
rooms = st.tuples(*[st.integers(0, 30).map(float)] * 3)


@settings(max_examples=100, deadline=None)
@given(rooms, st.lists(takers, max_size=3))
def test_nothing_better_is_found_by_trying_everything(room_a: Phases, cars: list[Taker]) -> None:
    best = 0.0
    for amps in itertools.product(*[(0, *range(6, int(car.max_a) + 1)) for car in cars]):
        loads = [sum(a for a, car in zip(amps, cars, strict=True) if line in car.lines) for line in LINES]
        if all(load <= room for load, room in zip(loads, room_a, strict=True)):
            best = max(best, sum(loads))
    assert most_a(room_a, cars) == pytest.approx(best)
