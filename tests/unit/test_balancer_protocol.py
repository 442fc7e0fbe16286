"""Timelines that the model of the grant protocol found (model/README.md), played on the balancer's core."""

from __future__ import annotations

from datetime import UTC, datetime

from ampherd_balancer.book import Book
from ampherd_balancer.core import FENCE_PATIENCE_S, Balancer
from ampherd_charger_agent.lease import Verdict
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_charger_agent.wallbox import Snapshot
from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, LinkHealth, Stamp

from tests.support.bench import Bench, Car, flat, policy_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
ZERO_A = (0.0, 0.0, 0.0)


def state(
    charger: str, at_s: float, offer_a: float, applied: GrantId | None, session: str = "one", max_a: float = 16
) -> ChargerState:
    return ChargerState(
        charger=charger,
        stamp=Stamp(session=session, at_s=at_s),
        measured_at=AT,
        link=LinkHealth.OK,
        iec_state=IecState.C,
        offer_a=offer_a,
        drawn_a=ZERO_A,
        max_a=max_a,
        applied=applied,
    )


def grant(seq: int, offer_a: float, at_s: float, session: str = "one") -> Grant:
    return Grant(
        charger="a",
        id=GrantId(epoch=1, seq=seq),
        echo=Stamp(session=session, at_s=at_s),
        lease_s=10,
        offer_a=offer_a,
    )


def site(ids: str = "ab") -> Bench:
    return Bench(policy_of({car: {"max_a": 16} for car in ids}), [Car(car) for car in ids], flat(0, 0, 0))


def test_a_new_reign_raises_nobody_before_it_is_fenced() -> None:
    """The old leader lowers a from 12 A to 0 and gives it away, while the new one has a's first state only."""
    bench = site()
    new = Balancer(bench.policy, epoch=2, now_s=1000)
    new.hear_reading(bench.reading(), 1000)
    new.hear_state(state("a", 1000.0, 12, GrantId(epoch=1, seq=5)), 1000.0)
    new.hear_state(state("a", 1000.5, 0, GrantId(epoch=1, seq=6)), 1000.5)
    offers = {each.charger: each.offer_a for each in new.decide(1000.6).grants}
    assert offers["a"] == 0


def test_a_new_reigns_grant_under_way_raises_nobody_whom_the_old_one_lowered() -> None:
    """It is granted the 12 A that it had when the new leader heard of it; meanwhile the old one took them away."""
    charger = policy_of({"a": {"max_a": 16}}).chargers["a"]
    loop = SafetyLoop("a", charger, lease_s=10, session="one", started_s=990.0)
    loop.saw(Snapshot(iec_state=IecState.C, offer_a=12, read_at_s=999.0), 999.0)
    assert loop.hear(grant(6, 0, 999.5), 1000.0) is Verdict.ACCEPTED
    lowering = loop.decide(1000.0)
    assert lowering is not None
    assert lowering.offer_a == 0
    first = grant(1, 12, 999.5).model_copy(update={"id": GrantId(epoch=2, seq=1), "may_raise": False})
    assert loop.hear(first, 1000.1) is Verdict.ACCEPTED
    assert loop.decide(1000.1) is None, "the order under way stays"
    loop.saw(Snapshot(iec_state=IecState.B, offer_a=0, read_at_s=1000.3), 1000.3)
    assert loop.decide(1000.3) is None
    assert loop.state(1000.3, AT, {}).applied == first.id, "it follows the new reign all the same"


def test_what_a_new_reign_finds_confirmed_lower_is_not_granted_again() -> None:
    """The agent took the new leader's 12 A for the 8 A that stand: fenced now, the leader goes on from there."""
    bench = site()
    new = Balancer(bench.policy, epoch=2, now_s=1000)
    new.hear_reading(bench.reading(), 1000)
    for charger in "ab":
        new.hear_state(state(charger, 1000.0, 12, GrantId(epoch=1, seq=5)), 1000.0)
    grants = {each.charger: each for each in new.decide(1000.1).grants}
    assert (grants["a"].offer_a, grants["a"].may_raise) == (12, False)
    new.hear_state(state("a", 1000.5, 8, grants["a"].id), 1000.5)
    new.hear_state(state("b", 1000.5, 12, grants["b"].id), 1000.5)
    assert new.desks["a"].granted_a == 8


def test_a_new_reigns_grant_waits_until_the_wallbox_was_read() -> None:
    charger = policy_of({"a": {"max_a": 16}}).chargers["a"]
    loop = SafetyLoop("a", charger, lease_s=10, session="one", started_s=1000.0)
    blind = grant(1, 12, 1000.0).model_copy(update={"may_raise": False})
    assert loop.hear(blind, 1000.1) is Verdict.UNREAD
    assert loop.decide(1000.1) is None, "the car charges on"


def test_a_wallbox_that_never_confirmed_the_epoch_is_booked_at_its_most() -> None:
    """It is read each second and stays with the old leader: what that one grants it is unknown to the new."""
    bench = site()
    bench.run(30)
    bench.balancer = Balancer(bench.policy, epoch=2, now_s=bench.now_s)
    bench.cars["a"].is_deaf = True
    bench.cars["a"].applied = GrantId(epoch=1, seq=5)
    bench.run(FENCE_PATIENCE_S + 3)
    assert "a" not in bench.outcome.situation.commanded
    assert bench.balancer.desks["a"].booked_a(bench.now_s) == 16


