"""A thin stage for the rivals' pure rules: what they are shown, and cars that follow perfectly or some calls late."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ampherd_core.phases import ZERO, Phases, add, on_lines

from benchmarks.rivals.seen import Rival, Seen, SeenCharger

VOLTAGE_V = 230.0


def seen(at_s: float, grid: Phases, *chargers: SeenCharger) -> Seen:
    """One reading, fresh at `at_s`."""
    return Seen(read_s=at_s, grid_a=grid, grid_w=sum(grid) * VOLTAGE_V, chargers=chargers)


def drawing(charger: SeenCharger, amps: float) -> SeenCharger:
    """The same charger while its car draws."""
    return replace(charger, offer_a=amps, drawn_a=on_lines(charger.lines, amps), is_charging=amps > 0)


@dataclass
class Stage:
    """Cars that draw what was offered `late` calls ago; a car that is offered nothing waits in state B."""

    rival: Rival
    cars: list[SeenCharger]
    house: Callable[[float], Phases]
    step_s: float = 1.0
    late: int = 1
    now_s: float = 0.0
    _coming: deque[dict[str, float]] = field(default_factory=deque)
    _drawn: dict[str, float] = field(default_factory=dict)

    def run(self, until_s: float) -> Iterator[tuple[float, dict[str, float]]]:
        """The offers at each call."""
        while self.now_s < until_s:
            cars = [drawing(car, self._drawn.get(car.id, 0.0)) for car in self.cars]
            grid = self.house(self.now_s)
            for car in cars:
                grid = add(grid, car.drawn_a)
            offers = dict(self.rival.decide(seen(self.now_s, grid, *cars), self.now_s))
            yield self.now_s, offers
            self._coming.append(offers)
            if len(self._coming) >= self.late:
                self._drawn = self._coming.popleft()
            self.now_s += self.step_s

    def last(self, until_s: float) -> dict[str, float]:
        """The offers at the end."""
        return [offers for _, offers in self.run(until_s)][-1]


def flat(*amps: float) -> Callable[[float], Phases]:
    """A house that never changes."""
    one, two, three = amps or ZERO
    return lambda _t: (one, two, three)


def then(before: Phases, at_s: float, after: Phases) -> Callable[[float], Phases]:
    """A house that changes once."""
    return lambda t: after if t >= at_s else before
