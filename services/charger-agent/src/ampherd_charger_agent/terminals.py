"""From the terminals of a wallbox to the lines of the site."""

from __future__ import annotations

from typing import Final

from ampherd_core.phases import LINES, ZERO, Line, Phases, on_lines

_TWO_LINES: Final = 2


def on_site_lines(terminals: Phases | None, lines: tuple[Line, ...]) -> Phases | None:
    """What stands at the wallbox's terminals L1, L2, L3, moved to the site's lines that feed them."""
    if terminals is None or lines == LINES:
        return terminals
    values = list(ZERO)
    for line, value in zip(lines, terminals, strict=False):
        values[line.place] = value
    return values[0], values[1], values[2]


def drawn_on_site_lines(terminals_a: Phases | None, lines: tuple[Line, ...]) -> Phases | None:
    """The same for what is drawn (A): between two lines (3 x 230 V without neutral) both carry the whole current."""
    if terminals_a is None or len(lines) != _TWO_LINES:
        return on_site_lines(terminals_a, lines)
    return on_lines(lines, max(terminals_a))
