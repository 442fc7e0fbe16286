"""The plans of all chargers: what was set and charged, when to plan anew, and what a finished schedule asks of whom.

Pure: the shell tells the time, runs `lay` beside its loop, and publishes what is handed out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from ampherd_core.messages import Event, Severity
from ampherd_core.phases import Phases, add, subtract
from ampherd_core.plans import QUARTERS_A_WEEK, Plan, PlanState, UsualLoad
from ampherd_core.policy import CONNECTION, Policy

from ampherd_balancer import account as accounts_
from ampherd_balancer import brief as briefs
from ampherd_balancer.account import Account
from ampherd_balancer.agenda import MOST_URGENT
from ampherd_balancer.brief import Aim, Brief
from ampherd_balancer.core import Balancer
from ampherd_balancer.plan_words import plan_state
from ampherd_balancer.planner import MET_WITHIN_WH, Schedule
from ampherd_balancer.power import watts_per_amp
from ampherd_balancer.settings import SettingError
from ampherd_balancer.site import Node
from ampherd_balancer.stints import stints
from ampherd_balancer.tariff import Prices, read_prices
from ampherd_balancer.usual import UsualLoads
from ampherd_balancer.usual_sun import UsualSun
from ampherd_balancer.wish_plan import read_plan, read_soc, standing

SETTINGS: Final = frozenset({"plan", "soc"})


class Report(NamedTuple):
    """What the shell says after a schedule was taken."""

    states: Sequence[PlanState]
    events: Sequence[Event]


class Planning:
    """The plans of one balancer. Times come in UTC (`at`) for plans, and on the boot clock (`now_s`) for the core."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.prices = Prices()
        self.usual = UsualLoads()
        self.sun = UsualSun()
        self._planned: tuple[object, ...] = ()
        self._had_slack = True
        self._warned: dict[str, object] = {}
        self._missed: list[Event] = []

    def set(self, policy: Policy, charger_id: str, setting: str, payload: bytes, at: datetime) -> None:
        """Take a plan or a state of charge; raises SettingError."""
        charger = policy.chargers.get(charger_id)
        if charger is None:
            raise SettingError("there is no such charger in the policy")
        account = self._account(charger_id)
        if setting == "soc":
            account.tell_soc(read_soc(payload, charger, at))
            return
        account.wish = read_plan(payload, charger, account.soc, briefs.local_now(policy, at))
        account.begin()

    def hear_prices(self, payload: bytes) -> None:
        """Take a new list of prices; raises PriceError, and keeps the old one."""
        self.prices = read_prices(payload)

    def note(self, core: Balancer, at: datetime, now_s: float) -> bool:
        """Look at the site, about once a second; True when something was learned of the house or the sun."""
        for desk in core.desks.values():
            account = self._account(desk.id)
            if desk.state is not None and desk.is_reachable(now_s):
                watts = watts_per_amp(core.policy.connection, desk.lines)
                account.note(desk.state, max(desk.trace.latest) * watts, now_s)
            self._note_due(core.policy, desk.id, account, at)
        house, local, beside_w = _house(core, now_s), briefs.local_now(core.policy, at), core.rest.power_w
        has_learned = self.usual.note(house, local, now_s)
        if CONNECTION in house and beside_w is not None:
            has_learned |= self.sun.note(beside_w, local, now_s)
        return has_learned

    def brief(self, core: Balancer, at: datetime) -> Brief | None:
        """What is to be planned now; None while the schedule in force is still right."""
        aims = {
            desk.id: briefs.aim(desk, self._account(desk.id), self._wish(core.policy, desk.id), at)
            for desk in core.desks.values()
        }
        if briefs.key(core, aims, self.prices, at) == self._planned:
            return None
        brief = briefs.write(core, aims, self.prices, self.usual, self.sun, at)
        return replace(brief, had_slack=self._had_slack)

    def take(self, core: Balancer, brief: Brief, schedule: Schedule, at: datetime, now_s: float) -> Report:
        """Let a finished schedule rule; `at` and `now_s` are the same moment."""
        self._planned, self._had_slack = brief.key, schedule.has_slack or not schedule.is_sunny
        urgencies = _urgencies(brief.aims, schedule)
        states = []

        def clock_s(moment: datetime) -> float:
            return now_s + (moment - at).total_seconds()

        for desk in core.desks.values():
            aim = brief.aims.get(desk.id)
            if aim is None:
                continue
            state = plan_state(desk, aim, schedule, self._account(desk.id), brief.at)
            states.append(state)
            laid = stints(aim, state, brief.slots, clock_s, has_slack=schedule.has_slack)
            desk.agenda.take(laid, urgency=urgencies.get(desk.id, 0))
            desk.agenda.look(now_s)
        events, self._missed = [*self._missed, *self._short(states, at)], []
        return Report(states, events)

    def usual_load(self, at: datetime, node: str) -> UsualLoad:
        """What was learned of a node, and of the sun, for people."""
        book = self.usual.book.get(node, {})
        quarters = range(QUARTERS_A_WEEK)
        return UsualLoad(
            at=at,
            mean_a=tuple(book[quarter].mean_a if quarter in book else None for quarter in quarters),
            high_a=tuple(book[quarter].high_a if quarter in book else None for quarter in quarters),
            sun_w=self.sun.by_quarter,
        )

    def remember(self) -> bytes:
        """All plans and what was charged, for `recall`."""
        return accounts_.remember(self.accounts)

    def recall(self, document: bytes) -> None:
        """Take up what was remembered, but for what was set since."""
        self.accounts = {**accounts_.recall(document), **{c: a for c, a in self.accounts.items() if a.wish is not None}}
        self._planned = ()

    def _account(self, charger_id: str) -> Account:
        return self.accounts.setdefault(charger_id, Account())

    def _wish(self, policy: Policy, charger_id: str) -> Plan | None:
        wish = self._account(charger_id).wish
        if wish == "none":
            return None
        return wish if isinstance(wish, Plan) else standing(policy.chargers[charger_id].plan)

    def _note_due(self, policy: Policy, charger_id: str, account: Account, at: datetime) -> None:
        """When the time of a plan has come it is over, or begins anew for its next day."""
        wish = self._wish(policy, charger_id)
        if account.due is not None and at >= account.due:
            self._say_missed(policy, charger_id, wish, account, at)
            account.begin()
            if isinstance(account.wish, Plan) and account.wish.due is not None:
                account.wish = None
                wish = self._wish(policy, charger_id)
        if account.due is None and wish is not None:
            account.due = wish.next_due(briefs.local_now(policy, at))

    def _say_missed(self, policy: Policy, charger_id: str, wish: Plan | None, account: Account, at: datetime) -> None:
        if wish is None or not account.has_car:
            return
        missing_wh = briefs.wanted_wh(wish, account, policy.chargers[charger_id].battery_kwh) or 0.0
        if missing_wh > MET_WITHIN_WH:
            name = policy.chargers[charger_id].name or charger_id
            text = f"{name}: its plan ended {missing_wh / 1000:.1f} kWh short."
            self._missed.append(_event("plan-missed", text, charger_id, at))

    def _short(self, states: Sequence[PlanState], at: datetime) -> list[Event]:
        """Say once for each plan and its time that it cannot be met."""
        events = []
        for state in states:
            if state.is_met is False and self._warned.get(state.charger) != (state.plan, state.due):
                self._warned[state.charger] = state.plan, state.due
                events.append(_event("plan-short", f"{state.charger}: {state.reason}"[:500], state.charger, at))
            elif state.is_met:
                self._warned.pop(state.charger, None)
        return events


