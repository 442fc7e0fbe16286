"""The health check of a service's container: its event loop touched the heartbeat file a moment ago."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_TOO_OLD_S = 10.0
"""A service beats every second; ten missed beats are no hiccup."""


def age_s(heartbeat: Path, now_s: float) -> float:
    """How long ago the file was touched, s; infinite where it does not exist."""
    try:
        return now_s - heartbeat.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


if __name__ == "__main__":
    age = age_s(Path(os.environ["AMPHERD_HEARTBEAT"]), time.time())
    sys.exit(0 if age <= _TOO_OLD_S else f"last heartbeat {age:.0f} s ago")
