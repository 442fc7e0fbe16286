"""Modbus frames of the simulator: whole, in pieces, and spoiled."""

from __future__ import annotations

import pytest
from ampherd_simulator.framing import Frame, RtuFramer, TcpFramer, rtu_crc

READ = bytes.fromhex("0A 04 0000 0014")
WRITE_MANY = bytes.fromhex("03 10 0000 0002 04 0007 0000")


def test_rtu_frames_of_the_register_documents_have_these_checksums() -> None:
    assert READ + rtu_crc(READ) == bytes.fromhex("0A 04 00 00 00 14 F1 7E")
    assert WRITE_MANY + rtu_crc(WRITE_MANY) == bytes.fromhex("03 10 00 00 00 02 04 00 07 00 00 49 D6")


@pytest.mark.parametrize("body", [READ, WRITE_MANY], ids=["read", "write many"])
def test_an_rtu_request_may_come_byte_by_byte(body: bytes) -> None:
    framer = RtuFramer()
    frames = [frame for byte in body + rtu_crc(body) for frame in framer.feed(bytes((byte,)))]

    assert frames == [Frame(body[0], body[1:])]


def test_an_rtu_frame_with_a_wrong_checksum_is_dropped() -> None:
    framer = RtuFramer()

    assert framer.feed(READ + b"\0\0") == []
    assert framer.feed(READ + rtu_crc(READ)) == [Frame(0x0A, READ[1:])]


def test_modbus_tcp_keeps_the_transaction_number() -> None:
    framer = TcpFramer()
    request = bytes.fromhex("0007 0000 0006 01 04 0102 0003")

    (frame,) = framer.feed(request[:5]) + framer.feed(request[5:])

    assert frame == Frame(1, bytes.fromhex("04 0102 0003"), 7)
    assert framer.reply(frame, bytes.fromhex("84 02")) == bytes.fromhex("0007 0000 0003 01 84 02")


def test_two_requests_in_one_packet_are_two() -> None:
    request = bytes.fromhex("0007 0000 0006 01 04 0102 0003")

    assert len(TcpFramer().feed(request * 2)) == 2


def test_a_header_that_makes_no_sense_empties_the_buffer() -> None:
    framer = TcpFramer()

    assert framer.feed(b"GET / HTTP/1.1\r\n") == []
    assert len(framer.feed(bytes.fromhex("0007 0000 0006 01 04 0102 0003"))) == 1
