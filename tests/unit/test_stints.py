"""What a charger does of a schedule: where it takes more than was planned, and who comes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ampherd_balancer.agenda import Agenda
from ampherd_balancer.allocate import Allocation, Car, Limit, allocate, with_rest
from ampherd_balancer.brief import Aim
from ampherd_balancer.planner import Order, Slot
from ampherd_balancer.stints import stints
from ampherd_core.plans import PlannedPart, PlanState

DUSK = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def state(*hours: int, **fields: object) -> PlanState:
    parts = tuple(
        PlannedPart(start=DUSK + hour * HOUR, end=DUSK + (hour + 1) * HOUR, offer_a=8, power_w=5520) for hour in hours
    )
    return PlanState.model_validate(
        {"charger": "garage", "at": DUSK, "code": "met", "reason": "", "parts": parts, "is_met": True, **fields}
    )


AIM = Aim(None, DUSK + 8 * HOUR, 10_000.0, "open")


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ((0.2, 0.1, 0.3), [True, True, True]),
        ((0.3, 0.1, 0.2), [False, True, True]),
        ((0.2, 0.2, 0.2), [True, True, True]),
        ((0.2, 0.3, None), [True, True, True]),
        ((None, 0.2, 0.1), [False, False, True]),
    ],
    ids=["dearest last", "dearest first", "all the same", "unknown last", "unknown first"],
)
def test_more_is_welcome_where_something_dearer_is_still_to_come(
    prices: tuple[float | None, ...], expected: list[bool]
) -> None:
    slots = [Slot(DUSK + place * HOUR, DUSK + (place + 1) * HOUR, price, ()) for place, price in enumerate(prices)]
    found = stints(AIM, state(0, 1, 2), slots, datetime.timestamp)
    assert found is not None
    assert [stint.takes_more for stint in found] == expected

    agenda = Agenda()
    agenda.take(found)
    agenda.look(DUSK.timestamp() + 1)
    assert (agenda.amps, agenda.takes_more) == (8, expected[0])
    agenda.look(DUSK.timestamp() + 9 * 3600)
    assert (agenda.amps, agenda.takes_more) == (0.0, False)


@pytest.mark.parametrize(
    ("sun_w", "expected"),
    [
        ((0, 0, 0), [True, True, True]),
        ((0, 9_000, 9_000), [False, True, True]),
        ((0, 5_520, 2_000), [True, False, True]),
    ],
    ids=["no sun", "the sun gives more than what is planned", "partly"],
)
def test_what_is_bought_is_not_bought_earlier_than_what_the_sun_gives(
    sun_w: tuple[float, ...], expected: list[bool]
) -> None:
    """It is 0.20 at first, then 0.30, and what the sun gives is worth 0.08."""
    slots = [
        Slot(DUSK + place * HOUR, DUSK + (place + 1) * HOUR, price, (), sun, 0.08)
        for place, (price, sun) in enumerate(zip((0.2, 0.3, 0.3), sun_w, strict=True))
    ]
    found = stints(AIM, state(0, 1, 2), slots, datetime.timestamp)
    assert [stint.takes_more for stint in found or ()] == expected


@pytest.mark.parametrize(("has_slack", "expected"), [(True, [True, False, False]), (False, [False, False, False])])
def test_the_sun_is_followed_where_it_gives_all_and_there_is_time(*, has_slack: bool, expected: list[bool]) -> None:
    slots = [
        Slot(DUSK + place * HOUR, DUSK + (place + 1) * HOUR, 0.3, (), sun_w, 0.08)
        for place, sun_w in enumerate((5_520, 4_000, 0))
    ]
    found = stints(AIM, state(0, 1, 2), slots, datetime.timestamp, has_slack=has_slack)
    assert [stint.follows_sun for stint in found or ()] == expected


def test_a_plan_that_falls_short_charges_all_the_time_and_is_first_in_its_own_parts() -> None:
    order = Order("garage", 90_000.0, DUSK + 8 * HOUR, 6, 16, 690)
    slots = [Slot(DUSK + hour * HOUR, DUSK + (hour + 1) * HOUR, 0.2, ()) for hour in range(8)]
    agenda = Agenda()
    agenda.take(stints(AIM._replace(order=order), state(1, is_met=False), slots, datetime.timestamp), urgency=7)
    for hour, expected in {0.5: (16, 0, False), 1.5: (8, 7, True), 3.0: (16, 0, False), 8.5: (0, 0, False)}.items():
        agenda.look((DUSK + hour * HOUR).timestamp())
        assert (agenda.amps, agenda.urgency, agenda.takes_more) == expected, hour


def test_what_is_left_over_goes_to_who_takes_more_and_from_nobody() -> None:
    """The planned 8 A of each stay; of the 6 A that are left the one car may take four."""
    cars = [Car("eager", 6, 8), Car("other", 6, 8)]
    limits = [Limit("l1", 22, {"eager": 1, "other": 1})]
    planned = allocate(cars, limits)
    assert planned.offers == {"eager": 8, "other": 8}
    assert with_rest(planned, cars, {"eager": 12}, limits).offers == {"eager": 12, "other": 8}
    assert with_rest(planned, cars, {"eager": 32}, limits).offers == {"eager": 14, "other": 8}


def test_who_was_not_served_is_not_served_by_the_rest() -> None:
    cars = [Car("first", 6, 6, priority=1), Car("last", 6, 16)]
    limits = [Limit("l1", 11, {"first": 1, "last": 1})]
    found = with_rest(allocate(cars, limits), cars, {"first": 16}, limits)
    assert found == Allocation({"first": 11, "last": 0}, {"last": "l1", "first": "l1"})
