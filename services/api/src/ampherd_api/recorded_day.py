"""What history holds of a day, as the simulator reads it: the house line by line, the sun, and who came when. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final, TypeAlias

from ampherd_core.history import Sample

OLD_S: Final = 60.0
"""What a charger or the sun said is held so long: the history may keep minutes only."""

MOVES_A: Final = 0.5
UNSETTLED: Final = 3
SMOOTHED: Final = 5
"""Grid and wallbox are read at different moments, so while a car's current moves their difference is no house: there,
and so many rows before and after, the median of its neighbours stands for it."""

FLOWS_A: Final = 1.0
LEAST_WH: Final = 20.0
OWN_LIMIT_A: Final = 2.0
OWN_LIMIT_S: Final = 300.0
"""A car that leaves so much of its offer for so long has a lower maximum of its own."""


class Curve:
    """One series in its order, times a factor; `at` is its last value, unless that is old."""

    def __init__(self, samples: Sequence[Sample], factor: float = 1.0) -> None:
        self.times_s = [sample.at.timestamp() for sample in samples]
        self.values = [sample.mean * factor for sample in samples]

    def at(self, at_s: float) -> float | None:
        """The value of that moment, or None where nothing was said lately."""
        place = bisect_right(self.times_s, at_s) - 1
        return self.values[place] if place >= 0 and at_s - self.times_s[place] <= OLD_S else None


Lines: TypeAlias = tuple[Curve, Curve, Curve]


@dataclass(frozen=True, slots=True)
class ChargerCurves:
    """A charger: what its car drew per line (A), what it was offered (A), and whether a car was there."""

    drawn_a: Lines
    offer_a: Curve
    is_connected: Curve


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of history; `solar_a` (generation negative) has the lines of each meter that sees the sun."""

    grid_a: Lines
    solar_a: Sequence[Lines]
    chargers: Mapping[str, ChargerCurves]


@dataclass(frozen=True, slots=True)
class Row:
    """One moment: the house without cars and without the sun, and what the sun gave (positive), A per line."""

    at_s: float
    house_a: Sequence[float]
    solar_a: Sequence[float] | None

    @property
    def cells(self) -> list[str]:
        """As they stand in a file."""
        amps = [*self.house_a, *(self.solar_a or ())]
        return [f"{self.at_s:.0f}", *(f"{value + 0.0:.3f}".rstrip("0").rstrip(".") for value in amps)]


def header(*, has_sun: bool) -> list[str]:
    """The columns of the rows."""
    return ["t_utc_s", "l1_a", "l2_a", "l3_a", *(("pv_l1_a", "pv_l2_a", "pv_l3_a") if has_sun else ())]


def rows(stretch: Stretch) -> list[Row]:
    """A row for each moment at which the grid meter spoke."""
    times_s = sorted({at_s for curve in stretch.grid_a for at_s in curve.times_s})
    drawn = [_amps([charger.drawn_a for charger in stretch.chargers.values()], at_s) for at_s in times_s]
    suns = [_amps(stretch.solar_a, at_s) for at_s in times_s]
    houses = [
        [grid - cars - sun for grid, cars, sun in zip(_amps([stretch.grid_a], at_s), drawn_a, sun_a, strict=True)]
        for at_s, drawn_a, sun_a in zip(times_s, drawn, suns, strict=True)
    ]
    return [
        Row(at_s, house_a, [-amps for amps in sun_a] if stretch.solar_a else None)
        for at_s, house_a, sun_a in zip(times_s, _steadied(houses, drawn), suns, strict=True)
    ]


def _amps(sources: Sequence[Lines], at_s: float) -> list[float]:
    """The sum of all sources, line by line, A."""
    return [sum(_held(source[line], at_s) for source in sources) for line in range(3)]


def _steadied(houses: Sequence[Sequence[float]], drawn: Sequence[Sequence[float]]) -> Iterator[Sequence[float]]:
    moved = [
        place
        for place in range(1, len(drawn))
        if any(abs(now - then) > MOVES_A for now, then in zip(drawn[place], drawn[place - 1], strict=True))
    ]
    unsettled = {place + near for place in moved for near in range(-UNSETTLED, UNSETTLED + 1)}
    for place, house_a in enumerate(houses):
        if place not in unsettled:
            yield house_a
            continue
        near = houses[max(0, place - SMOOTHED) : place + SMOOTHED + 1]
        yield [median(each[line] for each in near) for line in range(3)]


def _held(curve: Curve, at_s: float) -> float:
    return curve.at(at_s) or 0.0


@dataclass(slots=True)
class _Visit:
    """A car that was there."""

    began_s: float
    ended_s: float | None = None
    taken_wh: float = 0.0


class CarLog:
    """Who came to one charger when, and took how much; stretches come in their order.

    `is_unmetered` tells that a car was there and nobody measured what it drew: history has it as a part of the house.
    """

    def __init__(self, voltage_v: float) -> None:
        self._voltage_v = voltage_v
        self._visits: list[_Visit] = []
        self._is_there = False
        self._before_s: float | None = None
        self._is_metered = False
        self._lines: set[int] = set()
        self._most_drawn_a = self._modest_s = 0.0

    def take(self, curves: ChargerCurves) -> None:
        """The next stretch."""
        self._is_metered = self._is_metered or any(curve.times_s for curve in curves.drawn_a)
        for at_s, is_connected in zip(curves.is_connected.times_s, curves.is_connected.values, strict=True):
            self._step(at_s, is_connected >= 0.5, curves)

    @property
    def is_unmetered(self) -> bool:
        """Whether a car came that nobody measured."""
        return bool(self._visits) and not self._is_metered

    def as_yaml(self, charger_id: str) -> list[str]:
        """The car as a timetable has it; nothing where none came."""
        visits = [visit for visit in self._visits if visit.taken_wh >= LEAST_WH]
        if not visits:
            return []
        lines = [f"{charger_id}:"]
        if self._lines:
            lines.append(f"  phases: {len(self._lines)}")
        if self._modest_s >= OWN_LIMIT_S:
            lines.append(f"  max_a: {max(6, math.ceil(self._most_drawn_a))}")
        return [*lines, "  visits:", *map(_call, visits)]

    def _step(self, at_s: float, is_connected: bool, curves: ChargerCurves) -> None:
        gap_s = 0.0 if self._before_s is None else min(at_s - self._before_s, OLD_S)
        self._before_s = at_s
        if is_connected and not self._is_there:
            self._visits.append(_Visit(at_s))
        elif self._is_there and not is_connected:
            self._visits[-1].ended_s = at_s
        self._is_there = is_connected
        if not is_connected:
            return
        visit = self._visits[-1]
        amps = [_held(curve, at_s) for curve in curves.drawn_a]
        visit.taken_wh += sum(amps) * self._voltage_v * gap_s / 3_600
        self._lines |= {line for line, value in enumerate(amps) if value > FLOWS_A}
        self._most_drawn_a = max(self._most_drawn_a, *amps)
        if FLOWS_A < max(amps) < _held(curves.offer_a, at_s) - OWN_LIMIT_A:
            self._modest_s += gap_s


def _call(visit: _Visit) -> str:
    leaves = "" if visit.ended_s is None else f", leaves: {_written(visit.ended_s)}"
    return f"    - {{arrives: {_written(visit.began_s)}{leaves}, wants_kwh: {visit.taken_wh / 1_000:.2f}}}"


def _written(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S+00:00}"
