"""The clocks of a process: one that never jumps for decisions, one for people."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Final

from ampherd_core.messages import Stamp

SESSION: Final = uuid.uuid4().hex[:16]
"""Names this start of this process."""


def boot_s() -> float:
    """Seconds on the machine's boot clock: never set, and it counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def utc_now() -> datetime:
    """The wall clock, for people and history only."""
    return datetime.now(UTC)


def stamp() -> Stamp:
    """This moment as other services may compare it."""
    return Stamp(session=SESSION, at_s=boot_s())
