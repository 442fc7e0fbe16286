"""What a user asks: which policies, and which day."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ampherd_core.phases import LINES, Line

from ampherd_simulator.errors import SimulatorError


class RequestError(SimulatorError):
    """A question that makes no sense; the message names the option, what is wrong, and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The command line, taken apart; None leaves it to the files, or to what a home is like.

    `solar` is a recording, or the peak of a made-up inverter in kW. Times are of the site's zone where they name none.
    Without a price for export the policy's counts.
    """

    policies: tuple[Path, ...]
    house: Path | None = None
    house_line: Line = Line.L1
    solar: str | None = None
    solar_scale: float = 1.0
    solar_lines: tuple[Line, ...] = LINES
    solar_from: str | None = None
    cars: Path | None = None
    begins: str | None = None
    hours: float | None = None
    tariff: Path | None = None
    export_price_per_kwh: float | None = None
    seed: int = 1
