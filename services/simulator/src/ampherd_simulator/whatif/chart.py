"""Charts as plain SVG: curves over the time of day, with a scale of round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Final

from ampherd_simulator.household import HOUR_S
from ampherd_simulator.whatif.day import Day

WIDTH: Final = 920
LEFT: Final = 46
RIGHT: Final = 10
TOP: Final = 8
BOTTOM: Final = 22
LABEL_WIDTH: Final = 36
TICKS: Final = 5
HOURS_BETWEEN: Final = (1, 2, 3, 6, 12, 24, 48, 168)
MOST_HOURS: Final = 12
"""So many times of day fit below a chart."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A named curve; `colour` is a class of the page's style, `base` what an area stands on."""

    name: str
    colour: str
    values: Sequence[float]
    base: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A horizontal line, such as a limit."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over a day, with the unit of what they show."""

    unit: str
    curves: Sequence[Curve]
    marks: Sequence[Mark] = ()
    height: int = 220

    def as_svg(self, day: Day) -> str:
        """The picture; it scales with the page."""
        scale = _Scale.of(self)
        parts = [
            *_grid(scale, self.unit),
            *_hours(day, self.height),
            *[_shape(curve, scale) for curve in self.curves],
            *[_mark(mark, scale) for mark in self.marks],
        ]
        return f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img">{"".join(parts)}</svg>'

    def as_legend(self) -> str:
        """The names of the curves beside their colours."""
        items = [f'<span class="key {curve.colour}">{escape(curve.name)}</span>' for curve in self.curves]
        items += [f'<span class="key limit">{escape(mark.name)}</span>' for mark in self.marks]
        return f'<p class="legend">{"".join(items)}</p>'


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to its height in the picture."""

    low: float
    high: float
    step: float
    height: int

    @classmethod
    def of(cls, chart: Chart) -> _Scale:
        values = [value for curve in chart.curves for value in curve.values] + [mark.value for mark in chart.marks]
        low, high = min(0.0, *values), max(0.0, *values)
        step = _round_step((high - low) or 1.0)
        return cls(math.floor(low / step) * step, (math.floor(high / step) + 1) * step, step, chart.height)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def _round_step(span: float) -> float:
    rough = span / TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    return next(factor * size for factor in (1.0, 2.0, 5.0, 10.0) if factor * size >= rough)


def _grid(scale: _Scale, unit: str) -> list[str]:
    parts = []
    for number in range(round((scale.high - scale.low) / scale.step) + 1):
        value = scale.low + number * scale.step
        y = scale.y(value)
        kind = "zero" if abs(value) < scale.step / 2 else "grid"
        label = f"{value:g} {unit}" if value + scale.step > scale.high else f"{value:g}"
        parts.append(f'<path class="{kind}" d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="scale" x="{LEFT - 6}" y="{y + 4:.1f}">{label}</text>')
    return parts


def _hours(day: Day, height: int) -> list[str]:
    every = next((hours for hours in HOURS_BETWEEN if day.hours / hours <= MOST_HOURS), HOURS_BETWEEN[-1])
    at = day.starts_at.replace(minute=0, second=0, microsecond=0)
    parts = []
    while at <= day.ends_at:
        if at >= day.starts_at and (at.hour % every == 0 if every < HOURS_BETWEEN[-2] else at.hour == 0):
            share = day.second_of(at) / (day.hours * HOUR_S)
            x = LEFT + share * (WIDTH - LEFT - RIGHT)
            text = f"{at:%H:%M}" if at.hour or day.hours <= HOURS_BETWEEN[-3] else f"{at:%d %b}"
            parts.append(f'<path class="grid" d="M{x:.1f},{TOP}V{height - BOTTOM}"/>')
            kind = "hour" if x < WIDTH - RIGHT - LABEL_WIDTH / 2 else "last hour"
            parts.append(f'<text class="{kind}" x="{x:.1f}" y="{height - 6}">{text}</text>')
        at += timedelta(hours=1)
    return parts


def _shape(curve: Curve, scale: _Scale) -> str:
    points = _points(curve.values, scale)
    if curve.base is None:
        return f'<path class="curve {curve.colour}" d="M{" ".join(points)}"/>'
    below = _points(curve.base, scale)[::-1]
    return f'<path class="area {curve.colour}" d="M{" ".join([*points, *below])}Z"/>'


def _points(values: Sequence[float], scale: _Scale) -> list[str]:
    """Steps: each value holds until the next; a corner only where it changes visibly."""
    wide = (WIDTH - LEFT - RIGHT) / len(values)
    points: list[str] = []
    before = ""
    for place, value in enumerate(values):
        x, y = LEFT + place * wide, f"{scale.y(value):.1f}"
        if y == before:
            points.pop()
        else:
            points.append(f"{x:.1f},{y}")
        points.append(f"{x + wide:.1f},{y}")
        before = y
    return points


def _mark(mark: Mark, scale: _Scale) -> str:
    return f'<path class="curve limit" d="M{LEFT},{scale.y(mark.value):.1f}H{WIDTH - RIGHT}"/>'
