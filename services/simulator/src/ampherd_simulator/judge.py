"""The judge: what really flows above a limit, and whose doing it is.

An overload is peeled, layer by layer (see `layers`), of all that nobody could have prevented; what is left is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ampherd_core.messages import Grant, Reading
from ampherd_core.phases import LINES, Line, Phases
from ampherd_core.policy import CONNECTION, DriverName
from ampherd_core.units import CAR_REACTION_S

from ampherd_simulator.faults import EVERYBODY, Fault, Kind
from ampherd_simulator.layers import Layer, Tally
from ampherd_simulator.p1 import DIALECTS
from ampherd_simulator.virtual_link import driver_of
from ampherd_simulator.virtual_process import Mail

if TYPE_CHECKING:
    from ampherd_simulator.world import World

ROUNDING_A: Final = 0.01
SLACK_S: Final = 1.0
"""Two steps of a second between reading, decision and deed."""

SETTLES_S: Final = {
    DriverName.EDGETECH: 1.0,
    DriverName.SMARTEVSE_V2: 14.0,
    DriverName.SMARTEVSE_V2_LEGACY: 14.0,
}
"""From an order to the pilot: a SmartEVSE may be in its silence (6 s), and applies it after its hold-off and cycle."""

REVIVAL_S: Final = 8.0
"""A link or agent that is back needs so long for its retry, its grace and the first grant."""

REMEMBERS_S: Final = 90.0
MATTERS_A: Final = 1.0

HIDING: Final = frozenset(
    {
        Kind.LINK_SILENT,
        Kind.LINK_LATE,
        Kind.LINK_PREVIOUS,
        Kind.LINK_GARBAGE,
        Kind.WRITES_IGNORED,
        Kind.WALLBOX_REBOOTED,
        Kind.REGISTERS_LOST,
        Kind.KILLED,
        Kind.FROZEN,
        Kind.HOST_SUSPENDED,
        Kind.HOST_RESTARTED,
    }
)
"""What keeps a wallbox from being commanded, or raises its offer behind everybody's back."""

