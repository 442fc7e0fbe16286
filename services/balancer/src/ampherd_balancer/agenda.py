"""What a charger's plan asks of it: when to charge and how strongly, on the balancer's own clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Stint(NamedTuple):
    """A stretch of time in which a plan has the charger offer up to `amps` (A per phase)."""

    start_s: float
    end_s: float
    amps: float


class Agenda:
    """The stints to come; without any plan it asks for nothing and forbids nothing.

    `comes_first` says that its car is served before others of its priority: whoever planned for it reckoned with that.
    """

    __slots__ = ("_now_s", "_stints", "comes_first")

    def __init__(self) -> None:
        self._stints: Sequence[Stint] | None = None
        self._now_s = 0.0
        self.comes_first = False

    def take(self, stints: Sequence[Stint] | None, *, comes_first: bool = False) -> None:
        """A finished schedule; None where no plan rules."""
        self._stints = stints
        self.comes_first = comes_first

    def look(self, now_s: float) -> None:
        """The time has come to be this late."""
        self._now_s = now_s

    @property
    def amps(self) -> float | None:
        """What the plan has it offer now, A; 0 while it waits, None where no plan rules."""
        if self._stints is None:
            return None
        return next((stint.amps for stint in self._stints if stint.start_s <= self._now_s < stint.end_s), 0.0)

    @property
    def is_charging(self) -> bool:
        """Whether a stint is on."""
        return bool(self.amps)

    @property
    def next_in_s(self) -> float | None:
        """How long until the next stint begins, s; None where there is none."""
        starts = [stint.start_s - self._now_s for stint in self._stints or () if stint.start_s > self._now_s]
        return min(starts, default=None)
