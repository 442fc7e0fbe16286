"""What became of a day: energies (Wh), currents over limits (A·s), costs, and how calmly and fairly cars were served.

Where the sun feeds one line and a car draws on another, a meter adds them up, and so do these figures: power is net
over the lines. Wiring with a neutral is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MET_RATIO: Final = 0.99
"""A plan counts as met when so much of it was taken: a charge limit is kept to within a percent."""


@dataclass(frozen=True, slots=True)
class LineExcess:
    """What one line bore above one limit; `ours` is what the house alone would not have caused."""

    total_as: float = 0.0
    ours_as: float = 0.0
    worst_a: float = 0.0
    longest_s: float = 0.0
    our_longest_s: float = 0.0
    house_longest_s: float = 0.0

    @property
    def house_as(self) -> float:
        """What the house alone would have caused, A·s."""
        return self.total_as - self.ours_as


@dataclass(frozen=True, slots=True)
class VisitAccount:
    """One time at the wallbox; times in s after the beginning, `left_s` None while it goes on.

    `wanted_wh` is None for a car that wants to be full; `could_wh` is what it could have taken while it wanted more.
    """

    arrived_s: float
    left_s: float | None
    wanted_wh: float | None
    could_wh: float
    taken_wh: float

    @property
    def expected_wh(self) -> float:
        """What it wanted, as far as its time and its own maximum allowed."""
        return self.could_wh if self.wanted_wh is None else min(self.wanted_wh, self.could_wh)

    @property
    def is_met(self) -> bool | None:
        """Whether it got what it wanted; None where it named nothing."""
        return None if self.wanted_wh is None else self.taken_wh >= MET_RATIO * self.wanted_wh


@dataclass(frozen=True, slots=True)
class CarAccount:
    """One charger and its car.

    A stop is a start's end that the car did not ask for. A reversal is a change of the offer against the direction of
    the one before, a flap one that follows within a minute.
    """

    energy_wh: float
    surplus_wh: float
    waited_s: float
    starts: int
    stops: int
    phase_switches: int
    setpoint_changes: int
    reversals: int
    flaps: int
    visits: tuple[VisitAccount, ...]

    @property
    def served(self) -> float | None:
        """The share of what it wanted that it got; None for one that wanted nothing."""
        expected_wh = sum(visit.expected_wh for visit in self.visits)
        return sum(visit.taken_wh for visit in self.visits) / expected_wh if expected_wh > 0 else None


@dataclass(frozen=True, slots=True)
class Account:
    """The whole site; `limits` by `connection` or circuit, line by line.

    `surplus_wh` is what the sun gave beyond the house, moment by moment; `caused_import_wh` is what the cars took that
    no surplus covered. The peaks are means of clock quarters. `cost` is of all import less what export earned,
    `charging_cost` the part of it that would not be without the cars; None without a tariff.
    """

    lasted_s: float
    house_wh: float
    solar_wh: float
    import_wh: float
    export_wh: float
    charged_wh: float
    surplus_wh: float
    surplus_used_wh: float
    caused_import_wh: float
    peak_quarter_w: float
    peak_quarter_s: float
    house_peak_quarter_w: float
    cost: float | None
    charging_cost: float | None
    limits: Mapping[str, tuple[LineExcess, LineExcess, LineExcess]]
    cars: Mapping[str, CarAccount]

    @property
    def surplus_used_share(self) -> float | None:
        """The share of the surplus that cars took; None where there was none."""
        return self.surplus_used_wh / self.surplus_wh if self.surplus_wh > 0 else None

    @property
    def our_excess_as(self) -> float:
        """A·s over any limit that the house alone did not cause."""
        return sum(line.ours_as for lines in self.limits.values() for line in lines)

    @property
    def our_longest_s(self) -> float:
        """The longest that any line was over its limit by our doing, s."""
        return max((line.our_longest_s for lines in self.limits.values() for line in lines), default=0.0)

    @property
    def fairness(self) -> float | None:
        """Jain's index over the shares of what each car wanted; None where nobody wanted anything."""
        return jain([car.served for car in self.cars.values() if car.served is not None])

    @property
    def plans_met(self) -> tuple[int, int]:
        """How many visits got the energy that they wanted, of how many that named one."""
        named = [visit.is_met for car in self.cars.values() for visit in car.visits if visit.is_met is not None]
        return sum(named), len(named)


def jain(shares: Sequence[float]) -> float | None:
    """Jain's fairness index: 1 when all are equal, 1/n when one has all; None of nobody, 1 where all have nothing."""
    if not shares:
        return None
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares > 0 else 1.0
