"""The house as an interval."""

from __future__ import annotations

import pytest
from ampherd_balancer.estimate import House
from ampherd_balancer.traces import Peak, Trace
from ampherd_core.phases import ZERO, Phases
from hypothesis import given
from hypothesis import strategies as st


def three(amps: float) -> Phases:
    return amps, amps, amps


def traced(*notes: tuple[float, float]) -> Trace:
    trace = Trace(30)
    for at_s, amps in notes:
        trace.note(at_s, three(amps))
    return trace


def test_a_steady_car_leaves_no_doubt() -> None:
    house = House(30, 300)
    house.note(100, three(15), 1)
    interval = house.interval([traced((90, 10))], ZERO, 100)
    assert interval.low == interval.likely == interval.high == three(5)


def test_while_a_car_moves_both_ends_are_kept() -> None:
    house = House(30, 300)
    house.note(100, three(15), 1)
    interval = house.interval([traced((90, 10), (99.5, 4))], ZERO, 100)
    assert (interval.low, interval.high) == (three(5), three(11))


def test_a_car_that_stopped_leaves_no_room_until_its_word_of_it_comes() -> None:
    house, in_doubt = House(0, 0), traced((0, 0))
    in_doubt.note(80, ZERO, (ZERO, three(16)))
    for second in range(90, 100):
        house.note(second, three(12), 1)
        house.interval([traced((80, 10)), in_doubt], ZERO, second)
    house.note(100, three(2), 1)
    assert house.interval([traced((80, 10)), in_doubt], ZERO, 100).high == three(2)


def test_the_silent_may_draw_nothing_or_all() -> None:
    house = House(30, 300)
    house.note(100, three(15), 1)
    interval = house.interval([], three(10), 100)
    assert (interval.low, interval.high) == (three(5), three(15))


def test_the_highest_of_the_last_while_is_reckoned_with() -> None:
    house = House(30, 300)
    for second in range(40):
        house.note(100 + second, three(20 if second == 10 else 5), 1)
        house.interval([], ZERO, 100 + second)
    assert house.interval([], ZERO, 139).high == three(20)
    house.note(145, three(5), 1)
    assert house.interval([], ZERO, 145).high == three(5)


def test_a_shorter_hold_applies_at_once() -> None:
    house = House(30, 300)
    for second in range(10):
        house.note(100 + second, three(20 if second == 0 else 5), 1)
        house.interval([], ZERO, 100 + second)
    house.hold_for(2, 300)
    assert house.interval([], ZERO, 110).high == three(5)


def test_who_had_to_stop_is_shown_a_longer_while() -> None:
    house = House(30, 300)
    for second in range(400):
        house.note(100 + second, three(20 if second == 50 else 5), 1)
        interval = house.interval([], ZERO, 100 + second)
        if second == 300:
            assert (interval.likely, interval.lasting) == (three(5), three(20))
    assert interval.lasting == three(5)


def test_nothing_is_known_before_the_first_sample() -> None:
    assert House(30, 300).interval([], ZERO, 100).high == ZERO
    assert House(30, 300).load is None


@pytest.mark.parametrize(
    ("span", "expected"),
    [((0, 5), (1, 1)), ((10, 10), (1, 5)), ((12, 15), (5, 5)), ((15, 25), (3, 5)), ((25, 30), (3, 3))],
)
def test_a_value_holds_until_the_next(span: tuple[float, float], expected: tuple[float, float]) -> None:
    least, most = traced((0, 1), (10, 5), (20, 3)).span(*span)
    assert most[0] == expected[1]
    assert least[0] == expected[0] or span == (10, 10)


def test_an_unmetered_car_may_still_take_what_it_took_before() -> None:
    trace = Trace(30, lag_s=6)
    trace.note(0, three(16))
    trace.note(10, three(6))
    assert trace.span(14, 14) == (three(6), three(16))
    assert trace.span(17, 17) == (three(6), three(6))


def test_what_a_lost_car_drew_is_its_most_and_not_its_least() -> None:
    trace = traced((0, 16), (10, 10))
    trace.doubt(20)
    assert trace.span(15, 18) == (three(10), three(10))
    assert trace.span(21, 25) == (ZERO, three(10))
    trace.note(30, three(8))
    assert trace.span(32, 35) == (three(8), three(8))


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(-50, 50)), min_size=1, max_size=40), st.floats(1, 20))
def test_the_peak_is_the_most_of_its_window(notes: list[tuple[float, float]], window_s: float) -> None:
    peak, kept, now_s = Peak(window_s), [], 0.0
    for pause_s, amps in notes:
        now_s += pause_s
        peak.note(now_s, three(amps))
        kept.append((now_s, amps))
        assert peak.most(now_s) == three(max(value for at_s, value in kept if at_s >= now_s - window_s))
