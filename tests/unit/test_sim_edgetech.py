"""The Edgetech twin at register level, held against the register facts."""

from __future__ import annotations

import struct

import pytest
from ampherd_core.messages import IecState
from ampherd_simulator.wallboxes.edgetech import ACTIONS, Edgetech, EdgetechTraits


def read(box: Edgetech, address: int, count: int = 1, now_s: float = 0.0) -> tuple[int, ...]:
    reply = box.answer(struct.pack(">BHH", 4, address, count), now_s)
    assert reply is not None
    assert reply[:2] == bytes((4, 2 * count))
    return struct.unpack(f">{count}H", reply[2:])


def limit(box: Edgetech, lasting_a: int, next_second_a: int, now_s: float) -> None:
    request = struct.pack(">BHBB", 6, 0x0201, next_second_a, lasting_a)
    assert box.answer(request, now_s) == request


def charging(**traits: bool | int | float) -> Edgetech:
    box = Edgetech(traits=EdgetechTraits(**traits))  # type: ignore[arg-type]
    box.step(0, IecState.A)
    box.step(1, IecState.B)
    box.step(2, IecState.C)
    return box


def test_without_a_controller_it_is_plug_and_charge() -> None:
    assert [charging().offer_a, charging(is_32a=True).offer_a, charging(is_32a=True, cable_a=20).offer_a] == [
        16,
        32,
        20,
    ]


@pytest.mark.parametrize(("written", "advertised"), [(16, 16), (10, 10), (6, 6), (5, 0), (1, 0), (0, 0), (40, 16)])
def test_the_limit_is_whole_amps_and_shows_in_0102(written: int, advertised: int) -> None:
    box = charging()

    limit(box, written, written, 10)
    box.step(10.1, IecState.C)

    assert box.offer_a == advertised
    assert read(box, 0x0102, now_s=10.1)[0] >> 8 == advertised


def test_the_high_byte_rules_the_next_second_only() -> None:
    box = charging()

    limit(box, lasting_a=12, next_second_a=0, now_s=10)
    box.step(10.5, IecState.C)
    assert box.offer_a == 0
    box.step(11.0, IecState.C)

    assert box.offer_a == 12


def test_the_last_limit_stands_for_ever_and_a_reboot_forgets_it() -> None:
    box = charging()
    limit(box, 8, 8, 10)
    for second in range(10, 4_000):
        box.step(float(second), IecState.C)
    assert box.offer_a == 8

    box.reboot(4_000)
    assert box.answer(bytes.fromhex("04 0102 0001"), 4_001) is None
    box.step(4_004, IecState.C)

    assert box.offer_a == 16
    assert read(box, 0x0006, 4, 4_004) == (0, 0, 0, 4_000)


@pytest.mark.parametrize("address", sorted(ACTIONS), ids=hex)
def test_reading_an_action_register_is_counted(address: int) -> None:
    box = charging()

    box.answer(struct.pack(">BHH", 4, address, 1), 10)

    assert box.actions == {ACTIONS[address]: 1}


def test_a_block_read_across_actions_sets_them_all_off() -> None:
    box = charging()

    box.answer(bytes.fromhex("04 000A 000E"), 10)

    assert box.actions.total() == len(ACTIONS)


def test_a_restart_needs_the_magic_number_and_a_quiet_reset_does_not() -> None:
    box = charging()
    limit(box, 8, 8, 10)

    assert read(box, 0x000C, now_s=11) == (0xFFFF,)
    assert box.offer_a == 8
    box.answer(bytes.fromhex("06 0202 1234"), 12)
    box.answer(bytes.fromhex("04 000C 0001"), 13)

    assert box.offer_a == 16


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [
        pytest.param("04 0006 0003", "84 03", id="the clock is read whole"),
        pytest.param("04 0005 0005", "84 03", id="the clock is not read with others"),
        pytest.param("04 0018 0001", "84 02", id="between the spans"),
        pytest.param("04 0113 0002", "84 02", id="past the end"),
        pytest.param("03 0102 0001", "83 02", id="inputs are no settings"),
        pytest.param("03 0201 0001", "83 02", id="the limit cannot be read"),
        pytest.param("06 0102 0001", "86 02", id="inputs cannot be written"),
        pytest.param("10 0201 0001 02 0606", "90 01", id="no function 16"),
        pytest.param("04 0102 0000", "84 03", id="nothing asked"),
    ],
)
def test_exceptions_are_standard(request_pdu: str, expected: str) -> None:
    box = charging()

    assert box.answer(bytes.fromhex(request_pdu), 10) == bytes.fromhex(expected)
    assert not box.actions


