"""Curves of a day for a chart: a few hundred bins, whatever the day's length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ampherd_core.phases import Phases, add

from ampherd_simulator.books import Instant

BINS: Final = 720
"""A chart is about so many pixels wide."""


@dataclass(slots=True)
class CarTrace:
    """One charger: mean power (W), mean of what it drew and of what it was offered (A), and whether a car was there."""

    power_w: list[float] = field(default_factory=lambda: [0.0] * BINS)
    drawn_a: list[float] = field(default_factory=lambda: [0.0] * BINS)
    offer_a: list[float] = field(default_factory=lambda: [0.0] * BINS)
    plugged: list[float] = field(default_factory=lambda: [0.0] * BINS)


class Traces:
    """Means of power, and the largest current of each line, by bin; `times_s` are the bins' middles."""

    def __init__(self, chargers: Sequence[str], lasts_s: float, voltage_v: float) -> None:
        self.lasts_s = lasts_s
        self.house_w = [0.0] * BINS
        self.solar_w = [0.0] * BINS
        self.line_a = [[0.0] * BINS for _ in range(3)]
        self.cars = {charger_id: CarTrace() for charger_id in chargers}
        self._counts = [0] * BINS
        self._voltage_v = voltage_v

    @property
    def times_s(self) -> list[float]:
        """The middle of each bin, s after the beginning."""
        return [(place + 0.5) * self.lasts_s / BINS for place in range(BINS)]

    def note(self, now: Instant) -> None:
        """One moment; moments come in their order."""
        place = min(int(now.at_s / self.lasts_s * BINS), BINS - 1)
        count = self._counts[place] = self._counts[place] + 1
        house_w = sum(now.house_a) * self._voltage_v - now.solar_w
        _mix(self.house_w, place, house_w, count)
        _mix(self.solar_w, place, -now.solar_w, count)
        load_a = now.house_a
        for charger_id, car in now.cars.items():
            load_a = add(load_a, car.load_a)
            trace = self.cars[charger_id]
            _mix(trace.power_w, place, sum(car.load_a) * self._voltage_v, count)
            _mix(trace.drawn_a, place, max(car.load_a), count)
            _mix(trace.offer_a, place, car.offer_a, count)
            _mix(trace.plugged, place, float(car.is_plugged), count)
        self._top(place, load_a, is_first=count == 1)

    def _top(self, place: int, load_a: Phases, *, is_first: bool) -> None:
        for line, amps in zip(self.line_a, load_a, strict=True):
            line[place] = amps if is_first else max(line[place], amps)


def _mix(curve: list[float], place: int, value: float, count: int) -> None:
    curve[place] += (value - curve[place]) / count
