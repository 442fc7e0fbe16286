"""One phase or three, as timelines: stop, wait for no current, wait longer, switch, wait, start."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from ampherd_charger_agent.lease import Verdict
from ampherd_charger_agent.orders import Order
from ampherd_charger_agent.phase_switch import DEAD_S, SETTLE_S
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_charger_agent.wallbox import Snapshot
from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, Stamp
from ampherd_core.phases import PhaseCount
from ampherd_core.policy import Charger, DriverName

SESSION = "this-start"
TICK_S = 0.25
AT = datetime(2026, 6, 21, tzinfo=UTC)


def charger(**given: object) -> Charger:
    fields = {"driver": DriverName.EDGETECH, "link": "tcp://127.0.0.1:502", "switches_phases": True}
    return Charger.model_validate({**fields, **given})


@dataclass
class Garage:
    """A wallbox on three phases whose car charges at 10 A, and follows a lower offer `lag_s` later."""

    policy: Charger = field(default_factory=charger)
    phases: PhaseCount | None = 3
    lag_s: float = 1.0
    is_deaf: bool = False
    is_away: bool = False
    offer_a: float = 10.0
    drawn_a: float = 10.0
    now_s: float = 1000.0
    orders: list[Order] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        self.loop = SafetyLoop("left", self.policy, lease_s=10.0, session=SESSION, started_s=self.now_s)
        self.lowered_s = self.now_s

    def grant(self, offer_a: float, phases: PhaseCount | None) -> Verdict:
        self.seq += 1
        echo = Stamp(session=SESSION, at_s=self.now_s)
        grant_id = GrantId(epoch=1, seq=self.seq)
        grant = Grant(charger="left", id=grant_id, echo=echo, lease_s=10, offer_a=offer_a, phases=phases)
        return self.loop.hear(grant, self.now_s)

    def tick(self) -> None:
        if self.offer_a == 0 and self.now_s - self.lowered_s >= self.lag_s:
            self.drawn_a = 0.0
        if self.is_away:
            self.loop.missed(self.now_s, "no answer")
        else:
            self.loop.saw(self._snapshot(), self.now_s)
        order = self.loop.decide(self.now_s)
        if order is not None:
            self.orders.append(order)
            self._obey(order)
        self.now_s += TICK_S

    def run(self, seconds: float, offer_a: float, phases: PhaseCount | None) -> None:
        for tick in range(round(seconds / TICK_S)):
            if tick % 4 == 0:
                self.grant(offer_a, phases)
            self.tick()

    @property
    def state(self) -> ChargerState:
        return self.loop.state(self.now_s, AT, {})

    @property
    def switches(self) -> list[Order]:
        return [order for order in self.orders if order.phases is not None]

    def _snapshot(self) -> Snapshot:
        state = IecState.C if self.offer_a else IecState.B
        others_a = self.drawn_a if self.phases == 3 else 0.0
        return Snapshot(
            state,
            self.offer_a,
            self.now_s,
            drawn_a=(self.drawn_a, others_a, others_a),
            resolution_a=1.0,
            phases=self.phases,
        )

    def _obey(self, order: Order) -> None:
        if self.is_away:
            return
        if order.phases is None:
            self.lowered_s = self.now_s if order.offer_a < self.offer_a else self.lowered_s
            self.offer_a = order.offer_a
        elif not self.is_deaf:
            self.phases = order.phases


def test_a_running_car_is_stopped_then_switched_then_started() -> None:
    garage = Garage(lag_s=3.0)
    garage.run(2, 10, None)
    began_s = garage.now_s

    garage.run(60, 8, 1)

    stop, switch, start = garage.orders
    assert (stop.offer_a, stop.at_s) == (0, began_s)
    assert (switch.phases, switch.offer_a) == (1, 0)
    assert switch.at_s - began_s == pytest.approx(3.0 + DEAD_S, abs=2 * TICK_S)
    assert start.offer_a == 8
    assert start.at_s - switch.at_s == pytest.approx(SETTLE_S, abs=2 * TICK_S)
    assert (garage.state.phases, garage.state.offer_a) == (1, 8)


def test_the_grant_counts_as_applied_only_with_its_phases() -> None:
    garage = Garage()
    garage.run(2, 10, None)
    before = garage.state.applied

    while not garage.switches:
        garage.run(1, 0, 1)
        if not garage.switches:
            assert (garage.state.applied, garage.state.phases) == (before, 3)
    garage.run(2, 0, 1)

    assert (garage.state.applied, garage.state.phases) == (GrantId(epoch=1, seq=garage.seq), 1)


def test_while_nothing_was_read_since_the_switch_nobody_is_told_a_count() -> None:
    garage = Garage()
    while not garage.switches:
        garage.run(0.25, 0, 1)

    assert garage.state.phases is None
    assert garage.state.applied is None


def test_the_right_count_is_never_written() -> None:
    garage = Garage()

    garage.run(60, 10, 3)

    assert (garage.orders, garage.state.applied) == ([], GrantId(epoch=1, seq=60))


def test_a_car_that_leaves_its_offer_unused_may_still_take_it() -> None:
    """Without current is not enough: the dead time begins when nothing is offered any more."""
    garage = Garage(drawn_a=0.0)
    garage.run(30, 10, 3)
    began_s = garage.now_s

    garage.run(30, 10, 1)

    assert garage.switches[0].at_s - began_s >= DEAD_S


@pytest.mark.parametrize("drawn_a", [1.0, 7.0])
def test_a_car_that_does_not_stop_is_never_switched(drawn_a: float) -> None:
    garage = Garage(lag_s=1e9)
    garage.run(1, 10, 3)
    garage.drawn_a = drawn_a

    garage.run(120, 10, 1)

    assert (garage.switches, garage.state.phases) == ([], 3)


def test_a_line_that_broke_begins_the_dead_time_anew() -> None:
    garage = Garage()
    garage.run(DEAD_S, 0, 1)
    garage.is_away = True
    garage.run(1, 0, 1)
    garage.is_away = False
    back_s = garage.now_s

    garage.run(20, 0, 1)

    assert garage.switches[0].at_s - back_s == pytest.approx(DEAD_S, abs=2 * TICK_S)


def test_a_frozen_agent_begins_the_dead_time_anew() -> None:
    garage = Garage()
    garage.run(DEAD_S, 0, 1)
    garage.now_s += 3.0
    woken_s = garage.now_s

    garage.run(20, 0, 1)

    assert garage.switches[0].at_s - woken_s == pytest.approx(DEAD_S, abs=2 * TICK_S)


@pytest.mark.parametrize("fallback_a", [0.0, 6.0])
def test_a_fallback_never_switches(fallback_a: float) -> None:
    garage = Garage(charger(fallback_a=fallback_a), offer_a=0.0, drawn_a=0.0)
    garage.grant(0, 1)

    for _ in range(240):
        garage.tick()

    assert (garage.switches, garage.phases, garage.offer_a) == ([], 3, fallback_a)


def test_a_fallback_waits_until_a_switch_has_settled() -> None:
    garage = Garage(charger(fallback_a=6), offer_a=0.0, drawn_a=0.0)
    while not garage.switches:
        garage.run(0.25, 0, 1)
    switched_s = garage.now_s
    garage.loop.surrender(garage.now_s)

    while garage.offer_a == 0:
        garage.tick()

    assert garage.now_s - switched_s >= SETTLE_S


def test_an_agent_that_starts_leaves_the_phases_alone() -> None:
    garage = Garage(phases=1)

    garage.run(60, 10, None)

    assert (garage.orders, garage.state.phases) == ([], 1)


def test_a_wallbox_that_goes_back_to_three_phases_by_itself_is_stopped() -> None:
    """A restart brings back what it had saved, and only one line is reserved."""
    garage = Garage(phases=1)
    garage.run(5, 10, 1)
    assert garage.offer_a == 10
    garage.phases = 3

    garage.run(0.5, 10, 1)

    assert (garage.offer_a, garage.state.phases) == (0, 3)


def test_a_wallbox_that_does_not_tell_its_phases_starts_nothing() -> None:
    garage = Garage(phases=None, offer_a=0.0, drawn_a=0.0)

    garage.run(60, 10, 1)

    assert (garage.orders, garage.state.applied) == ([], None)
    assert garage.state.error == "the wallbox does not tell how many phases it uses, so nothing starts there"


def test_a_wallbox_that_does_not_switch_is_asked_three_times() -> None:
    garage = Garage(is_deaf=True, offer_a=0.0, drawn_a=0.0)

    garage.run(120, 10, 1)

    assert (len(garage.switches), garage.offer_a, garage.state.applied) == (3, 0, None)
    assert garage.state.error == "the wallbox does not switch to one phase"

    garage.run(10, 10, 3)
    assert garage.offer_a == 10
    assert garage.state.error is None


@pytest.mark.parametrize(
    ("situation", "waited_s", "wanted", "is_reached", "may_write"),
    [
        ("at once", 0.0, 1, True, True),
        ("another count is granted", 0.1, 3, True, False),
        ("the lease ran out meanwhile", 11.0, None, True, False),
        ("the line broke meanwhile", 0.1, 1, False, False),
    ],
)
def test_a_switch_that_waited(
    situation: str, waited_s: float, wanted: PhaseCount | None, is_reached: bool, may_write: bool
) -> None:
    garage = Garage(is_deaf=True, offer_a=0.0, drawn_a=0.0)
    while not garage.switches:
        garage.run(0.25, 0, 1)
    garage.now_s += waited_s
    if wanted is not None:
        garage.grant(0, wanted)
    if not is_reached:
        garage.loop.missed(garage.now_s, "no answer")

    assert garage.loop.may_still_write(garage.switches[0], garage.now_s) is may_write, situation


def test_a_grant_of_phases_that_the_policy_does_not_allow_is_refused() -> None:
    garage = Garage(charger(switches_phases=False))

    assert garage.grant(10, 1) is Verdict.ABSURD
    assert garage.grant(10, None) is Verdict.ACCEPTED


def test_the_same_grant_with_other_phases_is_no_repeat() -> None:
    garage = Garage()
    garage.grant(10, 1)
    garage.seq -= 1

    assert garage.grant(10, 3) is Verdict.OLD_EPOCH_OR_SEQ


def test_a_switch_that_is_under_way_is_not_ordered_twice() -> None:
    garage = Garage(is_deaf=True, offer_a=0.0, drawn_a=0.0)
    while not garage.switches:
        garage.run(0.25, 0, 1)

    assert garage.loop.decide(garage.now_s) is None
