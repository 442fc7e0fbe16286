"""The truth: what really flows on every line, and by how much and for how long a limit was exceeded.

This is the judge in tests. Between two steps the current counts as that of the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ampherd_core.phases import LINES, ZERO, Phases
from ampherd_core.policy import CONNECTION
from ampherd_core.units import NOMINAL_VOLTAGE_V

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.house import House

SECONDS_PER_HOUR: Final = 3_600.0
ROUNDING_A: Final = 1e-9
"""Sums of floats that differ by less are equal."""


@dataclass(slots=True)
class Excess:
    """What one line had to bear above its limit; the size of the current counts, whichever way it flows."""

    total_as: float = 0.0
    house_as: float = 0.0
    seconds_over_s: float = 0.0
    our_seconds_s: float = 0.0
    worst_a: float = 0.0
    longest_s: float = 0.0
    our_longest_s: float = 0.0
    house_longest_s: float = 0.0
    _run_s: float = 0.0
    _our_run_s: float = 0.0
    _house_run_s: float = 0.0

    @property
    def ours_as(self) -> float:
        """The part that the house alone would not have caused, A·s."""
        return self.total_as - self.house_as

    def book(self, excess_a: float, house_excess_a: float, dt_s: float) -> None:
        """One interval: the excess, and what it would have been without any charger."""
        if excess_a <= ROUNDING_A:
            self.rest()
            return
        house_a = min(max(house_excess_a, 0.0), excess_a)
        self.total_as += excess_a * dt_s
        self.house_as += house_a * dt_s
        self.seconds_over_s += dt_s
        self.worst_a = max(self.worst_a, excess_a)
        self._run_s += dt_s
        self.longest_s = max(self.longest_s, self._run_s)
        self._house_run_s = self._house_run_s + dt_s if house_a > ROUNDING_A else 0.0
        self.house_longest_s = max(self.house_longest_s, self._house_run_s)
        if excess_a - house_a <= ROUNDING_A:
            self._our_run_s = 0.0
            return
        self.our_seconds_s += dt_s
        self._our_run_s += dt_s
        self.our_longest_s = max(self.our_longest_s, self._our_run_s)

    def rest(self) -> None:
        """The line is within its limit: a run over it has ended."""
        self._run_s = self._our_run_s = self._house_run_s = 0.0


@dataclass(slots=True)
class Feeder:
    """The connection or a circuit: its limit, its load now, whether it was over, and its excess per line."""

    limit_a: float
    load_a: Phases = ZERO
    is_over: bool = False
    excess: tuple[Excess, Excess, Excess] = field(default_factory=lambda: (Excess(), Excess(), Excess()))

    def book(self, house_a: Phases, dt_s: float) -> None:
        """One interval at this load; `house_a` is what flows here without any charger."""
        limit_a = self.limit_a
        if max(self.load_a) <= limit_a and min(self.load_a) >= -limit_a:
            if self.is_over:
                self.is_over = False
                for excess in self.excess:
                    excess.rest()
            return
        self.is_over = True
        for line in LINES:
            load_a, alone_a = abs(self.load_a[line.place]), abs(house_a[line.place])
            self.excess[line.place].book(load_a - limit_a, alone_a - limit_a, dt_s)


@dataclass(frozen=True, slots=True)
class Truth:
    """One moment of the site."""

    at_s: float
    grid_a: Phases
    house_a: Phases
    chargers_a: Mapping[str, Phases]


class SimulatedSite:
    """A house and its chargers behind one connection; circuits carry chargers only.

    `house` is all that no grant commands, what the sun gives taken off; `sun` is that part alone.
    """

    def __init__(
        self,
        house: House,
        chargers: Sequence[SimulatedCharger],
        limit_a: float,
        *,
        sun: House | None = None,
        circuits_a: Mapping[str, float] | None = None,
        voltage_v: float = NOMINAL_VOLTAGE_V,
    ) -> None:
        self.house = house
        self.sun = sun
        self.chargers = {charger.id: charger for charger in chargers}
        self.connection = Feeder(limit_a)
        self.circuits = {circuit_id: Feeder(amps) for circuit_id, amps in (circuits_a or {}).items()}
        self.voltage_v = voltage_v
        self.house_a: Phases = ZERO
        self.now_s: float | None = None
        self.import_wh = 0.0
        self.export_wh = 0.0

    @property
    def grid_a(self) -> Phases:
        """The true signed current per line of the connection, A."""
        return self.connection.load_a

    @property
    def solar_a(self) -> Phases:
        """What the inverter feeds in per line, A; negative, and 0 without one."""
        return ZERO if self.sun is None else self.sun.at(self.now_s or 0.0)

    @property
    def feeders(self) -> Mapping[str, Feeder]:
        """The connection and every circuit by id."""
        return {CONNECTION: self.connection, **self.circuits}

    def step(self, now_s: float) -> Phases:
        """Book the interval since the last step, then live on to `now_s`; the grid current per line, A."""
        if self.now_s is not None:
            self._book(now_s - self.now_s)
        self.now_s = now_s
        self.house_a = self.house.at(now_s)
        one, two, three = self.house_a
        for charger in self.chargers.values():
            load_a = charger.step(now_s)
            one, two, three = one + load_a[0], two + load_a[1], three + load_a[2]
        self.connection.load_a = (one, two, three)
        for circuit_id, circuit in self.circuits.items():
            circuit.load_a = self._circuit_load_a(circuit_id)
        return self.connection.load_a

    def truth(self) -> Truth:
        """The moment of the last step."""
        return Truth(
            at_s=self.now_s or 0.0,
            grid_a=self.grid_a,
            house_a=self.house_a,
            chargers_a={charger_id: charger.load_a for charger_id, charger in self.chargers.items()},
        )

    def _circuit_load_a(self, circuit_id: str) -> Phases:
        one = two = three = 0.0
        for charger in self.chargers.values():
            if circuit_id in charger.circuits:
                load_a = charger.load_a
                one, two, three = one + load_a[0], two + load_a[1], three + load_a[2]
        return one, two, three

    def _book(self, dt_s: float) -> None:
        self.connection.book(self.house_a, dt_s)
        for circuit in self.circuits.values():
            circuit.book(ZERO, dt_s)
        power_w = sum(self.grid_a) * self.voltage_v
        energy_wh = power_w * dt_s / SECONDS_PER_HOUR
        if energy_wh >= 0:
            self.import_wh += energy_wh
        else:
            self.export_wh -= energy_wh
