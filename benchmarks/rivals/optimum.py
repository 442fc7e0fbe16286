"""What perfect foresight could have done: a linear program over the whole day, an upper bound and no controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np
from ampherd_core.phases import Line, Phases
from ampherd_simulator.account import MET_RATIO

SECONDS_PER_HOUR: Final = 3_600.0

UNMET_EUR_PER_WH: Final = 1.0
"""Energy that a car does not get is worse than any price."""

EARLIER: Final = 1e-9
"""Between equal plans the earlier one."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A car as the plan knows it: from `arrives_s` to `leaves_s` it takes at most `wanted_wh`."""

    id: str
    lines: tuple[Line, ...]
    max_a: float
    arrives_s: float
    leaves_s: float
    wanted_wh: float


@dataclass(frozen=True, slots=True)
class Day:
    """What will happen, in slots of `slot_s`, each the mean of its seconds.

    `rooms_a` is what the house leaves of the fuse on each line, `surplus_w` what the sun gives beyond the house;
    `spare_w` is what the house leaves of a cap on power, `eur_per_wh` what the grid's energy costs. Where
    `sold_eur_per_wh` tells what fed-in energy earns, the surplus costs no more than that.
    """

    slot_s: float
    rooms_a: Sequence[Phases]
    surplus_w: Sequence[float] = ()
    spare_w: Sequence[float] = ()
    eur_per_wh: Sequence[float] = ()
    sold_eur_per_wh: float | None = None
    voltage_v: float = 230.0

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self.rooms_a)

    @property
    def slot_h(self) -> float:
        """Hours in a slot."""
        return self.slot_s / SECONDS_PER_HOUR


@dataclass(slots=True)
class Plan:
    """What each car gets (Wh), what it costs, and how many of all cars get what they want."""

    energy_wh: dict[str, float] = field(default_factory=dict)
    cost_eur: float = 0.0
    plans_met: tuple[int, int] = (0, 0)


def most_energy(day: Day, visits: Sequence[Visit]) -> Plan:
    """As much energy as the wires allow, shared as it happens; the minimum current is left aside."""
    return _Program(day, visits, day.spare_w).solved([-1.0] * day.slots)


def most_surplus(day: Day, visits: Sequence[Visit]) -> Plan:
    """As much energy as the sun leaves over without any import for it; the minimum current is left aside."""
    return _Program(day, visits, day.surplus_w).solved([-1.0] * day.slots)


def least_cost(day: Day, visits: Sequence[Visit]) -> Plan:
    """All that the cars want by the time they leave, where the wires allow it, as cheaply as can be."""
    prices = day.eur_per_wh
    return _Program(day, visits, day.spare_w).solved([price - UNMET_EUR_PER_WH for price in prices], prices)


