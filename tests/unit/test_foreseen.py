"""Plans within power windows and the month's peak: known ahead, planned around, and named where they are short."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from ampherd_balancer.foreseen import Foreseen, place
from ampherd_balancer.planner import Order, Shortfall, Slot, plan
from ampherd_core.policy_limits import Window

ZONE = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=ZONE)
WATTS = 690.0
HOUSE_W = 1_000.0


def window(start: int, end: int, power_w: float) -> Window:
    return Window.model_validate({"power_w": power_w, "start": f"{start:02}:00", "end": f"{end:02}:00"})


def slots(foreseen: Foreseen, hours: int) -> list[Slot]:
    found = []
    for quarter in range(hours * 4):
        start = NOON + timedelta(minutes=15 * quarter)
        end = start + timedelta(minutes=15)
        found.append(Slot(start.astimezone(UTC), end.astimezone(UTC), 0.2, foreseen.limits(start, end, HOUSE_W)))
    return found


def order(energy_wh: float, hours: int) -> Order:
    return Order("car", energy_wh, (NOON + timedelta(hours=hours)).astimezone(UTC), 6, 16, WATTS)


def test_a_power_window_is_planned_around() -> None:
    """From 13:00 to 15:00 the window leaves 2 kW: too little for 6 A, so the rest waits until it is over."""
    caps = Foreseen({"midday": window(13, 15, 3_000)}, None, {"car": WATTS})
    schedule = plan([order(20_000, 5)], slots(caps, 5))
    assert schedule.outlooks["car"].is_met
    assert schedule.amps("car", NOON.astimezone(UTC)) == 16
    assert schedule.amps("car", (NOON + timedelta(hours=2)).astimezone(UTC)) == 0
    assert schedule.amps("car", (NOON + timedelta(hours=3)).astimezone(UTC)) == 16


def test_a_window_with_room_is_used_as_far_as_it_goes_and_named_where_it_is_too_little() -> None:
    caps = Foreseen({"day": window(12, 16, 7_000)}, None, {"car": WATTS})
    schedule = plan([order(30_000, 4)], slots(caps, 4))
    outlook = schedule.outlooks["car"]
    assert outlook.planned_wh == pytest.approx(4 * 6_000, rel=1e-3)
    assert (outlook.shortfall, outlook.limited_by) == (Shortfall.ROOM, "window-day")
    assert place(outlook.limited_by) == "the power window day"


def test_no_plan_raises_the_months_peak() -> None:
    caps = Foreseen({}, 6_140, {"car": WATTS})
    schedule = plan([order(30_000, 4)], slots(caps, 4))
    assert max(part.amps["car"] for part in schedule.parts) == pytest.approx(5_140 / WATTS)
    assert place(schedule.outlooks["car"].limited_by) == "the month's quarter-hour peak"


@pytest.mark.parametrize(("minute", "held"), [(-15, False), (-5, True), (0, True), (55, True), (60, False)], ids=str)
def test_a_slot_is_under_a_window_that_holds_for_a_part_of_it(minute: int, held: bool) -> None:
    caps = Foreseen({"w": window(13, 14, 0)}, None, {})
    start = datetime.combine(NOON.date(), time(13), ZONE) + timedelta(minutes=minute)
    assert bool(caps.limits(start, start + timedelta(minutes=15), 0)) is held


def test_wires_keep_their_names() -> None:
    assert place("connection-l1") is None
