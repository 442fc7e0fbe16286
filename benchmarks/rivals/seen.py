"""What every rival is shown and what it answers: one reading of the grid and its chargers in, offers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ampherd_core.messages import Mode
from ampherd_core.phases import LINES, ZERO, Line, Phases
from ampherd_core.units import MIN_OFFER_A, NOMINAL_VOLTAGE_V


class Rate(NamedTuple):
    """What a kWh costs from one time to another, s on the rival's clock."""

    start_s: float
    end_s: float
    price: float


class Goal(NamedTuple):
    """What a user wants of one charger: so much energy by a time, s on the rival's clock."""

    energy_wh: float
    by_s: float


@dataclass(frozen=True, slots=True)
class Site:
    """What an installer tells a controller: the fuse (A per phase), the phases, the voltage, a cap on power (W).

    Who is told of prices has them for the whole day, by the quarter-hour.
    """

    limit_a: float = 25.0
    phases: int = 3
    voltage_v: float = NOMINAL_VOLTAGE_V
    most_w: float | None = None
    rates: Sequence[Rate] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that exist."""
        return LINES[: self.phases]


@dataclass(frozen=True, slots=True)
class SeenCharger:
    """A charger and its car: `lines` as configured, `offer_a` as it stands, `drawn_a` per line of the site."""

    id: str
    lines: tuple[Line, ...] = LINES
    min_a: float = MIN_OFFER_A
    max_a: float = 16.0
    mode: Mode = Mode.FAST
    is_connected: bool = True
    is_charging: bool = True
    offer_a: float = 0.0
    drawn_a: Phases = ZERO
    goal: Goal | None = None

    @property
    def is_sunny(self) -> bool:
        """Whether it is to live on surplus."""
        return self.mode in {Mode.SOLAR, Mode.MIN_SOLAR}


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest reading, taken at `read_s`: signed current per line (A) and total power (W); + is import."""

    read_s: float
    grid_a: Phases
    grid_w: float
    chargers: tuple[SeenCharger, ...]


class Rival(Protocol):
    """A controller: called at least once a second, it answers with an offer (A) for every charger."""

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """0, or what the car may draw per phase, A."""
        ...


class Lone(Protocol):
    """A controller that knows no charger but its own."""

    def offer_a(self, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        """0, or what its car may draw per phase, A."""
        ...


class Loners:
    """Chargers that each run a controller of their own on the same meter, as where none of them leads the others."""

    def __init__(self, loners: Mapping[str, Lone]) -> None:
        self._loners = loners

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """What each of them decides by itself."""
        return {charger.id: self._loners[charger.id].offer_a(seen, charger, now_s) for charger in seen.chargers}


def worst(lines: Sequence[Line], current_a: Phases) -> float:
    """The highest current on any of `lines`, A."""
    return max(current_a[line.place] for line in lines)
