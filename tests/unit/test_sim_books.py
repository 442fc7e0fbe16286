"""The books: what is made of moments, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from ampherd_core.phases import Phases
from ampherd_simulator.account import Account, jain
from ampherd_simulator.books import Books, Bound, Instant
from ampherd_simulator.car_book import CarInstant

VOLTS = 230.0
KWH_OF_10_A = 2_300.0
"""An hour of 10 A on one line, Wh."""

MAINS = Bound("connection", 25, ("a", "b"), has_house=True)
CARPORT = Bound("carport", 16, ("a",), has_house=False)


class NightIsCheap:
    """0.10 in the first hour after 1970, 0.30 from then on; 0.05 for what is sold."""

    def import_price(self, at_utc_s: float) -> float:
        return 0.10 if at_utc_s < 3_600 else 0.30

    def export_price(self, at_utc_s: float) -> float:
        del at_utc_s
        return 0.05


def charging(amps: float, *, phases: int = 1, offer_a: float = 16, left_wh: float | None = None) -> CarInstant:
    load_a = (amps, amps if phases > 1 else 0.0, amps if phases > 2 else 0.0)
    return CarInstant(load_a, offer_a, is_plugged=True, is_charging=True, left_wh=left_wh, could_w=16 * VOLTS)


def waiting(*, left_wh: float | None = None, is_full: bool = False) -> CarInstant:
    return CarInstant(is_plugged=True, is_full=is_full, left_wh=left_wh, could_w=16 * VOLTS)


AWAY = CarInstant()

Moments = Sequence[tuple[float, Mapping[str, CarInstant]]]


def book(
    moments: Moments, house_a: Phases = (0, 0, 0), solar_w: float = 0.0, *, starts_at_utc_s: float = 0.0
) -> Account:
    books = Books(["a", "b"], [MAINS, CARPORT], starts_at_utc_s=starts_at_utc_s, tariff=NightIsCheap())
    for at_s, cars in moments:
        books.note(Instant(at_s, house_a, solar_w, {"a": AWAY, "b": AWAY, **cars}))
    return books.account()


def day_of(*cars: CarInstant, every_s: float = 60) -> Account:
    return book([(place * every_s, {"a": car}) for place, car in enumerate(cars)])


@pytest.mark.parametrize(
    ("situation", "house_a", "car_a", "surplus_wh", "used_wh", "caused_wh"),
    [
        ("no sun", (5, 0, 0), 10, 0, 0, 2_300),
        ("more sun than the car takes", (-15, 0, 0), 10, 3_450, 2_300, 0),
        ("less sun than the car takes", (-4, 0, 0), 10, 920, 920, 1_380),
        ("the sun on one line, the car on another", (0, -10, 0), 10, 2_300, 2_300, 0),
        ("what one line gives, another takes", (0, -10, 6), 10, 920, 920, 1_380),
    ],
)
def test_surplus_is_what_the_house_leaves_net_over_the_lines(
    situation: str, house_a: Phases, car_a: float, surplus_wh: float, used_wh: float, caused_wh: float
) -> None:
    account = book([(0, {"a": charging(car_a)}), (3_600, {"a": charging(car_a)})], house_a)

    assert account.surplus_wh == pytest.approx(surplus_wh), situation
    assert account.surplus_used_wh == pytest.approx(used_wh), situation
    assert account.caused_import_wh == pytest.approx(caused_wh), situation
    assert account.cars["a"].surplus_wh == pytest.approx(used_wh), situation


def test_the_surplus_is_reckoned_moment_by_moment() -> None:
    books = Books(["a"], [])
    for at_s, house_a, car_a in ((0, -10.0, 0.0), (1_800, 10.0, 10.0), (3_600, 0.0, 0.0)):
        books.note(Instant(at_s, (house_a, 0, 0), 0, {"a": charging(car_a)}))
    account = books.account()

    assert account.surplus_wh == pytest.approx(1_150)
    assert account.surplus_used_wh == 0
    assert account.import_wh == pytest.approx(2_300)
    assert account.export_wh == pytest.approx(1_150)


def test_the_house_is_what_flows_with_the_sun_put_back() -> None:
    account = book([(0, {}), (3_600, {})], (-5, 2, 0), solar_w=-8 * VOLTS)

    assert account.solar_wh == pytest.approx(8 * VOLTS)
    assert account.house_wh == pytest.approx(5 * VOLTS)


def test_energy_is_paid_at_the_price_of_its_hour_and_the_sun_costs_what_it_would_have_earned() -> None:
    cars = {"a": charging(10)}

    dark = book([(0, cars), (3_600, cars), (7_200, cars)])
    sunny = book([(0, cars), (3_600, cars)], (-10, 0, 0))

    assert dark.cost == pytest.approx(2.3 * 0.10 + 2.3 * 0.30)
    assert dark.charging_cost == dark.cost
    assert sunny.cost == pytest.approx(0)
    assert sunny.charging_cost == pytest.approx(2.3 * 0.05)


def test_without_a_tariff_nothing_costs() -> None:
    books = Books(["a"], [])
    books.note(Instant(0, (1, 0, 0), 0, {"a": AWAY}))

    assert (books.account().cost, books.account().charging_cost) == (None, None)


def test_the_peak_is_the_mean_of_a_quarter_by_the_clock() -> None:
    begins_at_10_past_s = 600.0
    moments = [(0, {"a": charging(0)}), (300, {"a": charging(12)}), (1_500, {"a": charging(0)}), (3_000, {})]

    account = book(moments, (2, 0, 0), starts_at_utc_s=begins_at_10_past_s)

    assert account.peak_quarter_w == pytest.approx(14 * VOLTS)
    assert account.peak_quarter_s == 300
    assert account.house_peak_quarter_w == pytest.approx(2 * VOLTS)


def test_what_the_house_does_alone_is_not_ours() -> None:
    moments = [(0, {"a": charging(4)}), (10, {"a": charging(0)}), (15, {})]

    account = book(moments, (27, 0, 0))

    line = account.limits["connection"][0]
    assert [line.total_as, line.ours_as, line.house_as] == pytest.approx([70, 40, 30])
    assert (line.longest_s, line.our_longest_s, line.house_longest_s) == (15, 10, 15)
    assert account.our_longest_s == 10


def test_a_circuit_bears_its_chargers_and_not_the_house() -> None:
    account = book([(0, {"a": charging(18), "b": charging(30)}), (1, {})], (20, 0, 0))

    assert account.limits["carport"][0].ours_as == pytest.approx(2)


@pytest.mark.parametrize(
    ("situation", "cars", "starts", "stops"),
    [
        ("charges on", [waiting(), charging(6), charging(6)], 1, 0),
        ("stopped and started again", [charging(6), waiting(), charging(6)], 2, 1),
        ("full", [charging(6), waiting(is_full=True)], 1, 0),
        ("unplugged", [charging(6), AWAY], 1, 0),
    ],
)
def test_a_stop_is_one_that_the_car_did_not_ask_for(
    situation: str, cars: Sequence[CarInstant], starts: int, stops: int
) -> None:
    account = day_of(*cars).cars["a"]

    assert (account.starts, account.stops) == (starts, stops), situation


@pytest.mark.parametrize(
    ("situation", "phases", "switches"),
    [("steady", [3, 3], 0), ("to one and back", [3, 1, 3], 2), ("with a pause between", [3, 0, 1], 1)],
)
def test_phase_switches_count_within_a_visit(situation: str, phases: Sequence[int], switches: int) -> None:
    cars = [charging(6 if used else 0, phases=max(used, 1)) for used in phases]

    assert day_of(*cars).cars["a"].phase_switches == switches, situation
    assert day_of(*[each for car in cars for each in (car, AWAY)]).cars["a"].phase_switches == 0


@pytest.mark.parametrize(
    ("situation", "offers_a", "every_s", "changes", "reversals", "flaps"),
    [
        ("rises step by step", [6, 10, 14, 16], 10, 4, 0, 0),
        ("jumps to and fro", [16, 8, 16, 8], 10, 4, 3, 3),
        ("changes its mind by the hour", [16, 8, 16], 3_600, 3, 2, 0),
        ("trembles by less than a wallbox can tell", [16, 16.03, 16], 10, 1, 0, 0),
    ],
)
def test_reversals_tell_hunting_from_following(
    situation: str, offers_a: Sequence[float], every_s: float, changes: int, reversals: int, flaps: int
) -> None:
    account = day_of(waiting(), *[charging(6, offer_a=amps) for amps in offers_a], every_s=every_s).cars["a"]

    assert (account.setpoint_changes, account.reversals, account.flaps) == (changes, reversals, flaps), situation


def test_a_visit_tells_what_was_wanted_could_be_and_was_taken() -> None:
    hour = 3_600.0
    moments = [
        (0, {"a": waiting(left_wh=4_600), "b": waiting(left_wh=40_000)}),
        (hour, {"a": charging(10, left_wh=4_600), "b": charging(16)}),
        (3 * hour, {"a": waiting(is_full=True), "b": AWAY}),
        (9 * hour, {}),
    ]
    account = book(moments)
    (met,), (unmet,) = account.cars["a"].visits, account.cars["b"].visits

    assert (met.arrived_s, met.left_s, met.wanted_wh) == (0, 9 * hour, 4_600)
    assert met.taken_wh == pytest.approx(4_600)
    assert met.is_met
    assert not unmet.is_met
    assert unmet.could_wh == pytest.approx(3 * 16 * VOLTS)
    assert account.plans_met == (1, 2)
    assert account.cars["a"].served == pytest.approx(1)
    assert account.cars["b"].served == pytest.approx(2 / 3)
    assert account.cars["a"].waited_s == hour
    assert account.fairness == jain([1, 2 / 3])


def test_whoever_was_not_there_counts_neither_as_served_nor_as_starved() -> None:
    account = book([(0, {"a": charging(16)}), (60, {"a": charging(16)})])

    assert account.cars["b"].served is None
    assert account.fairness == 1


@pytest.mark.parametrize(
    ("shares", "index"),
    [([], None), ([0.5], 1), ([0.3, 0.3, 0.3], 1), ([1, 0], 0.5), ([1, 0, 0, 0], 0.25), ([0, 0], 1)],
)
def test_jains_index(shares: Sequence[float], index: float | None) -> None:
    assert jain(shares) == (None if index is None else pytest.approx(index))
