"""The books of a site: a pure recorder that is told each moment, and does not care which controller made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ampherd_core.phases import ZERO, Phases, add
from ampherd_core.units import NOMINAL_VOLTAGE_V

from ampherd_simulator.account import Account, LineExcess
from ampherd_simulator.car_book import CarBook, CarInstant
from ampherd_simulator.site import SECONDS_PER_HOUR, Excess, Feeder

QUARTER_S: Final = 900
WH_PER_KWH: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Instant:
    """A site at one moment: `house_a` is all that nobody commands, the sun taken off; `solar_w` is negative."""

    at_s: float
    house_a: Phases
    solar_w: float
    cars: Mapping[str, CarInstant]


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit, A per line, what it bounds, and whether that includes the house."""

    id: str
    limit_a: float
    chargers: tuple[str, ...]
    has_house: bool


class Tariff(Protocol):
    """What energy costs; times are seconds of UTC since 1970, prices are per kWh."""

    def import_price(self, at_utc_s: float) -> float:
        """What a kWh from the grid costs."""
        ...

    def export_price(self, at_utc_s: float) -> float:
        """What a kWh to the grid earns."""
        ...


@dataclass(slots=True)
class _Quarter:
    """Imported energy by clock quarters, and the highest mean of one."""

    number: int = -1
    energy_ws: float = 0.0
    peak_w: float = 0.0
    peak_number: int = 0

    def book(self, power_w: float, at_utc_s: float, dt_s: float) -> None:
        ends_s = at_utc_s + dt_s
        while at_utc_s < ends_s:
            number = int(at_utc_s // QUARTER_S)
            until_s = min(ends_s, (number + 1) * QUARTER_S)
            if number != self.number:
                self.number, self.energy_ws = number, 0.0
            self.energy_ws += power_w * (until_s - at_utc_s)
            if self.energy_ws > self.peak_w * QUARTER_S:
                self.peak_w, self.peak_number = self.energy_ws / QUARTER_S, number
            at_utc_s = until_s


@dataclass(slots=True)
class _Sums:
    """What adds up, Wh and money."""

    house_wh: float = 0.0
    solar_wh: float = 0.0
    import_wh: float = 0.0
    export_wh: float = 0.0
    charged_wh: float = 0.0
    surplus_wh: float = 0.0
    surplus_used_wh: float = 0.0
    cost: float = 0.0
    charging_cost: float = 0.0
    quarter: _Quarter = field(default_factory=_Quarter)
    house_quarter: _Quarter = field(default_factory=_Quarter)


class Books:
    """Note every moment; an interval counts as the moment at which it began. `account` is the sum so far."""

    def __init__(
        self,
        chargers: Sequence[str],
        bounds: Sequence[Bound],
        *,
        starts_at_utc_s: float = 0.0,
        voltage_v: float = NOMINAL_VOLTAGE_V,
        tariff: Tariff | None = None,
    ) -> None:
        self._cars = {charger_id: CarBook() for charger_id in chargers}
        self._feeders = [(bound, Feeder(bound.limit_a)) for bound in bounds]
        self._starts_at_utc_s = starts_at_utc_s
        self._voltage_v = voltage_v
        self._tariff = tariff
        self._sums = _Sums()
        self._began_s: float | None = None
        self._last: Instant | None = None

    @property
    def last(self) -> Instant | None:
        """The moment that was noted last."""
        return self._last

    def note(self, now: Instant) -> None:
        """The next moment."""
        before, self._last = self._last, now
        if before is None:
            self._began_s = now.at_s
        else:
            self._pass(before, now.at_s - before.at_s)
        for charger_id, car in now.cars.items():
            self._cars[charger_id].note(car, now.at_s)

    def account(self) -> Account:
        """All so far."""
        sums, has_tariff = self._sums, self._tariff is not None
        return Account(
            lasted_s=0.0 if self._last is None or self._began_s is None else self._last.at_s - self._began_s,
            house_wh=sums.house_wh,
            solar_wh=sums.solar_wh,
            import_wh=sums.import_wh,
            export_wh=sums.export_wh,
            charged_wh=sums.charged_wh,
            surplus_wh=sums.surplus_wh,
            surplus_used_wh=sums.surplus_used_wh,
            caused_import_wh=sums.charged_wh - sums.surplus_used_wh,
            peak_quarter_w=sums.quarter.peak_w,
            peak_quarter_s=max(0.0, sums.quarter.peak_number * QUARTER_S - self._starts_at_utc_s),
            house_peak_quarter_w=sums.house_quarter.peak_w,
            cost=sums.cost if has_tariff else None,
            charging_cost=sums.charging_cost if has_tariff else None,
            limits={bound.id: _lines(feeder.excess) for bound, feeder in self._feeders},
            cars={charger_id: book.account() for charger_id, book in self._cars.items()},
        )

    def _pass(self, before: Instant, dt_s: float) -> None:
        volts = self._voltage_v
        house_w = sum(before.house_a) * volts
        powers_w = {charger_id: sum(car.load_a) * volts for charger_id, car in before.cars.items()}
        cars_w = sum(powers_w.values())
        surplus_w = max(0.0, -house_w)
        used_w = min(surplus_w, cars_w)
        share = used_w / cars_w if cars_w > 0 else 0.0
        for charger_id, power_w in powers_w.items():
            self._cars[charger_id].spend(power_w, power_w * share, dt_s)
        hours = dt_s / SECONDS_PER_HOUR
        sums = self._sums
        sums.house_wh += (house_w - before.solar_w) * hours
        sums.solar_wh -= before.solar_w * hours
        sums.charged_wh += cars_w * hours
        sums.surplus_wh += surplus_w * hours
        sums.surplus_used_wh += used_w * hours
        self._book_money(before.at_s, house_w * hours, cars_w * hours, used_w * hours)
        at_utc_s = self._starts_at_utc_s + before.at_s
        sums.quarter.book(max(0.0, house_w + cars_w), at_utc_s, dt_s)
        sums.house_quarter.book(max(0.0, house_w), at_utc_s, dt_s)
        self._book_limits(before, dt_s)

    def _book_money(self, at_s: float, house_wh: float, cars_wh: float, used_wh: float) -> None:
        sums, at_utc_s = self._sums, self._starts_at_utc_s + at_s
        import_wh, export_wh = max(0.0, house_wh + cars_wh), max(0.0, -house_wh - cars_wh)
        sums.import_wh += import_wh
        sums.export_wh += export_wh
        if self._tariff is not None:
            bought = self._tariff.import_price(at_utc_s) / WH_PER_KWH
            sold = self._tariff.export_price(at_utc_s) / WH_PER_KWH
            sums.cost += import_wh * bought - export_wh * sold
            sums.charging_cost += (cars_wh - used_wh) * bought + used_wh * sold

    def _book_limits(self, before: Instant, dt_s: float) -> None:
        for bound, feeder in self._feeders:
            house_a = before.house_a if bound.has_house else ZERO
            load_a = house_a
            for charger_id in bound.chargers:
                load_a = add(load_a, before.cars[charger_id].load_a)
            feeder.load_a = load_a
            feeder.book(house_a, dt_s)


def _lines(excess: tuple[Excess, Excess, Excess]) -> tuple[LineExcess, LineExcess, LineExcess]:
    one, two, three = (
        LineExcess(
            total_as=line.total_as,
            ours_as=line.ours_as,
            worst_a=line.worst_a,
            longest_s=line.longest_s,
            our_longest_s=line.our_longest_s,
            house_longest_s=line.house_longest_s,
        )
        for line in excess
    )
    return one, two, three
