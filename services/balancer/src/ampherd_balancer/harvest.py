"""The sun's side of the balancer: what meters and desks tell it, and what it allows, as limits in watts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ampherd_core.messages import Mode, Reading
from ampherd_core.phases import ZERO, Line, PhaseCount, Phases, each, on_lines, total
from ampherd_core.policy import Policy
from ampherd_core.policy_solar import Accounting

from ampherd_balancer.allocate import Limit
from ampherd_balancer.desk import Desk
from ampherd_balancer.feed import Feed, SideMeter
from ampherd_balancer.phasing import Phasing
from ampherd_balancer.power import watts_per_amp
from ampherd_balancer.sun import Sun, SunCar, Sunlight

CODE = "solar"
"""Names the limit that the sun sets; with per-phase accounting `-l1` to `-l3` follow."""


class Harvest:
    """Follows the sun for the cars in solar modes: `hear` each grid reading, `look` before each decision."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._feed = Feed(policy)
        self.sun = Sun(policy.solar)
        self.light = Sunlight(frozenset(), ZERO)
        self.cars_w = 0.0
        self._phasing = Phasing()

    def take_policy(self, policy: Policy) -> None:
        """Go on under an edited policy; who charges goes on charging."""
        if policy.solar != self._policy.solar:
            self.sun = Sun(policy.solar)
        self._policy, self._feed.policy = policy, policy

    def hear(self, grid: Reading, sides: Mapping[str, SideMeter], desks: Collection[Desk], now_s: float) -> None:
        """A grid reading: what the sun has left beside all but the cars in solar modes."""
        taken = total([self._taken(desk) for desk in desks if desk.mode.follows_sun])
        self.cars_w = sum(taken)
        self.sun.surplus.note(now_s, self._feed.pools(grid, sides, taken, now_s))

    def choose_phases(self, desks: Collection[Desk], now_s: float, *, may_switch: bool) -> None:
        """Let each charger that can charge on one phase or three use what suits the sun."""
        surplus = self.sun.surplus.now if may_switch else None
        self._phasing.look(desks, surplus, self._minimum, now_s, may_switch=may_switch)

    def look(self, wanting: Collection[Desk], now_s: float) -> frozenset[str]:
        """Which of those that want to charge may not, for lack of sun."""
        sunny = [desk for desk in wanting if desk.mode.follows_sun]
        self.light = self.sun.look(now_s, [self._car(desk) for desk in sunny])
        return frozenset([desk.id for desk in sunny if desk.mode is Mode.SOLAR]) - self.light.allowed

    def limits(self, wanting: Collection[Desk]) -> Sequence[Limit]:
        """What the cars in solar modes may take together; a minimum that needs no sun starts beside it."""
        members = [
            desk
            for desk in wanting
            if desk.mode.follows_sun and not desk.appetite.is_idle and (desk.granted_a > 0 or desk.mode is Mode.SOLAR)
        ]
        weights = {desk.id: self._needs(desk.lines, 1.0) for desk in members}
        if self._policy.solar.accounting is Accounting.NET:
            netted = {desk_id: pools[0] for desk_id, pools in weights.items()}
            return [Limit(CODE, self.light.room[0], netted)] if netted else []
        return [
            Limit(f"{CODE}-{line.lower()}", self.light.room[line.place], on_line)
            for line in self._policy.connection.lines
            if (on_line := {desk_id: pools[line.place] for desk_id, pools in weights.items() if pools[line.place]})
        ]

    def _car(self, desk: Desk) -> SunCar:
        return SunCar(
            id=desk.id,
            needs=self._needs(desk.lines, desk.charger.min_a),
            priority=desk.priority,
            is_min_solar=desk.mode is Mode.MIN_SOLAR,
            is_running=desk.granted_a > 0,
            is_idle=desk.appetite.is_idle or not desk.is_connected,
        )

    def _minimum(self, desk: Desk, phases: PhaseCount) -> Phases:
        """What its car takes at least on so many phases, W per pool."""
        return self._needs(desk.lines_on(phases), desk.charger.min_a)

    def _needs(self, lines: Sequence[Line], amps: float) -> Phases:
        """The power of an offer, W per pool."""
        connection = self._policy.connection
        if self._policy.solar.accounting is Accounting.NET:
            return amps * watts_per_amp(connection, lines), 0.0, 0.0
        return on_lines(lines, amps * connection.voltage_v)

    def _taken(self, desk: Desk) -> Phases:
        """What its car takes now, W per pool."""
        if self._policy.solar.accounting is Accounting.NET:
            return max(desk.trace.latest) * watts_per_amp(self._policy.connection, desk.lines), 0.0, 0.0
        return each(lambda amps: amps * self._policy.connection.voltage_v, desk.trace.latest)
