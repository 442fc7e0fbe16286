"""What a lease may never do, whatever grants come late, twice, out of order or from the wrong hand."""

from __future__ import annotations

from dataclasses import dataclass

from ampherd_charger_agent.lease import FORGET_ORDER_S, Lease, Verdict
from ampherd_core.messages import Grant, GrantId, Stamp
from ampherd_core.policy import Charger, DriverName
from hypothesis import given, settings
from hypothesis import strategies as st

LEASE_S = 10.0
CHARGER = Charger(driver=DriverName.EDGETECH, link="tcp://127.0.0.1:502", min_a=6, max_a=16)


@dataclass(frozen=True)
class Post:
    """A grant and how long it was on its way (s)."""

    grant: Grant
    delay_s: float

    @property
    def arrives_s(self) -> float:
        return self.grant.echo.at_s + self.delay_s


grants = st.builds(
    lambda charger, session, at_s, epoch, seq, offer_a, lease_s: Grant(
        charger=charger,
        id=GrantId(epoch=epoch, seq=seq),
        echo=Stamp(session=session, at_s=at_s),
        lease_s=lease_s,
        offer_a=offer_a,
    ),
    st.sampled_from(["left", "left", "left", "right"]),
    st.sampled_from(["now", "now", "now", "before"]),
    st.integers(0, 200).map(float),
    st.integers(1, 3),
    st.integers(1, 60),
    st.sampled_from([0.0, 6.0, 10.0, 16.0, 16.1, 5.9]),
    st.sampled_from([3.0, 10.0, 60.0]),
)
posts = st.lists(st.builds(Post, grants, st.sampled_from([0.0, 0.1, 5.0, 9.9, 12.0, 80.0])), max_size=40)


def in_time(story: list[Post]) -> list[Post]:
    return sorted(story, key=lambda post: post.arrives_s)


def hold_to_the_laws(lease: Lease, now_s: float) -> None:
    """The laws that hold at every moment."""
    if lease.grant is None:
        assert not lease.holds(now_s)
        return
    assert lease.ends_s <= now_s + LEASE_S, "no lease outlives its stamp by more than the policy's lease"
    assert lease.holds(now_s) == (now_s < lease.ends_s)
    assert 0 <= lease.left_s(now_s) <= LEASE_S
    assert lease.grant.offer_a == 0 or CHARGER.min_a <= lease.grant.offer_a <= CHARGER.max_a
    assert (lease.grant.charger, lease.grant.echo.session) == ("left", "now")


@settings(max_examples=400, deadline=None)
@given(posts)
def test_the_laws_hold_and_a_refused_grant_changes_nothing(story: list[Post]) -> None:
    lease = Lease("left", "now")
    for post in in_time(story):
        now_s = post.arrives_s
        before = lease.grant, lease.ends_s
        if lease.hear(post.grant, CHARGER, LEASE_S, now_s) is not Verdict.ACCEPTED:
            assert (lease.grant, lease.ends_s) == before
        hold_to_the_laws(lease, now_s)


@settings(max_examples=300, deadline=None)
@given(posts)
def test_the_order_of_grants_never_goes_back_while_it_matters(story: list[Post]) -> None:
    lease, newest, ended_s = Lease("left", "now"), None, float("-inf")
    for post in in_time(story):
        now_s = post.arrives_s
        if lease.hear(post.grant, CHARGER, LEASE_S, now_s) is Verdict.ACCEPTED:
            is_in_order = newest is None or post.grant.id == newest or post.grant.id.is_newer_than(newest)
            assert is_in_order or now_s >= ended_s + FORGET_ORDER_S
            newest, ended_s = post.grant.id, lease.ends_s


@given(grants, st.floats(0, 20), st.floats(0, 20), st.floats(0, 40))
def test_delay_only_shortens(grant: Grant, sooner_s: float, more_s: float, look_s: float) -> None:
    """The same grant that came later holds at no moment at which the earlier one did not."""
    early, late = Lease("left", "now"), Lease("left", "now")
    at_s = grant.echo.at_s
    early.hear(grant, CHARGER, LEASE_S, at_s + sooner_s)
    late.hear(grant, CHARGER, LEASE_S, at_s + sooner_s + more_s)
    if late.holds(at_s + look_s) and look_s >= sooner_s + more_s:
        assert early.holds(at_s + look_s)
    assert late.ends_s <= early.ends_s


@given(posts)
def test_said_twice_is_said_once(story: list[Post]) -> None:
    once, twice = Lease("left", "now"), Lease("left", "now")
    for post in in_time(story):
        now_s = post.arrives_s
        once.hear(post.grant, CHARGER, LEASE_S, now_s)
        twice.hear(post.grant, CHARGER, LEASE_S, now_s)
        twice.hear(post.grant, CHARGER, LEASE_S, now_s)
        assert (once.grant, once.ends_s) == (twice.grant, twice.ends_s)
