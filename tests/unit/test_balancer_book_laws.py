"""What a booking may never be below, whatever is granted, lost, late and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ampherd_balancer.book import NOISE_A, Book
from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, LinkHealth, Stamp
from ampherd_core.units import CAR_REACTION_S
from hypothesis import given, settings
from hypothesis import strategies as st

LEASE_S = 10.0
TINY_A = 1e-6

offers = st.sampled_from([0.0, 6.0, 8.0, 10.0, 13.0, 16.0])
steps = st.one_of(
    st.tuples(st.just("grant"), offers),
    st.tuples(st.just("arrive"), st.integers(0, 3)),
    st.tuples(st.just("lose"), st.integers(0, 3)),
    st.tuples(st.just("say")),
    st.tuples(st.just("obey"), offers),
    st.tuples(st.just("obey"), offers),
    st.tuples(st.just("want"), st.floats(0.3, 1)),
    st.tuples(st.just("wait"), st.sampled_from([0.25, 1.0, 1.0, 3.0, 6.0])),
)


@dataclass
class Home:
    """An agent that obeys at once, a standard car that falls `lag_s` after its offer, and the book on both."""

    lag_s: float
    is_metered: bool
    now_s: float = 1000.0
    seq: int = 0
    offer_a: float = 0.0
    drawn_a: float = 0.0
    wants: float = 1.0
    said_s: float = 1000.0
    applied: GrantId | None = None
    under_way: list[Grant] = field(default_factory=list)
    falls: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = Book(fallback_a=0.0, most_a=16.0, car_lag_s=CAR_REACTION_S)
        self.say()

    def grant(self, offer_a: float) -> None:
        self.seq += 1
        stamp = Stamp(session="one", at_s=self.said_s)
        grant = Grant(charger="a", id=GrantId(epoch=1, seq=self.seq), echo=stamp, lease_s=LEASE_S, offer_a=offer_a)
        self.book.granted(grant)
        self.under_way.append(grant)

    def arrive(self, number: int) -> None:
        if self.under_way:
            grant = self.under_way.pop(number % len(self.under_way))
            if self.may_act(grant):
                self.applied, self.offer_a = grant.id, grant.offer_a
                self.falls.append((self.now_s + self.lag_s, grant.offer_a))
                self.follow()

    def obey(self, offer_a: float) -> None:
        self.grant(offer_a)
        self.arrive(-1)
        self.say()

    def lose(self, number: int) -> None:
        if self.under_way:
            del self.under_way[number % len(self.under_way)]

    def want(self, share: float) -> None:
        if not self.falls:
            self.wants = share
            self.drawn_a = self.offer_a * share

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.follow()

    def say(self) -> None:
        self.said_s = self.now_s = self.now_s + 0.01
        self.follow()
        self.book.heard(
            state(self.now_s, self.offer_a, self.applied), self.drawn_a if self.is_metered else None, self.now_s
        )

    def follow(self) -> None:
        while self.falls and self.falls[0][0] <= self.now_s:
            self.drawn_a = min(self.drawn_a, self.falls.pop(0)[1])
        self.drawn_a = max(self.drawn_a, self.offer_a * self.wants)

    def may_act(self, grant: Grant) -> bool:
        is_newer = self.applied is None or grant.id.is_newer_than(self.applied)
        return is_newer and self.now_s < grant.echo.at_s + grant.lease_s

    @property
    def may_draw_a(self) -> float:
        return max([self.offer_a, self.drawn_a, *[grant.offer_a for grant in self.under_way if self.may_act(grant)]])


def state(at_s: float, offer_a: float, applied: GrantId | None) -> ChargerState:
    return ChargerState(
        charger="a",
        stamp=Stamp(session="one", at_s=at_s),
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
        link=LinkHealth.OK,
        iec_state=IecState.C,
        offer_a=offer_a,
        applied=applied,
    )


@settings(max_examples=300, deadline=None)
@given(st.floats(0, CAR_REACTION_S), st.booleans(), st.lists(steps, max_size=40))
def test_all_that_a_car_may_draw_is_booked(lag_s: float, is_metered: bool, story: Sequence[tuple[object, ...]]) -> None:
    """Its offer, what it still follows down from, and every grant that may yet be obeyed."""
    home = Home(lag_s, is_metered)
    for name, *details in story:
        getattr(home, str(name))(*details)
        assert home.book.booked_a(home.now_s, is_reachable=True) >= home.may_draw_a - TINY_A


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(offers, st.floats(0, 32), st.sampled_from([0.25, 1.0, 6.0])), min_size=1, max_size=20))
def test_what_a_meter_saw_is_booked(story: Sequence[tuple[float, float, float]]) -> None:
    """A car that does not follow is booked at what it takes."""
    book, now_s = Book(fallback_a=0.0, most_a=32.0, car_lag_s=CAR_REACTION_S), 1000.0
    for offer_a, drawn_a, wait_s in story:
        now_s += wait_s
        book.heard(state(now_s, offer_a, None), drawn_a, now_s)
        assert book.booked_a(now_s, is_reachable=True) >= drawn_a - NOISE_A