def _urgencies(aims: Mapping[str, Aim], schedule: Schedule) -> Mapping[str, int]:
    """Who comes first among equals in the parts of its plan: whose is due first."""
    due = {charger: aim.due for charger, aim in aims.items() if aim.due is not None and charger in schedule.outlooks}
    return {charger: max(1, MOST_URGENT - place) for place, charger in enumerate(sorted(due, key=due.__getitem__))}


def _house(core: Balancer, now_s: float) -> dict[str, Phases]:
    """What each metered node takes beside its cars, where meter and wallboxes are all heard."""
    return {
        node.id: _beside(core, node)
        for node in core.tree
        if node.meter is not None
        and core.meters[node.meter].is_fresh(now_s)
        and all(core.desks[charger].is_reachable(now_s) for charger in node.chargers)
    }


def _beside(core: Balancer, node: Node) -> Phases:
    load = core.meters[node.meter or ""].house.load or (0.0, 0.0, 0.0)
    drawn: Phases = (0.0, 0.0, 0.0)
    for charger in node.chargers:
        drawn = add(drawn, core.desks[charger].trace.latest)
    return subtract(load, drawn)


def _event(code: str, text: str, charger: str, at: datetime) -> Event:
    return Event(at=at, service="balancer", code=code, severity=Severity.WARNING, text=text, charger=charger)
