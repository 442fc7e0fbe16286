"""What no step on the way to the target may do, wherever the chargers stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ampherd_balancer.allocate import Limit
from ampherd_balancer.transition import Position, floor_to, transition
from ampherd_core.policy import Timings
from hypothesis import assume, given, settings
from hypothesis import strategies as st

TIMINGS = Timings(rise_every_s=5, rise_step_a=4, deadband_a=0.5)
NOW_S = 1000.0
TINY_A = 1e-5

Site = tuple[list[Position], list[Limit]]


def amps(step_a: float, min_a: float) -> st.SearchStrategy[float]:
    """0, or the minimum and more, in the wallbox's steps."""
    return st.one_of(st.just(0.0), st.integers(0, 20).map(lambda steps: min_a + steps * step_a))


@st.composite
def positions(draw: st.DrawFn, name: str) -> Position:
    step_a, min_a = draw(st.sampled_from([0.1, 1.0])), draw(st.sampled_from([6.0, 8.0]))
    granted_a = draw(st.one_of(st.just(0.0), amps(step_a, min_a)))
    return Position(
        id=name,
        granted_a=granted_a,
        booked_a=granted_a + draw(st.sampled_from([0.0, 0.0, 3.0, 10.0])),
        target_a=draw(st.one_of(st.just(0.0), st.floats(min_a, 32))),
        ceiling_a=draw(st.one_of(st.just(granted_a), st.just(32.0), amps(step_a, min_a))),
        min_a=min_a,
        step_a=step_a,
        changed_s=NOW_S - draw(st.sampled_from([0.0, 4.9, 5.0, 100.0, 100.0, 100.0])),
        is_settled=draw(st.sampled_from([True, True, True, False])),
    )


@st.composite
def sites(draw: st.DrawFn) -> Site:
    names = "abcd"[: draw(st.integers(1, 4))]
    found = [draw(positions(name)) for name in names]
    limits = []
    for place in range(draw(st.integers(1, 3))):
        members = draw(st.sets(st.sampled_from(names), min_size=1))
        limits.append(Limit(f"l{place}", draw(st.floats(-10, 70)), dict.fromkeys(sorted(members), 1.0)))
    # Whoever shares no limit has no room at all.
    limits.append(Limit("mains", draw(st.floats(0, 90)), dict.fromkeys(names, 1.0)))
    return found, limits


def step(site: Site, *, may_raise: bool = True) -> Mapping[str, float]:
    return transition(*site, TIMINGS, NOW_S, may_raise=may_raise)


def load(limit: Limit, taken: Mapping[str, float]) -> float:
    return sum(weight * taken[name] for name, weight in limit.weights.items())


@settings(max_examples=400, deadline=None)
@given(sites())
def test_what_may_be_drawn_never_grows_beyond_a_limit(site: Site) -> None:
    """A booking may be too high already, by a house that rose: then nothing is added to it."""
    offers = step(site)
    before = {p.id: max(p.booked_a, p.granted_a) for p in site[0]}
    after = {p.id: max(before[p.id], offers[p.id]) for p in site[0]}
    for limit in site[1]:
        assert load(limit, after) <= max(load(limit, before), limit.room_a) + TINY_A


@settings(max_examples=400, deadline=None)
@given(sites(), st.booleans())
def test_an_offer_is_nothing_or_at_least_the_minimum_and_never_passes_its_target(site: Site, may_raise: bool) -> None:
    for position, offer_a in zip(site[0], step(site, may_raise=may_raise).values(), strict=True):
        assert offer_a == 0 or offer_a >= position.min_a - TINY_A
        assert offer_a <= max(position.granted_a, position.target_a) + TINY_A


@settings(max_examples=300, deadline=None)
@given(sites())
def test_a_raise_waits_for_its_time_its_confirmation_and_is_one_step(site: Site) -> None:
    offers = step(site)
    for position in site[0]:
        offer_a = offers[position.id]
        if offer_a <= position.granted_a + TINY_A:
            continue
        assert position.is_settled
        assert NOW_S - position.changed_s >= TIMINGS.rise_every_s
        most_a = position.min_a if position.granted_a == 0 else position.granted_a + TIMINGS.rise_step_a
        assert offer_a <= most_a + TINY_A
        assert abs(floor_to(offer_a, position.step_a) - offer_a) < TINY_A, "a wallbox can signal it"


@settings(max_examples=200, deadline=None)
@given(sites())
def test_fenced_off_nothing_rises(site: Site) -> None:
    offers = step(site, may_raise=False)
    assert all(offers[position.id] <= position.granted_a for position in site[0])


@settings(max_examples=200, deadline=None)
@given(sites(), st.randoms(use_true_random=False))
def test_the_order_of_the_list_means_nothing(site: Site, random: object) -> None:
    shuffled = list(site[0])
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert dict(step((shuffled, site[1]))) == dict(step(site))


@settings(max_examples=200, deadline=None)
@given(sites())
def test_a_cut_applies_in_this_very_step_and_is_not_undone_by_it(site: Site) -> None:
    """A ceiling is a cut where it is below the grant; at the grant it stops nobody from rising."""
    offers = step(site)
    for position in site[0]:
        if position.ceiling_a < position.granted_a - TINY_A:
            assert offers[position.id] <= position.ceiling_a + TINY_A


@settings(max_examples=300, deadline=None)
@given(sites())
def test_it_comes_to_rest(site: Site) -> None:
    """Confirmed step by step under limits that stand still, the offers stop changing: there is no cycle."""
    found: Sequence[Position] = [
        replace(p, booked_a=p.granted_a, is_settled=True, changed_s=0.0, ceiling_a=32.0) for p in site[0]
    ]
    assume(all(load(limit, {p.id: p.granted_a for p in found}) <= limit.room_a for limit in site[1]))
    seen = []
    for _ in range(40):
        offers = transition(found, site[1], TIMINGS, NOW_S, may_raise=True)
        seen.append(dict(offers))
        found = [replace(p, granted_a=offers[p.id], booked_a=offers[p.id]) for p in found]
    assert seen[-1] == seen[-2]
