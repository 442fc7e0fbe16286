"""The judge: what flows, what was too much, for how long, and by whose doing."""

from __future__ import annotations

import math

import pytest
from ampherd_core.phases import Line, Phases
from ampherd_simulator.cars import Car, CarTraits, Visit
from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.house import ConstantHouse, House, Step, SteppedHouse
from ampherd_simulator.site import SimulatedSite
from ampherd_simulator.wallboxes.edgetech import Edgetech

L1, L2, L3 = Line
PLAIN = CarTraits(lag_s=0, ramp_up_a_s=math.inf, under_a=0)


def charger(
    name: str,
    lines: tuple[Line, ...] = (L1, L2, L3),
    circuits: tuple[str, ...] = (),
    traits: CarTraits = PLAIN,
    *,
    is_delta: bool = False,
    arrives_s: float = 0.0,
) -> SimulatedCharger:
    car = Car(traits, visits=[Visit(arrives_s)])
    return SimulatedCharger(name, Edgetech(), car, lines=lines, circuits=circuits, is_delta=is_delta)


def settled(site: SimulatedSite, until_s: int = 10) -> Phases:
    for second in range(until_s + 1):
        site.step(float(second))
    return site.grid_a


@pytest.mark.parametrize(
    ("lines", "phases", "expected"),
    [
        ((L1, L2, L3), 3, (16, 16, 16)),
        ((L1, L2, L3), 1, (16, 0, 0)),
        ((L2, L3, L1), 1, (0, 16, 0)),
        ((L2, L3, L1), 2, (0, 16, 16)),
        ((L3, L1, L2), 2, (16, 0, 16)),
        ((L2,), 3, (0, 16, 0)),
    ],
)
def test_rotation_decides_which_line_a_terminal_loads(lines: tuple[Line, ...], phases: int, expected: Phases) -> None:
    traits = CarTraits(phases=phases, lag_s=0, ramp_up_a_s=math.inf, under_a=0)
    site = SimulatedSite(ConstantHouse((0, 0, 0)), [charger("one", lines, traits=traits)], 25)

    assert settled(site) == expected


def test_without_neutral_a_one_phase_car_loads_two_lines() -> None:
    traits = CarTraits(phases=1, lag_s=0, ramp_up_a_s=math.inf, under_a=0)
    site = SimulatedSite(ConstantHouse((1, 1, 1)), [charger("one", (L2, L3), traits=traits, is_delta=True)], 25)

    assert settled(site) == (1, 17, 17)


def over(house: House, limit_a: float, cars: int, until_s: int) -> SimulatedSite:
    site = SimulatedSite(house, [charger(f"car-{number}") for number in range(cars)], limit_a)
    settled(site, until_s)
    return site


def test_the_house_alone_over_its_limit_is_not_our_doing() -> None:
    house = SteppedHouse(ConstantHouse((0, 0, 0)), [Step(L2, 30, at_s=10, for_s=20)])
    excess = over(house, 25, 0, 60).connection.excess[1]

    assert (excess.total_as, excess.ours_as, excess.worst_a) == (100, 0, 5)
    assert (excess.longest_s, excess.our_longest_s) == (20, 0)


def test_excess_is_split_between_the_house_and_us() -> None:
    house = SteppedHouse(ConstantHouse((0, 0, 0)), [Step(L1, 30, at_s=20, for_s=10), Step(L1, 12, at_s=40, for_s=5)])
    excess = over(house, 25, 1, 60).connection.excess[0]

    assert excess.total_as == pytest.approx(10 * 21 + 5 * 3)
    assert excess.house_as == pytest.approx(10 * 5)
    assert excess.ours_as == pytest.approx(10 * 16 + 5 * 3)
    assert (excess.worst_a, excess.longest_s, excess.our_longest_s) == (21, 10, 10)
    assert (excess.seconds_over_s, excess.our_seconds_s) == (15, 15)


def test_export_over_the_rating_counts_too() -> None:
    site = SimulatedSite(ConstantHouse((-30, 0, 0)), [], 25)
    settled(site, 10)

    assert site.connection.excess[0].total_as == 50


def test_a_circuit_is_judged_by_its_own_chargers() -> None:
    site = SimulatedSite(
        ConstantHouse((20, 0, 0)),
        [charger("one", circuits=("carport",)), charger("two", circuits=("carport",)), charger("three")],
        100,
        circuits_a={"carport": 24},
    )
    settled(site, 30)

    assert site.circuits["carport"].load_a == (32, 32, 32)
    assert site.circuits["carport"].excess[0].worst_a == 8
    assert site.connection.excess[0].total_as == 0


def test_energy_counts_import_and_export_apart() -> None:
    house = SteppedHouse(ConstantHouse((10, 0, 0)), [Step(L1, -30, at_s=3_600, for_s=3_600)])
    site = SimulatedSite(house, [], 25, voltage_v=230)
    for second in range(0, 7_201, 10):
        site.step(float(second))

    assert site.import_wh == pytest.approx(2_300)
    assert site.export_wh == pytest.approx(4_600)


def test_faults_of_a_wallbox() -> None:
    point = charger("one")
    for second in range(10):
        point.step(float(second))
    write = bytes.fromhex("06 0201 0808")

    point.faults.is_slow = True
    reply = point.answer(write, 10)
    assert reply is not None
    assert (reply.pdu, reply.delay_s) == (write, 0.5)

    point.faults.ignores_writes = True
    reply = point.answer(bytes.fromhex("06 0201 0606"), 11)
    assert reply is not None
    assert reply.pdu == bytes.fromhex("06 0201 0606")
    point.step(12)
    assert point.wallbox.offer_a == 8

    point.faults.answers_garbage = True
    reply = point.answer(write, 13)
    assert reply is not None
    assert reply.pdu != write

    point.faults.is_silent = True
    assert point.answer(write, 14) is None

    point.faults.reboots_at_s = 20
    point.step(20)
    point.step(24)
    assert point.wallbox.offer_a == 16
