"""The safety loop of one wallbox: what to write now, decided from what was heard and seen and the time alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, LinkHealth, Severity, Stamp
from ampherd_core.phases import PhaseCount
from ampherd_core.policy import Charger

from ampherd_charger_agent.lease import Lease, Verdict
from ampherd_charger_agent.orders import EPSILON_A, Order, Orders, stands
from ampherd_charger_agent.overdraw import Overdraw, Stage
from ampherd_charger_agent.pacing import Gate
from ampherd_charger_agent.phase_switch import PhaseSwitch
from ampherd_charger_agent.terminals import drawn_on_site_lines, on_site_lines
from ampherd_charger_agent.wallbox import Snapshot

START_GRACE_S: Final = 3.0
"""A fresh agent leaves the wallbox as it is this long, so that a restart does not interrupt a car."""

GAP_S: Final = 2.0
"""Ticks further apart than this mean that the process was frozen or the host slept."""

_FINEST_STEP_A: Final = 0.1
_REBOOT_SLACK_S: Final = 1.0
"""A wallbox's uptime is read in steps and with delay; less of a step back is no restart."""

_MAX_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person would want to know, for the shell to publish."""

    code: str
    severity: Severity
    text: str


class SafetyLoop:
    """Deterministic: the same calls give the same orders. `now_s` is the boot clock, and never goes back."""

    def __init__(
        self,
        charger_id: str,
        charger: Charger,
        *,
        lease_s: float,
        session: str,
        started_s: float,
        settle_s: float = 0.0,
    ) -> None:
        self._charger = charger
        self._lease_s = lease_s
        self._lease = Lease(charger_id, session)
        self._orders = Orders(settle_s)
        self._overdraw = Overdraw()
        self._switch = PhaseSwitch()
        self._hold_until_s = started_s + START_GRACE_S
        self._decided_s: float | None = None
        self._had_lease = False
        self._link = LinkHealth.STARTING
        self._link_error = ""
        self._snapshot: Snapshot | None = None
        self._applied: GrantId | None = None
        self._notices: list[Notice] = []

    def hear(self, grant: Grant, now_s: float) -> Verdict:
        """Take a grant for the next decision, or say why not; a refused grant changes nothing."""
        self._notice_gap(now_s)
        if not grant.may_raise:
            standing_a = self._orders.standing_a(self._snapshot)
            if standing_a is None:
                return Verdict.UNREAD
            grant = self._capped(grant, standing_a)
        verdict = self._lease.hear(grant, self._charger, self._lease_s, now_s)
        if verdict is Verdict.ACCEPTED:
            self._had_lease = True
        return verdict

    def saw(self, snapshot: Snapshot, now_s: float) -> None:
        """The wallbox answered."""
        if self._link is LinkHealth.LOST:
            self._tell("wallbox-back", Severity.INFO, "the wallbox answers again")
        before, self._snapshot = self._snapshot, snapshot
        self._link, self._link_error = LinkHealth.OK, ""
        if before is not None:
            self._notice_raise(before, snapshot)
        if self._orders.judge(snapshot) and (complaint := self._orders.complaint(snapshot)):
            self._tell("writes-ignored", Severity.ALARM, complaint)
        if before is not None:
            self._notice_reboot(before, snapshot)
        self._watch_car(snapshot, now_s)
        self._switch.saw(snapshot, now_s)
        grant = self._granted(now_s)
        if grant is not None and grant.id is not self._applied:
            self._name_applied(grant, self._grantable_a(grant, now_s), now_s)

    def missed(self, now_s: float, why: str) -> None:  # noqa: ARG002 - every input of the loop carries its time
        """The link is lost: an order that is under way may not have arrived."""
        if self._link is not LinkHealth.LOST:
            self._tell("wallbox-lost", Severity.WARNING, f"the wallbox does not answer: {why}")
        self._link, self._link_error = LinkHealth.LOST, why
        self._orders.failed()
        self._overdraw.unseen()
        self._switch.unseen()

    def decide(self, now_s: float, gate: Gate = Gate.OPEN) -> Order | None:
        """What to write now; None when the wallbox stands right or the answer to the last order is awaited.

        `gate` holds back what the line cannot carry now; what is held back is decided anew at the next call.
        """
        self._notice_gap(now_s)
        self._decided_s = now_s
        grant = self._granted(now_s)
        self._notice_lapse(grant, now_s)
        wanted_a = self._wanted_a(grant, now_s)
        if wanted_a is None:
            return None
        if not self._orders.needs(wanted_a, self._reachable, now_s):
            if grant is not None:
                self._name_applied(grant, wanted_a, now_s)
            return self._switched(grant, now_s) if gate is Gate.OPEN else None
        is_urgent = self._orders.is_lowering(wanted_a, self._snapshot)
        if gate is Gate.SHUT or (gate is Gate.LOWER_ONLY and not is_urgent):
            return None
        return self._orders.give(Order(wanted_a, is_urgent, now_s, grant.id if grant else None))

    def may_still_write(self, order: Order, now_s: float) -> bool:
        """Whether an order that had to wait is no higher than what is right now; else it counts as not written."""
        self._notice_gap(now_s)
        if order.phases is not None:
            return self._may_still_switch(order.phases, now_s)
        wanted_a = self._wanted_a(self._granted(now_s), now_s)
        if wanted_a is None:
            wanted_a = self._snapshot.offer_a if self._snapshot else 0.0
        is_right = order.offer_a <= wanted_a + EPSILON_A
        if not is_right:
            self._orders.failed()
        return is_right

    def wrote(self, order: Order, now_s: float) -> None:
        """The write of an order ended just now, well or not: what is read from now on tells of it."""
        if order.phases is None:
            self._orders.wrote(order, now_s)
        else:
            self._switch.wrote(now_s)

    def surrender(self, now_s: float) -> None:
        """Told to stop: forget the grant and go to the fallback."""
        self._lease.drop()
        self._had_lease = False
        self._hold_until_s = now_s

    def take_policy(self, charger: Charger, lease_s: float) -> None:
        """New limits; they hold from the next decision on."""
        self._charger, self._lease_s = charger, lease_s

    def lease_left_s(self, now_s: float) -> float:
        """How long the grant in force still holds, s; 0 without one."""
        return self._lease.left_s(now_s)

    def take_notices(self) -> tuple[Notice, ...]:
        """What happened since the last call."""
        if not self._notices:
            return ()
        notices, self._notices = tuple(self._notices), []
        return notices

    def state(self, now_s: float, at: datetime, counters: Mapping[str, int]) -> ChargerState:
        """The message for the bus, stamped with `now_s`; the car's values are unknown while the link is lost."""
        seen, live = self._snapshot, self._reachable
        pending_a = self._orders.pending_a
        grant = self._granted(now_s)
        return ChargerState(
            charger=self._lease.charger_id,
            stamp=Stamp(session=self._lease.session, at_s=now_s),
            measured_at=at,
            link=self._link,
            iec_state=seen.iec_state if seen else None,
            offer_a=seen.offer_a if seen else None,
            pending_a=max(pending_a, default=None),
            pending_least_a=min(pending_a, default=None),
            drawn_a=drawn_on_site_lines(live.drawn_a, self._charger.lines) if live else None,
            max_a=seen.max_a if seen else None,
            phases=live.phases if live and not self._switch.is_under_way else None,
            resolution_a=seen.resolution_a if seen else _FINEST_STEP_A,
            needs_standby=seen.needs_standby if seen else False,
            power_w=live.power_w if live else None,
            voltage_v=on_site_lines(live.voltage_v, self._charger.lines) if live else None,
            session_wh=seen.session_wh if seen else None,
            total_wh=seen.total_wh if seen else None,
            temperature_c=live.temperature_c if live else None,
            applied=self._applied,
            is_fallback=grant is None and not self._is_holding(now_s),
            error=self._error(grant),
            counters={**counters, "mismatches": self._orders.mismatches},
        )

    @property
    def _reachable(self) -> Snapshot | None:
        """What was read last, None while the link is lost."""
        return self._snapshot if self._link is LinkHealth.OK else None

    def _granted(self, now_s: float) -> Grant | None:
        return self._lease.grant if self._lease.holds(now_s) else None

    def _is_holding(self, now_s: float) -> bool:
        """Freshly started: the wallbox stays as it is until the first grant, for a short while."""
        return now_s < self._hold_until_s

    def _wanted_a(self, grant: Grant | None, now_s: float) -> float | None:
        """The offer that should stand under the grant in force, A; None where the wallbox is left as it is."""
        if grant is not None:
            return self._grantable_a(grant, now_s)
        if not self._is_holding(now_s):
            may_offer = self._switch.may_offer(None, self._snapshot, now_s)
            return self._allowed_a(self._charger.fallback_a) if may_offer else 0.0
        held_a = self._snapshot.offer_a if self._snapshot else 0.0
        is_too_much = held_a > self._charger.max_a + EPSILON_A or self._overdraw.stage is not Stage.FOLLOWS
        return self._allowed_a(held_a) if is_too_much else None

    def _grantable_a(self, grant: Grant, now_s: float) -> float:
        """What it is granted, A; 0 until the wallbox has the phases that it is granted on."""
        may_offer = self._switch.may_offer(grant.phases, self._snapshot, now_s)
        return self._allowed_a(grant.offer_a) if may_offer else 0.0

    def _switched(self, grant: Grant | None, now_s: float) -> Order | None:
        """The order to switch the phases, where a grant wants it and nothing flows."""
        wanted = grant.phases if grant is not None else None
        phases = self._switch.order(wanted, self._reachable, now_s)
        return Order(0.0, False, now_s, grant.id if grant else None, phases) if phases is not None else None

    def _may_still_switch(self, phases: PhaseCount, now_s: float) -> bool:
        grant = self._granted(now_s)
        is_right = grant is not None and grant.phases == phases and self._switch.is_dead(now_s)
        if not is_right:
            self._switch.withdrawn()
        return is_right

    def _capped(self, grant: Grant, standing_a: float) -> Grant:
        """A new leader may not know yet what the old one took away: its grant gives nothing back."""
        if grant.offer_a <= standing_a:
            return grant
        is_enough = standing_a >= self._charger.min_a - EPSILON_A
        return grant.model_copy(update={"offer_a": standing_a if is_enough else 0.0})

    def _allowed_a(self, offer_a: float) -> float:
        """`offer_a` under every ceiling, in the wallbox's steps; 0 where less than the minimum is left."""
        seen = self._snapshot
        lowest_a = min(offer_a, self._charger.max_a, self._overdraw.ceiling_a(self._charger.min_a))
        if seen is not None and seen.max_a is not None:
            lowest_a = min(lowest_a, seen.max_a)
        step_a = seen.resolution_a if seen else _FINEST_STEP_A
        whole_steps_a = round(math.floor(lowest_a / step_a + EPSILON_A) * step_a, 3)
        return whole_steps_a if whole_steps_a >= self._charger.min_a - EPSILON_A else 0.0

    def _name_applied(self, grant: Grant, wanted_a: float, now_s: float) -> None:
        """Name the grant in force as applied once its phases, and the offer that it comes to, are read back."""
        seen = self._reachable
        has_phases = grant.phases is None or (seen is not None and seen.phases == grant.phases)
        is_put_off = grant.offer_a > 0 and not self._switch.may_offer(grant.phases, seen, now_s)
        if not has_phases or is_put_off or self._switch.is_under_way:
            return
        if self._orders.is_obeyed and stands(seen, wanted_a):
            self._applied = grant.id

    def _notice_raise(self, before: Snapshot, seen: Snapshot) -> None:
        if seen.offer_a > before.offer_a and self._orders.is_obeyed and not stands(seen, before.offer_a):
            text = f"the wallbox raised its offer from {before.offer_a:g} to {seen.offer_a:g} A by itself"
            self._tell("offer-raised", Severity.WARNING, text)

    def _notice_reboot(self, before: Snapshot, seen: Snapshot) -> None:
        if before.uptime_s is None or seen.uptime_s is None:
            return
        if seen.uptime_s < before.uptime_s - _REBOOT_SLACK_S:
            self._tell("wallbox-rebooted", Severity.WARNING, "the wallbox restarted; its offer is written again")
            self._orders.forgotten()

    def _watch_car(self, seen: Snapshot, now_s: float) -> None:
        if seen.iec_state is IecState.A:
            if self._overdraw.unplugged():
                self._tell("overdraw-over", Severity.INFO, "the car that drew too much is unplugged")
        elif seen.drawn_a is None:
            self._overdraw.unseen()
        elif self._overdraw.saw(max(seen.drawn_a), seen.offer_a, now_s):
            stage, text = self._overdraw.stage, self._overdraw.text()
            if text is None:
                self._tell("overdraw-over", Severity.INFO, "the car follows its offer again")
            else:
                severity = Severity.WARNING if stage is Stage.LOWERED else Severity.ALARM
                self._tell(f"overdraw-{stage.name.lower()}", severity, text)

    def _notice_gap(self, now_s: float) -> None:
        """After a gap in its own ticks the loop is as good as just started, but holds no longer than its lease."""
        if self._decided_s is None or now_s - self._decided_s <= GAP_S:
            return
        text = f"the agent stood still for {now_s - self._decided_s:.1f} s and starts anew"
        self._tell("agent-frozen", Severity.WARNING, text)
        self._decided_s = now_s
        if self._lease.holds(now_s):
            self._hold_until_s = min(now_s + START_GRACE_S, self._lease.ends_s)
            self._had_lease = False
        self._lease.drop()
        self._applied = None
        self._overdraw.unseen()
        self._switch.unseen()

    def _notice_lapse(self, grant: Grant | None, now_s: float) -> None:
        if self._had_lease and grant is None:
            self._had_lease = False
            self._hold_until_s = min(self._hold_until_s, now_s)
            text = f"no fresh grant from the balancer: the charger falls back to {self._charger.fallback_a:g} A"
            self._tell("lease-lapsed", Severity.WARNING, text)

    def _error(self, grant: Grant | None) -> str | None:
        phases = self._switch.complaint(grant.phases if grant else None, self._snapshot)
        link = f"the wallbox does not answer: {self._link_error}" if self._link is LinkHealth.LOST else None
        device = self._snapshot.error if self._snapshot else None
        texts = link, device, phases, self._orders.complaint(self._snapshot), self._overdraw.text()
        return "; ".join([text for text in texts if text])[:_MAX_TEXT] or None

    def _tell(self, code: str, severity: Severity, text: str) -> None:
        self._notices.append(Notice(code, severity, text))
