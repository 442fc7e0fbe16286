"""Recorded days: CSV files, plain or gzip, read into a timeline per line; `docs/simulate.md` lists the columns."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ampherd_core.phases import ZERO, Line, Phases, on_lines

from ampherd_simulator.errors import RecordingError
from ampherd_simulator.house import Timeline

UK_VOLTAGE_V: Final = 240.0
"""The voltage at which the apparent power `s_house_va` of one-phase recordings was taken."""

TIME_COLUMNS: Final = ("t_s", "t_utc_s")
GENERATION_COLUMNS: Final = (("p_pv_w",), ("p_sys1_w", "p_sys2_w"))
"""What an inverter gave, W, generation positive as inverters count it; several systems are added up."""

GENERATION_BY_LINE: Final = ("pv_l1_a", "pv_l2_a", "pv_l3_a")
"""The same where it was measured line by line, A; it goes before the others."""

Row = Mapping[str, str]
Layout = Callable[[Row, Line], Phases]


@dataclass(frozen=True, slots=True)
class Cover:
    """What a file covers: its columns, and its first and last time; UTC since 1970, or else since some midnight."""

    columns: frozenset[str]
    first_s: float
    last_s: float
    is_utc: bool


def cover_of(path: Path) -> Cover:
    """What the recording in `path` covers; RecordingError names file and line of what is wrong."""
    found: list[frozenset[str]] = []

    def choose(columns: Collection[str]) -> Callable[[Row], Phases]:
        found.append(frozenset(columns))
        return lambda _row: ZERO

    times_s = _timeline(path, choose).times_s
    return Cover(found[0], times_s[0], times_s[-1], is_utc=TIME_COLUMNS[0] not in found[0])


def read_column(path: Path, names: Mapping[str, float]) -> Timeline:
    """The first of the columns `names` that there is, times its factor, as the first value of each moment."""

    def choose(columns: Collection[str]) -> Callable[[Row], Phases]:
        name = next((name for name in names if name in columns), None)
        if name is None:
            raise RecordingError(f"{path}, line 1: needs the column {' or '.join(names)}; it has {_listed(columns)}")
        return lambda row: (float(row[name]) * names[name], 0.0, 0.0)

    return _timeline(path, choose)


def read_recording(path: Path, line: Line = Line.L1) -> Timeline:
    """The house in `path`, one of a single phase on `line`; RecordingError names file and line of what is wrong."""
    return _timeline(path, lambda columns: _house(path, columns, line))


def read_generation(
    path: Path, columns: Sequence[str] = (), *, lines: Sequence[Line], scale: float = 1.0, voltage_v: float
) -> Timeline:
    """The inverter in `path`, A per line, negative; `columns` (W) are added up and spread evenly over `lines`."""

    def choose(known: Collection[str]) -> Callable[[Row], Phases]:
        if not columns and set(known) >= set(GENERATION_BY_LINE):
            one, two, three = GENERATION_BY_LINE
            return lambda row: (-scale * float(row[one]), -scale * float(row[two]), -scale * float(row[three]))
        usual = next((each for each in GENERATION_COLUMNS if set(each) <= set(known)), ())
        chosen = columns or usual
        if not chosen or not set(chosen) <= set(known):
            wanted = ", ".join(columns) or "p_pv_w, or p_sys1_w and p_sys2_w"
            raise RecordingError(f"{path}, line 1: needs {wanted} (W) beside t_s or t_utc_s; it has {_listed(known)}")
        amps = -scale / voltage_v / len(lines)
        return lambda row: on_lines(lines, amps * sum(float(row[column]) for column in chosen))

    return _timeline(path, choose)


def _timeline(path: Path, choose: Callable[[Collection[str]], Callable[[Row], Phases]]) -> Timeline:
    times_s: list[float] = []
    currents_a: list[Phases] = []
    try:
        with _open(path) as file:
            for number, (at_s, current_a) in enumerate(_rows(path, file, choose), start=2):
                if times_s and at_s <= times_s[-1]:
                    raise RecordingError(f"{path}, line {number}: time does not advance; sort the rows by time")
                times_s.append(at_s)
                currents_a.append(current_a)
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise RecordingError(f"{path} cannot be read: {err}") from err
    if not times_s:
        raise RecordingError(f"{path} holds no rows")
    return Timeline(times_s, currents_a)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rows(
    path: Path, file: IO[str], choose: Callable[[Collection[str]], Callable[[Row], Phases]]
) -> Iterator[tuple[float, Phases]]:
    reader = csv.DictReader(file)
    columns = frozenset(reader.fieldnames or ())
    time_column = next((name for name in TIME_COLUMNS if name in columns), None)
    if time_column is None:
        raise RecordingError(f"{path}, line 1: needs the column t_s or t_utc_s; it has {_listed(columns)}")
    layout = choose(columns)
    for number, row in enumerate(reader, start=2):
        try:
            at_s, current_a = float(row[time_column]), layout(row)
        except (ValueError, TypeError) as err:
            raise RecordingError(f"{path}, line {number}: not a number: {err}") from err
        if not all(map(math.isfinite, (at_s, *current_a))):
            raise RecordingError(f"{path}, line {number}: not a finite number")
        yield at_s, current_a


def _house(path: Path, columns: Collection[str], line: Line) -> Callable[[Row], Phases]:
    layout = next((read for needed, read in _LAYOUTS if needed <= set(columns)), None)
    if layout is None:
        raise RecordingError(f"{path}, line 1: needs the columns l1_a, l2_a, l3_a; it has {_listed(columns)}")
    return lambda row: layout(row, line)


def _listed(columns: Collection[str]) -> str:
    return ", ".join(sorted(columns)) or "none"


def _plain(row: Row, _line: Line) -> Phases:
    return float(row["l1_a"]), float(row["l2_a"]), float(row["l3_a"])


def _apparent(row: Row, line: Line) -> Phases:
    return on_lines((line,), float(row["s_house_va"]) / UK_VOLTAGE_V)


def _p1_three_phase(row: Row, _line: Line) -> Phases:
    return _p1_phase(row, "_l1"), _p1_phase(row, "_l2"), _p1_phase(row, "_l3")


def _p1_one_phase(row: Row, line: Line) -> Phases:
    return on_lines((line,), _p1_phase(row, ""))


def _p1_phase(row: Row, suffix: str) -> float:
    """Signed by power; the larger of the whole amps and P/U, because meters of either kind under-report."""
    power_w = float(row[f"p_import{suffix}_w"]) - float(row[f"p_export{suffix}_w"])
    volts = float(row[f"u{suffix}_v"])
    size_a = max(abs(power_w) / volts if volts > 0 else 0.0, float(row[f"i{suffix}_a"]))
    return -size_a if power_w < 0 else size_a


_LAYOUTS: Final[tuple[tuple[frozenset[str], Layout], ...]] = (
    (frozenset({"l1_a", "l2_a", "l3_a"}), _plain),
    (frozenset({"p_import_l1_w", "i_l1_a", "i_l2_a", "i_l3_a", "u_l1_v"}), _p1_three_phase),
    (frozenset({"p_import_w", "p_export_w", "u_v", "i_a"}), _p1_one_phase),
    (frozenset({"s_house_va"}), _apparent),
)
