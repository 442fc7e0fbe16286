"""What an agent promises, held against the truth of its wallbox at each step: 3, 6 and 8 of docs/safety.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import ChargerState, GrantId, LinkHealth
from ampherd_core.units import MIN_OFFER_A, overdraw_limit_a

from ampherd_simulator.judge import HIDING, LYING
from ampherd_simulator.ledger import SLOW_KNOWN_S, Complain, Entry, Ledger, standing_a
from ampherd_simulator.virtual_agent import VirtualAgent
from ampherd_simulator.wallboxes.edgetech import Edgetech

NOISE_A: Final = 0.3
STEP_A: Final = 0.6
"""Half of a whole-amp wallbox's step, and its rounding."""

LEASE_SLACK_S: Final = 1.0
GRACE_S: Final = 3.0
"""A fresh agent leaves its wallbox alone so long."""

BACK_S: Final = 6.0
"""A wallbox that ignored its orders is told again every five seconds: so long after it listens, it obeys."""

LONGEST_FREEZE_S: Final = 30.0
FORGET_ORDER_S: Final = 60.0
SLOW_PATIENCE_S: Final = 10.0
"""A SmartEVSE must be left in silence so long at most before it can be told."""

OVERDRAW_PATIENCE_S: Final = 7.0 * 3 + 5.0
"""Lowered after 7 s, stopped after 14 s; then the wallbox opens its contactor within 6 s."""


@dataclass(slots=True)
class _Record:
    """What was seen of one agent."""

    lapsed_for_s: float = 0.0
    overdraws_since_s: float | None = None
    session: str = ""
    applied: GrantId | None = None
    applied_s: float = 0.0
    written_a: float | None = None
    switched_under_load: int = 0


