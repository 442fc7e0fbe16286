"""The balancer's mind: messages and the time go in, grants come out. No clock, no socket, no thread.

It is what runs in production, in the simulator's virtual time and under fault injection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import ChargerState, Grant, GrantId, MeterRole, Mode, Reading
from ampherd_core.phases import LINES, Line, Phases, on_lines, total
from ampherd_core.policy import CONNECTION, Policy
from ampherd_core.units import CAR_REACTION_S

from ampherd_balancer.aim import Aim
from ampherd_balancer.allocate import Allocation, fits
from ampherd_balancer.cap import Cap
from ampherd_balancer.cut import cut
from ampherd_balancer.debut import Debuts, one_by_one
from ampherd_balancer.desk import SLOW_S, Desk
from ampherd_balancer.doubt import Doubt
from ampherd_balancer.estimate import House, Interval
from ampherd_balancer.feed import SideMeter
from ampherd_balancer.fleet import fleet
from ampherd_balancer.harvest import Harvest
from ampherd_balancer.hearing import Sender
from ampherd_balancer.metered import Metered
from ampherd_balancer.outside import Outside
from ampherd_balancer.power import Rest, power_w
from ampherd_balancer.site import Bound, Node, bounds, code_of, nodes
from ampherd_balancer.situation import Situation
from ampherd_balancer.traces import Spans, Spent
from ampherd_balancer.transition import Position, transition
from ampherd_balancer.turns import Turns

GAP_S: Final = 3.0
"""A longer pause between two decisions means the process was frozen: others may have led meanwhile."""

REPEAT_S: Final = 0.95
"""A grant is state: it is repeated every second, a little early so that a 1 s tick never skips one."""

EMERGENCY_RATIO: Final = 2.0
"""A phase above twice its limit stops every charger below it (a 2.55 x overload may trip a breaker within 1 s)."""

FENCE_PATIENCE_S: Final = 20.0
"""A wallbox that is read but has not confirmed the epoch by then is booked at its most (a SmartEVSE takes 8 s)."""

COARSE_A: Final = 0.5
"""Of offers in such steps equal shares leave an ampere or two over."""

SPENT_S: Final = SLOW_S + CAR_REACTION_S
"""An excess that lasts so long is not waiting for a cut: the slowest wallbox has taken its order, and its car too."""

SETTLE_IN_S: Final = 3.0
"""A new leader gives silent agents this long to be heard before it reckons without them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One decision: the grants to send, who should get what, and why."""

    grants: tuple[Grant, ...]
    situation: Situation
    target: Allocation
    must_yield: bool = False


class Balancer:
    """One leader's reign, under one epoch. `now_s` is its own boot clock and never decreases."""

    def __init__(self, policy: Policy, *, epoch: int, now_s: float) -> None:
        self.policy = policy
        self.epoch = epoch
        self._newest = GrantId(epoch=epoch, seq=0)
        self._began_s = now_s
        self._decided_s = now_s
        self._may_raise = False
        self.desks: dict[str, Desk] = {}
        self.meters: dict[str, Metered] = {}
        self.sides: dict[str, SideMeter] = {}
        self._aim = Aim(policy.timings.turn_s)
        self.debuts = Debuts()
        self.rest = Rest()
        self.outside = Outside(policy)
        self.harvest = Harvest(policy)
        self.higher_epoch: int | None = None
        self.tree: tuple[Node, ...] = ()
        self._used: tuple[tuple[Line, ...], ...] | None = None
        self._bounds: tuple[Bound, ...] = ()
        self.take_policy(policy, now_s)

    def take_policy(self, policy: Policy, now_s: float) -> None:
        """Go on under an edited policy; new chargers start unknown, and so booked at their most."""
        self.policy = policy
        self.tree = nodes(policy)
        self._used = None
        self.desks = {charger_id: self._desk(charger_id, now_s) for charger_id in policy.chargers}
        self.meters = {node.meter: self._metered(node, node.meter) for node in self.tree if node.meter is not None}
        self.outside.take_policy(policy)
        self.harvest.take_policy(policy)
        if self.turns.turn_s != policy.timings.turn_s:
            self._aim = Aim(policy.timings.turn_s)

    def hear_reading(self, reading: Reading, now_s: float) -> bool:
        """Take in a meter's sample; False when it is old, repeated or cannot guard what it should."""
        metered = self.meters.get(reading.meter)
        if metered is None:
            return self._hear_side(reading, now_s)
        is_news = metered.hear(reading, now_s)
        if is_news and reading.meter == self.policy.grid_meter:
            grid_w = power_w(reading, self.policy.connection.voltage_v)
            self.rest.note(now_s, grid_w, self.cars_w)
            self.outside.note(reading, grid_w, self.rest.power_w, min(metered.heard_s, now_s))
            self.harvest.hear(reading, self.sides, self.desks.values(), now_s)
        return is_news

    @property
    def turns(self) -> Turns:
        """Whose turn it is."""
        return self._aim.turns

    @property
    def cars_w(self) -> float:
        """What all cars take, as far as is known, W."""
        return sum([max(desk.trace.latest) * desk.watts_per_amp for desk in self.desks.values()])

    def hear_state(self, state: ChargerState, now_s: float) -> bool:
        """Take in a charger's state; False when it is not ours, repeated or late."""
        desk = self.desks.get(state.charger)
        if desk is None:
            return False
        if state.applied is not None and state.applied.is_newer_than(self._newest):
            # Also a later grant of our own epoch, which we never gave: the store forgot that another reign had it.
            self.higher_epoch = max(self.higher_epoch or 0, state.applied.epoch)
        is_news = desk.hear(state, now_s)
        if is_news and not (self._may_raise and desk.follows(self.epoch)):
            desk.inherit(now_s)
        return is_news

    def hear_grant(self, grant: Grant) -> None:
        """Another balancer's grant: one of a higher epoch ends this reign."""
        if grant.id.epoch > self.epoch:
            self.higher_epoch = max(self.higher_epoch or 0, grant.id.epoch)

    def decide(self, now_s: float) -> Outcome:
        """Who may draw how much from now on; call it at each grid reading and at least once a second."""
        was_frozen = now_s - self._decided_s > GAP_S
        self._decided_s = now_s
        for desk in self.desks.values():
            desk.agenda.look(now_s)
        situation = self._situation(now_s)
        self._may_raise = situation.is_fenced
        if was_frozen or self.higher_epoch is not None:
            return Outcome((), situation, Allocation({}, {}), must_yield=True)
        if not situation.is_grid_fresh:
            target = Allocation({desk.id: desk.charger.fallback_a for desk in self.desks.values()}, {})
            return Outcome(self._grants(target.offers, now_s), situation, target)
        wanting = [desk for desk in self.desks.values() if desk.id in situation.wanting]
        target = self._aim.target(wanting, situation, now_s)
        return Outcome(self._grants(self._offers(situation, target, now_s), now_s), situation, target)

    def _situation(self, now_s: float) -> Situation:
        is_grid_fresh = self.meters[self.policy.grid_meter].is_fresh(now_s)
        stale = frozenset(
            [node.id for node in self.tree if node.meter is not None and not self.meters[node.meter].is_fresh(now_s)]
        )
        self._watch_debuts(now_s, is_grid_fresh=is_grid_fresh)
        doubted = self._doubted(stale, now_s)
        self.harvest.choose_phases(self.desks.values(), now_s, may_switch=self._may_raise and is_grid_fresh)
        strangers = [desk.id for desk in self.desks.values() if not desk.follows(self.epoch)]
        unseen: dict[str, Phases] = {}
        stuck_a: dict[str, float] = {}
        for desk in self.desks.values():
            desk.is_lost = desk.id in strangers and now_s - self._began_s >= FENCE_PATIENCE_S
            if desk.is_reachable(now_s) and not desk.is_lost:
                stuck_a[desk.id] = desk.stuck_a(now_s)
            else:
                unseen[desk.id] = desk.booked(now_s)
        rests = {node.id: self._rest(node, unseen, stuck_a, now_s) for node in self.tree}
        wanting = [self.desks[charger] for charger in stuck_a if charger not in doubted]
        wanting = [desk for desk in wanting if self._wants(desk, stale, now_s)]
        if is_grid_fresh:
            unlit = self.harvest.look(wanting, now_s)
            wanting = [desk for desk in wanting if desk.id not in unlit]
        return Situation(
            is_grid_fresh=is_grid_fresh,
            is_fenced=self._is_fenced(strangers, unseen, now_s),
            stale_nodes=stale,
            doubted=doubted,
            overloaded=[node for node in self.tree if self._is_emergency(node)],
            outlasted=self._outlasted(now_s),
            commanded=frozenset(stuck_a),
            wanting=frozenset([desk.id for desk in wanting]),
            stuck_a=stuck_a,
            rests=rests,
            bounds=self._bounds_of(stuck_a),
            caps=[*self._caps(stuck_a, rests[CONNECTION], now_s), *self.harvest.limits(wanting)],
        )

    def _caps(self, stuck_a: Mapping[str, float], rest: Interval, now_s: float) -> Sequence[Cap]:
        """The limits from outside, as they hold beside what grants cannot change."""
        if self.outside.is_quiet:
            return ()
        site_w = (self.rest.power_w or 0.0) + self.cars_w
        return self.outside.caps(fleet([self.desks[charger] for charger in stuck_a], stuck_a, site_w), rest, now_s)

    def _rest(self, node: Node, unseen: Mapping[str, Phases], stuck_a: Mapping[str, float], now_s: float) -> Interval:
        """What the node carries beside the current that grants can change now."""
        hidden = total([load for charger, load in unseen.items() if charger in node.chargers])
        seen = [self.desks[charger] for charger in node.chargers if charger not in unseen]
        if node.meter is None:
            reserve = (node.reserve_a,) * 3
            rest = Interval(reserve, reserve, reserve, reserve)
        else:
            metered = self.meters[node.meter]
            spent = metered.outlasted(now_s, SPENT_S)
            rest = metered.house.interval([_drawn(desk, spent) for desk in seen], hidden, now_s)
        stuck = [on_lines(desk.counted_lines, stuck_a[desk.id]) for desk in seen if stuck_a[desk.id]]
        return rest.plus(total([hidden, *stuck]))

    def _bounds_of(self, commanded: Collection[str]) -> tuple[Bound, ...]:
        """Those of the chargers that can be commanded, found anew when their lines change; `rests` holds the others."""
        used = tuple([desk.counted_lines if desk.id in commanded else () for desk in self.desks.values()])
        if used != self._used:
            self._used = used
            self._bounds = bounds(self.policy, self.tree, dict(zip(self.desks, used, strict=True)))
        return self._bounds

    def _is_fenced(self, strangers: Collection[str], unseen: Collection[str], now_s: float) -> bool:
        """Whether every charger follows this epoch, but for those that have stayed silent."""
        is_settled_in = now_s - self._began_s >= SETTLE_IN_S
        return not strangers or (is_settled_in and set(strangers) <= set(unseen))

    def _wants(self, desk: Desk, stale: Collection[str], now_s: float) -> bool:
        if not desk.is_connected and (desk.state is None or not desk.state.needs_standby):
            return False
        if stale and any(circuit in stale for circuit in self.policy.circuits_above(desk.id)):
            return False
        waits = desk.is_connected and desk.waits_for_plan and not desk.is_pinned(now_s)
        is_held = waits or desk.phases.is_switching
        return not is_held and desk.chosen_mode is not Mode.OFF and desk.ceiling_a >= desk.min_a

    def _offers(self, situation: Situation, target: Allocation, now_s: float) -> Mapping[str, float]:
        ceilings = cut(self.desks, self.outside, situation, now_s)
        goals = self.debuts.restrained(self._goals(situation, target), self.desks)
        kept = {desk.id: min(desk.granted_a, ceilings[desk.id]) for desk in self.desks.values()}
        may_raise = situation.is_fenced and not situation.overloaded
        if not may_raise or all(goals[charger] <= kept_a for charger, kept_a in kept.items()):
            # Nobody can rise, so nobody waits for what another would give up: only the cuts are left.
            return kept
        offers = transition(
            [self._position(desk, situation, goals, ceilings, now_s) for desk in self.desks.values()],
            situation.promised,
            self.policy.timings,
            now_s,
            may_raise=may_raise,
        )
        return one_by_one(offers, self.desks)

    def _goals(self, situation: Situation, target: Allocation) -> Mapping[str, float]:
        """Where each charger should go, A; what their steps leave over of equal shares goes to one after the other."""
        goals = {desk.id: self._goal_a(desk, situation, target) for desk in self.desks.values()}
        coarse = [desk for desk in self.desks.values() if desk.step_a >= COARSE_A]
        short = [desk for desk in coarse if 0 < goals[desk.id] < target.offers.get(desk.id, 0.0) - 1e-6]
        limits = situation.likely if len(short) > 1 else ()
        for desk in sorted(short, key=lambda desk: (desk.priority, desk.granted_a <= goals[desk.id])):
            raised = {**goals, desk.id: goals[desk.id] + desk.step_a}
            if limits and raised[desk.id] <= desk.welcome_a and fits(raised, limits):
                goals = raised
        return goals

    def _goal_a(self, desk: Desk, situation: Situation, target: Allocation) -> float:
        """Where the charger should go, in its own steps; one that does not obey stays where it is, A."""
        if desk.id not in situation.commanded:
            return desk.granted_a
        return desk.floored(target.offers.get(desk.id, 0.0))

    def _watch_debuts(self, now_s: float, *, is_grid_fresh: bool) -> None:
        grid = self.meters[self.policy.grid_meter]
        if not is_grid_fresh:
            self.debuts = Debuts()
        elif (sighting := self.debuts.look(self.desks, grid.house, now_s)) is not None:
            grid.doubt.found(sighting.place, now_s, seen=sighting.charger)

    def _doubted(self, stale: Collection[str], now_s: float) -> frozenset[str]:
        """The chargers that stand still for a look at their wiring; where it was found wrong they are anywhere."""
        looked_at: set[str] = set()
        anywhere: set[str] = set()
        for node, metered in [(node, self.meters[node.meter]) for node in self.tree if node.meter is not None]:
            cars = [self.desks[charger].trace.latest for charger in node.chargers]
            if node.id not in stale and metered.is_doubted(cars, now_s):
                looked_at.update(node.chargers)
            if metered.doubt.place is not None:
                anywhere.update(node.chargers)
        for desk in self.desks.values():
            desk.is_anywhere = desk.id in anywhere
        return frozenset(looked_at)

    def _outlasted(self, now_s: float) -> frozenset[str]:
        """The codes of the lines that no cut has relieved in the time that it takes."""
        metered = [(node.id, self.meters[node.meter]) for node in self.tree if node.meter is not None]
        return frozenset([code_of(node_id, line) for node_id, each in metered for line in each.outlasted(now_s)])

    def _is_emergency(self, node: Node) -> bool:
        load = self.meters[node.meter].house.load if node.meter is not None else None
        return load is not None and max(load) > EMERGENCY_RATIO * node.limit_a

    def _position(
        self,
        desk: Desk,
        situation: Situation,
        goals: Mapping[str, float],
        ceilings: Mapping[str, float],
        now_s: float,
    ) -> Position:
        is_commanded = desk.id in situation.commanded
        return Position(
            id=desk.id,
            granted_a=desk.granted_a,
            booked_a=max(desk.granted_a, desk.booked_a(now_s) - situation.stuck_a.get(desk.id, 0.0)),
            target_a=goals[desk.id],
            ceiling_a=ceilings[desk.id],
            min_a=desk.min_a,
            step_a=desk.step_a,
            changed_s=desk.changed_s,
            is_settled=is_commanded and desk.is_settled(),
            is_idle=desk.is_idle(now_s),
        )

    def _grants(self, offers: Mapping[str, float], now_s: float) -> tuple[Grant, ...]:
        """Grants for changed offers at once, for the others every second."""
        grants = []
        for desk in self.desks.values():
            offer_a = round(offers.get(desk.id, desk.granted_a), 3)
            if offer_a == desk.granted_a and now_s - desk.sent_s < REPEAT_S:
                continue
            self._newest = GrantId(epoch=self.epoch, seq=self._newest.seq + 1)
            grant = desk.grant(offer_a, self._newest, now_s, may_raise=self._may_raise)
            if grant is not None:
                grants.append(grant)
        return tuple(grants)

    def _hear_side(self, reading: Reading, now_s: float) -> bool:
        if reading.meter not in self.policy.meters:
            return False
        if reading.role is MeterRole.CHARGER:
            for desk in self.desks.values():
                if desk.charger.meter == reading.meter:
                    desk.hear_meter(reading, now_s)
        return self.sides.setdefault(reading.meter, SideMeter()).hear(reading, now_s)

    def _desk(self, charger_id: str, now_s: float) -> Desk:
        desk = self.desks.get(charger_id)
        if desk is None or desk.charger.lines != self.policy.chargers[charger_id].lines:
            return Desk(charger_id, self.policy, now_s)
        desk.take_policy(self.policy)
        return desk

    def _metered(self, node: Node, meter: str) -> Metered:
        timings = self.policy.timings
        metered = self.meters.get(meter) or Metered((), 0.0, House(timings.hold_s, timings.return_after_s), Sender())
        metered.house.hold_for(timings.hold_s, timings.return_after_s)
        metered.doubt = Doubt()
        metered.lines = self.policy.connection.lines if node.id == CONNECTION else self._lines_below(node)
        metered.limit_a = node.limit_a
        return metered

    def _lines_below(self, node: Node) -> tuple[Line, ...]:
        used = {line for charger in node.chargers for line in self.policy.chargers[charger].lines}
        return tuple(line for line in LINES if line in used)


def _drawn(desk: Desk, spent: Collection[Line]) -> Spans:
    """What the charger takes; one that nobody measures only its grant on lines where a cut has had its time."""
    if not spent or desk.book.is_metered:
        return desk.counted_trace
    return Spent(desk.counted_trace, spent, desk.granted_a)
