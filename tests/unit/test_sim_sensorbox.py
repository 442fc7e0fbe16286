"""The Sensorbox twin at register level, held against the register facts."""

from __future__ import annotations

import struct

import pytest
from ampherd_core.phases import Phases
from ampherd_simulator.p1 import GridSample
from ampherd_simulator.sensorbox import Sensorbox, SensorboxSource, SensorboxVersion

V1, V15, V2 = SensorboxVersion
P1, P1_OLD, CT = SensorboxSource
READ_20 = bytes.fromhex("04 0000 0014")


def sample(current_a: Phases = (5.0, -3.0, 0.5)) -> GridSample:
    one, two, three = current_a
    return GridSample(current_a, (one * 230, two * 230, three * 230), (230.0, 230.0, 230.0), 0, 0)


def read(box: Sensorbox, pdu: bytes = READ_20) -> tuple[int, ...]:
    reply = box.answer(pdu, 0)
    assert reply is not None
    return struct.unpack(f">{reply.pdu[1] // 2}H", reply.pdu[2:])


def floats(words: tuple[int, ...], first: int) -> tuple[float, ...]:
    return struct.unpack(">3f", struct.pack(">6H", *words[first : first + 6]))


@pytest.mark.parametrize(
    ("version", "source", "identity", "freshness"),
    [
        (V1, CT, 0x000A, 0x0003),
        (V15, P1, 0x000F, 0x3280),
        (V2, P1, 0x0114, 0x3280),
        (V2, CT, 0x0114, 0x0003),
        (V2, P1_OLD, 0x0114, 0x2A40),
    ],
)
def test_identity_and_flags(version: SensorboxVersion, source: SensorboxSource, identity: int, freshness: int) -> None:
    box = Sensorbox(version, source)
    box.take(sample())

    assert read(box)[:2] == (identity, freshness)


def test_every_read_clears_the_flags() -> None:
    box = Sensorbox(V2, P1)
    box.take(sample())
    read(box)

    assert read(box)[1] == 0
    box.take(sample())
    assert read(box)[1] == 0x3280


def test_p1_slots_are_signed_and_clamps_of_old_boxes_are_not() -> None:
    boxes = Sensorbox(V2, P1), Sensorbox(V2, CT), Sensorbox(V1, CT)
    for box in boxes:
        box.take(sample())
    with_p1, with_ct, old_ct = (read(box) for box in boxes)

    assert floats(with_p1, 2) == (230, 230, 230)
    assert floats(with_p1, 8) == (5, -3, 0.5)
    assert floats(with_ct, 14) == (5, -3, 0.5)
    assert floats(old_ct, 14) == (5, 3, 0.5)


def test_a_port_older_than_dsmr_5_carries_no_currents() -> None:
    box = Sensorbox(V2, P1_OLD)
    box.take(sample())

    assert floats(read(box), 8) == (0, 0, 0)


def test_old_boxes_answer_only_the_read_of_twenty() -> None:
    box = Sensorbox(V15, P1)
    box.take(sample())

    assert box.answer(bytes.fromhex("04 0000 0020"), 0) is None
    assert box.answer(bytes.fromhex("06 0800 0001"), 0) is None
    assert len(read(box)) == 20


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [("04 0000 0021", "84 02"), ("04 0010 0011", "84 02"), ("04 0000 0000", "84 02"), ("06 0000 0001", "86 02")],
)
def test_version_2_refuses_what_is_outside(request_pdu: str, expected: str) -> None:
    reply = Sensorbox(V2).answer(bytes.fromhex(request_pdu), 0)

    assert reply is not None
    assert reply.pdu == bytes.fromhex(expected)


def test_rotation_and_wires_show_in_the_identity() -> None:
    box = Sensorbox(V2, CT)
    box.answer(bytes.fromhex("06 0800 0002"), 0)

    assert read(box, bytes.fromhex("04 0000 0020"))[0] == 0x0116


def test_faults() -> None:
    box = Sensorbox(V2, CT)
    box.faults.is_frozen = True
    box.take(sample())
    assert read(box)[1] == 0
    box.faults.is_silent = True
    assert box.answer(READ_20, 0) is None
