"""Keeps the books of a virtual world: pass `watch` to `World.run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampherd_core.policy import CONNECTION

from ampherd_simulator.account import Account
from ampherd_simulator.books import Books, Bound, Instant, Tariff
from ampherd_simulator.car_book import CarInstant

if TYPE_CHECKING:
    from ampherd_simulator.charger import SimulatedCharger
    from ampherd_simulator.world import World


class Bookkeeper:
    """Tells the books what is true in a world, whoever decides in it; begin before the world runs."""

    def __init__(self, world: World, tariff: Tariff | None = None) -> None:
        self._max_a = {charger_id: charger.max_a for charger_id, charger in world.policy.chargers.items()}
        self.books = Books(
            list(self._max_a),
            _bounds(world),
            starts_at_utc_s=world.sensor.at(0.0).timestamp(),
            voltage_v=world.site.voltage_v,
            tariff=tariff,
        )
        self.watch(world)

    def watch(self, world: World) -> None:
        """One step has passed."""
        self.books.note(self.instant(world))

    def instant(self, world: World) -> Instant:
        """The world as it is."""
        site = world.site
        return Instant(
            at_s=world.now_s,
            house_a=site.house_a,
            solar_w=sum(site.solar_a) * site.voltage_v,
            cars={
                charger_id: _car(site.chargers[charger_id], max_a, site.voltage_v)
                for charger_id, max_a in self._max_a.items()
            },
        )

    def account(self) -> Account:
        """All so far."""
        return self.books.account()


def _car(charger: SimulatedCharger, max_a: float, voltage_v: float) -> CarInstant:
    car = charger.car
    return CarInstant(
        load_a=charger.load_a,
        offer_a=charger.wallbox.offer_a,
        is_plugged=car.is_plugged,
        is_charging=charger.is_charging,
        is_full=car.is_full,
        left_wh=car.left_wh,
        could_w=min(max_a, car.traits.max_a) * car.phases * voltage_v,
    )


def _bounds(world: World) -> list[Bound]:
    """The limits that the site itself is judged by: fuses and breakers, without the policy's margin."""
    known = world.policy.chargers
    chargers = [charger for charger in world.site.chargers.values() if charger.id in known]
    return [
        Bound(
            feeder_id,
            feeder.limit_a,
            tuple(each.id for each in chargers if feeder_id == CONNECTION or feeder_id in each.circuits),
            has_house=feeder_id == CONNECTION,
        )
        for feeder_id, feeder in world.site.feeders.items()
    ]
