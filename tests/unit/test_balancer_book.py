"""What one charger is booked at: a ledger told line by line."""

from __future__ import annotations

import pytest
from ampherd_balancer.book import Book
from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, LinkHealth, Stamp

from tests.support.bench import AT

LAG_S = 6.0


def state(
    at_s: float, offer_a: float | None, *, applied: int | None = None, session: str = "one", is_lost: bool = False
) -> ChargerState:
    return ChargerState(
        charger="a",
        stamp=Stamp(session=session, at_s=at_s),
        measured_at=AT,
        link=LinkHealth.LOST if is_lost else LinkHealth.OK,
        iec_state=IecState.C,
        offer_a=offer_a,
        applied=GrantId(epoch=1, seq=applied) if applied is not None else None,
    )


def grant(seq: int, offer_a: float, *, echo_s: float, session: str = "one") -> Grant:
    echo = Stamp(session=session, at_s=echo_s)
    return Grant(charger="a", id=GrantId(epoch=1, seq=seq), echo=echo, lease_s=10, offer_a=offer_a)


def book(*, fallback_a: float = 0) -> Book:
    return Book(fallback_a=fallback_a, most_a=16, car_lag_s=LAG_S)


def standing_at(offer_a: float) -> Book:
    ledger = book()
    ledger.heard(state(0, offer_a, applied=0), offer_a, 0)
    return ledger


def test_who_was_never_heard_may_take_the_most() -> None:
    assert book().booked_a(0, is_reachable=False) == 16


def test_a_grant_counts_from_the_moment_it_is_sent() -> None:
    ledger = standing_at(6)
    ledger.granted(grant(1, 12, echo_s=0))
    assert ledger.booked_a(0, is_reachable=True) == 12


def test_a_lower_grant_frees_nothing_before_it_is_confirmed() -> None:
    ledger = standing_at(16)
    ledger.granted(grant(1, 6, echo_s=0))
    assert ledger.booked_a(1, is_reachable=True) == 16
    assert not ledger.is_settled(6, 0.1)


def test_a_car_that_draws_more_than_its_offer_is_not_offered_more() -> None:
    ledger = standing_at(16)
    ledger.heard(state(1, 16, applied=0), 17.9, 1)
    assert ledger.is_settled(16, 1)
    ledger.heard(state(2, 16, applied=0), 21, 2)
    assert not ledger.is_settled(16, 1)


def test_an_older_grant_may_be_acted_on_until_a_newer_is_confirmed() -> None:
    ledger = standing_at(6)
    ledger.granted(grant(1, 16, echo_s=0))
    ledger.granted(grant(2, 6, echo_s=0))
    ledger.heard(state(1, 6, applied=0), 6, 1)
    assert ledger.booked_a(1, is_reachable=True) == 16
    ledger.heard(state(2, 6, applied=2), 6, 2)
    assert ledger.booked_a(2, is_reachable=True) == 16, "it may have stood for a moment, and the car be on its way"
    assert ledger.booked_a(2 + LAG_S, is_reachable=True) == 6


def test_a_grant_lapses_on_the_agents_clock_only() -> None:
    ledger = standing_at(6)
    ledger.granted(grant(1, 16, echo_s=0))
    assert ledger.booked_a(1000, is_reachable=True) == 16, "silence frees nothing"
    ledger.heard(state(10, 6, applied=0), 6, 1001)
    assert ledger.booked_a(1001, is_reachable=True) == 16
    ledger.heard(state(10.1, 6, applied=0), 6, 1002)
    assert ledger.booked_a(1002 + LAG_S, is_reachable=True) == 6


def test_a_restarted_agent_takes_no_grant_of_before() -> None:
    ledger = standing_at(6)
    ledger.granted(grant(1, 16, echo_s=0))
    ledger.heard(state(0, 6, session="two"), 6, 1)
    assert ledger.booked_a(1 + LAG_S, is_reachable=True) == 6


def test_a_lowered_car_has_its_time_to_follow() -> None:
    ledger = standing_at(16)
    ledger.heard(state(100, 6, applied=1), 16, 100)
    assert ledger.booked_a(105.9, is_reachable=True) == 16
    ledger.heard(state(102, 6, applied=1), 10, 102)
    assert ledger.booked_a(102, is_reachable=True) == 10, "what it is seen to draw"
    ledger.heard(state(103, 6, applied=1), 6, 103)
    assert ledger.booked_a(103, is_reachable=True) == 6


def test_without_a_meter_the_full_time_is_waited() -> None:
    ledger = book()
    ledger.heard(state(0, 16, applied=0), None, 0)
    ledger.heard(state(100, 6, applied=1), None, 100)
    assert ledger.booked_a(105.9, is_reachable=True) == 16
    assert ledger.booked_a(106, is_reachable=True) == 6


def test_a_raise_just_before_may_still_be_on_its_way() -> None:
    ledger = standing_at(6)
    ledger.heard(state(100, 16, applied=1), 6, 100)
    ledger.heard(state(101, 6, applied=2), 6, 101)
    assert ledger.booked_a(105, is_reachable=True) == 16, "low draw proves nothing yet"


def test_what_a_stubborn_car_draws_is_booked() -> None:
    ledger = standing_at(16)
    ledger.heard(state(100, 6, applied=1), 16, 100)
    ledger.heard(state(107, 6, applied=1), 15, 107)
    assert ledger.booked_a(107, is_reachable=True) == 15


@pytest.mark.parametrize("lost", [state(1, 6, applied=0, is_lost=True), state(1, None, applied=0)])
def test_out_of_reach_it_may_take_the_most(lost: ChargerState) -> None:
    ledger = standing_at(6)
    ledger.heard(lost, None, 1)
    assert ledger.booked_a(1, is_reachable=False) == 16


def test_the_fallback_is_always_booked() -> None:
    ledger = book(fallback_a=8)
    ledger.heard(state(0, 0, applied=0), 0, 0)
    assert ledger.booked_a(0, is_reachable=True) == 8


def test_settled_means_confirmed_to_the_wallboxs_own_step() -> None:
    ledger = standing_at(10)
    assert ledger.is_settled(10, 0.1)
    assert ledger.is_settled(10.9, 1)
    assert not ledger.is_settled(12, 1)
