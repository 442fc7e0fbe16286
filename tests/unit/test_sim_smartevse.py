"""The SmartEVSE v2 twins at register level, held against the register facts."""

from __future__ import annotations

import struct

import pytest
from ampherd_core.messages import IecState
from ampherd_simulator.wallboxes.smartevse_pilot import Fault, State
from ampherd_simulator.wallboxes.smartevse_v2 import SmartEvseV2
from ampherd_simulator.wallboxes.smartevse_v2_legacy import SmartEvseV2Legacy

STATE, ERROR, CURRENT, ACCESS = 0x0000, 0x0001, 0x0002, 0x0005


def read(box: SmartEvseV2 | SmartEvseV2Legacy, address: int, now_s: float = 0.0, count: int = 1) -> tuple[int, ...]:
    reply = box.answer(struct.pack(">BHH", 4, address, count), now_s)
    assert reply is not None
    assert reply[:2] == bytes((4, 2 * count))
    return struct.unpack(f">{count}H", reply[2:])


def write(box: SmartEvseV2 | SmartEvseV2Legacy, address: int, value: int, now_s: float = 0.0) -> bytes | None:
    return box.answer(struct.pack(">BHH", 6, address, value), now_s)


def run(box: SmartEvseV2 | SmartEvseV2Legacy, car: IecState, from_s: float, to_s: float) -> None:
    for tenth in range(int(from_s * 10), int(to_s * 10) + 1):
        box.step(tenth / 10, car)


def charging(max_a: int = 16) -> SmartEvseV2:
    box = SmartEvseV2(max_a=max_a)
    run(box, IecState.B, 0, 5)
    run(box, IecState.C, 5, 10)
    assert box.pilot.state is State.C
    return box


@pytest.mark.parametrize(
    ("written", "offered_a"),
    [(160, 16.0), (100, 10.0), (61, 6.1), (60, 6.0), (59, 6.0), (1, 6.0), (0, 16.0)],
)
def test_override_below_six_amps_is_six_and_zero_is_max(written: int, offered_a: float) -> None:
    box = charging()
    write(box, CURRENT, 80, 10)
    run(box, IecState.C, 10, 18)
    assert box.offer_a == 8.0

    write(box, CURRENT, written, 18)
    run(box, IecState.C, 18, 26)

    assert box.offer_a == offered_a


def test_an_override_waits_for_silence_and_shows_in_the_read_back_only_then() -> None:
    box = charging()

    write(box, CURRENT, 100, 10.0)
    run(box, IecState.C, 10, 13.5)
    assert read(box, CURRENT, 13.5) == (160,)
    run(box, IecState.C, 13.5, 17.4)
    assert box.offer_a == 16.0
    run(box, IecState.C, 17.4, 19.6)

    assert box.offer_a == 10.0
    assert read(box, CURRENT, 19.6) == (100,)


def test_polled_without_gaps_it_takes_its_meter_for_lost_and_stops_charging() -> None:
    box = charging()

    for second in range(10, 22):
        read(box, STATE, float(second), 12)
        run(box, IecState.C, second, second + 0.9)

    assert Fault.NO_COMM in box.pilot.faults
    assert box.pilot.state is State.C1
    run(box, IecState.B, 22, 60)
    assert not box.pilot.faults
    assert box.pilot.state in {State.B, State.ACTIVATION}


def test_polled_every_eight_seconds_it_charges_on() -> None:
    box = charging()

    for second in range(10, 200):
        if second % 8 == 0:
            read(box, STATE, float(second), 12)
        run(box, IecState.C, second, second + 0.9)

    assert box.pilot.state is State.C


def test_access_off_pauses_within_six_seconds_and_on_resumes_after_the_delay() -> None:
    box = charging()

    write(box, ACCESS, 0, 10)
    box.step(10.1, IecState.C)
    assert (box.pilot.state, box.offer_a, box.is_closed) == (State.C1, 0.0, True)
    run(box, IecState.C, 10.1, 15.9)
    assert box.is_closed
    run(box, IecState.C, 15.9, 16.2)
    assert (box.pilot.state, box.is_closed) == (State.B1, False)

    write(box, ACCESS, 1, 17)
    run(box, IecState.B, 17, 24.8)
    assert box.pilot.state is State.B1
    run(box, IecState.B, 24.8, 25.5)
    assert (box.pilot.state, box.offer_a) == (State.B, 6.0)


