"""A slot in which the sun leaves something over: so much of its energy costs what feeding it in would earn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ampherd_balancer.mixture import Vector, Way
from ampherd_balancer.ways import Amps, Room, Taker


class SunnyLot:
    """As a `Lot`, but that the first `sun_kwh` of it cost `sun_price` each, and what goes beyond them `price`.

    `lit` is its room with the sun as one limit more. The best way is a corner of that at the sun's price, or one of
    the room at the grid's, or the least that a set of cars can do: it may be worth while though the sun is too weak.
    """

    def __init__(  # noqa: PLR0913 - a slot has two rooms, two prices, and cars
        self,
        room: Room,
        lit: Room,
        takers: Sequence[Taker],
        *,
        hours: float,
        price: float,
        sun_kwh: float,
        sun_price: float,
        open_to: Sequence[bool],
    ) -> None:
        self._room, self._lit = room, lit
        self._kwh_per_amp = [taker.watts_per_amp * hours / 1000 for taker in takers]
        self._price, self._sun_kwh, self._sun_price = price, sun_kwh, sun_price
        self._open_to = open_to

    def best(self, worths: Vector) -> Way:
        """The way to run this slot that is worth the most, when a kilowatt-hour is worth so much to each taker."""
        return max([self._way(amps) for amps in self._corners(worths)], key=lambda way: way.worth(worths))

    def _corners(self, worths: Vector) -> Iterator[Amps]:
        yield (0.0,) * len(worths)
        on_sun = self._values(worths, self._sun_price)
        places = (self._room.corners(self._values(worths, self._price)), self._lit.corners(on_sun))
        for corners in (*places, self._room.leasts(on_sun)):
            yield from (amps for amps in corners if self._is_open(amps))

    def _values(self, worths: Vector, price: float) -> Sequence[float]:
        """What an ampere of each is worth when all energy has this price."""
        return [
            (worth - price) * kwh if is_open else -kwh
            for worth, kwh, is_open in zip(worths, self._kwh_per_amp, self._open_to, strict=True)
        ]

    def _is_open(self, amps: Amps) -> bool:
        return all(is_open or not a for a, is_open in zip(amps, self._open_to, strict=True))

    def _way(self, amps: Amps) -> Way:
        gains = tuple([a * kwh for a, kwh in zip(amps, self._kwh_per_amp, strict=True)])
        kwh = sum(gains)
        on_sun_kwh = min(kwh, self._sun_kwh)
        return Way(gains, on_sun_kwh * self._sun_price + (kwh - on_sun_kwh) * self._price, amps)