class _Program:
    """One variable for each car and slot: the energy it takes then (Wh), over all its phases.

    All cars together take no more than `total_w` of a slot, where it is given.
    """

    def __init__(self, day: Day, visits: Sequence[Visit], total_w: Sequence[float]) -> None:
        self._day = day
        self._visits = visits
        self._owners: list[tuple[int, int]] = []
        self._most_wh: list[float] = []
        self._rows: list[tuple[float, list[int], list[float]]] = []
        self._places: dict[tuple[int, int], int] = {}
        self._add_variables()
        self._add_lines()
        self._add_wants()
        self._on_sun = list(self._add_sun())
        for slot, power_w in enumerate(total_w):
            self._add(power_w * day.slot_h, slot, dict.fromkeys(range(len(visits)), 1.0))

    def solved(self, worth: Sequence[float], prices: Sequence[float] = ()) -> Plan:
        """The plan of least `worth` (by slot, of each Wh)."""
        costs = [worth[slot] + EARLIER * slot / self._day.slots for _, slot in self._owners]
        costs += [-saved for _, saved in self._on_sun]
        values = _solve(costs, self._most_wh + [most_wh for most_wh, _ in self._on_sun], self._rows)
        energies, on_sun = values[: len(self._owners)], values[len(self._owners) :]
        plan = Plan({visit.id: 0.0 for visit in self._visits})
        for (owner, slot), value in zip(self._owners, energies, strict=True):
            plan.energy_wh[self._visits[owner].id] += value
            plan.cost_eur += value * prices[slot] if prices else 0.0
        plan.cost_eur -= sum([value * saved for value, (_, saved) in zip(on_sun, self._on_sun, strict=True)])
        met = [plan.energy_wh[visit.id] >= MET_RATIO * visit.wanted_wh for visit in self._visits]
        plan.plans_met = sum(met), len(met)
        return plan

    def _add_variables(self) -> None:
        day = self._day
        for owner, visit in enumerate(self._visits):
            most_wh = visit.max_a * day.voltage_v * len(visit.lines) * day.slot_h
            for slot in range(day.slots):
                if visit.arrives_s <= slot * day.slot_s and (slot + 1) * day.slot_s <= visit.leaves_s:
                    self._places[owner, slot] = len(self._owners)
                    self._owners.append((owner, slot))
                    self._most_wh.append(most_wh)

    def _add_sun(self) -> Iterator[tuple[float, float]]:
        """Per slot: what of all that the cars take comes from the sun; how much at most, and what each Wh saves."""
        day = self._day
        if day.sold_eur_per_wh is None:
            return
        place = len(self._owners)
        for slot, (surplus_w, price) in enumerate(zip(day.surplus_w, day.eur_per_wh, strict=True)):
            takers = [where for (_, when), where in self._places.items() if when == slot]
            if surplus_w > 0 and price > day.sold_eur_per_wh and takers:
                self._rows.append((0.0, [place, *takers], [1.0, *([-1.0] * len(takers))]))
                yield surplus_w * day.slot_h, price - day.sold_eur_per_wh
                place += 1

    def _add_lines(self) -> None:
        """Per line: what the cars on it take stays below what the house leaves of the limit."""
        day = self._day
        for slot, room_a in enumerate(day.rooms_a):
            for line in Line:
                users = [owner for owner, visit in enumerate(self._visits) if line in visit.lines]
                room_wh = room_a[line.place] * day.voltage_v * day.slot_h
                self._add(room_wh, slot, {owner: 1.0 / len(self._visits[owner].lines) for owner in users})

    def _add_wants(self) -> None:
        for owner, visit in enumerate(self._visits):
            places = [place for (whose, _), place in self._places.items() if whose == owner]
            self._rows.append((visit.wanted_wh, places, [1.0] * len(places)))

    def _add(self, most: float, slot: int, weights: Mapping[int, float]) -> None:
        found = {self._places[owner, slot]: each for owner, each in weights.items() if (owner, slot) in self._places}
        if found:
            self._rows.append((most, list(found), list(found.values())))


def _solve(
    costs: Sequence[float], most: Sequence[float], rows: Sequence[tuple[float, Sequence[int], Sequence[float]]]
) -> list[float]:
    """The least cost with every variable from 0 to `most` and every row at most its bound."""
    if not costs:
        return []
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(costs), len(rows)
    program.col_cost_ = np.array(costs)
    program.col_lower_, program.col_upper_ = np.zeros(len(costs)), np.array(most)
    program.row_lower_ = np.full(len(rows), -highspy.kHighsInf)
    program.row_upper_ = np.array([bound for bound, _, _ in rows])
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.num_col_, matrix.num_row_ = len(costs), len(rows)
    matrix.start_ = np.cumsum([0, *[len(places) for _, places, _ in rows]])
    matrix.index_ = np.array([place for _, places, _ in rows for place in places])
    matrix.value_ = np.array([weight for _, _, weights in rows for weight in weights])
    solver = highspy.Highs()  # type: ignore[no-untyped-call]  # its class is not typed
    solver.setOptionValue("output_flag", False)
    solver.passModel(program)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise ArithmeticError(f"no optimum: {solver.getModelStatus()}")
    return [float(value) for value in solver.getSolution().col_value]
