"""Modbus replies: what is whole is found, what is broken is mended or left out."""

from __future__ import annotations

import pytest
from ampherd_core.modbus_frames import crc, whole_rtu, whole_tcp
from hypothesis import given
from hypothesis import strategies as st

READ = bytes.fromhex("01040400070008")
WRITE = bytes.fromhex("010602011010")
REFUSAL = bytes.fromhex("018402")
BROKEN = bytes.fromhex("010402")
"""A SmartEVSE v2 echoes the function without bit 7."""


def rtu(body: bytes) -> bytes:
    return body + crc(body)


def tcp(body: bytes, *, turn: int = 1, length: int | None = None) -> bytes:
    return turn.to_bytes(2, "big") + b"\0\0" + (len(body) if length is None else length).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("situation", "line", "found"),
    [
        ("a read", rtu(READ), rtu(READ)),
        ("a write", rtu(WRITE), rtu(WRITE)),
        ("a refusal", rtu(REFUSAL), rtu(REFUSAL)),
        ("a refusal that breaks the standard", rtu(BROKEN), rtu(REFUSAL)),
        ("noise before it", b"\0\xff\x04" + rtu(READ), rtu(READ)),
        ("noise after it", rtu(READ) + b"\0", rtu(READ)),
        ("twice: the second is nobody's", rtu(READ) * 2, rtu(READ)),
        ("cut short", rtu(READ)[:-1], b""),
        ("a wrong checksum", READ + b"\0\0", b""),
        ("a function that nobody asks for", rtu(bytes.fromhex("011700010203")), b""),
        ("nothing", b"", b""),
    ],
)
def test_a_serial_line(situation: str, line: bytes, found: bytes) -> None:
    assert whole_rtu(line) == found, situation


@pytest.mark.parametrize(
    ("situation", "line", "found"),
    [
        ("a read", tcp(READ), tcp(READ)),
        ("a refusal", tcp(REFUSAL), tcp(REFUSAL)),
        ("a refusal that breaks the standard", tcp(BROKEN), tcp(REFUSAL)),
        ("a refusal whose length counts one byte less", tcp(REFUSAL, length=2), tcp(REFUSAL)),
        ("a late answer and the right one", tcp(READ) + tcp(WRITE, turn=2), tcp(READ) + tcp(WRITE, turn=2)),
        ("an unknown function and the right one", tcp(bytes.fromhex("011702")) + tcp(READ), tcp(READ)),
        ("more registers than the length has", tcp(bytes.fromhex("0104ff0007")), b""),
        ("the rest is yet to come", tcp(READ)[:-1], b""),
        ("no Modbus at all", b"HTTP/1.1 400 Bad Request", b""),
    ],
)
def test_a_tcp_connection(situation: str, line: bytes, found: bytes) -> None:
    assert whole_tcp(line) == found, situation


@given(st.binary(max_size=300))
def test_whatever_comes_what_is_shown_is_whole(line: bytes) -> None:
    assert whole_rtu(whole_rtu(line)) == whole_rtu(line)
    assert whole_tcp(whole_tcp(line)) == whole_tcp(line)
