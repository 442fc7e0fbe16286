"""The three lines of a connection, and quantities that have one value for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Final, Literal, TypeAlias

Phases: TypeAlias = tuple[float, float, float]
"""One value per line, in the order L1, L2, L3. A line that a site does not have holds 0."""

PhaseCount: TypeAlias = Literal[1, 3]
"""How many of its terminals a wallbox connects: L1 alone, or all three."""


class Line(StrEnum):
    """One line conductor of the connection, as the grid meter names it."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"

    def __init__(self, name: str) -> None:
        self.place: Final = int(name.removeprefix("L")) - 1
        """The line's place in a `Phases` tuple: 0, 1 or 2."""


LINES: Final = (Line.L1, Line.L2, Line.L3)
ZERO: Final[Phases] = (0.0, 0.0, 0.0)


def each(function: Callable[..., float], *quantities: Phases) -> Phases:
    """Apply `function` line by line: `each(max, a, b)` is the larger of a and b on every line."""
    one, two, three = zip(*quantities, strict=True)
    return function(*one), function(*two), function(*three)


def add(a: Phases, b: Phases) -> Phases:
    """Sum line by line."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def total(quantities: Iterable[Phases]) -> Phases:
    """Sum of all, line by line; zero of none."""
    found = ZERO
    for quantity in quantities:
        found = add(found, quantity)
    return found


def subtract(a: Phases, b: Phases) -> Phases:
    """Difference line by line."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def most(a: Phases, b: Phases) -> Phases:
    """The larger of the two on every line."""
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])


def on_lines(lines: Collection[Line], value: float) -> Phases:
    """`value` on each of `lines`, 0 on the others."""
    return (
        value if Line.L1 in lines else 0.0,
        value if Line.L2 in lines else 0.0,
        value if Line.L3 in lines else 0.0,
    )
