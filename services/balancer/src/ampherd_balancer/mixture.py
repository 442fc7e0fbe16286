"""The cheapest way to give each of a few takers its due out of many lots, where a lot can be used in several ways.

A lot is used in one way, or in several for a share of the time each: so the best that can be had is a linear
programme over the mixtures of each lot's ways. It is solved by the simplex method with generated columns: the basis
holds one way a lot and one more a taker, so at most as many lots are mixed as there are takers, and what has to be
inverted is as small as their number. It can be stopped at any time and knows how far it is from the optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final, NamedTuple, TypeAlias

Vector: TypeAlias = tuple[float, ...]

MAX_ROUNDS: Final = 200
"""Rounds over all lots; a few dozen suffice, and what stands after the last is good, though perhaps not the best."""

CLOSE: Final = 1e-4
"""A solution this close to its bound, as a share of what its ways cost, is the optimum."""

_ZERO: Final = 1e-9
_NUDGE: Final = 1e-7
"""Demands that are a whole number of lots make the simplex method stand still: each is moved by so small a share."""


class Way(NamedTuple):
    """One way to use a whole lot: what each taker gains, and the cost."""

    gains: Vector
    cost: float
    amps: Vector = ()

    def worth(self, worths: Vector) -> float:
        """What it is worth beyond its cost when a unit of gain is worth so much to each taker."""
        return _dot(worths, self.gains) - self.cost


Best: TypeAlias = Callable[[Vector], Way]
"""A lot: its most worthy way at these worths; using nothing must be one of its ways."""


class Share(NamedTuple):
    """A way, and the share of its lot's time that it is used for."""

    way: Way
    share: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """Each lot's ways and shares, what each taker goes short of, and a cost that no solution can be below."""

    lots: Sequence[Sequence[Share]]
    shortages: Vector
    cost: float
    bound: float


@dataclass(slots=True)
class _Extra:
    """A basic variable beside the lots' main ways: a second way of a lot, or a taker's shortage (lot None)."""

    lot: int | None
    column: Way
    value: float


def mix(lots: Sequence[Best], demands: Vector, penalties: Vector) -> Mixture:
    """The cheapest mixture that gives each taker its demand; a unit of shortage costs its penalty."""
    return _Basis(lots, demands, penalties).solved()


