"""What a driver is given, and what it must do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ampherd_core.broker_address import BrokerAddress
from ampherd_core.policy import Meter

from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, Sample


@dataclass(frozen=True, slots=True)
class DriverPort:
    """A driver's side of the service: its meter's policy, and where its samples and counts go."""

    meter: Meter
    is_delta: bool
    """The site has three lines without neutral."""
    counters: Counter[Count]
    pulse: Pulse
    link_up: Callable[[], None]
    """Call it when the meter is reached."""
    deliver: Callable[[Sample], Awaitable[None]]
    """Call it the moment a sample is complete."""
    broker: BrokerAddress | None = None
    """Ampherd's own, which `source: bus` means."""
    directory: Path = Path()
    """The policy's, where a password may lie."""


class Driver(Protocol):
    """Reads one meter."""

    async def run(self) -> None:
        """Open the link and deliver samples until it fails: raises LinkError, and leaves nothing open."""
        ...