def test_measures_in_256ths_and_counts_energy_low_word_first() -> None:
    box = charging(voltage_v=231.5)
    box.sense((10.0, 9.5, 0.25), 300_000.0)

    assert read(box, 0x0105, 3, 5) == (2560, 2432, 64)
    assert read(box, 0x0109, 3, 5) == (59_264,) * 3
    low, high = read(box, 0x010D, 2, 5)
    assert (high << 16 | low) / 256 == 300
    assert read(box, 0x0108, now_s=5) == (0xFFFF,)


@pytest.mark.parametrize(("car", "expected"), [(IecState.A, 1), (IecState.B, 2), (IecState.C, 3)])
def test_state_register_counts_from_one(car: IecState, expected: int) -> None:
    box = Edgetech()
    box.step(1, car)
    box.step(2, car)

    assert read(box, 0x0103, now_s=2) == (expected,)


def test_a_pause_opens_the_contactor_when_the_car_lets_go_or_after_six_seconds() -> None:
    polite, stubborn = charging(), charging()
    for box in (polite, stubborn):
        limit(box, 0, 0, 10)
        box.step(10.1, IecState.C)
        assert box.is_closed

    polite.step(12, IecState.B)
    stubborn.step(16.0, IecState.C)
    assert (polite.is_closed, stubborn.is_closed) == (False, True)
    stubborn.step(16.2, IecState.C)

    assert not stubborn.is_closed
    assert read(stubborn, 0x0103, now_s=16.2) == (2,)


def test_fresh_from_the_factory_it_answers_only_after_a_change_of_state() -> None:
    box = Edgetech(1, EdgetechTraits(is_fresh_from_factory=True))
    box.step(0, IecState.A)
    assert box.answer(bytes.fromhex("04 0102 0001"), 0) is None

    box.step(1, IecState.B)

    assert box.answer(bytes.fromhex("04 0102 0001"), 1) is not None


def test_one_phase_setting_takes_effect_at_the_next_start() -> None:
    box = charging()
    box.answer(bytes.fromhex("06 0204 0000"), 3)
    box.step(4, IecState.C)
    assert box.terminals == 3

    box.step(5, IecState.B)

    assert box.terminals == 1


def test_a_switch_behind_a_closed_contactor_counts_as_damage_and_other_bits_do_not() -> None:
    box = charging()
    box.answer(bytes.fromhex("06 0204 0005"), 3)
    assert box.switched_under_load == 0

    box.answer(bytes.fromhex("06 0204 0004"), 4)
    assert box.switched_under_load == 1

    box.step(5, IecState.B)
    box.answer(bytes.fromhex("06 0204 0005"), 6)
    assert box.switched_under_load == 1


@pytest.mark.parametrize(("is_saved", "phases"), [(False, 3), (True, 1)])
def test_a_restart_brings_back_the_phases_that_were_saved(is_saved: bool, phases: int) -> None:
    box = charging()
    box.step(3, IecState.B)
    box.answer(bytes.fromhex("06 0204 0000"), 4)
    if is_saved:
        box.answer(bytes.fromhex("06 0202 1234"), 5)
        box.answer(bytes.fromhex("04 000A 0001"), 6)

    box.reboot(10)
    box.step(14, IecState.B)

    assert (box.set_phases, box.terminals) == (phases, phases)


def test_stale_currents_stay_while_the_fault_is_on() -> None:
    box = charging()
    box.sense((10.0, 10.0, 10.0), 0)
    box.sensors.is_stale = True
    box.sense((0.0, 0.0, 0.0), 0)

    assert read(box, 0x0105, now_s=5) == (2560,)
