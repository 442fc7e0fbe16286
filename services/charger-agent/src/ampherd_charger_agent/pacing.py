"""When a wallbox may be talked to: steadily, or in bursts with silence between."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, Protocol

from ampherd_charger_agent.wallbox import Capabilities

READ_EVERY_S: Final = 0.25
"""The safety loop sees a wallbox four times a second where the line is fast enough."""


READ_BACK_AFTER_S: Final = 0.02
"""A write is read back so much later: a wallbox takes a moment to act, and the other chargers' grants go first."""


class Gate(StrEnum):
    """Which orders may leave now."""

    OPEN = "open"
    LOWER_ONLY = "lower_only"
    SHUT = "shut"


class Pacer(Protocol):
    """Tells the shell when to talk; told of every exchange."""

    def gate(self, now_s: float) -> Gate:
        """Which writes may go on the wire now."""
        ...

    def next_read_s(self, now_s: float, lapse_s: float = -math.inf) -> float:
        """When the next read is due, not after `now_s` means now; the lease in force lapses at `lapse_s`."""
        ...

    def wrote(self, now_s: float) -> None:
        """A write went over the wire."""
        ...

    def read(self, began_s: float, now_s: float) -> None:
        """A read went over the wire."""
        ...


def pacer_for(capabilities: Capabilities) -> Pacer:
    """The pacer that a wallbox needs."""
    return BurstPacer() if capabilities.is_bursty else SteadyPacer()


class SteadyPacer:
    """Reads every `READ_EVERY_S`, and a moment after a write."""

    def __init__(self) -> None:
        self._next_read_s = -math.inf
        self._wrote_s = -math.inf

    def gate(self, now_s: float) -> Gate:  # noqa: ARG002 - the protocol's signature
        """Always open."""
        return Gate.OPEN

    def next_read_s(self, now_s: float, lapse_s: float = -math.inf) -> float:  # noqa: ARG002 - the protocol's signature
        """A period after the last read, a moment after a write."""
        return self._next_read_s

    def wrote(self, now_s: float) -> None:
        """Read back in a moment."""
        self._wrote_s = now_s
        self._next_read_s = now_s + READ_BACK_AFTER_S

    def read(self, began_s: float, now_s: float) -> None:  # noqa: ARG002 - the protocol's signature
        """The next read is a period away, or a moment after a write that came in between."""
        self._next_read_s = self._wrote_s + READ_BACK_AFTER_S if began_s < self._wrote_s else began_s + READ_EVERY_S


class BurstPacer:
    """One short burst of requests, then silence, as SmartEVSE v2 needs.

    A foreign request holds its control cycle off for 4 s (firmware 2.30, `EVSE.c`, ExternalMaster), the cycle runs
    every 2 s, and 10 s without a cycle stop the charging. Within a burst everything may be said; in the silence only
    a lowering, and only while the wallbox still gets its silence within `STARVED_S` of the burst's first request.
    """

    BURST_S: Final = 1.5
    SILENCE_S: Final = 6.0
    READ_AFTER_S: Final = 7.0
    STARVED_S: Final = 10.0
    SHUT_AFTER_S: Final = STARVED_S - SILENCE_S - 0.5
    SHUT_UNTIL_S: Final = BURST_S + SILENCE_S
    """Between the two after a burst has begun not even a fallback may be written (with half a second to notice it)."""

    def __init__(self) -> None:
        self._began_s = -math.inf
        self._ended_s = -math.inf
        self._has_read = True

    def gate(self, now_s: float) -> Gate:
        """Open in a burst and after the silence; between them only for a lowering that does not starve the wallbox."""
        if now_s - self._began_s <= self.BURST_S or now_s - self._ended_s >= self.SILENCE_S:
            return Gate.OPEN
        would_wait_s = now_s + self.SILENCE_S - self._began_s
        return Gate.LOWER_ONLY if would_wait_s <= self.STARVED_S else Gate.SHUT

    def next_read_s(self, now_s: float, lapse_s: float = -math.inf) -> float:
        """Once in each burst; else after the silence, and not where the lease would lapse while the gate is shut."""
        if not self._has_read and now_s - self._began_s <= self.BURST_S:
            return now_s
        due_s = self._ended_s + self.READ_AFTER_S
        would_be_shut = self.SHUT_AFTER_S < lapse_s - max(due_s, now_s) < self.SHUT_UNTIL_S
        return min(lapse_s - self.SHUT_AFTER_S, due_s + self.READ_AFTER_S) if would_be_shut else due_s

    def wrote(self, now_s: float) -> None:
        """Part of the burst, or the start of one."""
        self._talked(now_s)

    def read(self, began_s: float, now_s: float) -> None:
        """A burst needs no second read."""
        self._talked(began_s)
        self._talked(now_s)
        self._has_read = True

    def _talked(self, now_s: float) -> None:
        if now_s - self._ended_s >= self.SILENCE_S:
            self._began_s = now_s
            self._has_read = False
        self._ended_s = now_s