class _Basis:
    """One main way a lot, and as many extras as there are takers."""

    def __init__(self, lots: Sequence[Best], demands: Vector, penalties: Vector) -> None:
        self._lots = lots
        self._penalties = penalties
        self._demands = tuple([demand * (1 + _NUDGE * (place + 1)) for place, demand in enumerate(demands)])
        idle = Way((0.0,) * len(demands), 0.0, (0.0,) * len(demands))
        self._main = [idle] * len(lots)
        self._extras = [self._shortage(place, demand) for place, demand in enumerate(self._demands)]

    def solved(self) -> Mixture:
        bound = float("-inf")
        for _ in range(MAX_ROUNDS):
            worths = self._worths()
            best = [lot(worths) for lot in self._lots]
            merits = [way.worth(worths) for way in best]
            bound = max(bound, _dot(worths, self._demands) - sum(merits))
            if self._cost() - bound <= CLOSE * abs(sum([main.cost for main in self._main])):
                break
            gaps = [merit - main.worth(worths) for merit, main in zip(merits, self._main, strict=True)]
            for lot in sorted(range(len(best)), key=lambda lot: -gaps[lot]):
                if gaps[lot] > _ZERO:
                    self._consider(lot, best[lot])
            for place, penalty in enumerate(self._penalties):
                if self._worths()[place] > penalty + _ZERO:
                    self._enter(None, self._shortage(place, 0.0).column)
        return self._mixture(bound)

    def _consider(self, lot: int, way: Way) -> None:
        worths = self._worths()
        if way.worth(worths) - self._main[lot].worth(worths) > _ZERO:
            self._enter(lot, way)

    def _enter(self, lot: int | None, way: Way) -> None:
        """Use more of a way until another is used up, which leaves the basis."""
        against = self._main[lot].gains if lot is not None else (0.0,) * len(self._demands)
        rates = _solve(self._columns(), [gain - other for gain, other in zip(way.gains, against, strict=True)])
        if rates is None:
            return
        step, leaving_extra, leaving_lot = self._ratio(lot, rates)
        if step == float("inf"):
            return
        for extra, rate in zip(self._extras, rates, strict=True):
            extra.value = max(0.0, extra.value - step * rate)
        if leaving_extra is None and leaving_lot is not None and leaving_lot == lot:
            self._main[leaving_lot] = way
            return
        if leaving_extra is None:
            leaving_extra = next(
                place for place, extra in enumerate(self._extras) if extra.lot == leaving_lot and abs(rates[place])
            )
            self._main[self._lot_of(leaving_extra)] = self._extras[leaving_extra].column
        self._extras[leaving_extra] = _Extra(lot, way, step)

    def _ratio(self, lot: int | None, rates: Sequence[float]) -> tuple[float, int | None, int | None]:
        """How far it can go, and what is used up first: an extra, or a lot's main way."""
        step, leaving_extra, leaving_lot = float("inf"), None, None
        mains: dict[int, tuple[float, float]] = {} if lot is None else {lot: (1.0, -1.0)}
        for place, (extra, rate) in enumerate(zip(self._extras, rates, strict=True)):
            if rate > _ZERO and extra.value / rate < step:
                step, leaving_extra = extra.value / rate, place
            if extra.lot is not None:
                share, slope = mains.get(extra.lot, (1.0, 0.0))
                mains[extra.lot] = share - extra.value, slope + rate
        for main_lot, (share, slope) in mains.items():
            if slope < -_ZERO and max(share, 0.0) / -slope < step:
                step, leaving_extra, leaving_lot = max(share, 0.0) / -slope, None, main_lot
        return step, leaving_extra, leaving_lot

    def _lot_of(self, place: int) -> int:
        lot = self._extras[place].lot
        if lot is None:
            raise AssertionError("a shortage is no way of a lot")
        return lot

    def _columns(self) -> list[list[float]]:
        """What one unit of each extra changes in what the takers get: its rows are the takers."""
        columns = []
        for extra in self._extras:
            gains = extra.column.gains
            if extra.lot is not None:
                gains = tuple([a - b for a, b in zip(gains, self._main[extra.lot].gains, strict=True)])
            columns.append(gains)
        return [list(row) for row in zip(*columns, strict=True)]

    def _worths(self) -> Vector:
        """What one more unit would cost each taker: the dual values."""
        columns = [list(column) for column in zip(*self._columns(), strict=True)]
        costs = [
            extra.column.cost - (self._main[extra.lot].cost if extra.lot is not None else 0.0) for extra in self._extras
        ]
        worths = _solve(columns, costs)
        return tuple(worths) if worths is not None else self._penalties

    def _shortage(self, place: int, value: float) -> _Extra:
        gains = tuple([float(other == place) for other in range(len(self._demands))])
        return _Extra(None, Way(gains, self._penalties[place]), value)

    def _shares(self) -> list[list[Share]]:
        shares = []
        for lot, main in enumerate(self._main):
            extras = [Share(extra.column, extra.value) for extra in self._extras if extra.lot == lot and extra.value]
            rest = max(0.0, 1.0 - sum([share.share for share in extras]))
            shares.append([Share(main, rest), *extras])
        return shares

    def _cost(self) -> float:
        cost = sum([main.cost for main in self._main])
        for extra in self._extras:
            against = self._main[extra.lot].cost if extra.lot is not None else 0.0
            cost += extra.value * (extra.column.cost - against)
        return cost

    def _mixture(self, bound: float) -> Mixture:
        shortages = [0.0] * len(self._demands)
        for extra in self._extras:
            if extra.lot is None:
                shortages[extra.column.gains.index(1.0)] += extra.value
        return Mixture(self._shares(), tuple(shortages), self._cost(), bound)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    total: float = sum(map(mul, left, right))
    return total


def _solve(rows: list[list[float]], right: Sequence[float]) -> list[float] | None:
    """The solution of a small linear system by elimination with pivoting; None where it has none."""
    size = len(right)
    table = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(table[row][column]))
        if abs(table[pivot][column]) < _ZERO * _ZERO:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        top = table[column]
        for row in range(size):
            factor = table[row][column] / top[column]
            if row != column and factor:
                table[row] = [value - factor * above for value, above in zip(table[row], top, strict=True)]
    return [table[row][size] / table[row][row] for row in range(size)]
