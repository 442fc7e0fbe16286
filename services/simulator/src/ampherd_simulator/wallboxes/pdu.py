"""Modbus requests and replies without their frame: function code and data (Modbus application protocol, section 6)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

READ_HOLDING: Final = 0x03
READ_INPUT: Final = 0x04
WRITE_COIL: Final = 0x05
WRITE_ONE: Final = 0x06
WRITE_MANY: Final = 0x10
WRITES: Final = frozenset({WRITE_COIL, WRITE_ONE, WRITE_MANY})


class Refusal(IntEnum):
    """Modbus exception codes."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3


class RefusedError(Exception):
    """The device refuses a request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `values` is empty for a read."""

    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()


def parse_request(pdu: bytes) -> Request:
    """A request taken apart; RefusedError when the function or the length does not fit."""
    function = pdu[0]
    if function in {READ_HOLDING, READ_INPUT} and len(pdu) == 5:
        address, count = struct.unpack(">HH", pdu[1:])
        return Request(function, address, count)
    if function in {WRITE_ONE, WRITE_COIL} and len(pdu) == 5:
        address, value = struct.unpack(">HH", pdu[1:])
        return Request(function, address, 1, (value,))
    if function == WRITE_MANY and len(pdu) >= 6:
        address, count, size = struct.unpack(">HHB", pdu[1:6])
        if size != 2 * count or len(pdu) != 6 + size:
            raise RefusedError(Refusal.VALUE)
        return Request(function, address, count, struct.unpack(f">{count}H", pdu[6:]))
    raise RefusedError(Refusal.FUNCTION)


def read_reply(function: int, values: Sequence[int]) -> bytes:
    """The registers asked for."""
    return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)


def write_reply(request: Request, accepted: int | None = None) -> bytes:
    """The echo of FC06, or address and count of FC16; `accepted` replaces the count."""
    if request.function == WRITE_MANY:
        return struct.pack(">BHH", WRITE_MANY, request.address, request.count if accepted is None else accepted)
    return struct.pack(">BHH", request.function, request.address, request.values[0])


def exception_reply(function: int, refusal: Refusal) -> bytes:
    """The standard's exception: function code with the top bit set."""
    return bytes((function | 0x80, refusal))


def low_byte(value: int) -> int:
    """The register's low byte."""
    return value & 0xFF


def high_byte(value: int) -> int:
    """The register's high byte."""
    return value >> 8
