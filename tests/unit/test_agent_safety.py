"""The safety loop as timelines in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from ampherd_charger_agent.lease import Verdict
from ampherd_charger_agent.orders import Order
from ampherd_charger_agent.pacing import Gate
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_charger_agent.wallbox import Snapshot
from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, LinkHealth, Stamp
from ampherd_core.phases import Line
from ampherd_core.policy import Charger, DriverName

SESSION = "this-start"
LEASE_S = 10.0
TICK_S = 0.25
START_GRACE_AND_A_TICK_S = 3.25
CHARGING = Snapshot(IecState.C, 0.0, 0.0, drawn_a=(0.0, 0.0, 0.0), resolution_a=1.0)
AT = datetime(2026, 11, 21, tzinfo=UTC)


def charger(**given: object) -> Charger:
    return Charger.model_validate({"driver": DriverName.EDGETECH, "link": "tcp://127.0.0.1:502", **given})


def grant(offer_a: float, seq: int, at_s: float, *, epoch: int = 1, **given: object) -> Grant:
    fields = {"charger": "left", "id": GrantId(epoch=epoch, seq=seq), "echo": Stamp(session=SESSION, at_s=at_s)}
    return Grant.model_validate({**fields, "lease_s": LEASE_S, "offer_a": offer_a, **given})


@dataclass
class World:
    """A wallbox that obeys at once, and the loop that attends it, tick by tick."""

    policy: Charger = field(default_factory=charger)
    offer_a: float = 16.0
    settle_s: float = 0.0
    now_s: float = 1000.0
    is_deaf: bool = False
    is_away: bool = False
    seen: Snapshot = CHARGING
    orders: list[Order] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        self.loop = SafetyLoop(
            "left", self.policy, lease_s=LEASE_S, session=SESSION, started_s=self.now_s, settle_s=self.settle_s
        )

    def tick(self, gate: Gate = Gate.OPEN) -> Order | None:
        """One read, one decision, and the write that follows from it."""
        if self.is_away:
            self.loop.missed(self.now_s, "no answer")
        else:
            self.loop.saw(replace(self.seen, offer_a=self.offer_a, read_at_s=self.now_s), self.now_s)
        order = self.loop.decide(self.now_s, gate)
        if order is not None:
            self.orders.append(order)
            if not self.is_deaf and not self.is_away:
                self.offer_a = order.offer_a
        self.now_s += TICK_S
        return order

    def run(self, seconds: float, *, granted_a: float | None = None) -> None:
        """Tick on; with `granted_a`, the balancer repeats its grant every second."""
        for tick in range(round(seconds / TICK_S)):
            if granted_a is not None and tick % 4 == 0:
                self.grant(granted_a)
            self.tick()

    def grant(self, offer_a: float) -> Verdict:
        self.seq += 1
        return self.loop.hear(grant(offer_a, self.seq, self.now_s), self.now_s)

    @property
    def state(self) -> ChargerState:
        return self.loop.state(self.now_s, AT, {})

    def codes(self) -> list[str]:
        return [notice.code for notice in self.loop.take_notices()]


class TestGrants:
    def test_a_grant_is_written_at_once_and_named_after_the_read_back(self) -> None:
        world = World()
        world.tick()
        assert world.grant(10.0) is Verdict.ACCEPTED
        assert world.state.applied is None
        order = world.loop.decide(world.now_s)
        assert order is not None
        assert (order.offer_a, order.is_urgent) == (10.0, True)
        assert world.state.applied is None, "written is not read back"
        world.offer_a = 10.0
        world.tick()
        assert world.state.applied == GrantId(epoch=1, seq=1)
        assert world.state.offer_a == 10.0

    def test_repeated_grants_extend_the_lease_and_write_nothing(self) -> None:
        world = World()
        world.run(60, granted_a=10.0)
        assert [order.offer_a for order in world.orders] == [10.0]
        assert world.state.applied == GrantId(epoch=1, seq=60)
        assert world.loop.lease_left_s(world.now_s) == pytest.approx(9.0)

    @pytest.mark.parametrize(
        ("refused", "verdict"),
        [
            (grant(16, 9, 1000.0, charger="right"), Verdict.OTHER_CHARGER),
            (grant(16, 9, 1000.0, echo={"session": "earlier", "at_s": 1000.0}), Verdict.OTHER_SESSION),
            (grant(16, 9, 1000.0, epoch=0), Verdict.OLD_EPOCH_OR_SEQ),
            (grant(16, 4, 1000.0), Verdict.OLD_EPOCH_OR_SEQ),
            (grant(16, 5, 1000.0), Verdict.OLD_EPOCH_OR_SEQ),
            (grant(16, 9, 1002.0), Verdict.FROM_THE_FUTURE),
            (grant(16, 9, 990.0), Verdict.LAPSED),
            (grant(16, 9, 998.0, lease_s=1.0), Verdict.LAPSED),
            (grant(5.9, 9, 1000.0), Verdict.ABSURD),
            (grant(16.1, 9, 1000.0), Verdict.ABSURD),
        ],
    )
    def test_a_refused_grant_changes_nothing(self, refused: Grant, verdict: Verdict) -> None:
        world = World(offer_a=10.0)
        world.tick()
        world.loop.hear(grant(10.0, 5, 1000.0), world.now_s)
        world.tick()
        before = world.state.model_dump(exclude={"stamp"}), world.loop.lease_left_s(world.now_s)
        assert world.loop.hear(refused, world.now_s) is verdict
        assert world.loop.decide(world.now_s) is None
        assert (world.state.model_dump(exclude={"stamp"}), world.loop.lease_left_s(world.now_s)) == before

    def test_a_longer_lease_than_the_policy_allows_is_cut(self) -> None:
        world = World()
        world.loop.hear(grant(10.0, 1, world.now_s, lease_s=60), world.now_s)
        assert world.loop.lease_left_s(world.now_s) == LEASE_S

    def test_the_echo_counts_not_the_arrival(self) -> None:
        world = World()
        world.loop.hear(grant(10.0, 1, world.now_s - 7.0), world.now_s)
        assert world.loop.lease_left_s(world.now_s) == 3.0

    def test_a_new_leader_with_a_lost_store_is_heard_a_minute_after_the_last_lease(self) -> None:
        world = World()
        world.loop.hear(grant(10.0, 1, world.now_s, epoch=7), world.now_s)
        world.run(69.0)
        assert world.grant(10.0) is Verdict.OLD_EPOCH_OR_SEQ
        world.run(2.0)
        assert world.grant(10.0) is Verdict.ACCEPTED


class TestLease:
    @pytest.mark.parametrize("fallback_a", [0.0, 6.0])
    def test_a_lapsed_lease_is_the_fallback_at_once(self, fallback_a: float) -> None:
        world = World(charger(fallback_a=fallback_a))
        world.run(5, granted_a=16.0)
        last_grant_s = world.now_s - 1.0
        while not world.orders:
            world.tick()
        assert world.orders[0].offer_a == fallback_a
        assert world.orders[0].is_urgent
        assert world.orders[0].at_s == pytest.approx(last_grant_s + LEASE_S, abs=TICK_S)
        assert world.state.is_fallback
        assert world.codes() == ["lease-lapsed"]

    def test_a_wallbox_that_was_away_gets_the_fallback_when_it_is_back(self) -> None:
        world = World()
        world.run(5, granted_a=16.0)
        world.is_away = True
        world.run(30)
        assert world.state.link is LinkHealth.LOST
        assert world.state.offer_a == 16.0, "silence frees nothing"
        assert world.state.drawn_a is None
        world.is_away = False
        world.run(1)
        assert world.offer_a == 0.0
        assert world.codes() == ["wallbox-lost", "lease-lapsed", "wallbox-back"]


class TestStart:
    def test_a_fresh_agent_holds_for_three_seconds_and_then_falls_back(self) -> None:
        world = World(offer_a=12.0)
        world.run(3.0)
        assert (world.orders, world.state.is_fallback) == ([], True)
        world.tick()
        assert [order.offer_a for order in world.orders] == [0.0]

    def test_a_grant_within_the_grace_keeps_the_car_charging(self) -> None:
        world = World(offer_a=12.0)
        world.run(2.0)
        world.run(10.0, granted_a=12.0)
        assert world.orders == []
        assert world.state.applied == GrantId(epoch=1, seq=10)

    def test_a_fresh_agent_clips_to_the_policy(self) -> None:
        world = World(charger(max_a=10), offer_a=16.0)
        world.tick()
        assert [order.offer_a for order in world.orders] == [10.0]

    def test_before_the_first_read_nothing_is_known(self) -> None:
        world = World()
        state = world.state
        assert (state.link, state.offer_a, state.iec_state, state.applied) == (LinkHealth.STARTING, None, None, None)

    def test_a_frozen_agent_starts_anew_but_trusts_no_longer_than_its_lease(self) -> None:
        world = World()
        world.run(5, granted_a=16.0)
        world.now_s += 2.5
        world.tick()
        assert world.codes() == ["agent-frozen"]
        assert (world.state.applied, world.orders) == (None, [])
        world.run(START_GRACE_AND_A_TICK_S)
        assert world.orders[0].offer_a == 0.0

    def test_an_agent_that_slept_past_its_lease_falls_back_in_its_first_tick(self) -> None:
        world = World()
        world.run(5, granted_a=16.0)
        world.now_s += 3600
        order = world.tick()
        assert order is not None
        assert order.offer_a == 0.0

    def test_told_to_stop_it_orders_the_fallback(self) -> None:
        world = World(charger(fallback_a=6))
        world.run(5, granted_a=16.0)
        world.loop.surrender(world.now_s)
        order = world.loop.decide(world.now_s)
        assert order is not None
        assert order.offer_a == 6.0
        assert world.state.is_fallback


class TestCeilings:
    @pytest.mark.parametrize(
        ("situation", "policy", "seen", "granted_a", "expected_a"),
        [
            ("whole amps round down", {}, {"resolution_a": 1.0}, 9.9, 9.0),
            ("a fine wallbox takes tenths", {}, {"resolution_a": 0.1}, 9.97, 9.9),
            ("its cable carries less", {}, {"max_a": 13.0}, 16.0, 13.0),
            ("its cable carries less than the car needs", {"min_a": 8}, {"max_a": 7.0}, 16.0, 0.0),
            ("rounding down misses the minimum", {"min_a": 8.5}, {"resolution_a": 1.0}, 8.9, 0.0),
        ],
    )
    def test_offers(
        self, situation: str, policy: dict[str, object], seen: dict[str, float], granted_a: float, expected_a: float
    ) -> None:
        world = World(charger(**policy), offer_a=6.0)
        world.seen = replace(world.seen, **seen)  # type: ignore[arg-type]
        world.run(2, granted_a=granted_a)
        assert world.offer_a == expected_a, situation
        assert world.state.applied == GrantId(epoch=1, seq=2)

    def test_a_lower_limit_in_the_policy_holds_from_the_next_tick(self) -> None:
        world = World()
        world.run(2, granted_a=16.0)
        world.loop.take_policy(charger(max_a=8), LEASE_S)
        world.tick()
        assert world.offer_a == 8.0


class TestTheCar:
    def drawing(self, drawn_a: float, *, seconds: float, world: World, granted_a: float = 10.0) -> None:
        world.seen = replace(world.seen, drawn_a=(drawn_a, 0.0, drawn_a))
        world.run(seconds, granted_a=granted_a)

    def test_a_car_that_lags_five_seconds_is_left_alone(self) -> None:
        world = World()
        self.drawing(16.0, seconds=2, world=world, granted_a=16.0)
        self.drawing(16.0, seconds=5, world=world)
        self.drawing(10.0, seconds=20, world=world)
        assert [order.offer_a for order in world.orders] == [10.0]
        assert world.state.error is None

    def test_a_stubborn_car_is_lowered_then_stopped_then_reported(self) -> None:
        world = World()
        self.drawing(10.0, seconds=2, world=world)
        began_s = world.now_s
        self.drawing(16.0, seconds=30, world=world)
        lowered, stopped = world.orders[1:]
        assert (lowered.offer_a, stopped.offer_a) == (6.0, 0.0)
        assert lowered.at_s - began_s == pytest.approx(7.0, abs=2 * TICK_S)
        assert stopped.at_s - lowered.at_s == pytest.approx(7.0, abs=2 * TICK_S)
        assert world.codes() == ["overdraw-lowered", "overdraw-stopped", "overdraw-defiant"]
        assert "switch the wallbox off" in str(world.state.error)

    def test_a_car_that_follows_again_gets_its_grant_back(self) -> None:
        world = World()
        self.drawing(16.0, seconds=8, world=world)
        assert world.offer_a == 6.0
        self.drawing(6.0, seconds=8, world=world)
        assert world.offer_a == 10.0
        assert world.state.error is None
        assert world.codes() == ["overdraw-lowered", "overdraw-over"]

    def test_a_car_that_had_to_be_stopped_waits_a_minute(self) -> None:
        world = World()
        self.drawing(16.0, seconds=16, world=world)
        self.drawing(0.0, seconds=59, world=world)
        assert world.offer_a == 0.0
        self.drawing(0.0, seconds=3, world=world)
        assert world.offer_a == 10.0

    def test_the_next_car_does_not_pay_for_it(self) -> None:
        world = World()
        self.drawing(16.0, seconds=16, world=world)
        world.seen = replace(world.seen, iec_state=IecState.A)
        self.drawing(0.0, seconds=1, world=world)
        assert world.offer_a == 10.0

    def test_what_is_drawn_is_told_by_the_lines_of_the_site(self) -> None:
        world = World(charger(lines=["L2", "L3", "L1"]))
        world.seen = replace(world.seen, drawn_a=(1.0, 2.0, 3.0), voltage_v=(231.0, 232.0, 233.0))
        world.tick()
        assert world.state.drawn_a == (3.0, 1.0, 2.0)
        assert world.state.voltage_v == (233.0, 231.0, 232.0)

    def test_a_wallbox_on_one_line(self) -> None:
        world = World(charger(lines=[Line.L2]))
        world.seen = replace(world.seen, drawn_a=(9.0, 0.0, 0.0))
        world.tick()
        assert world.state.drawn_a == (0.0, 9.0, 0.0)

    def test_a_wallbox_between_two_lines_loads_both(self) -> None:
        world = World(charger(lines=["L3", "L1"]))
        world.seen = replace(world.seen, drawn_a=(9.0, 0.0, 0.0))
        world.tick()
        assert world.state.drawn_a == (9.0, 0.0, 9.0)


class TestTheWallbox:
    def test_one_that_ignores_writes_is_told_again_and_reported(self) -> None:
        world = World(is_deaf=True)
        world.run(30, granted_a=10.0)
        assert len(world.orders) == 3 + 6 - 1, "three at once, then every five seconds"
        assert world.state.offer_a == 16.0, "the truth, not the wish"
        assert world.state.applied is None
        assert world.state.error == "the wallbox ignores its orders: told 10 A, it offers 16 A"
        assert world.codes() == ["writes-ignored"]
        world.is_deaf = False
        world.run(6, granted_a=10.0)
        assert world.state.error is None
        assert world.state.offer_a == 10.0

    def test_one_that_restarts_is_written_again_even_when_its_offer_looks_right(self) -> None:
        world = World()
        world.seen = replace(world.seen, uptime_s=5000.0)
        world.run(5, granted_a=16.0)
        world.seen = replace(world.seen, uptime_s=1.0)
        order = world.tick()
        assert order is not None
        assert order.offer_a == 16.0
        assert world.codes() == ["wallbox-rebooted"]

    def test_one_that_raises_itself_is_lowered_in_the_same_tick(self) -> None:
        world = World()
        world.run(5, granted_a=10.0)
        world.offer_a = 16.0
        order = world.tick()
        assert order is not None
        assert (order.offer_a, order.is_urgent) == (10.0, True)
        assert world.codes() == ["offer-raised"]

    def test_an_idle_one_that_offers_less_is_no_fault(self) -> None:
        world = World(is_deaf=True, offer_a=0.0)
        world.seen = replace(world.seen, iec_state=IecState.A)
        world.run(30, granted_a=16.0)
        assert world.state.error is None

    def test_its_fault_and_its_silence_are_both_told(self) -> None:
        world = World()
        world.seen = replace(world.seen, iec_state=IecState.E, error="the wallbox has a fault: it is too hot")
        world.tick()
        world.is_away = True
        world.tick()
        assert world.state.error == "the wallbox does not answer: no answer; the wallbox has a fault: it is too hot"

    def test_a_write_that_failed_is_given_again(self) -> None:
        world = World(is_away=True)
        world.run(1, granted_a=10.0)
        assert len(world.orders) == 4
        world.is_away = False
        world.run(1)
        assert world.offer_a == 10.0

    def test_a_slow_read_back_is_awaited(self) -> None:
        world = World(settle_s=6.0, is_deaf=True)
        world.run(6, granted_a=10.0)
        assert len(world.orders) == 1
        world.offer_a = 10.0
        world.run(1, granted_a=10.0)
        assert (len(world.orders), world.state.error) == (1, None)
        assert world.state.applied is not None

    def test_an_order_whose_write_was_held_up_is_awaited_from_the_write_on(self) -> None:
        world = World(settle_s=6.0, is_deaf=True, offer_a=6.0)
        world.tick()
        world.grant(7.0)
        order = world.tick()
        assert order is not None
        world.now_s += 20.0
        world.loop.wrote(order, world.now_s)
        world.grant(6.0)
        world.tick()
        assert world.state.pending_a == 7.0
        assert world.state.applied is None, "6 A stand, and 7 A are on their way"

    def test_orders_of_a_slow_one_are_pending_until_a_read_must_show_them(self) -> None:
        world = World(settle_s=6.0, is_deaf=True, offer_a=10.0)
        world.tick()
        for offer_a in (0.0, 16.0):
            world.grant(offer_a)
            assert world.tick() is not None
        assert (world.state.pending_least_a, world.state.pending_a) == (0.0, 16.0)
        world.now_s += 6.0
        assert (world.state.pending_least_a, world.state.pending_a) == (0.0, 16.0), "nobody has looked yet"
        world.tick()
        assert (world.state.pending_least_a, world.state.pending_a) == (None, None)

    def test_a_read_that_began_before_the_write_confirms_nothing(self) -> None:
        world = World(offer_a=10.0)
        world.tick()
        world.grant(16.0)
        assert world.loop.decide(world.now_s) is not None
        early = replace(world.seen, offer_a=16.0, read_at_s=world.now_s - 0.1)
        world.loop.saw(early, world.now_s)
        assert world.state.applied is None

    @pytest.mark.parametrize(
        ("gate", "granted_a", "is_written"),
        [
            (Gate.LOWER_ONLY, 8.0, True),
            (Gate.LOWER_ONLY, 12.0, False),
            (Gate.SHUT, 8.0, False),
            (Gate.OPEN, 12.0, True),
        ],
    )
    def test_the_gate_holds_orders_back(self, gate: Gate, granted_a: float, is_written: bool) -> None:
        world = World(offer_a=10.0)
        world.run(1, granted_a=10.0)
        world.grant(granted_a)
        assert (world.tick(gate) is not None) is is_written
        assert world.tick() is None if is_written else world.tick() is not None


class TestWaitingOrders:
    @pytest.mark.parametrize(
        ("situation", "waited_s", "newer_a", "may_write"),
        [
            ("at once", 0.0, None, True),
            ("a lower grant came", 0.1, 8.0, False),
            ("the lease ran out meanwhile", 11.0, None, False),
        ],
    )
    def test_an_order_that_waited(
        self, situation: str, waited_s: float, newer_a: float | None, may_write: bool
    ) -> None:
        world = World(offer_a=6.0)
        world.run(1, granted_a=6.0)
        world.grant(16.0)
        order = world.loop.decide(world.now_s)
        assert order is not None
        world.now_s += waited_s
        if newer_a is not None:
            world.grant(newer_a)
        assert world.loop.may_still_write(order, world.now_s) is may_write, situation
