"""What a car shows of itself."""

from __future__ import annotations

from ampherd_balancer.appetite import Appetite
from ampherd_core.messages import IecState
from ampherd_core.phases import LINES, Line, Phases, on_lines
from ampherd_core.policy import Timings

TIMINGS = Timings(reclaim_after_s=60, probe_every_s=600)


def watched(until_s: int, *, offer_a: float, drawn: Phases | None, state: IecState = IecState.C) -> Appetite:
    appetite = Appetite(LINES, TIMINGS)
    for second in range(until_s + 1):
        appetite.heard(state, offer_a, drawn, second)
    return appetite


def test_a_one_phase_car_shows_its_line_after_a_while() -> None:
    one = on_lines([Line.L2], 10)
    assert watched(14, offer_a=10, drawn=one).lines == LINES
    assert watched(15, offer_a=10, drawn=one).lines == (Line.L2,)


def test_a_line_that_wakes_up_counts_at_once() -> None:
    appetite = watched(20, offer_a=10, drawn=on_lines([Line.L2], 10))
    appetite.heard(IecState.C, 10, on_lines([Line.L2, Line.L3], 10), 21)
    assert appetite.lines == (Line.L2, Line.L3)


def test_another_car_may_use_every_line() -> None:
    appetite = watched(20, offer_a=10, drawn=on_lines([Line.L2], 10))
    appetite.heard(IecState.A, 0, None, 21)
    assert appetite.lines == LINES


def test_current_left_unused_is_noticed_and_asked_about_again() -> None:
    appetite = watched(60, offer_a=16, drawn=on_lines(LINES, 9))
    assert appetite.cap_a == 10
    for second in range(61, 661):
        appetite.heard(IecState.C, 10, on_lines(LINES, 9), second)
    assert appetite.cap_a is None


def test_a_car_that_takes_all_it_is_offered_may_want_more() -> None:
    appetite = watched(60, offer_a=16, drawn=on_lines(LINES, 9))
    appetite.heard(IecState.C, 10, on_lines(LINES, 9.8), 61)
    assert appetite.cap_a is None


def test_a_car_that_takes_nothing_is_idle_until_it_draws() -> None:
    appetite = watched(60, offer_a=6, drawn=on_lines(LINES, 0), state=IecState.B)
    assert appetite.is_idle
    appetite.heard(IecState.C, 6, on_lines(LINES, 6), 61)
    assert not appetite.is_idle


def test_a_car_that_is_offered_nothing_is_not_idle() -> None:
    assert not watched(300, offer_a=0, drawn=on_lines(LINES, 0), state=IecState.B).is_idle
