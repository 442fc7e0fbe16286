"""The events of a site: a grid meter that falls silent or comes back, wiring that cannot be as the policy says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from ampherd_core.messages import Severity

START_GRACE_S: Final = 15.0
"""All services start together: a meter that is not heard yet is no alarm."""


class Event(Protocol):
    """How people are told."""

    async def __call__(self, code: str, severity: Severity, text: str) -> None:
        """Tell them."""
        ...


class Alarms:
    """Tells each change once."""

    def __init__(self, event: Event, now_s: float) -> None:
        self._event = event
        self._began_s = now_s
        self._was_grid_fresh: bool | None = None
        self._doubts: Mapping[str, str] = {}

    async def tell_grid(self, *, is_fresh: bool, now_s: float) -> None:
        """Whether the grid meter is heard."""
        before = self._was_grid_fresh
        if is_fresh is before or (before is None and not is_fresh and now_s - self._began_s < START_GRACE_S):
            return
        self._was_grid_fresh = is_fresh
        if not is_fresh:
            await self._event("grid-stale", Severity.ALARM, "The grid meter is silent: chargers go to their fallback.")
        elif before is False:
            await self._event("grid-back", Severity.INFO, "The grid meter is heard again.")

    async def tell_doubts(self, found: Mapping[str, str]) -> None:
        """The nodes whose wiring is doubted now, each with its sentence."""
        known, self._doubts = self._doubts, found
        for node in found.keys() - known.keys():
            await self._event("wiring-doubted", Severity.ALARM, found[node])
