"""What a charger's plan asks of it: when to charge and how strongly, on the balancer's own clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

MOST_URGENT: Final = 7
"""Urgencies are whole numbers up to this; 0 is that of a car without a plan."""


class Stint(NamedTuple):
    """A stretch of time in which a plan has the charger offer up to `amps` (A per phase).

    Where it `takes_more`, what nobody else needs is welcome on top: it is no dearer than what is planned for later.
    An extra one was not reckoned with: it comes first before nobody. In one that `follows_sun` the car takes what the
    sun leaves over, as in a solar mode: it was to give all of `amps`, and what it does not can be had later.
    """

    start_s: float
    end_s: float
    amps: float
    takes_more: bool = False
    is_extra: bool = False
    follows_sun: bool = False


class Agenda:
    """The stints to come; without any plan it asks for nothing and forbids nothing.

    `stint` is the one that is on. `urgency` says how much before others of its priority its car is served: whoever
    planned for it reckoned with that.
    """

    __slots__ = ("_now_s", "_stints", "_urgency", "stint")

    def __init__(self) -> None:
        self._stints: Sequence[Stint] | None = None
        self.stint: Stint | None = None
        self._now_s = 0.0
        self._urgency = 0

    def take(self, stints: Sequence[Stint] | None, *, urgency: int = 0) -> None:
        """A finished schedule; None where no plan rules."""
        self._stints = stints
        self._urgency = urgency
        self.look(self._now_s)

    def look(self, now_s: float) -> None:
        """The time has come to be this late."""
        self._now_s = now_s
        if self._stints is not None or self.stint is not None:
            self.stint = next((stint for stint in self._stints or () if stint.start_s <= now_s < stint.end_s), None)

    @property
    def amps(self) -> float | None:
        """What the plan has it offer now, A; 0 while it waits, None where no plan rules."""
        if self._stints is None:
            return None
        return self.stint.amps if self.stint is not None else 0.0

    @property
    def urgency(self) -> int:
        """How urgent the stint is that is on; 0 without one."""
        return self._urgency if self.stint is not None and not self.stint.is_extra else 0

    @property
    def takes_more(self) -> bool:
        """Whether more than the plan's amps is welcome now."""
        return self.stint is not None and self.stint.takes_more

    @property
    def next_in_s(self) -> float | None:
        """How long until the next stint begins, s; None where there is none."""
        starts = [stint.start_s - self._now_s for stint in self._stints or () if stint.start_s > self._now_s]
        return min(starts, default=None)