LYING: Final = frozenset(
    {Kind.METER_SIGN_WRONG, Kind.CURRENTS_STALE, Kind.CAR_GHOST, Kind.LINK_PREVIOUS, Kind.PHASES_STUCK}
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One step as it truly was; per charger in the order of the site."""

    at_s: float
    house_a: Phases
    loads_a: Sequence[Phases]
    offers_a: Sequence[float]
    ages_s: Sequence[float]


@dataclass(slots=True)
class _Run:
    """A stretch of time over a limit."""

    over_1a_s: float = 0.0
    run_as: float = 0.0


class Judge:
    """Watches a world step by step; `tallies` is the verdict. `limits_a` are each feeder's, if not the policy's."""

    def __init__(self, world: World, step_s: float, limits_a: Mapping[str, float] | None = None) -> None:
        self.tallies = {layer: Tally() for layer in Layer}
        self.ours_now: dict[tuple[str, Line], float] = {}
        self.step_s = step_s
        self.chargers = list(world.site.chargers.values())
        self._world = world
        self._past: deque[Moment] = deque(maxlen=int(REMEMBERS_S / step_s) + 1)
        self._runs: dict[tuple[str, Line, Layer], _Run] = {}
        self._basis_s: dict[str, float] = {}
        self._informed_s: dict[str, float] = {}
        policy = world.policy
        self._limits_a = limits_a or {
            CONNECTION: policy.connection.limit_a,
            **{circuit_id: circuit.limit_a for circuit_id, circuit in policy.circuits.items()},
        }
        self._settles_s = max(SETTLES_S[driver_of(charger)] for charger in self.chargers)
        self._period_s = DIALECTS[world.meter_kind].period_s
        self._cap_s = world.valid_for_s + policy.timings.lease_s + SLACK_S + 2 * step_s

    def delivered(self, message: Mail, to: str, said_s: float, now_s: float) -> None:
        """What each charger's newest grant rests on: the newest reading that its balancer had."""
        if isinstance(message, Reading):
            process = self._world.process(to)
            if process is not None and not process.is_frozen(now_s):
                self._basis_s[to] = max(self._basis_s.get(to, 0.0), said_s)
        elif isinstance(message, Grant) and message.charger == to:
            newest_s = max(self._basis_s.values(), default=0.0)
            self._informed_s[to] = max(self._informed_s.get(to, 0.0), min(newest_s, said_s))

    def watch(self) -> None:
        """One step."""
        site, now_s = self._world.site, self._world.now_s
        self._past.append(
            Moment(
                now_s,
                site.house_a,
                [charger.load_a for charger in self.chargers],
                [charger.wallbox.offer_a for charger in self.chargers],
                [now_s - self._informed_s.get(charger.id, 0.0) for charger in self.chargers],
            )
        )
        self.ours_now.clear()
        for feeder_id, feeder in site.feeders.items():
            limit_a = self._limits_a[feeder_id]
            for line in LINES:
                if abs(feeder.load_a[line.place]) > limit_a + ROUNDING_A:
                    self._over(feeder_id, line, feeder.load_a[line.place], limit_a)
                elif self._runs:
                    self._rest(feeder_id, line)

    def _rest(self, feeder_id: str, line: Line) -> None:
        for layer in Layer:
            self._runs.pop((feeder_id, line, layer), None)

    def _over(self, feeder_id: str, line: Line, load_a: float, limit_a: float) -> None:
        excess_a = abs(load_a) - limit_a
        for layer, amps in self._peel(feeder_id, line, excess_a, limit_a).items():
            self._book(feeder_id, line, layer, amps)

    def _book(self, feeder_id: str, line: Line, layer: Layer, amps: float) -> None:
        key = feeder_id, line, layer
        if amps <= ROUNDING_A:
            self._runs.pop(key, None)
            return
        tally, run = self.tallies[layer], self._runs.setdefault(key, _Run())
        if layer is Layer.OURS:
            self.ours_now[feeder_id, line] = amps
        tally.total_as += amps * self.step_s
        run.run_as += amps * self.step_s
        run.over_1a_s = run.over_1a_s + self.step_s if amps > MATTERS_A else 0.0
        tally.longest_s = max(tally.longest_s, run.over_1a_s)
        tally.worst_run_as = max(tally.worst_run_as, run.run_as)
        if amps > tally.worst_a:
            tally.worst_a = amps
            tally.at_worst = tuple(sorted({str(fault.kind) for fault in self._recent(REVIVAL_S + self._settles_s)}))

    def _peel(self, feeder_id: str, line: Line, excess_a: float, limit_a: float) -> Mapping[Layer, float]:
        """The excess split into layers; each allows what the ones before it did, and something more."""
        now = self._past[-1]
        place = line.place
        below = [
            number
            for number, charger in enumerate(self.chargers)
            if feeder_id == CONNECTION or feeder_id in charger.circuits
        ]
        house = [moment.house_a[place] if feeder_id == CONNECTION else 0.0 for moment in self._past]
        house_alone_a = min(max(house[-1] - limit_a, 0.0), excess_a)
        if now.at_s and house[-1] < 0 and -house[-1] > limit_a:
            house_alone_a = excess_a
        left_a = excess_a - house_alone_a
        view = _View(self, list(self._past), house, below, place, limit_a, left_a)
        healthy_s = CAR_REACTION_S + self._settles_s + SLACK_S + 2 * self.step_s + self._period_s
        blind_s = CAR_REACTION_S + self._settles_s + SLACK_S + 2 * self.step_s + self._age_s(below)
        steps = [
            (Layer.REACTION, view.ours_a(healthy_s, is_car_excused=False, hidden=())),
            (Layer.CAR, view.ours_a(healthy_s, is_car_excused=True, hidden=())),
        ]
        hidden = self._hidden(below)
        steps.append((Layer.WALLBOX, view.ours_a(healthy_s, is_car_excused=True, hidden=hidden)))
        ours_a = view.ours_a(max(healthy_s, blind_s), is_car_excused=True, hidden=hidden)
        steps.append((Layer.BLIND, ours_a))
        unmetered_a = self._unmetered_rise_a(below, place, healthy_s)
        if self._is_unmetered(feeder_id):
            unmetered_a = max(unmetered_a, self._unseen_overdraw_a(view))
        steps.append((Layer.UNMETERED, max(0.0, ours_a - unmetered_a)))
        steps.append((Layer.LIE, 0.0 if self._is_lied_to(max(healthy_s, blind_s)) else steps[-1][1]))
        layers = {Layer.HOUSE: house_alone_a}
        for layer, amps in steps:
            still_a = min(amps, left_a)
            layers[layer], left_a = left_a - still_a, still_a
        layers[Layer.OURS] = left_a
        return layers

    def _age_s(self, below: Sequence[int]) -> float:
        """The oldest news that a charger acted on within a car's reaction; at most what leases and meters allow."""
        now_s = self._past[-1].at_s
        span_s = CAR_REACTION_S + self._settles_s
        ages_s = [
            max(moment.ages_s[number] for number in below)
            for moment in self._past
            if moment.at_s >= now_s - span_s and below
        ]
        return min(max(ages_s, default=0.0), self._cap_s)

    def _recent(self, span_s: float) -> Iterator[Fault]:
        since_s = self._world.now_s - span_s
        return (
            fault for fault in self._world.faults.all if fault.at_s <= self._world.now_s and fault.ends_s >= since_s
        )

    def _hidden(self, below: Sequence[int]) -> tuple[int, ...]:
        names = {
            fault.who for fault in self._recent(CAR_REACTION_S + self._settles_s + REVIVAL_S) if fault.kind in HIDING
        }
        return tuple(number for number in below if EVERYBODY in names or self.chargers[number].id in names)

    def _is_lied_to(self, span_s: float) -> bool:
        return any(fault.kind in LYING for fault in self._recent(span_s))

    def _is_unmetered(self, feeder_id: str) -> bool:
        return feeder_id != CONNECTION and self._world.policy.circuits[feeder_id].meter is None

    def _unseen_overdraw_a(self, view: _View) -> float:
        """What cars take above their offers where neither the wallbox nor the circuit has a meter."""
        return sum(
            view.overdrawn_a(number)
            for number in view.below
            if driver_of(self.chargers[number]) is not DriverName.EDGETECH
        )

    def _unmetered_rise_a(self, below: Sequence[int], place: int, span_s: float) -> float:
        """By how much cars that nobody measures take more than they did."""
        now = self._past[-1]
        return sum(
            now.loads_a[number][place]
            - min(moment.loads_a[number][place] for moment in self._past if moment.at_s >= now.at_s - span_s)
            for number in below
            if driver_of(self.chargers[number]) is not DriverName.EDGETECH
        )


@dataclass(frozen=True, slots=True)
class _View:
    """One line of one feeder, looked back from now."""

    judge: Judge
    past: list[Moment]
    house: list[float]
    below: list[int]
    place: int
    limit_a: float
    left_a: float

    def ours_a(self, span_s: float, *, is_car_excused: bool, hidden: Sequence[int]) -> float:
        """What could have been prevented: the cars that could be commanded, above the room that there was all along."""
        now_s = self.past[-1].at_s
        ours_a = sum(
            self._allowed_a(number, len(self.past) - 1) if is_car_excused else self._drawn_a(number, -1)
            for number in self.below
            if number not in hidden
        )
        others_a = min(
            self._others_a(index, hidden, is_car_excused=is_car_excused)
            for index, moment in enumerate(self.past)
            if moment.at_s >= now_s - span_s
        )
        return max(0.0, min(ours_a, self.left_a, others_a + ours_a - self.limit_a))

    def overdrawn_a(self, number: int) -> float:
        """What a car takes now above what a standard one would."""
        index = len(self.past) - 1
        return self._drawn_a(number, index) - self._allowed_a(number, index)

    def _others_a(self, index: int, hidden: Sequence[int], *, is_car_excused: bool) -> float:
        load_a = self.house[index]
        for number in self.below:
            if number in hidden:
                load_a += self._entitled_a(number, index)
            elif is_car_excused:
                load_a += max(0.0, self._drawn_a(number, index) - self._allowed_a(number, index))
        return load_a

    def _drawn_a(self, number: int, index: int) -> float:
        return self.past[index].loads_a[number][self.place]

    def _allowed_a(self, number: int, index: int) -> float:
        """What a standard car would draw at most: the highest offer of its reaction time."""
        drawn_a, at_s = self._drawn_a(number, index), self.past[index].at_s
        if drawn_a == 0.0:
            return 0.0
        most_a = 0.0
        while index >= 0 and self.past[index].at_s >= at_s - CAR_REACTION_S - self.judge.step_s:
            most_a = max(most_a, self.past[index].offers_a[number])
            index -= 1
        return min(drawn_a, most_a)

    def _entitled_a(self, number: int, index: int) -> float:
        """What a car that cannot be commanded draws, or may draw of what it is offered."""
        drawn_a = self._drawn_a(number, index)
        if drawn_a == 0.0:
            return 0.0
        car = self.judge.chargers[number].car
        return max(drawn_a, min(self.past[index].offers_a[number], car.traits.max_a))
