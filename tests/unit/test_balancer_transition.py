"""The safe path: situations as a table."""

from __future__ import annotations

import pytest
from ampherd_balancer.allocate import Limit
from ampherd_balancer.transition import Position, floor_to, transition
from ampherd_core.policy import Timings

TIMINGS = Timings(rise_every_s=5, rise_step_a=4, deadband_a=0.5)
NOW_S = 1000.0


def at(
    id: str,  # noqa: A002 - a position's own word
    granted_a: float,
    target_a: float,
    *,
    booked_a: float | None = None,
    ceiling_a: float = 32,
    changed_s: float = 0,
    step_a: float = 0.1,
    is_settled: bool = True,
    is_idle: bool = False,
) -> Position:
    return Position(
        id=id,
        granted_a=granted_a,
        booked_a=granted_a if booked_a is None else booked_a,
        target_a=target_a,
        ceiling_a=ceiling_a,
        min_a=6,
        step_a=step_a,
        changed_s=changed_s,
        is_settled=is_settled,
        is_idle=is_idle,
    )


@pytest.mark.parametrize(
    ("situation", "positions", "room_a", "expected"),
    [
        ("a start is at the minimum", [at("a", 0, 16)], 30, {"a": 6}),
        ("a rise is one step at a time", [at("a", 6, 16)], 30, {"a": 10}),
        ("the last rise reaches the target", [at("a", 15.8, 16)], 30, {"a": 16}),
        ("a small rise is left alone", [at("a", 10, 16)], 10.4, {"a": 10}),
        ("no rise soon after another", [at("a", 6, 16, changed_s=NOW_S - 4)], 30, {"a": 6}),
        ("no rise before the last is confirmed", [at("a", 6, 16, is_settled=False)], 30, {"a": 6}),
        ("whole amps are rounded down", [at("a", 6, 9.9, step_a=1)], 30, {"a": 9}),
        ("the cut applies at once", [at("a", 16, 16, ceiling_a=9)], 30, {"a": 9}),
        ("lower one, then raise the other", [at("a", 16, 10), at("b", 0, 10)], 20, {"a": 10, "b": 0}),
        ("what is booked is not there", [at("a", 10, 10, booked_a=16), at("b", 0, 10)], 20, {"a": 10, "b": 0}),
        ("once it is free the other starts", [at("a", 10, 10), at("b", 0, 10)], 20, {"a": 10, "b": 6}),
        ("nobody waits: nothing is given up", [at("a", 16, 10), at("b", 10, 10)], 20, {"a": 16, "b": 10}),
        ("a turn is handed over", [at("a", 8, 0), at("b", 0, 8)], 8, {"a": 0, "b": 0}),
        ("no stop for a mere rise", [at("a", 6, 0), at("b", 6, 12)], 12, {"a": 6, "b": 6}),
        ("an idle car gives way to a rise", [at("a", 6, 0, is_idle=True), at("b", 6, 12)], 12, {"a": 0, "b": 6}),
        ("two starts share what is left", [at("a", 0, 6), at("b", 0, 6)], 11, {"a": 6, "b": 0}),
    ],
)
def test_situations(situation: str, positions: list[Position], room_a: float, expected: dict[str, float]) -> None:
    limits = [Limit("connection-l1", room_a, {position.id: 1.0 for position in positions})]
    assert transition(positions, limits, TIMINGS, NOW_S, may_raise=True) == pytest.approx(expected), situation


def test_fenced_off_only_cuts_pass() -> None:
    positions = [at("a", 16, 8, ceiling_a=12), at("b", 0, 8)]
    limits = [Limit("connection-l1", 16, {"a": 1, "b": 1})]
    assert transition(positions, limits, TIMINGS, NOW_S, may_raise=False) == {"a": 12, "b": 0}


@pytest.mark.parametrize(
    ("amps", "step_a", "expected"), [(9.99, 1, 9), (9.9999999, 1, 10), (6.35, 0.1, 6.3), (7.123, 0, 7.123)]
)
def test_offers_are_rounded_down_to_what_can_be_signalled(amps: float, step_a: float, expected: float) -> None:
    assert floor_to(amps, step_a) == pytest.approx(expected)
