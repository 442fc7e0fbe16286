"""Schedules: each test is a small evening, and says who charges when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ampherd_balancer.allocate import Limit
from ampherd_balancer.planner import Order, Schedule, Shortfall, Slot, cuts, plan

EVENING = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
THREE_PHASE = 690.0


def order(charger: str = "left", *, kwh: float, hours: float, min_a: float = 6, max_a: float = 16) -> Order:
    by = EVENING + timedelta(hours=hours)
    return Order(charger, kwh * 1000, by, min_a, max_a, THREE_PHASE)


def sunny(slots: list[Slot], sun_w: list[float], earns: float) -> list[Slot]:
    """So much sun in each hour."""
    return [
        slot._replace(sun_w=sun_w[int((slot.start - EVENING) / timedelta(hours=1))], sun_price=earns) for slot in slots
    ]


def slots(orders: list[Order], prices: list[float | None], room_a: float = 100.0) -> list[Slot]:
    """One price an hour; every charger loads the one line."""
    limit = Limit("connection-l1", room_a, {order.charger: 1.0 for order in orders})
    stretches = cuts(EVENING, orders)
    return [Slot(start, end, prices[int((start - EVENING) / timedelta(hours=1))], [limit]) for start, end in stretches]


def charging_hours(schedule: Schedule, charger: str) -> set[int]:
    hours = [EVENING + timedelta(hours=hour) for hour in range(12)]
    return {
        place
        for place, hour in enumerate(hours)
        for part in schedule.parts
        if charger in part.amps and part.start < hour + timedelta(minutes=59) and hour < part.end - timedelta(seconds=5)
    }


def test_charges_in_the_cheapest_hours() -> None:
    orders = [order(kwh=22, hours=6)]
    schedule = plan(orders, slots(orders, [0.40, 0.35, 0.10, 0.30, 0.12, 0.30]))
    assert charging_hours(schedule, "left") == {2, 4}
    outlook = schedule.outlooks["left"]
    assert outlook.is_met
    assert outlook.cost == pytest.approx(22.08 * 0.11 - 0.08 * 0.12, abs=0.01)


def test_a_last_quarter_that_costs_nothing_is_used() -> None:
    orders = [order(kwh=1, hours=0.25)]
    assert plan(orders, slots(orders, [0.0])).outlooks["left"].is_met


def test_one_price_means_as_early_as_can_be() -> None:
    orders = [order(kwh=11.04, hours=8)]
    schedule = plan(orders, slots(orders, [0.3] * 8))
    assert charging_hours(schedule, "left") == {0}
    assert schedule.outlooks["left"].ready_at == pytest.approx(EVENING + timedelta(hours=1), abs=timedelta(seconds=5))


def test_hours_without_a_price_come_last_and_are_told() -> None:
    orders = [order(kwh=22.08, hours=3)]
    schedule = plan(orders, slots(orders, [None, 0.90, 0.95]))
    assert charging_hours(schedule, "left") == {1, 2}
    orders = [order(kwh=33, hours=3)]
    outlook = plan(orders, slots(orders, [None, 0.90, 0.95])).outlooks["left"]
    assert outlook.is_met
    assert outlook.unpriced_wh == pytest.approx(33_000 - 22_080, abs=5)


def test_two_cars_that_do_not_fit_at_once_share_a_cheap_hour_by_time() -> None:
    orders = [order("left", kwh=2.5, hours=2), order("right", kwh=2.5, hours=2)]
    schedule = plan(orders, slots(orders, [0.10, 0.50], room_a=8))
    assert all(outlook.is_met for outlook in schedule.outlooks.values())
    assert all(len(part.amps) == 1 for part in schedule.parts)
    assert charging_hours(schedule, "left") | charging_hours(schedule, "right") == {0}


def test_no_charging_where_the_minimum_does_not_fit() -> None:
    orders = [order(kwh=3, hours=2, min_a=8)]
    full, free = Limit("connection-l1", 7.9, {"left": 1.0}), Limit("connection-l1", 20, {"left": 1.0})
    half = EVENING + timedelta(hours=1)
    schedule = plan(orders, [Slot(EVENING, half, 0.1, [full]), Slot(half, half + timedelta(hours=1), 0.9, [free])])
    assert charging_hours(schedule, "left") == {1}


@pytest.mark.parametrize(
    ("kwh", "room_a", "others", "why", "missing_kwh", "most_kwh"),
    [
        pytest.param(30, 100, [], Shortfall.TIME, 30 - 22.08, 22.08, id="two hours at 11 kW are 22 kWh"),
        pytest.param(20, 8, [], Shortfall.ROOM, 20 - 11.04, 11.04, id="the house leaves 8 A"),
        pytest.param(20, 20, ["right"], Shortfall.OTHERS, None, 22.08, id="another car is due at the same time"),
    ],
)
def test_says_what_is_missing_and_why(
    kwh: float, room_a: float, others: list[str], why: Shortfall, missing_kwh: float | None, most_kwh: float
) -> None:
    orders = [order(kwh=kwh, hours=2), *(order(other, kwh=20, hours=2) for other in others)]
    found = plan(orders, slots(orders, [0.3, 0.3], room_a=room_a)).outlooks
    short = max(found.values(), key=lambda outlook: outlook.missing_wh)
    assert short.shortfall is why
    assert short.most_wh == pytest.approx(most_kwh * 1000, abs=5)
    assert short.limited_by == "connection-l1"
    if missing_kwh is not None:
        assert short.missing_wh == pytest.approx(missing_kwh * 1000, abs=5)


def test_when_not_all_can_be_met_the_higher_priority_is() -> None:
    orders = [order("left", kwh=10, hours=1), order("right", kwh=10, hours=1)._replace(priority=1)]
    found = plan(orders, slots(orders, [0.3], room_a=16)).outlooks
    assert found["right"].is_met
    assert not found["left"].is_met


@pytest.mark.parametrize("orders", [[], [order(kwh=5, hours=0)]])
def test_nothing_to_do_or_too_late_is_no_fault(orders: list[Order]) -> None:
    schedule = plan(orders, slots(orders, []))
    assert schedule.parts == ()
    assert [outlook.is_met for outlook in schedule.outlooks.values()] == [False] * len(orders)


def test_what_runs_is_finished_before_it_rests() -> None:
    orders = [order(kwh=2, hours=0.25)._replace(now_a=16)]
    assert plan(orders, slots(orders, [0.3])).parts[0].start == EVENING


def test_slots_are_cut_at_quarters_and_where_an_order_is_due() -> None:
    start = EVENING + timedelta(minutes=7)
    stretches = cuts(start, [order(kwh=1, hours=0.5), order("right", kwh=1, hours=40 / 60)])
    minutes = [int((start - EVENING) / timedelta(minutes=1)) for start, _ in stretches]
    assert minutes == [7, 15, 30]
    assert stretches[-1][1] == EVENING + timedelta(minutes=40)


@pytest.mark.parametrize(
    ("sun_w", "earns", "hours", "cost", "sun_wh"),
    [
        pytest.param([0, 0, 0, 11_040], 0.08, {3}, 11.04 * 0.08, 11_040, id="the sun gives all of it"),
        pytest.param([0, 0, 0, 11_040], 0.15, {1}, 11.04 * 0.10, 0, id="feeding it in earns more than the night costs"),
        pytest.param([0, 0, 0, 2_070], 0.0, {1}, 11.04 * 0.10, 0, id="too weak: the rest would be dear"),
        pytest.param([0, 0, 5_520, 5_520], 0.08, {2, 3}, 11.04 * 0.08, 11_040, id="as strong as the sun, for longer"),
        pytest.param([0, 0, 0, 8_280], 0.02, {1, 3}, 8.28 * 0.02 + 2.76 * 0.10, 8_280, id="the rest at night"),
    ],
)
def test_the_sun_that_is_usually_left_over_costs_what_it_would_earn(
    sun_w: list[float], earns: float, hours: set[int], cost: float, sun_wh: float
) -> None:
    """11 kWh for a car of 4.1 to 11 kW, with 0.10 a kWh in the second hour and 0.30 else."""
    orders = [order(kwh=11.04, hours=4)]
    schedule = plan(orders, sunny(slots(orders, [0.3, 0.1, 0.3, 0.3]), sun_w, earns))
    outlook = schedule.outlooks["left"]
    assert charging_hours(schedule, "left") == hours
    assert outlook.cost == pytest.approx(cost, abs=0.01)
    assert outlook.sun_wh == pytest.approx(sun_wh, abs=60)


def test_two_cars_share_the_sun_and_its_price() -> None:
    orders = [order("left", kwh=5.52, hours=2), order("right", kwh=5.52, hours=2)]
    schedule = plan(orders, sunny(slots(orders, [0.3, 0.3]), [0, 8_280], 0.06))
    costs = {charger: outlook.cost for charger, outlook in schedule.outlooks.items()}
    assert costs["left"] + costs["right"] == pytest.approx(8.28 * 0.06 + 2.76 * 0.3, abs=0.01)
    assert schedule.cost == pytest.approx(sum(costs.values()))


def test_without_a_price_the_sun_comes_before_the_unknown() -> None:
    orders = [order(kwh=5.52, hours=3)]
    schedule = plan(orders, sunny(slots(orders, [None, None, None]), [0, 5_520, 0], 0.08))
    assert charging_hours(schedule, "left") == {1}
    assert schedule.outlooks["left"].unpriced_wh == pytest.approx(0, abs=1)
