"""What a switch of phases may never do, whatever comes in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field

from ampherd_charger_agent.lease import Verdict
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_charger_agent.wallbox import Snapshot
from ampherd_core.messages import Grant, GrantId, IecState, Stamp
from ampherd_core.phases import PhaseCount
from ampherd_core.policy import Charger, DriverName
from hypothesis import event, given, settings
from hypothesis import strategies as st

SESSION = "this-start"
DEAD_S = 10.0
SETTLE_S = 5.0
TICK_S = 0.25
BOX = Charger(driver=DriverName.EDGETECH, link="tcp://127.0.0.1:502", switches_phases=True)

counts: st.SearchStrategy[PhaseCount | None] = st.sampled_from([1, 3, None])
steps = st.one_of(
    st.tuples(st.just("grant"), st.sampled_from([0.0, 0.0, 6.0, 16.0]), counts),
    st.tuples(st.just("quiet"), st.integers(1, 60)),
    st.tuples(st.just("stopped"), counts),
    st.tuples(st.just("drawing"), st.floats(0, 3), st.integers(1, 4)),
    st.tuples(st.just("reset"), counts),
    st.tuples(st.just("missed")),
    st.tuples(st.just("gap"), st.sampled_from([1.0, 2.5, 11.0])),
)


@dataclass
class Play:
    """A wallbox that obeys, and a book of when it last could have carried current."""

    now_s: float = 1000.0
    phases: PhaseCount | None = 3
    offer_a: float = 0.0
    live_s: float = 1000.0
    switched_s: float = float("-inf")
    wanted: PhaseCount | None = None
    wanted_until_s: float = float("-inf")
    seq: int = 0
    switches: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = SafetyLoop("left", BOX, lease_s=10.0, session=SESSION, started_s=self.now_s)

    def grant(self, offer_a: float, phases: PhaseCount | None) -> None:
        self.seq += 1
        echo, grant_id = Stamp(session=SESSION, at_s=self.now_s), GrantId(epoch=1, seq=self.seq)
        grant = Grant(charger="left", id=grant_id, echo=echo, lease_s=10, offer_a=offer_a, phases=phases)
        if self.loop.hear(grant, self.now_s) is Verdict.ACCEPTED:
            self.wanted, self.wanted_until_s = phases, self.now_s + 10

    def quiet(self, ticks: int) -> None:
        for tick in range(ticks):
            if tick % 4 == 0 and self.wanted_until_s > self.now_s:
                self.grant(0.0, self.wanted)
            self._see(0.0)

    def stopped(self, phases: PhaseCount | None) -> None:
        self.grant(0.0, phases)
        self.quiet(60)

    def drawing(self, drawn_a: float, ticks: int) -> None:
        for _ in range(ticks):
            self._see(drawn_a)

    def reset(self, phases: PhaseCount | None) -> None:
        self.phases = phases

    def missed(self) -> None:
        self.loop.missed(self.now_s, "no answer")
        self.live_s = self.now_s

    def gap(self, seconds: float) -> None:
        self.now_s += seconds
        if seconds > 2:
            self.live_s = self.now_s

    def _see(self, drawn_a: float) -> None:
        if drawn_a >= 1.0 or self.offer_a > 0:
            self.live_s = self.now_s
        seen = Snapshot(IecState.C, self.offer_a, self.now_s, drawn_a=(drawn_a, 0.0, 0.0), phases=self.phases)
        self.loop.saw(seen, self.now_s)
        order = self.loop.decide(self.now_s)
        if order is not None and order.phases is not None:
            assert self.offer_a == 0 == order.offer_a
            assert self.now_s - self.live_s >= DEAD_S - TICK_S
            assert (order.phases, self.now_s < self.wanted_until_s) == (self.wanted, True)
            assert order.phases != self.phases
            self.phases, self.switched_s = order.phases, self.now_s
            self.switches.append(self.now_s)
        elif order is not None:
            if order.offer_a > 0:
                assert self.now_s - self.switched_s >= SETTLE_S
                assert self.wanted is None or self.wanted == self.phases
            self.offer_a = order.offer_a
        self.now_s += TICK_S


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=30))
def test_nothing_flows_when_phases_change(story: list[tuple[object, ...]]) -> None:
    play = Play()
    for name, *details in story:
        getattr(play, str(name))(*details)
    event(f"{min(len(play.switches), 3)} switches")