def test_a_car_that_lets_go_ends_the_pause_early() -> None:
    box = charging()
    write(box, ACCESS, 0, 10)

    run(box, IecState.B, 10, 11)

    assert box.pilot.state is State.B1


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [
        pytest.param("04 0000 000D", "04 02", id="read past the end of a region"),
        pytest.param("03 000C 0001", "03 02", id="read a register that is not there"),
        pytest.param("04 0109 0002", "04 02", id="read across a region's end"),
        pytest.param("06 0007 0010", "06 03", id="write a read-only register"),
        pytest.param("06 0102 0005", "06 03", id="write a setting out of range"),
        pytest.param("01 0000 0001", "01 01", id="a function it does not know"),
    ],
)
def test_exceptions_echo_the_function_without_the_top_bit(request_pdu: str, expected: str) -> None:
    assert SmartEvseV2().answer(bytes.fromhex(request_pdu), 0) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [
        pytest.param("10 0002 0001 02 0064", "10 0002 0001", id="all accepted"),
        pytest.param("10 0005 0003 06 0001 0000 0010", "10 0005 0002", id="the read-only one is not counted"),
        pytest.param("10 0101 0002 04 0000 0005", "10 0101 0001", id="the one out of range is not counted"),
    ],
)
def test_function_16_returns_how_many_items_it_accepted(request_pdu: str, expected: str) -> None:
    assert SmartEvseV2().answer(bytes.fromhex(request_pdu), 0) == bytes.fromhex(expected)


def test_status_registers_are_free_and_settings_wear_the_memory() -> None:
    box = SmartEvseV2()
    write(box, CURRENT, 100)
    write(box, ACCESS, 0)
    assert box.configuration.eeprom_writes == 0

    write(box, 0x0103, 13)

    assert box.configuration.eeprom_writes == 1
    assert read(box, 0x0007) == (13,)


def test_identifies_itself_in_one_read_of_twelve() -> None:
    status = read(charging(), STATE, 10, 12)

    assert status[:3] == (2, 0, 160)
    assert status[5] == 1
    assert (status[7], status[9], status[10]) == (16, 0, 25 + 273)


def test_a_written_error_stops_and_holds_for_a_minute() -> None:
    box = charging()

    write(box, ERROR, 1, 10)
    run(box, IecState.B, 10, 15)
    write(box, ERROR, 0, 15)
    run(box, IecState.B, 15, 69)
    assert box.pilot.state == State.B1
    run(box, IecState.B, 69, 71)

    assert box.offer_a == 6.0


def test_a_reboot_forgets_the_override_and_returns_to_max() -> None:
    box = charging(max_a=32)
    write(box, CURRENT, 80, 10)
    run(box, IecState.C, 10, 18)
    assert box.offer_a == 8.0

    box.reboot(20)
    assert box.answer(struct.pack(">BHH", 4, 0, 12), 21) is None
    run(box, IecState.B, 20, 25)
    run(box, IecState.C, 25, 30)

    assert box.offer_a == 32.0


def test_without_its_master_the_override_stands_for_ever() -> None:
    box = charging()
    write(box, CURRENT, 80, 10)

    for second in range(10, 4_000):
        box.step(float(second), IecState.C)

    assert (box.pilot.state, box.offer_a) == (State.C, 8.0)


def test_a_waiting_car_gets_one_wake_up_pulse() -> None:
    box = SmartEvseV2()
    seen = []
    for tenth in range(1_000):
        box.step(tenth / 10, IecState.B)
        seen.append(box.pilot.state)

    assert seen.count(State.ACTIVATION) == pytest.approx(30, abs=2)


LEGACY = [
    pytest.param(0x00A0, (2,), id="state C"),
    pytest.param(0x00A2, (16,), id="max"),
    pytest.param(0x00A3, (6,), id="min"),
    pytest.param(0x00A5, (0,), id="real current is not implemented"),
    pytest.param(0x00A6, (160,), id="current"),
    pytest.param(0x00A7, (1,), id="access"),
    pytest.param(0x00C3, (16,), id="MAX setting"),
]


@pytest.mark.parametrize(("address", "expected"), LEGACY)
def test_old_firmware_has_its_map_at_a0(address: int, expected: tuple[int, ...]) -> None:
    box = SmartEvseV2Legacy()
    run(box, IecState.B, 0, 3)
    run(box, IecState.C, 3, 8)

    assert read(box, address, 8) == expected


def test_old_firmware_does_not_know_the_new_map() -> None:
    assert SmartEvseV2Legacy().answer(bytes.fromhex("04 0000 000C"), 0) == bytes.fromhex("04 02")
    assert SmartEvseV2().answer(bytes.fromhex("04 00A0 0001"), 0) == bytes.fromhex("04 02")


def test_old_firmware_can_be_polled_all_the_time() -> None:
    box = SmartEvseV2Legacy()
    run(box, IecState.B, 0, 3)
    for second in range(3, 60):
        write(box, 0x00A6, 90, float(second))
        run(box, IecState.C, second, second + 0.9)

    assert (read(box, 0x00A0, 60), box.offer_a) == ((2,), 9.0)
    assert box.configuration.eeprom_writes == 0


def test_old_firmware_shows_a_pause_as_state_b() -> None:
    box = SmartEvseV2Legacy()
    run(box, IecState.B, 0, 3)
    run(box, IecState.C, 3, 8)
    write(box, 0x00A7, 0, 8)

    run(box, IecState.B, 8, 9)

    assert read(box, 0x00A0, 9) == (1,)
    assert box.offer_a == 0
