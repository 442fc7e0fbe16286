"""One slot as a lot: what is gained in it, and at what cost, by the best way to run the chargers in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ampherd_balancer.mixture import Vector, Way
from ampherd_balancer.ways import Amps, Room, Taker


class Rates(NamedTuple):
    """What a kilowatt-hour costs: from the grid, and of what the sun leaves over (what feeding it in would earn)."""

    grid: float
    sun: float


class Lot:
    """A slot's room, its length, what energy costs in it, and who may still use it.

    The first `sun_w` of all that is taken have the sun's price. `lit` is the room with them as one limit more. Where
    there is sun the best way is a corner of that room at the sun's price, or one of the whole room at the grid's, or
    one in which some cars run at their minimum: that may be worth it though the sun is too weak.
    """

    def __init__(  # noqa: PLR0913 - a slot has two rooms, two prices, and cars
        self,
        room: Room,
        lit: Room,
        takers: Sequence[Taker],
        *,
        hours: float,
        rates: Rates,
        sun_w: float,
        open_to: Sequence[bool],
    ) -> None:
        self._room, self._lit = room, lit
        self._kwh_per_amp = [taker.watts_per_amp * hours / 1000 for taker in takers]
        self._rates, self._sun_kwh = rates, sun_w * hours / 1000
        self._open_to = open_to

    def best(self, worths: Vector) -> Way:
        """The way to run this slot that is worth the most, when a kilowatt-hour is worth so much to each taker."""
        values = self._values(worths, self._rates.grid)
        if not self._sun_kwh:
            return self._way(self._room.best(values))
        ways = map(self._way, self._corners(values, self._values(worths, self._rates.sun)))
        return max(ways, key=lambda way: way.worth(worths))

    def _corners(self, bought: Sequence[float], on_sun: Sequence[float]) -> Iterator[Amps]:
        yield (0.0,) * len(bought)
        for corners in (self._room.corners(bought), self._lit.corners(on_sun), self._room.leasts(on_sun)):
            yield from (amps for amps in corners if self._is_open(amps))

    def _values(self, worths: Vector, price: float) -> Sequence[float]:
        """What an ampere of each is worth when all energy has this price."""
        return [
            (worth - price) * kwh if is_open else -abs(kwh)
            for worth, kwh, is_open in zip(worths, self._kwh_per_amp, self._open_to, strict=True)
        ]

    def _is_open(self, amps: Amps) -> bool:
        return all(is_open or not a for a, is_open in zip(amps, self._open_to, strict=True))

    def _way(self, amps: Amps) -> Way:
        gains = tuple([a * kwh for a, kwh in zip(amps, self._kwh_per_amp, strict=True)])
        kwh = sum(gains)
        on_sun_kwh = min(kwh, self._sun_kwh)
        return Way(gains, on_sun_kwh * self._rates.sun + (kwh - on_sun_kwh) * self._rates.grid, amps)
