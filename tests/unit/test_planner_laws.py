"""What holds of every schedule, held against a mixed-integer programme."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from ampherd_balancer.allocate import Limit
from ampherd_balancer.planner import MET_WITHIN_WH, SLOT, Order, Schedule, Slot, cuts, plan
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.planning_optimum import optimum

EVENING = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
LINES = [(0,), (1,), (2,), (0, 1, 2), (0, 1), (1, 2), (2, 0)]
"""As wallboxes are wired: one phase, three, or between two lines of a connection without neutral."""

Home = tuple[list[Order], list[Slot]]


@st.composite
def homes(draw: st.DrawFn, *, cars: int = 4, quarters: int = 14, is_sunny: bool = False) -> Home:
    orders, lines = [], {}
    for place in range(draw(st.integers(1, cars))):
        charger = f"car-{place}"
        lines[charger] = draw(st.sampled_from(LINES))
        min_a, max_a = draw(st.sampled_from([(6, 16), (6, 32), (8, 20), (10, 16), (6, 6)]))
        due = draw(st.integers(1, quarters))
        watts = 230.0 * len(lines[charger])
        most_wh = max_a * watts * due / 4
        share = draw(st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.7, 1.0]) | st.floats(0, 1.2))
        priority = draw(st.integers(1, 9))
        orders.append(Order(charger, share * most_wh, EVENING + due * SLOT, min_a, max_a, watts, priority))
    slots = [_slot(draw, start, end, lines) for start, end in cuts(EVENING, orders)]
    return orders, [_lit(draw, slot) for slot in slots] if is_sunny else slots


def _lit(draw: st.DrawFn, slot: Slot) -> Slot:
    """As much sun as nothing, less than a car needs, or more than all take; what it earns is no more than the price."""
    sun_w = draw(st.sampled_from([0.0, 900.0, 2_000.0, 4_200.0, 30_000.0]) | st.floats(0, 12_000))
    earns = draw(st.sampled_from([0.0, 0.08, -0.02]))
    return slot._replace(sun_w=sun_w, sun_price=min(slot.price or 0.0, earns))


def _slot(draw: st.DrawFn, start: datetime, end: datetime, lines: dict[str, tuple[int, ...]]) -> Slot:
    price = draw(st.sampled_from([-0.05, 0.0, 0.1, 0.25]) | st.floats(0.01, 0.6))
    limits = []
    for line in range(3):
        weights = {charger: 1.0 for charger, used in lines.items() if line in used}
        limits.append(Limit(f"connection-l{line + 1}", draw(st.integers(-8, 160)) / 4, weights))
        limits.append(Limit(f"garage-l{line + 1}", 20.0, {c: 1.0 for c in weights if c in {"car-0", "car-1"}}))
    return Slot(start, end, price, limits)


def _missing_wh(schedule: Schedule) -> float:
    return sum(outlook.missing_wh for outlook in schedule.outlooks.values())


@settings(max_examples=150, deadline=None)
@given(homes(quarters=40) | homes(quarters=40, is_sunny=True))
def test_no_limit_is_passed_and_no_car_gets_less_than_its_minimum(home: Home) -> None:
    orders, slots = home
    schedule = plan(orders, slots)
    for part in schedule.parts:
        for slot in slots:
            if part.start < slot.end and slot.start < part.end:
                for limit in slot.limits:
                    load_a = sum(limit.weights.get(charger, 0.0) * amps for charger, amps in part.amps.items())
                    assert load_a <= max(0.0, limit.room_a) + 1e-4
        for order in orders:
            amps = part.amps.get(order.charger, 0.0)
            assert amps == 0 or (order.min_a - 1e-6 <= amps <= order.max_a + 1e-6 and part.end <= order.by)
    assert all(before.end <= after.start for before, after in pairwise(schedule.parts))


@settings(max_examples=60, deadline=None)
@given(homes() | homes(is_sunny=True))
def test_what_can_be_met_is_met_at_no_more_than_the_optimum(home: Home) -> None:
    orders, slots = home
    schedule = plan(orders, slots)
    missing_wh, cost = optimum(orders, slots)
    if missing_wh <= 1.0:
        assert _missing_wh(schedule) == 0
        paid = [abs(slot.price or 0.0) for slot in slots]
        assert schedule.cost <= cost + max(0.01 * abs(cost), 0.02 * max(paid))


@settings(max_examples=60, deadline=None)
@given(homes(quarters=30))
def test_equal_homes_cost_the_same_in_any_order(home: Home) -> None:
    orders, slots = home
    there, back = plan(orders, slots), plan(orders[::-1], slots)
    assert _missing_wh(there) == pytest.approx(_missing_wh(back), rel=0.01, abs=10 * MET_WITHIN_WH)
    if not _missing_wh(there):
        assert there.cost == pytest.approx(back.cost, rel=0.003, abs=0.01)
