"""What a driver hands over: one sample of one meter, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Count(StrEnum):
    """What is counted per meter, good and bad."""

    OK = "ok"
    CRC = "crc"
    CUT = "cut"
    OVERSIZE = "oversize"
    GARBAGE = "garbage"
    UNPARSABLE = "unparsable"
    DUPLICATE = "duplicate"
    ABSURD = "absurd"
    HALF_MISSING = "half_missing"
    NO_CURRENTS = "no_currents"
    REPEAT = "repeat"
    LATE = "late"
    RETAINED = "retained"
    GAP = "gap"
    TIMEOUT = "timeout"
    LINK = "link"


REFUSALS = frozenset(
    {
        Count.CRC,
        Count.CUT,
        Count.OVERSIZE,
        Count.GARBAGE,
        Count.UNPARSABLE,
        Count.DUPLICATE,
        Count.ABSURD,
        Count.HALF_MISSING,
        Count.NO_CURRENTS,
        Count.TIMEOUT,
        Count.RETAINED,
    }
)
"""The counts that explain why a meter that talks gives no reading."""


class MeterError(Exception):
    """The base of what can go wrong between a meter and its reading."""


class LinkError(MeterError):
    """The way to the meter is broken; trying again may help."""


class SourceEndedError(LinkError):
    """The source has no more to give; trying again does not help."""


class RefusedError(MeterError):
    """A sample that may not become a reading; `cause` is how it is counted."""

    def __init__(self, cause: Count, why: str) -> None:
        self.cause = cause
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class PhaseValues:
    """One phase as the meter gives it; None where it says nothing.

    `current_a` is negative only where the meter itself knows the direction; `power_w` is signed, + is import.
    """

    current_a: float | None = None
    power_w: float | None = None
    voltage_v: float | None = None


MeterPhases: TypeAlias = tuple[PhaseValues | None, PhaseValues | None, PhaseValues | None]
"""The meter's own phases in its own order; None where it has no such phase."""

NO_PHASES: MeterPhases = (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample of one meter; powers in W, + is import."""

    phases: MeterPhases = NO_PHASES
    power_w: float | None = None
    resolution_a: float = 0.0
    """Step of the reported currents, A; 0 is fine."""
    energy_import_wh: float | None = None
    energy_export_wh: float | None = None
    quarter_power_w: float | None = None
    month_peak_w: float | None = None
    soc_percent: float | None = None
    nominal_interval_s: float | None = None
    """The period that the meter's standard promises; None where it promises none."""
    is_delta: bool = False
    """The meter says that it measures three lines without a neutral."""
    content: str | None = None
    """What a frozen meter would repeat word for word; None where the meter itself tells new from old."""
    has_clock: bool = False
    """Whether `content` holds the meter's clock, so that no two samples are alike."""
