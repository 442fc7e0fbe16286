"""What the safety loop may never do, whatever comes in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from ampherd_charger_agent.lease import Verdict
from ampherd_charger_agent.orders import stands
from ampherd_charger_agent.safety import GAP_S, START_GRACE_S, SafetyLoop
from ampherd_charger_agent.wallbox import Snapshot
from ampherd_core.messages import Grant, GrantId, IecState, Stamp
from ampherd_core.policy import Charger, DriverName
from hypothesis import given, settings
from hypothesis import strategies as st

SESSION = "this-start"
LEASE_S = 10.0
STARTED_S = 1000.0
TICK_S = 0.25

policies = st.builds(
    lambda min_a, spread_a, has_fallback: Charger(
        driver=DriverName.EDGETECH,
        link="tcp://127.0.0.1:502",
        min_a=min_a,
        max_a=min_a + spread_a,
        fallback_a=min_a if has_fallback else 0.0,
    ),
    st.sampled_from([6.0, 8.0, 6.5]),
    st.sampled_from([0.0, 4.0, 10.0]),
    st.booleans(),
)
steps = st.one_of(
    st.tuples(
        st.just("grant"),
        st.floats(0, 40).map(lambda amps: round(amps, 1)),
        st.integers(-3, 6),
        st.floats(-12, 1),
        st.integers(0, 2),
    ),
    st.tuples(
        st.just("saw"),
        st.floats(0, 32).map(lambda amps: round(amps, 1)),
        st.floats(0, 40),
        st.sampled_from(list(IecState)),
        st.sampled_from([0.1, 1.0]),
    ),
    st.tuples(st.just("obeyed")),
    st.tuples(st.just("missed")),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.25, 0.25, 0.25, 1.0, 2.5, 11.0])),
)


@dataclass
class Run:
    """Plays steps against the loop and keeps the books that the laws are held against."""

    policy: Charger
    now_s: float = STARTED_S
    seq: int = 10
    lease_ends_s: float = STARTED_S + START_GRACE_S
    granted_a: float | None = None
    written_a: float | None = None
    written_at_s: float = STARTED_S
    last_seen: Snapshot | None = None
    offers: dict[tuple[int, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = SafetyLoop("left", self.policy, lease_s=LEASE_S, session=SESSION, started_s=self.now_s)

    def grant(self, offer_a: float, seq: int, echo_s: float, epoch: int) -> None:
        at_s = self.now_s + echo_s
        message = Grant(
            charger="left",
            id=GrantId(epoch=epoch, seq=max(0, self.seq + seq)),
            echo=Stamp(session=SESSION, at_s=at_s),
            lease_s=LEASE_S,
            offer_a=offer_a,
        )
        if self.loop.hear(message, self.now_s) is Verdict.ACCEPTED:
            self.seq = max(self.seq, message.id.seq)
            self.lease_ends_s = max(self.lease_ends_s, at_s + LEASE_S)
            self.offers[(epoch, message.id.seq)] = self.granted_a = offer_a

    def saw(self, offer_a: float, drawn_a: float, iec_state: IecState, resolution_a: float) -> None:
        self.last_seen = Snapshot(
            iec_state, offer_a, self.now_s, drawn_a=(drawn_a, 0.0, 0.0), resolution_a=resolution_a, uptime_s=self.now_s
        )
        self.loop.saw(self.last_seen, self.now_s)

    def obeyed(self) -> None:
        if self.written_a is not None:
            self.saw(self.written_a, 0.0, IecState.C, 0.1)

    def missed(self) -> None:
        self.loop.missed(self.now_s, "no answer")

    def wait(self, seconds: float) -> None:
        """After a gap in its own ticks it is as good as just started."""
        self.now_s += seconds
        if seconds > GAP_S:
            self.lease_ends_s = min(self.lease_ends_s, self.now_s + START_GRACE_S)

    def decide_and_check(self) -> None:
        order = self.loop.decide(self.now_s)
        fallback_a = self.policy.fallback_a
        if order is not None:
            assert order.offer_a <= self.policy.max_a
            assert order.offer_a == 0 or order.offer_a >= self.policy.min_a
            self.written_a, self.written_at_s = order.offer_a, self.now_s
            if self.granted_a is not None and self.loop.lease_left_s(self.now_s) > 0:
                assert order.offer_a <= self.granted_a, "never more than the grant in force"
            if self.now_s >= self.lease_ends_s:
                assert order.offer_a <= fallback_a
        elif self.now_s >= self.lease_ends_s and self.last_seen is not None:
            is_on_its_way = self.written_a is not None and self.written_a <= fallback_a
            assert is_on_its_way or stands(self.last_seen, fallback_a) or self.last_seen.offer_a <= fallback_a

    def check_applied(self, before: GrantId | None) -> None:
        applied = self.loop.state(self.now_s, datetime(2026, 1, 1, tzinfo=UTC), {}).applied
        if applied is None or applied == before:
            return
        assert self.last_seen is not None
        assert self.last_seen.read_at_s >= self.written_at_s or self.written_a is None
        assert (
            self.last_seen.offer_a <= self.offers[(applied.epoch, applied.seq)] + self.last_seen.resolution_a / 2 + 0.05
        )


@settings(max_examples=300, deadline=None)
@given(policies, st.lists(steps, max_size=60))
def test_the_laws_hold(policy: Charger, story: list[tuple[object, ...]]) -> None:
    run = Run(policy)
    for name, *details in story:
        before = run.loop.state(run.now_s, datetime(2026, 1, 1, tzinfo=UTC), {}).applied
        getattr(run, str(name))(*details)
        run.decide_and_check()
        run.check_applied(before)


@settings(max_examples=100, deadline=None)
@given(policies, st.floats(0, 10), st.floats(0, 9), st.floats(GAP_S + 0.1, 60))
def test_after_a_gap_it_holds_on_no_longer_than_one_just_started(
    policy: Charger, above_a: float, before_s: float, gap_s: float
) -> None:
    """Whatever lease was left: others may have led meanwhile, or the wallbox may have been told otherwise."""
    run = Run(policy)
    run.grant(min(round(policy.min_a + above_a, 1), policy.max_a), 1, -before_s, 1)
    run.saw(6.0, 0.0, IecState.C, 0.1)
    run.decide_and_check()
    run.obeyed()
    run.wait(gap_s)
    for _ in range(round(START_GRACE_S / TICK_S) + 1):
        run.decide_and_check()
        run.obeyed()
        run.wait(TICK_S)
    run.decide_and_check()


@settings(max_examples=100, deadline=None)
@given(policies, st.lists(steps, max_size=40))
def test_the_same_story_gives_the_same_orders(policy: Charger, story: list[tuple[object, ...]]) -> None:
    first, second = Run(policy), Run(policy)
    for name, *details in story:
        getattr(first, str(name))(*details)
        getattr(second, str(name))(*details)
        assert first.loop.decide(first.now_s) == second.loop.decide(second.now_s)
