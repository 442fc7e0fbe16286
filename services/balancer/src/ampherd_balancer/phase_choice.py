"""One phase or three: what a charger that can do both should use, changed rarely."""

from __future__ import annotations

from typing import Final

from ampherd_core.phases import PhaseCount

PATIENCE_S: Final = 90.0
"""A car stops within seconds, the dead time takes 10 s, and a wallbox is asked three times: then it will not switch."""


class PhaseChoice:
    """The count that one charger is granted, and what its wallbox says; times are on the balancer's clock.

    A new leader does not know when the last switch was: it takes its own beginning for it.
    """

    def __init__(self, now_s: float) -> None:
        self.wish: PhaseCount | None = None
        self.confirmed: PhaseCount | None = None
        self._known: PhaseCount | None = None
        self._switched_s = now_s
        self._wished_s = now_s

    @property
    def is_switching(self) -> bool:
        """Whether the wallbox has yet to confirm the wish; until then nothing is granted."""
        return self.wish is not None and self.wish != self.confirmed

    def heard(self, confirmed: PhaseCount | None, now_s: float) -> bool:
        """What the wallbox says; True when its count changed."""
        self.confirmed = confirmed
        has_changed = confirmed is not None and self._known not in {None, confirmed}
        if has_changed:
            self._switched_s = now_s
        self._known = confirmed or self._known
        return has_changed

    def choose(self, best: PhaseCount | None, now_s: float, *, every_s: float) -> None:
        """Go for `best` where a switch is due again, None for no matter; a wallbox that does not obey is given up."""
        if self.confirmed is None and self.wish == self._known:
            return
        if self.is_switching:
            if now_s - self._wished_s <= PATIENCE_S:
                return
            self._switched_s = now_s
        self.wish = self.confirmed
        may_switch = self.confirmed is not None and now_s - self._switched_s >= every_s
        if best is not None and best != self.confirmed and may_switch:
            self.wish, self._wished_s = best, now_s

    def leave(self) -> None:
        """Want nothing: the wallbox stays as it is."""
        self.wish = None
