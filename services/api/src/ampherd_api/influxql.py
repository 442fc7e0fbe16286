"""InfluxQL as text, and its answers as rows: pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ampherd_core.history import HistoryError

Row: TypeAlias = tuple[int, tuple[float | None, ...]]
"""A time (ms) and the values beside it."""

ROLLED_UP: Final = "_1m"
"""Names the measurement that holds the one-minute roll-ups of another."""


@dataclass(frozen=True, slots=True)
class Table:
    """One series of an answer; `columns` name the values of each row."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def select(columns: str, measurement: str, where: str, ending: str = "") -> str:
    """One query; `columns`, `where` and `ending` come from the functions below, or are literals."""
    return f"SELECT {columns} FROM {name(measurement)}{where} {ending}".rstrip()  # noqa: S608 - all parts are escaped


def where(tags: Mapping[str, str], span_ms: tuple[int, int] | None = None) -> str:
    """Points with these tags, within [start, stop) (ms)."""
    terms = [f"{name(tag)} = {text(value)}" for tag, value in tags.items()]
    if span_ms is not None:
        terms.append(f"time >= {span_ms[0]}ms AND time < {span_ms[1]}ms")
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def every(step_ms: int) -> str:
    """Group by steps; those without points are left out."""
    return f"GROUP BY time({step_ms}ms) fill(none)"


def name(word: str) -> str:
    """A quoted identifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def text(word: str) -> str:
    """A quoted string."""
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def read_answer(data: bytes | str) -> Sequence[Table]:
    """The tables of an answer whose times are in ms; raises HistoryError for an error or for anything else."""
    try:
        (result,) = json.loads(data)["results"]
        if "error" in result:
            raise HistoryError(f"InfluxDB refused a query: {result['error']}")
        return [
            Table(tuple(series["columns"][1:]), tuple((int(row[0]), tuple(row[1:])) for row in series["values"]))
            for series in result.get("series", ())
        ]
    except (KeyError, TypeError, ValueError) as err:
        raise HistoryError("InfluxDB's answer is not understood") from err
