"""Quantities per line."""

from __future__ import annotations

import pytest
from ampherd_core.phases import LINES, ZERO, Line, Phases, add, each, on_lines, subtract
from hypothesis import given
from hypothesis import strategies as st

amps = st.floats(-500, 500)
phases = st.tuples(amps, amps, amps)


def test_lines_keep_the_meters_order() -> None:
    assert [line.place for line in LINES] == [0, 1, 2]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), ZERO),
        ((Line.L2,), (0.0, 10.0, 0.0)),
        ((Line.L3, Line.L1), (10.0, 0.0, 10.0)),
        ((Line.L3, Line.L1, Line.L2), (10.0, 10.0, 10.0)),
    ],
)
def test_a_value_stands_on_the_named_lines_only(lines: tuple[Line, ...], expected: Phases) -> None:
    assert on_lines(lines, 10.0) == expected


def test_each_works_line_by_line() -> None:
    assert each(max, (1.0, 5.0, -3.0), (2.0, 4.0, -7.0)) == (2.0, 5.0, -3.0)
    assert each(abs, (1.0, -5.0, 0.0)) == (1.0, 5.0, 0.0)


@given(phases, phases)
def test_subtracting_what_was_added_gives_it_back(a: Phases, b: Phases) -> None:
    assert subtract(add(a, b), b) == pytest.approx(a, abs=1e-9)
