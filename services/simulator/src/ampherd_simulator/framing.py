"""Modbus frames, pure: bytes in, requests out; the MBAP header of Modbus TCP, and RTU with its CRC."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Protocol

from ampherd_simulator.p1 import crc_table
from ampherd_simulator.wallboxes.pdu import WRITE_MANY

MBAP: Final = struct.Struct(">HHHB")
MAX_MBAP_LENGTH: Final = 254
"""Unit and PDU: a PDU has at most 253 bytes."""

SHORT_REQUEST: Final = 8
"""An RTU request of FC 01 to 06: unit, function, two words, CRC."""

MANY_HEADER: Final = 7
LEAST_FRAME: Final = 4
MAX_FRAME: Final = 256
FIXED_SIZE: Final = range(1, 7)


@dataclass(frozen=True, slots=True)
class Frame:
    """A request as it came."""

    unit: int
    pdu: bytes
    transaction: int = 0


class Framer(Protocol):
    """Takes a byte stream apart and puts replies together; one for each connection."""

    def feed(self, data: bytes) -> list[Frame]:
        """The whole requests that `data` completes."""
        ...

    def reply(self, request: Frame, pdu: bytes) -> bytes:
        """The reply's frame."""
        ...


class TcpFramer:
    """Modbus TCP; a header that makes no sense empties the buffer."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The whole requests that `data` completes."""
        self._buffer += data
        frames = []
        while len(self._buffer) > MBAP.size:
            transaction, protocol, length, unit = MBAP.unpack_from(self._buffer)
            if protocol != 0 or not 2 <= length <= MAX_MBAP_LENGTH:
                self._buffer = b""
                break
            end = MBAP.size - 1 + length
            if len(self._buffer) < end:
                break
            frames.append(Frame(unit, self._buffer[MBAP.size : end], transaction))
            self._buffer = self._buffer[end:]
        return frames

    def reply(self, request: Frame, pdu: bytes) -> bytes:
        """The reply under the request's transaction number."""
        return MBAP.pack(request.transaction, 0, len(pdu) + 1, request.unit) + pdu


class RtuFramer:
    """Modbus RTU; a frame with a wrong CRC is dropped with all that is buffered, as a device would."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The whole requests that `data` completes."""
        self._buffer += data
        frames = []
        while (size := self._frame_size()) and len(self._buffer) >= size:
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            if rtu_crc(frame[:-2]) != frame[-2:]:
                self._buffer = b""
                break
            frames.append(Frame(frame[0], frame[1:-2]))
        if len(self._buffer) > MAX_FRAME:
            self._buffer = b""
        return frames

    def reply(self, request: Frame, pdu: bytes) -> bytes:
        """The reply with its CRC."""
        body = bytes((request.unit,)) + pdu
        return body + rtu_crc(body)

    def _frame_size(self) -> int:
        """The size that the function code implies, 0 while unknown; an unknown function is taken as it stands."""
        buffer = self._buffer
        if len(buffer) < LEAST_FRAME:
            return 0
        if buffer[1] in FIXED_SIZE:
            return SHORT_REQUEST
        if buffer[1] == WRITE_MANY:
            return MANY_HEADER + buffer[MANY_HEADER - 1] + 2 if len(buffer) >= MANY_HEADER else 0
        return len(buffer)


def rtu_crc(data: bytes) -> bytes:
    """CRC-16/MODBUS of `data`, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


_TABLE: Final = crc_table()
