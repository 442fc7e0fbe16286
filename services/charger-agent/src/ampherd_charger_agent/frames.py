"""Modbus frames that break the standard, mended before they are read."""

from __future__ import annotations

from typing import Final

_EXCEPTION_FRAME_BYTES: Final = 5
"""Unit, function, exception number, and two bytes of checksum; no other answer to functions 3, 4 and 6 is as short."""

_EXCEPTION_TCP_BYTES: Final = 9
_EXCEPTION_TCP_LENGTH: Final = 3
"""Modbus TCP: a header of seven bytes, whose length field counts unit, function and exception number."""

_FUNCTIONS: Final = frozenset({3, 4, 6, 16})
_EXCEPTIONS: Final = range(1, 12)
_EXCEPTION_BIT: Final = 0x80
_POLYNOMIAL: Final = 0xA001
"""CRC-16 of Modbus over Serial Line, section 6.2.2, reflected."""


def conformant_rtu(frame: bytes) -> bytes:
    """A SmartEVSE v2 exception (function echoed without bit 7, firmware `modbus.c`) as the standard wants it.

    Anything else comes back as it is.
    """
    is_candidate = len(frame) == _EXCEPTION_FRAME_BYTES and frame[1] in _FUNCTIONS and frame[2] in _EXCEPTIONS
    if not is_candidate or crc(frame[:3]) != frame[3:]:
        return frame
    mended = bytes((frame[0], frame[1] | _EXCEPTION_BIT, frame[2]))
    return mended + crc(mended)


def conformant_tcp(frame: bytes) -> bytes:
    """The same behind a gateway that wraps such an exception in a Modbus TCP header."""
    is_short = len(frame) == _EXCEPTION_TCP_BYTES and frame[5] == _EXCEPTION_TCP_LENGTH
    if not is_short or frame[7] not in _FUNCTIONS or frame[8] not in _EXCEPTIONS:
        return frame
    return bytes((*frame[:7], frame[7] | _EXCEPTION_BIT, frame[8]))


def crc(data: bytes) -> bytes:
    """The checksum of an RTU frame, in the order it goes on the wire."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
    return value.to_bytes(2, "little")
