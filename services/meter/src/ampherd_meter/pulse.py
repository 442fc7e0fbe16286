"""Whether this process lived all the time, or was frozen, or its host slept."""

from __future__ import annotations

from typing import Final

FREEZE_S: Final = 2.0
"""Longer between two beats than any pause of a healthy process; a sample that waited less is fresh enough."""


class Pulse:
    """Counts freezes; whoever finds the count changed has been holding old bytes."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self.freezes = 0

    def beat(self, now_s: float) -> int:
        """Alive at `now_s` on the boot clock; gives the freezes so far."""
        if now_s - self._last_s > FREEZE_S:
            self.freezes += 1
        self._last_s = now_s
        return self.freezes
