"""What a Modbus line needs to know of a device on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes back, and how late."""

    pdu: bytes
    delay_s: float = 0.0


class Device(Protocol):
    """Anything that answers Modbus."""

    @property
    def unit(self) -> int:
        """Its address."""
        ...

    def answer(self, pdu: bytes, now_s: float) -> Reply | None:
        """The reply, or None for silence."""
        ...

    def overhear(self, now_s: float) -> None:
        """A request for another unit passed on the same line."""
        ...
