"""What became of a site in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ampherd_simulator.site import Excess


@dataclass(frozen=True, slots=True)
class ChargerReport:
    """What became of one charger and its car."""

    energy_wh: float
    starts: int
    stops: int
    setpoint_changes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the site; `excess` holds each limit's lines, by `connection` or the circuit's id."""

    until_s: float
    decisions: int
    excess: Mapping[str, tuple[Excess, Excess, Excess]]
    chargers: Mapping[str, ChargerReport]
    import_wh: float
    export_wh: float

    @property
    def our_excess_as(self) -> float:
        """A·s over any limit that the house alone did not cause."""
        return sum(excess.ours_as for lines in self.excess.values() for excess in lines)

    @property
    def our_longest_s(self) -> float:
        """The longest that any line was over its limit by our doing, s."""
        return max(excess.our_longest_s for lines in self.excess.values() for excess in lines)
