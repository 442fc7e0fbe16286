"""How a SmartEVSE v2 answers Modbus: regions of registers, and exceptions that no standard knows.

Its exception frames echo the function code without the top bit and put the exception number where the byte count
belongs; FC16 replies with the number of items it accepted. What a write to a read-only register or out of range gives
is inferred: exception 3 to FC06, not counted by FC16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ampherd_simulator.wallboxes.pdu import (
    READ_HOLDING,
    READ_INPUT,
    WRITE_MANY,
    WRITE_ONE,
    Refusal,
    RefusedError,
    Request,
    parse_request,
    read_reply,
    write_reply,
)


@dataclass(frozen=True, slots=True)
class Region:
    """A run of registers that one request may not leave."""

    first: int
    length: int

    def holds(self, address: int, count: int) -> bool:
        """Whether the whole span lies inside."""
        return self.first <= address and address + count <= self.first + self.length


@dataclass(frozen=True, slots=True)
class RegisterSpace:
    """Reads and writes of single registers, put behind Modbus requests; `write` says whether it took the value."""

    regions: tuple[Region, ...]
    read: Callable[[int, float], int]
    write: Callable[[int, int, float], bool]

    def answer(self, pdu: bytes, now_s: float) -> bytes:
        """The reply to one request."""
        try:
            request = parse_request(pdu)
            return self._serve(request, now_s)
        except RefusedError as err:
            return bytes((pdu[0], err.refusal))

    def _serve(self, request: Request, now_s: float) -> bytes:
        if request.function not in {READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY}:
            raise RefusedError(Refusal.FUNCTION)
        if request.count == 0 or not any(region.holds(request.address, request.count) for region in self.regions):
            raise RefusedError(Refusal.ADDRESS)
        addresses = range(request.address, request.address + request.count)
        if not request.values:
            return read_reply(request.function, [self.read(address, now_s) for address in addresses])
        taken = [self.write(address, value, now_s) for address, value in zip(addresses, request.values, strict=True)]
        if request.function == WRITE_ONE and not taken[0]:
            raise RefusedError(Refusal.VALUE)
        return write_reply(request, accepted=sum(taken))
