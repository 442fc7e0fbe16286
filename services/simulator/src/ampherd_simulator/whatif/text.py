"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ampherd_simulator.whatif.figures import Table, blocks, tables
from ampherd_simulator.whatif.study import Study


def as_text(title: str, studies: Sequence[Study]) -> str:
    """Title, figures side by side, and each policy's cars."""
    lines = [title, ""]
    found = blocks(studies)
    first = max(len(row.label) for block in found for row in block.rows)
    widths = [
        max(len(study.name), *(len(row.values[place]) for block in found for row in block.rows))
        for place, study in enumerate(studies)
    ]
    if len(studies) > 1:
        lines.append(_line("", first, [study.name for study in studies], widths))
    for block in found:
        lines += [block.title, *[_line(f"  {row.label}", first, row.values, widths) for row in block.rows], ""]
    for study in studies:
        for place, table in enumerate(tables(study)):
            lines += [*_table(table, has_title=len(studies) > 1 and place == 0), ""]
    return "\n".join(lines[:-1])


def _line(label: str, first: int, values: Sequence[str], widths: Sequence[int]) -> str:
    cells = "   ".join(value.rjust(width) for value, width in zip(values, widths, strict=True))
    return f"{label.ljust(first + 2)}   {cells}".rstrip()


def _table(table: Table, *, has_title: bool) -> list[str]:
    """As narrow as it gets: a heading of two words stands on two lines."""
    heads = [column.split(" ", 1) if " " in column else ["", column] for column in table.columns]
    widths = [
        max(len(text) for text in (*head, *(row[place] for row in table.rows))) for place, head in enumerate(heads)
    ]
    rows = [[head[0] for head in heads], [head[1] for head in heads], *table.rows]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return [table.title, *lines] if has_title else lines
