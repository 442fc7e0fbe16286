"""Modbus replies as the line gives them: whole answers are kept, broken ones mended where it is safe, noise dropped.

What the Modbus library cannot read makes it fail in asyncio's own callback, with a trace in the log and no counter.
So it is shown whole answers only (Modbus application protocol, section 6); for all else it waits until its timeout.
"""

from __future__ import annotations

from typing import Final

_READS: Final = frozenset({3, 4})
_WRITES: Final = frozenset({6, 16})
_WRITE_BYTES: Final = 5
"""Function, address, and value or count."""

_EXCEPTION_BYTES: Final = 2
"""Function and exception number."""

_EXCEPTION_BIT: Final = 0x80
_EXCEPTIONS: Final = range(1, 12)
_HEADER_BYTES: Final = 7
"""Modbus TCP: transaction, protocol 0, length of what follows, unit."""

_CRC_BYTES: Final = 2
_POLYNOMIAL: Final = 0xA001
"""CRC-16 of Modbus over Serial Line, section 6.2.2, reflected."""


def whole_rtu(data: bytes) -> bytes:
    """The first whole answer of a serial line, wherever it begins; nothing while there is none."""
    for start in range(len(data)):
        pdu = _pdu(data[start + 1 :], room=len(data) - start - 1 - _CRC_BYTES)
        if pdu and crc(data[start : start + 1] + pdu) == data[start + 1 + len(pdu) : start + 1 + len(pdu) + _CRC_BYTES]:
            answer = data[start : start + 1] + _mended(pdu)
            return answer + crc(answer)
    return b""


def whole_tcp(data: bytes) -> bytes:
    """The whole answers of a Modbus TCP connection; nothing while there is none, or once something else came."""
    answers = b""
    while len(data) > _HEADER_BYTES and data[2:4] == b"\0\0":
        size = int.from_bytes(data[4:6], "big") - 1
        # Some devices count an exception's two bytes as one.
        if size == 1 and data[_HEADER_BYTES] & _EXCEPTION_BIT:
            size = _EXCEPTION_BYTES
        body = data[_HEADER_BYTES : _HEADER_BYTES + size]
        if len(body) < size:
            break
        pdu = _pdu(body, room=size)
        if pdu:
            answers += data[:4] + (len(pdu) + 1).to_bytes(2, "big") + data[6:_HEADER_BYTES] + _mended(pdu)
        data = data[_HEADER_BYTES + size :]
    return answers


def crc(data: bytes) -> bytes:
    """The checksum of an RTU frame, in the order it goes on the wire."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def _pdu(body: bytes, room: int) -> bytes:
    """The answer that begins here, function code first; nothing where none does, or more than `room` bytes are due."""
    if room < _EXCEPTION_BYTES:
        return b""
    function, second = body[0], body[1]
    is_broken_exception = room == _EXCEPTION_BYTES and second in _EXCEPTIONS
    if is_broken_exception or (function & _EXCEPTION_BIT and function & ~_EXCEPTION_BIT in _READS | _WRITES):
        size = _EXCEPTION_BYTES
    elif function in _READS:
        size = _EXCEPTION_BYTES + second
    else:
        size = _WRITE_BYTES
    is_known = function & ~_EXCEPTION_BIT in _READS | _WRITES
    return body[:size] if is_known and size <= room else b""


def _mended(pdu: bytes) -> bytes:
    """A SmartEVSE v2 exception (function echoed without bit 7, firmware `modbus.c`) as the standard wants it."""
    if len(pdu) == _EXCEPTION_BYTES and pdu[1] in _EXCEPTIONS:
        return bytes((pdu[0] | _EXCEPTION_BIT, pdu[1]))
    return pdu