def test_another_reign_of_the_same_epoch_is_no_confirmation() -> None:
    """Store and balancer start anew, the agents go on: what they apply was never granted by this reign."""
    bench = site()
    new = Balancer(bench.policy, epoch=1, now_s=1000)
    new.hear_reading(bench.reading(), 1000)
    for charger in "ab":
        new.hear_state(state(charger, 1000.0, 0, GrantId(epoch=1, seq=500)), 1000.0)
    outcome = new.decide(1000.1)
    assert outcome.must_yield or not outcome.situation.is_fenced


def test_an_applied_grant_stays_booked_while_its_agent_may_return_to_it() -> None:
    """0 s: 16 A granted. 1 s: the wallbox is hot and offers 6 A of it, applied. 2 s: 6 A granted,
    and lost. 3 s: it has cooled.

    The agent then goes back to 16 A by itself: the first grant still holds. The book says 6 A.
    """
    book = Book(fallback_a=0, most_a=16, car_lag_s=6)
    book.heard(state("a", 0.0, 0, None), 0.0, 0.0)
    book.granted(grant(1, 16, 0.0))
    book.heard(state("a", 1.0, 6, GrantId(epoch=1, seq=1), max_a=6), 6.0, 1.0)
    book.granted(grant(2, 6, 1.0))
    assert book.booked_a(8.0, is_reachable=True) == 16


def test_a_latecomer_of_a_dead_session_frees_nothing() -> None:
    """0 s: session one says 0 A, late. 1 s: session two is heard and is granted 16 A. 5 s: the late state comes."""
    bench = site()
    balancer = Balancer(bench.policy, epoch=1, now_s=1000)
    late = state("a", 999.5, 0, None, session="one")
    balancer.hear_state(state("a", 999.0, 0, None, session="one"), 1000.0)
    balancer.hear_state(state("a", 10.0, 0, None, session="two"), 1001.0)
    desk = balancer.desks["a"]
    sent = desk.grant(16, GrantId(epoch=1, seq=1), 1001.0, may_raise=True)
    assert sent is not None
    balancer.hear_state(late, 1005.0)
    assert desk.booked_a(1005.0) == 16


def test_an_order_under_way_stays_booked_when_its_lease_lapses() -> None:
    """A wallbox that shows a write after up to 8 s. 9 s: a grant of 16 A comes late and is written. 10 s: it lapses.

    10.1 s: the agent says 0 A, as read. The wallbox takes the 16 A up to 17 s, before it takes the fallback.
    """
    book = Book(fallback_a=0, most_a=16, car_lag_s=6)
    charger = policy_of({"a": {"max_a": 16}}).chargers["a"]
    agent = SafetyLoop("a", charger, lease_s=10, session="one", started_s=0.0, settle_s=8)
    agent.saw(Snapshot(IecState.C, 0.0, 0.0, drawn_a=ZERO_A), 0.0)
    book.heard(agent.state(0.0, AT, {}), 0.0, 0.0)
    book.granted(grant(1, 16, 0.0))
    for tick in range(36):
        agent.decide(tick / 4)
    agent.hear(grant(1, 16, 0.0), 9.0)
    order = agent.decide(9.0)
    assert order is not None
    assert order.offer_a == 16
    agent.decide(10.0)
    agent.saw(Snapshot(IecState.C, 0.0, 10.05, drawn_a=ZERO_A), 10.05)
    book.heard(agent.state(10.1, AT, {}), 0.0, 10.1)
    assert book.booked_a(10.1, is_reachable=True) == 16


def test_a_car_may_have_stopped_for_an_order_that_does_not_show_yet() -> None:
    """A slow wallbox at 16 A: its agent fell back to 0 A, then got 16 A anew. Both writes are too new to be read."""
    book = Book(fallback_a=0, most_a=16, car_lag_s=6)
    said = state("a", 0.0, 16, None, session="one")
    book.heard(said.model_copy(update={"pending_a": 16.0, "pending_least_a": 0.0}), None, 0.0)
    assert (book.surely_offered_a, book.offered_a) == (0, 16)
    book.heard(said, None, 8.0)
    assert (book.surely_offered_a, book.offered_a) == (16, 16)


def test_a_new_reign_that_is_not_heard_yet_does_not_undo_a_cut() -> None:
    """0 s: its grant of what a has, 12 A, is lost. 0.5 s: the old leader lowers a to 0, and gives the current away.

    1.1 s: the new one, not fenced, grants 12 A again: a raise.
    """
    bench = site()
    new = Balancer(bench.policy, epoch=2, now_s=1000)
    new.hear_reading(bench.reading(), 1000)
    new.hear_state(state("a", 1000.0, 12, GrantId(epoch=1, seq=5)), 1000.0)
    assert {each.charger: each.offer_a for each in new.decide(1000.1).grants} == {"a": 12}
    new.hear_state(state("a", 1000.5, 0, GrantId(epoch=1, seq=6)), 1000.5)
    offers = {each.charger: each.offer_a for each in new.decide(1001.1).grants}
    assert offers["a"] == 0
