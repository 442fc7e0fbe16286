"""The limits from outside the wires: each rule keeps its own state, and together they give the caps of a decision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ampherd_core.messages import Reading
from ampherd_core.phases import LINES, Line
from ampherd_core.policy import Policy, Wiring
from ampherd_core.timezone import zone

from ampherd_balancer import imbalance, operator_cap, windows
from ampherd_balancer.cap import Cap
from ampherd_balancer.estimate import Interval
from ampherd_balancer.fleet import Fleet
from ampherd_balancer.operator_cap import Operator
from ampherd_balancer.quarter import START_SHARE, Quarter

QUARTER: Final = "quarter"
"""The code of the quarter-hour's peak."""

REACTS_S: Final = 2.0
"""Meter, bus, agent and wallbox together take no longer to pass a command on to a car."""

START_EVERY_S: Final = 900.0
"""A cap costs a contactor one start in a quarter of an hour."""

_GRAIN_W: Final = 10.0
"""A target is found anew only where its limits have changed: a watt is none."""

_START_SHARE_OF_OPERATOR: Final = 1.01
"""The voltage moves by so much: at 6 A it decides whether a car fits below 4,200 W."""


class Outside:
    """All limits that no wire sets; rules that the policy leaves out cost nothing."""

    def __init__(self, policy: Policy) -> None:
        self.quarter: Quarter | None = None
        self.operator = Operator()
        self._reading: Reading | None = None
        self._read_s = 0.0
        self.take_policy(policy)

    def take_policy(self, policy: Policy) -> None:
        """Go on under an edited policy: a rule that stays keeps its state."""
        self._policy, self._limits = policy, policy.limits
        rule = self._limits.quarter_peak
        if rule is None:
            self.quarter = None
        elif self.quarter is None:
            self.quarter = Quarter(rule, policy.site.timezone)
        else:
            self.quarter.take_policy(rule, policy.site.timezone)
        self._zone = zone(policy.site.timezone)
        self._lag_s = policy.timings.car_lag_s + REACTS_S
        self.is_quiet = self._limits == type(self._limits)()

    def note(self, reading: Reading, power_w: float, house_w: float | None, at_s: float) -> None:
        """A grid reading, as it was measured at `at_s`; its power, and what of it no car takes, W."""
        self._reading, self._read_s = reading, at_s
        if self.quarter is not None:
            self.quarter.note(reading, power_w, house_w, at_s)

    def caps(self, fleet: Fleet, rest: Interval, now_s: float) -> Sequence[Cap]:
        """What holds now for these chargers; `rest` is what the connection's lines carry beside them."""
        if self._reading is None:
            return ()
        found = [*self._imbalance(fleet, rest), *self._windows(fleet, now_s)]
        operator_w = self.operator_w(now_s)
        if operator_w is not None:
            found.append(self._operator_cap(operator_w, fleet))
        if self.quarter is not None and self.quarter.is_known:
            rooms = self.quarter.rooms(fleet.rest_w, fleet.drawn_w, fleet.least_w, self._lag_s, now_s)
            found.append(_power_cap(QUARTER, rooms.sure_w, rooms.goal_w, fleet))
        return found

    def operator_w(self, now_s: float) -> float | None:
        """What the network operator allows all cars, W; None while it asks for nothing."""
        rule = self._limits.operator
        return None if rule is None else self.operator.power_w(rule, len(self._policy.chargers), now_s)

    def sentence(self, cap: Cap, now_s: float) -> str:
        """What the cap leaves, for people."""
        if cap.code == QUARTER and self.quarter is not None:
            return self.quarter.sentence(cap.likely_room)
        if cap.code == operator_cap.CODE:
            return operator_cap.sentence(self.operator_w(now_s) or 0.0, cap.likely_room)
        if cap.code.startswith(windows.CODE):
            name = cap.code.removeprefix(windows.CODE)
            return windows.sentence(name, self._limits.windows[name], cap.likely_room)
        return imbalance.sentence(self._limits.imbalance_a or 0.0, cap.code)

    def rests_until_s(self, code: str, started_s: float | None, now_s: float) -> float:
        """When a car that started then, and that this cap stops now, may start again."""
        if started_s is None:
            return now_s
        if code == QUARTER and self.quarter is not None:
            return self.quarter.rests_until_s(started_s)
        return started_s + START_EVERY_S

    def remember(self) -> bytes | None:
        """The running quarter as a document, for `recall` after a restart; None where nothing is to be kept."""
        return self.quarter.remember() if self.quarter is not None else None

    def recall(self, document: bytes) -> None:
        """Take up a remembered quarter; nonsense is ignored."""
        if self.quarter is not None:
            self.quarter.recall(document)

    def _imbalance(self, fleet: Fleet, rest: Interval) -> Sequence[Cap]:
        limit_a = self._limits.imbalance_a
        if limit_a is None or self._reading is None:
            return ()
        return imbalance.imbalance_caps(limit_a - self._reading.resolution_a, rest, fleet.lines)

    def _windows(self, fleet: Fleet, now_s: float) -> Sequence[Cap]:
        if not self._limits.windows or self._reading is None:
            return ()
        at = self._reading.measured_at.astimezone(UTC) + timedelta(seconds=max(0.0, now_s - self._read_s))
        found = windows.active(self._limits.windows, self._local(at))
        rooms_w = {name: window.power_w - fleet.rest_w for name, window in found.items()}
        return [_power_cap(f"{windows.CODE}{name}", room_w, room_w, fleet) for name, room_w in rooms_w.items()]

    def _operator_cap(self, power_w: float, fleet: Fleet) -> Cap:
        """In amps at the measured voltage: three times 6 A are under 4,200 W at 230 V, and above it at 240 V."""
        room_w = power_w + max(0.0, -fleet.rest_w)
        weights_w = {
            charger: self._measured_w(weight_w, fleet, charger) for charger, weight_w in fleet.weights_w.items()
        }
        goal_w = _start_weights(weights_w, fleet, _START_SHARE_OF_OPERATOR)
        return Cap(operator_cap.CODE, room_w, room_w, room_w, weights_w, goal_w)

    def _measured_w(self, nominal_w: float, fleet: Fleet, charger: str) -> float:
        """Watts per ampere of offer at the voltage that the grid meter sees."""
        if self._policy.connection.wiring is not Wiring.STAR:
            return nominal_w * max([self._voltage_v(line) for line in LINES]) / self._policy.connection.voltage_v
        return math.fsum([self._voltage_v(line) for line in fleet.lines[charger]])

    def _voltage_v(self, line: Line) -> float:
        """A line's own voltage; the nominal one where the meter tells none that a home has."""
        nominal_v = self._policy.connection.voltage_v
        sample = self._reading.phases[line.place] if self._reading is not None else None
        told_v = sample.voltage_v if sample is not None else None
        return told_v if told_v is not None and abs(told_v - nominal_v) <= nominal_v / 5 else nominal_v

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._zone)


def _power_cap(code: str, sure_w: float, goal_w: float, fleet: Fleet) -> Cap:
    goal_w = goal_w // _GRAIN_W * _GRAIN_W
    return Cap(code, sure_w, goal_w, goal_w, fleet.weights_w, _start_weights(fleet.weights_w, fleet, START_SHARE))


def _start_weights(weights_w: Mapping[str, float], fleet: Fleet, share: float) -> Mapping[str, float]:
    """A car that stands still counts for more than it takes, so that it starts only where it can stay."""
    return {charger: weight_w * share if charger in fleet.idle else weight_w for charger, weight_w in weights_w.items()}
