"""The sun's side of the balancer: what meters and desks tell it, and what it allows, as limits in watts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ampherd_core.messages import Mode, Reading
from ampherd_core.phases import ZERO, Line, PhaseCount, Phases, each, on_lines, total
from ampherd_core.policy import Policy
from ampherd_core.policy_solar import Accounting

from ampherd_balancer.appetite import USED_ABOVE_A
from ampherd_balancer.cap import Cap
from ampherd_balancer.desk import Desk
from ampherd_balancer.feed import Feed, SideMeter
from ampherd_balancer.phasing import Phasing
from ampherd_balancer.power import watts_per_amp
from ampherd_balancer.sun import Sun, SunCar, Sunlight

CODE: Final = "solar"
"""Names the limit that the sun sets; with per-phase accounting `-l1` to `-l3` follow."""

HYSTERESIS: Final = 0.15
"""A step comes when the sun covers so much more than the policy's share of it, and goes at so much less."""

UNUSED_A: Final = 1.5
"""Cars draw 0.3 to 1 A less than offered; one that leaves more has come to its own limit."""

_LEARNS: Final = 0.1
"""The share of a new sample in what a car is known to leave of its offer."""


class Harvest:
    """Follows the sun for the cars in solar modes: `hear` each grid reading, `look` before each decision."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._feed = Feed(policy)
        self.sun = Sun(policy.solar)
        self.light = Sunlight(frozenset(), ZERO)
        self.cars_w = 0.0
        self._phasing = Phasing()
        self._left_a: dict[str, float] = {}

    def take_policy(self, policy: Policy) -> None:
        """Go on under an edited policy; who charges goes on charging."""
        if policy.solar != self._policy.solar:
            self.sun = Sun(policy.solar)
        self._policy, self._feed.policy = policy, policy

    def hear(self, grid: Reading, sides: Mapping[str, SideMeter], desks: Collection[Desk], now_s: float) -> None:
        """A grid reading: what the sun has left beside all but the cars in solar modes."""
        sunny = [desk for desk in desks if desk.follows_sun]
        for desk in sunny:
            self._learn(desk, now_s)
        self.cars_w = sum([sum(self._taken(desk, desk.trace.latest)) for desk in sunny])
        taken = total([self._taken(desk, self._as_offered(desk)) for desk in sunny])
        self.sun.surplus.note(now_s, self._feed.pools(grid, sides, taken, now_s))

    def choose_phases(self, desks: Collection[Desk], now_s: float, *, may_switch: bool) -> None:
        """Let each charger that can charge on one phase or three use what suits the sun."""
        surplus = self.sun.surplus.now if may_switch else None
        self._phasing.look(desks, surplus, self._minimum, now_s, may_switch=may_switch)

    def look(self, wanting: Collection[Desk], now_s: float) -> frozenset[str]:
        """Which of those that want to charge may not, for lack of sun."""
        sunny = [desk for desk in wanting if desk.follows_sun]
        self.light = self.sun.look(now_s, [self._car(desk) for desk in sunny])
        return frozenset([desk.id for desk in sunny if desk.mode is Mode.SOLAR]) - self.light.allowed

    def limits(self, wanting: Collection[Desk]) -> Sequence[Cap]:
        """What the cars in solar modes may take together; a minimum that needs no sun starts beside it."""
        members = [
            desk
            for desk in wanting
            if desk.follows_sun and not desk.appetite.is_idle and (desk.granted_a > 0 or desk.mode is Mode.SOLAR)
        ]
        weights = {desk.id: self._needs(desk.lines, 1.0) for desk in members}
        if self._policy.solar.accounting is Accounting.NET:
            netted = {desk_id: pools[0] for desk_id, pools in weights.items()}
            return [self._cap(CODE, self.light.room[0], netted, members)] if netted else []
        return [
            self._cap(f"{CODE}-{line.lower()}", self.light.room[line.place], on_line, members)
            for line in self._policy.connection.lines
            if (on_line := {desk_id: pools[line.place] for desk_id, pools in weights.items() if pools[line.place]})
        ]

    def _car(self, desk: Desk) -> SunCar:
        return SunCar(
            id=desk.id,
            needs=self._needs(desk.lines, desk.min_a),
            phases=len(desk.lines),
            priority=desk.priority,
            is_min_solar=desk.mode is Mode.MIN_SOLAR,
            is_running=desk.granted_a > 0,
            is_idle=desk.appetite.is_idle or not desk.is_connected,
        )

    def _minimum(self, desk: Desk, phases: PhaseCount) -> Phases:
        """What its car takes at least on so many phases, W per pool."""
        return self._needs(desk.lines_on(phases), desk.min_a)

    def _needs(self, lines: Sequence[Line], amps: float) -> Phases:
        """The power of an offer, W per pool."""
        connection = self._policy.connection
        if self._policy.solar.accounting is Accounting.NET:
            return amps * watts_per_amp(connection, lines), 0.0, 0.0
        return on_lines(lines, amps * connection.voltage_v)

    def _taken(self, desk: Desk, drawn: Phases) -> Phases:
        """What its car takes with these currents (A per line), W per pool."""
        if self._policy.solar.accounting is Accounting.NET:
            return max(drawn) * desk.watts_per_amp, 0.0, 0.0
        return each(lambda amps: amps * self._policy.connection.voltage_v, drawn)

    def _learn(self, desk: Desk, now_s: float) -> None:
        """What the car leaves of a settled offer: surplus that only a higher offer brings into it."""
        if not desk.is_connected:
            self._left_a.pop(desk.id, None)
        elif desk.is_charging and desk.is_settled() and now_s - desk.changed_s > self._policy.timings.car_lag_s:
            left_a = desk.granted_a - max(desk.trace.latest)
            before_a = self._left_a.get(desk.id, 0.0)
            self._left_a[desk.id] = before_a + _LEARNS * ((left_a if 0 < left_a <= UNUSED_A else 0.0) - before_a)

    def _as_offered(self, desk: Desk) -> Phases:
        """What it draws and what it leaves of its offer, A per line: offers are shared, so it is offers that count."""
        left_a = self._left_a.get(desk.id, 0.0)
        return each(lambda amps: amps + left_a if amps > USED_ABOVE_A else amps, desk.trace.latest)

    def _cap(self, code: str, room_w: float, weights: Mapping[str, float], members: Sequence[Desk]) -> Cap:
        step_w = min([desk.step_a * weights[desk.id] for desk in members if desk.id in weights])
        share = self._policy.solar.sun_share
        raised_w = room_w + max(0.0, 1 - share - HYSTERESIS) * step_w
        kept_w = room_w + (1 - share + HYSTERESIS) * step_w
        return Cap(code, kept_w, raised_w, raised_w, weights, weights)
