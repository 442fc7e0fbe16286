"""The port to a wallbox: what a driver reads, what it writes, and how its wallbox wants to be talked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from ampherd_core.messages import IecState
from ampherd_core.phases import PhaseCount, Phases
from ampherd_core.units import MAX_OFFER_A

_TEMPERATURE_C: Final = (-60.0, 200.0)
"""Outside it a sensor is broken or absent, not hot or cold."""


class AgentError(Exception):
    """The base of what can go wrong between an agent and its wallbox."""


class UnreachableError(AgentError):
    """No connection: refused, no route, no such serial port."""


class NoAnswerError(AgentError):
    """The wallbox, or the line to it, stayed silent."""


class RefusedError(AgentError):
    """The wallbox answered with a Modbus exception."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"the wallbox refused the request (Modbus exception {code})")


class GarbledError(AgentError):
    """An answer that is not one, or says what cannot be."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a wallbox said in one read; None where it has no such value.

    `offer_a` is what it offers the car per phase (0 = paused), `drawn_a` and `voltage_v` are per terminal of the
    wallbox, `max_a` is the most that it and its cable allow, `read_at_s` is the boot clock when the read began;
    `phases` is how many terminals it is set to connect;
    `needs_standby`: it sees a newly plugged car only while it offers current.
    """

    iec_state: IecState
    offer_a: float
    read_at_s: float
    drawn_a: Phases | None = None
    max_a: float | None = None
    phases: PhaseCount | None = None
    resolution_a: float = 0.1
    needs_standby: bool = False
    voltage_v: Phases | None = None
    power_w: float | None = None
    session_wh: float | None = None
    total_wh: float | None = None
    temperature_c: float | None = None
    uptime_s: float | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.offer_a <= MAX_OFFER_A:
            raise GarbledError(f"the wallbox says that it offers {self.offer_a:g} A")
        if self.max_a is not None and not 0 <= self.max_a <= MAX_OFFER_A:
            raise GarbledError(f"the wallbox says that it allows {self.max_a:g} A")
        if self.temperature_c is not None and not _TEMPERATURE_C[0] <= self.temperature_c <= _TEMPERATURE_C[1]:
            object.__setattr__(self, "temperature_c", None)


class Registers(Protocol):
    """What a driver needs of a link; every call raises AgentError."""

    async def read_input(self, address: int, count: int) -> Sequence[int]:
        """Function 4: exactly `count` registers from `address`."""
        ...

    async def read_holding(self, address: int, count: int) -> Sequence[int]:
        """Function 3: exactly `count` registers from `address`."""
        ...

    async def write(self, address: int, value: int) -> None:
        """Function 6: one register, acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How a kind of wallbox wants to be treated.

    `settle_s`: an offer shows in the read-back this long after its write at the latest. `is_bursty`: it needs long
    silences between short bursts of requests, else it is read `READS_PER_S` times a second.
    """

    settle_s: float = 0.0
    is_bursty: bool = False


class Wallbox(Protocol):
    """A driver: one kind of wallbox behind one link."""

    @property
    def capabilities(self) -> Capabilities:
        """How to talk to it."""
        ...

    async def read(self, now_s: float) -> Snapshot:
        """Ask the wallbox; `now_s` becomes the snapshot's `read_at_s`; raises AgentError."""
        ...

    async def write(self, offer_a: float) -> None:
        """Offer this much (A per phase; 0 = pause); raises AgentError."""
        ...


@runtime_checkable
class PhaseSwitcher(Protocol):
    """A driver whose wallbox can charge on one phase or three."""

    async def switch(self, phases: PhaseCount) -> None:
        """Set the count that holds from the next start on; only while no current flows; raises AgentError."""
        ...


def low_byte(register: int) -> int:
    """Bits 0 to 7."""
    return register & 0xFF


def high_byte(register: int) -> int:
    """Bits 8 to 15."""
    return register >> 8
