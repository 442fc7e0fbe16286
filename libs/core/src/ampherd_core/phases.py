"""The three lines of a connection, and quantities that have one value for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final, TypeAlias

Phases: TypeAlias = tuple[float, float, float]
"""One value per line, in the order L1, L2, L3. A line that a site does not have holds 0."""


class Line(StrEnum):
    """One line conductor of the connection, as the grid meter names it."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"

    @property
    def place(self) -> int:
        """The line's place in a `Phases` tuple: 0, 1 or 2."""
        return _INDEX[self]


_INDEX: Final = {Line.L1: 0, Line.L2: 1, Line.L3: 2}
LINES: Final = (Line.L1, Line.L2, Line.L3)
ZERO: Final[Phases] = (0.0, 0.0, 0.0)


def each(function: Callable[..., float], *quantities: Phases) -> Phases:
    """Apply `function` line by line: `each(max, a, b)` is the larger of a and b on every line."""
    one, two, three = zip(*quantities, strict=True)
    return function(*one), function(*two), function(*three)


def add(a: Phases, b: Phases) -> Phases:
    """Sum line by line."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def subtract(a: Phases, b: Phases) -> Phases:
    """Difference line by line."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def on_lines(lines: Iterable[Line], value: float) -> Phases:
    """`value` on each of `lines`, 0 on the others."""
    chosen = {line.place for line in lines}
    return (
        value if 0 in chosen else 0.0,
        value if 1 in chosen else 0.0,
        value if 2 in chosen else 0.0,
    )
