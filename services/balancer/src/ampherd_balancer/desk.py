"""All that the balancer knows of one charger: what it said, what it was granted, what its user wants."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, LinkHealth, Mode, Reading
from ampherd_core.phases import LINES, ZERO, Line, PhaseCount, Phases, on_lines
from ampherd_core.policy import Policy
from ampherd_core.units import MAX_OFFER_A

from ampherd_balancer.agenda import MOST_URGENT, Agenda
from ampherd_balancer.appetite import USED_ABOVE_A, Appetite
from ampherd_balancer.book import NOISE_A, SILENT_AFTER_S, Book
from ampherd_balancer.hearing import Sender
from ampherd_balancer.phase_choice import PhaseChoice
from ampherd_balancer.power import watts_per_amp
from ampherd_balancer.settings import Wishes
from ampherd_balancer.site import loads
from ampherd_balancer.traces import Spans, Spread, Trace
from ampherd_balancer.transition import ceil_to, floor_to

_CHARGING: Final = frozenset([state for state in IecState if state.is_charging])
_CONNECTED: Final = frozenset([state for state in IecState if state.is_connected])

SLOW_S: Final = 10.0
"""A wallbox that takes orders only in the pauses of its bus has taken one by then."""

TRACE_S: Final = 30.0
"""How long drawn currents are remembered: longer than any meter's period and any car's lag together."""


class Desk:
    """One charger's desk; times are on the balancer's clock."""

    def __init__(self, charger_id: str, policy: Policy, now_s: float) -> None:
        self.id = charger_id
        self.policy = policy
        self.charger = policy.chargers[charger_id]
        self.wishes = Wishes()
        self.agenda = Agenda()
        self.state: ChargerState | None = None
        self._take_stock()
        self.granted_a = 0.0
        self.changed_s = now_s
        self.sent_s = float("-inf")
        self.is_lost = False
        self.phases = PhaseChoice(now_s)
        self._is_on_one_phase = self._is_phase_doubted = False
        self._is_reached = False
        self.is_anywhere = self.is_seen = False
        self.first_seq = 0
        self._former: deque[tuple[float, float]] = deque()
        self._sender = Sender()
        self._heard_s = float("-inf")
        self._metered: tuple[float, Phases] | None = None
        self.started_s: float | None = None
        self._stopped_s = self._spared_until_s = float("-inf")
        self._had_to_stop = False
        self._unheeded_since_s: float | None = None
        charger, timings = self.charger, policy.timings
        most_a = max(charger.max_a, charger.failsafe_a or 0.0, charger.fallback_a)
        self.book = Book(fallback_a=charger.fallback_a, most_a=most_a, car_lag_s=timings.car_lag_s)
        self.appetite = Appetite(charger.lines, timings)
        self.trace = Trace(TRACE_S)

    @property
    def chosen_mode(self) -> Mode:
        """The user's choice, or the policy's."""
        return self.wishes.mode or self.charger.mode

    @property
    def mode(self) -> Mode:
        """The mode that it acts by: a plan charges in its slots, or has it follow the sun; but `off` is off."""
        chosen, stint = self.chosen_mode, self.agenda.stint
        if stint is None or chosen is Mode.OFF:
            return chosen
        if stint.follows_sun:
            return chosen if chosen.follows_sun else Mode.SOLAR
        return Mode.FAST

    @property
    def follows_sun(self) -> bool:
        """Whether the mode that it acts by is a solar one."""
        return self.mode.follows_sun

    @property
    def waits_for_plan(self) -> bool:
        """Whether its plan has it charge later, and nothing else has it charge now."""
        return self.chosen_mode is Mode.FAST and self.agenda.amps == 0

    @property
    def priority(self) -> int:
        """The user's choice, or the policy's; 1 is served first."""
        return self.wishes.priority or self.charger.priority

    @property
    def precedence(self) -> int:
        """Its place among the others: by priority, and of equals those first whose plan has them charge."""
        return (MOST_URGENT + 1) * self.priority - self.agenda.urgency

    @property
    def ceiling_a(self) -> float:
        """The most that policy, user, wallbox and cable allow, A."""
        wished_a = self.wishes.max_a
        return self._most_a if wished_a is None else min(self._most_a, wished_a)

    @property
    def usable_a(self) -> float:
        """The ceiling, or less where the car leaves current unused, A."""
        cap_a = self.appetite.cap_a
        return self.ceiling_a if cap_a is None else min(self.ceiling_a, max(self.min_a, cap_a))

    @property
    def useful_a(self) -> float:
        """What it can use now, or less where its plan asks for less and it does not follow the sun, A."""
        planned_a = self.agenda.amps
        if planned_a is None or self.follows_sun:
            return self.usable_a
        return min(self.usable_a, max(self.min_a, math.ceil(planned_a / self.step_a - 1e-6) * self.step_a))

    @property
    def welcome_a(self) -> float:
        """What it may use of what nobody else needs, A."""
        return self.usable_a if self.agenda.takes_more else self.useful_a

    @property
    def lines(self) -> tuple[Line, ...]:
        """The site lines that it loads: that of terminal L1 alone while its wallbox surely is on one phase."""
        return self.charger.lines[:1] if self._is_on_one_phase else self.appetite.lines

    @property
    def counted_lines(self) -> tuple[Line, ...]:
        """The site lines that it counts on: all of them while it `is_anywhere`, for its wiring is in doubt."""
        return self.policy.connection.lines if self.is_anywhere else self.lines

    @property
    def counted_trace(self) -> Spans:
        """What it draws, on the lines that it counts on."""
        return Spread(self.trace, self.counted_lines) if self.is_anywhere else self.trace

    def lines_on(self, phases: PhaseCount) -> tuple[Line, ...]:
        """Those that it would load on that count."""
        return self.charger.lines[:1] if phases == 1 else self.appetite.lines

    @property
    def watts_per_amp(self) -> float:
        """The power of one ampere of offer, W/A."""
        return watts_per_amp(self.policy.connection, self.lines)

    @property
    def is_stopped(self) -> bool:
        """Whether its car charged before, and had to stop."""
        return self._had_to_stop and self.granted_a == 0

    def floored(self, amps: float) -> float:
        """`amps` rounded down to what its wallbox can signal; what would fall below the minimum is 0."""
        if amps <= 0:
            return 0.0
        floored = floor_to(amps, self.step_a)
        return floored if floored >= self.min_a - 1e-6 else 0.0

    def hear(self, state: ChargerState, now_s: float) -> bool:
        """Take in a state; False for a repeat or a latecomer."""
        is_new = self.state is None or state.stamp.session != self.state.stamp.session
        at_s = self._sender.hear(state.stamp, now_s)
        if at_s is None:
            return False
        if at_s - self._heard_s > SILENT_AFTER_S:
            self.trace.doubt(self._heard_s)
        self.state, self._heard_s = state, at_s
        self._take_stock()
        self._is_reached = state.link is LinkHealth.OK and state.offer_a is not None
        self._had_to_stop &= self.is_connected
        drawn = self._drawn(state, now_s)
        if self.phases.heard(state.phases, now_s):
            self.appetite.rewired()
            self._is_phase_doubted = False
        before_a = self.book.confirmed_a
        self.book.heard(state, max(drawn) if drawn is not None else None, now_s)
        self._note_heed(before_a, now_s)
        if state.iec_state is not None and state.offer_a is not None and state.link is LinkHealth.OK:
            is_on_one_phase = self.charger.switches_phases and state.phases != 3
            self.appetite.heard(state.iec_state, state.offer_a, drawn, now_s, is_on_one_phase=is_on_one_phase)
            is_ungranted = self.sent_s == float("-inf")
            if is_new or is_ungranted or self.book.applied is None or state.is_fallback:
                self._follow(state.offer_a, now_s)
            self._note_drawn(drawn, min(at_s, now_s))
        else:
            self.trace.doubt(min(at_s, now_s))
        return True

    def note_phases(self, now_s: float) -> None:
        """One phase counts while it is read back, three were not granted, and no other line has carried current."""
        if not self.charger.switches_phases:
            self._is_on_one_phase = False
            return
        others = [amps for line, amps in zip(LINES, self.trace.latest, strict=True) if line != self.charger.lines[0]]
        self._is_phase_doubted |= self.phases.confirmed == 1 and max(others) > USED_ABOVE_A
        self._is_on_one_phase = (
            self.phases.confirmed == 1
            and self.phases.wish != 3
            and self.is_reachable(now_s)
            and not self.book.may_be_on_three
            and not self._is_phase_doubted
        )

    def inherit(self, now_s: float) -> None:
        """While it may still obey another reign: what that one lowered meanwhile is not granted again."""
        confirmed_a = self.book.confirmed_a
        if confirmed_a is not None and confirmed_a < self.granted_a:
            self._follow(confirmed_a, now_s)

    def hear_meter(self, reading: Reading, now_s: float) -> None:
        """Take in a reading of the charger's own meter."""
        one, two, three = (sample.guard_a if sample is not None else 0.0 for sample in reading.phases)
        self._metered = now_s + reading.valid_for_s, (max(0.0, one), max(0.0, two), max(0.0, three))

    def follows(self, epoch: int) -> bool:
        """Whether it has applied a grant of this desk's own under that epoch."""
        applied = self.book.applied
        return applied is not None and applied.epoch == epoch and 0 < self.first_seq <= applied.seq

    def is_fresh(self, now_s: float) -> bool:
        """Whether its agent was heard lately."""
        return now_s - self._heard_s <= SILENT_AFTER_S

    def is_reachable(self, now_s: float) -> bool:
        """Whether its agent is heard and reaches the wallbox."""
        return self._is_reached and self.is_fresh(now_s)

    def is_pinned(self, now_s: float) -> bool:
        """Whether its car started too short ago to be stopped for another."""
        return (
            self.granted_a > 0
            and self.is_charging
            and self.started_s is not None
            and now_s - self.started_s < self.policy.timings.min_on_s
        )

    def is_idle(self, now_s: float) -> bool:
        """Whether its car takes nothing, so that others may have its current."""
        return self.is_connected and self.appetite.is_idle and not self.is_pinned(now_s)

    def waits_s(self, now_s: float) -> float:
        """How long its contactor rests yet, s; 0 when it may start."""
        return max(0.0, self._stopped_s + self.policy.timings.min_off_s - now_s, self._spared_until_s - now_s)

    def spare(self, until_s: float) -> None:
        """It is stopped although no wire asks for it: its contactor rests until then."""
        if self.is_charging:
            self._spared_until_s = until_s

    def booked(self, now_s: float) -> Phases:
        """The commitment on the lines that it counts on, A."""
        return on_lines(self.counted_lines, self.booked_a(now_s))

    def booked_a(self, now_s: float) -> float:
        """The commitment, A per phase."""
        return self.book.booked_a(now_s, is_reachable=self.is_reachable(now_s) and not self.is_lost)

    def stuck_a(self, now_s: float) -> float:
        """What it takes above any grant that it may still be following, A."""
        drawn_a, confirmed_a = self.book.drawn_a, self.book.confirmed_a or 0.0
        if drawn_a <= self.granted_a and confirmed_a <= self.granted_a:
            return 0.0
        due_a = self._due_a(now_s)
        drawn_above_a = drawn_a - due_a if drawn_a > due_a + NOISE_A else 0.0
        offered_above_a = confirmed_a - due_a if confirmed_a >= due_a + self.step_a else 0.0
        return max(drawn_above_a, offered_above_a)

    def is_deaf(self, now_s: float) -> bool:
        """Whether its wallbox has for too long offered more than it was granted, without coming down at all."""
        if self._unheeded_since_s is None:
            return False
        is_slow = self.state is not None and self.state.pending_a is not None
        patience_s = SLOW_S if is_slow else self.policy.timings.car_lag_s
        return now_s - self._unheeded_since_s >= patience_s

    def is_settled(self) -> bool:
        """Whether the wallbox confirmed the newest grant, and no other is under way."""
        return self.book.is_settled(self.granted_a, self.step_a)

    def grant(self, offer_a: float, grant_id: GrantId, now_s: float, *, may_raise: bool) -> Grant | None:
        """The grant to send now; None while no stamp was heard to echo."""
        if self.state is None:
            return None
        if offer_a != self.granted_a:
            self._changed(offer_a, now_s)
        grant = Grant(
            charger=self.id,
            id=grant_id,
            echo=self.state.stamp,
            lease_s=self.policy.timings.lease_s,
            offer_a=offer_a,
            phases=self.phases.wish if may_raise else None,
            may_raise=may_raise,
        )
        self.book.granted(grant)
        self.first_seq = self.first_seq or grant_id.seq
        self.sent_s = now_s
        if self.trace.lag_s > 0 and self.is_connected:
            self._guess_drawn(now_s)
        return grant

    def take_policy(self, policy: Policy) -> None:
        """Go on under an edited policy that still has this charger."""
        self.policy = policy
        charger = self.charger = policy.chargers[self.id]
        self._take_stock()
        self.book.fallback_a = charger.fallback_a
        self.book.most_a = max(charger.max_a, charger.failsafe_a or 0.0, charger.fallback_a, self.book.most_a)
        self.book.car_lag_s = policy.timings.car_lag_s
        self.appetite.timings = policy.timings
        if not charger.switches_phases:
            self.phases.leave()

    def _take_stock(self) -> None:
        """What follows from the policy and the newest state alone: a decision asks for it many times.

        A car is plugged in where `is_connected`, and may draw now where `is_charging`, as far as is known. Offers come
        in steps of `step_a`, and `min_a` is the least that the car makes use of and the wallbox can signal (A).
        """
        charger, state = self.charger, self.state
        self.is_connected = state is not None and state.iec_state in _CONNECTED
        self.is_charging = state is not None and state.iec_state in _CHARGING
        self.step_a = state.resolution_a if state is not None else 1.0
        self.min_a = ceil_to(charger.min_a, self.step_a)
        told_a = state.max_a if state is not None else None
        self._most_a = min(charger.max_a, told_a if told_a is not None else MAX_OFFER_A)

    def _follow(self, offer_a: float, now_s: float) -> None:
        """The agent stands elsewhere than we granted: go on from where it is, if a car charges there.

        What a car does not use yet is not inherited: nothing proves that there is room for it.
        """
        is_usable = self.is_charging and offer_a >= self.min_a
        offer_a = min(offer_a, self.charger.max_a) if is_usable else 0.0
        if offer_a != self.granted_a:
            self._changed(offer_a, now_s)

    def _changed(self, offer_a: float, now_s: float) -> None:
        if offer_a > 0 and self.granted_a == 0:
            self.started_s, self._had_to_stop = now_s, False
        elif offer_a == 0 and self.granted_a > 0 and self.is_charging:
            self._stopped_s, self._had_to_stop = now_s, True
        self._former.append((now_s, self.granted_a))
        self.granted_a, self.changed_s = offer_a, now_s

    def _note_heed(self, before_a: float | None, now_s: float) -> None:
        """Since when the wallbox has offered more than it was granted: since the grant, or since it moved by itself."""
        confirmed_a = self.book.confirmed_a or 0.0
        if confirmed_a < self.granted_a + self.step_a:
            self._unheeded_since_s = None
        elif confirmed_a != before_a:
            self._unheeded_since_s = now_s
        elif self._unheeded_since_s is None:
            self._unheeded_since_s = self.changed_s

    def _due_a(self, now_s: float) -> float:
        """The highest grant of the last seconds: what was lowered since counts as done until a car's lag is over."""
        while self._former and now_s - self._former[0][0] > self.policy.timings.car_lag_s:
            self._former.popleft()
        if not self._former:
            return self.granted_a
        return max(self.granted_a, *[offer_a for _, offer_a in self._former])

    def _drawn(self, state: ChargerState, now_s: float) -> Phases | None:
        if self._metered is not None and now_s <= self._metered[0]:
            return self._metered[1]
        return loads(self.policy, self.id, state.drawn_a) if state.drawn_a is not None else None

    def _note_drawn(self, drawn: Phases | None, at_s: float) -> None:
        self.trace.lag_s = self.policy.timings.car_lag_s if drawn is None else 0.0
        if drawn is not None:
            self.trace.note(at_s, drawn)
        elif self.is_connected:
            self._guess_drawn(at_s)
        else:
            self.trace.note(at_s, ZERO)

    def _guess_drawn(self, at_s: float) -> None:
        """Without a meter a charging car counts as drawing its offer; unseen it may start, or follow a grant.

        A SmartEVSE is looked at every few seconds: what its car does meanwhile must not pass for the house.
        """
        confirmed_a = self.book.confirmed_a or 0.0
        offered_a = self.book.offered_a
        is_sure = self.is_charging and self.is_reachable(at_s)
        least_a = min(self.book.surely_offered_a, self.granted_a) if is_sure else 0.0
        likely_a = confirmed_a if self.is_charging else 0.0
        bounds = on_lines(self.lines, least_a), on_lines(self.lines, max(offered_a, self.granted_a))
        self.trace.note(at_s, on_lines(self.lines, likely_a), bounds)