class AgentPromises:
    """Give it every state as it is said, and every step."""

    def __init__(self, ledger: Ledger, complain: Complain) -> None:
        self._ledger = ledger
        self._complain = complain
        self._records = {name: _Record() for name in ledger.entries}

    def state_said(self, state: ChargerState, now_s: float) -> None:
        """A state leaves its agent just now."""
        agent, entry = self._ledger.world.agents.get(state.charger), self._ledger.entries[state.charger]
        if agent is None:
            return
        entry.said = state
        self._check_read_back(entry, state, now_s)
        self._check_applied(entry, agent, state, now_s)

    def watch(self, now_s: float) -> None:
        """One step."""
        for name, entry in self._ledger.entries.items():
            if 0 < entry.charger.wallbox.offer_a < MIN_OFFER_A:
                self._complain(8, f"wallbox {name} offers {entry.charger.wallbox.offer_a:g} A")
            self._check_overdraw(name, entry, now_s)
            self._check_switches(name, entry)
            agent = self._ledger.world.agents.get(name)
            if agent is not None:
                self._check_lease(entry, agent, now_s)
                self._check_raise(entry, agent, now_s)

    def _check_lease(self, entry: Entry, agent: VirtualAgent, now_s: float) -> None:
        """A second after the last lease the fallback is written, as soon as the line takes it."""
        record, clock_s = self._records[agent.id], agent.clock_s(now_s)
        ends_s = agent.born_s + GRACE_S
        if entry.lease_session == agent.session:
            ends_s = max(ends_s, entry.lease_ends_s)
        is_able = not agent.is_frozen(now_s) and not self._ledger.has_recent(HIDING, BACK_S, agent.id)
        if clock_s <= ends_s + LEASE_SLACK_S or not is_able:
            record.lapsed_for_s = 0.0
            return
        record.lapsed_for_s += self._ledger.step_s
        patience_s = self._ledger.step_s if entry.is_metered else SLOW_PATIENCE_S
        amps = standing_a(entry.charger)
        if record.lapsed_for_s > patience_s and amps > self._fallback_a(agent.id) + NOISE_A:
            self._complain(3, f"{agent.id} stands at {amps:g} A, {clock_s - ends_s:.1f} s after its last lease")

    def _check_raise(self, entry: Entry, agent: VirtualAgent, now_s: float) -> None:
        """More than stood is written only by a grant that may raise, or as the fallback."""
        record, written_a, stood_a = self._records[agent.id], agent.written_a, entry.stood_a
        if written_a == record.written_a:
            return
        before_a, record.written_a = record.written_a or 0.0, written_a
        if written_a is None or self._ledger.has_recent(HIDING | LYING, LONGEST_FREEZE_S, agent.id):
            return
        while entry.raises and entry.raises[0][0] < agent.clock_s(now_s) - LONGEST_FREEZE_S:
            entry.raises.popleft()
        raises_a = [offer_a for _, offer_a in entry.raises]
        if written_a > max(before_a, stood_a, self._fallback_a(agent.id), *raises_a) + NOISE_A:
            self._complain(7, f"{agent.id} raises its wallbox to {written_a:g} A, and no grant may")

    def _check_applied(self, entry: Entry, agent: VirtualAgent, state: ChargerState, now_s: float) -> None:
        """What is named as applied stands, or is said to be pending or lapsed; no older grant is obeyed again."""
        record, applied = self._records[agent.id], state.applied
        is_same = agent.session == record.session
        if applied is None or (is_same and applied == record.applied):
            return
        before = record.applied if is_same and now_s - record.applied_s < FORGET_ORDER_S else None
        if before is not None and before.is_newer_than(applied):
            names = f"{applied.epoch}/{applied.seq} after {before.epoch}/{before.seq}"
            self._complain(3, f"{agent.id} obeys grant {names}")
        record.session, record.applied, record.applied_s = agent.session, applied, now_s
        offer_a = self._ledger.offers_a.get((agent.id, applied.epoch, applied.seq))
        lapsed_a = self._fallback_a(agent.id) if state.is_fallback else 0.0
        amps, excused_a = self._known_a(entry, now_s), max(state.pending_a or 0.0, lapsed_a)
        if offer_a is not None and amps > max(offer_a, excused_a) + STEP_A and not self._ledger.is_lied_about(agent.id):
            self._complain(6, f"{agent.id} names a grant of {offer_a:g} A applied while {amps:g} A stand")

    def _known_a(self, entry: Entry, now_s: float) -> float:
        """What stands, A; of a SmartEVSE, which is read every few seconds, what it showed all the while."""
        return standing_a(entry.charger) if entry.is_metered else entry.least_shown_a(SLOW_KNOWN_S, now_s)

    def _check_read_back(self, entry: Entry, state: ChargerState, now_s: float) -> None:
        """What is said to be offered is at least what stood all the while."""
        if state.link is not LinkHealth.OK or state.offer_a is None:
            return
        known_s = 3 * self._ledger.step_s if entry.is_metered else SLOW_KNOWN_S
        known_a = entry.least_shown_a(known_s, now_s)
        told_a = max(state.offer_a, state.pending_a or 0.0)
        is_more = known_a > told_a + STEP_A and len(entry.standing_a) * self._ledger.step_s > known_s
        if is_more and not self._ledger.is_lied_about(state.charger):
            self._complain(6, f"{state.charger} is said to offer {told_a:g} A while {known_a:g} A stand")

    def _check_overdraw(self, name: str, entry: Entry, now_s: float) -> None:
        """A car that draws too much for long is stopped by its agent."""
        record, offer_a = self._records[name], entry.charger.wallbox.offer_a
        drawn_a = max(entry.charger.load_a)
        is_over = entry.is_metered and drawn_a > overdraw_limit_a(offer_a)
        if not is_over or self._ledger.has_recent(HIDING | LYING, 40.0):
            record.overdraws_since_s = None
        elif record.overdraws_since_s is None:
            record.overdraws_since_s = now_s
        elif now_s - record.overdraws_since_s > OVERDRAW_PATIENCE_S and offer_a > 0:
            self._complain(6, f"car {name} draws {drawn_a:.1f} A on {offer_a:g} A, and is not stopped")

    def _check_switches(self, name: str, entry: Entry) -> None:
        """Phases change only behind an open contactor."""
        record, wallbox = self._records[name], entry.charger.wallbox
        if isinstance(wallbox, Edgetech) and wallbox.switched_under_load > record.switched_under_load:
            record.switched_under_load = wallbox.switched_under_load
            self._complain(8, f"wallbox {name} is told to change its phases under load")

    def _fallback_a(self, name: str) -> float:
        return self._ledger.world.policy.chargers[name].fallback_a
