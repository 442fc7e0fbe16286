"""Recorded houses: CSV files, plain or gzip, read into a timeline per line."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from ampherd_core.phases import Phases

from ampherd_simulator.errors import RecordingError
from ampherd_simulator.house import Timeline

UK_VOLTAGE_V: Final = 240.0
"""The voltage at which the apparent power `s_house_va` of one-phase recordings was taken."""

TIME_COLUMNS: Final = ("t_s", "t_utc_s")

Row = Mapping[str, str]


def read_recording(path: Path) -> Timeline:
    """The recording in `path`; RecordingError names the file and line of what is wrong."""
    times_s: list[float] = []
    currents_a: list[Phases] = []
    with _open(path) as file:
        for number, (at_s, current_a) in enumerate(_rows(path, file), start=2):
            if times_s and at_s <= times_s[-1]:
                raise RecordingError(f"{path}, line {number}: time does not advance; sort the rows by time")
            times_s.append(at_s)
            currents_a.append(current_a)
    if not times_s:
        raise RecordingError(f"{path} holds no rows")
    return Timeline(times_s, currents_a)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rows(path: Path, file: IO[str]) -> Iterator[tuple[float, Phases]]:
    reader = csv.DictReader(file)
    columns = frozenset(reader.fieldnames or ())
    time_column = next((name for name in TIME_COLUMNS if name in columns), None)
    layout = next((read for needed, read in _LAYOUTS if needed <= columns), None)
    if time_column is None or layout is None:
        raise RecordingError(f"{path}: needs the columns t_s or t_utc_s, and l1_a, l2_a, l3_a")
    for number, row in enumerate(reader, start=2):
        try:
            at_s, current_a = float(row[time_column]), layout(row)
        except (ValueError, TypeError) as err:
            raise RecordingError(f"{path}, line {number}: not a number: {err}") from err
        if not all(map(math.isfinite, (at_s, *current_a))):
            raise RecordingError(f"{path}, line {number}: not a finite number")
        yield at_s, current_a


def _plain(row: Row) -> Phases:
    return float(row["l1_a"]), float(row["l2_a"]), float(row["l3_a"])


def _one_phase(row: Row) -> Phases:
    return float(row["s_house_va"]) / UK_VOLTAGE_V, 0.0, 0.0


def _p1_three_phase(row: Row) -> Phases:
    return _p1_line(row, "l1"), _p1_line(row, "l2"), _p1_line(row, "l3")


def _p1_line(row: Row, line: str) -> float:
    """Signed by power; the larger of the whole amps and P/U, because meters of either kind under-report."""
    power_w = float(row[f"p_import_{line}_w"]) - float(row[f"p_export_{line}_w"])
    volts = float(row[f"u_{line}_v"])
    size_a = max(abs(power_w) / volts if volts > 0 else 0.0, float(row[f"i_{line}_a"]))
    return -size_a if power_w < 0 else size_a


_LAYOUTS: Final[tuple[tuple[frozenset[str], Callable[[Row], Phases]], ...]] = (
    (frozenset({"l1_a", "l2_a", "l3_a"}), _plain),
    (frozenset({"p_import_l1_w", "i_l1_a", "i_l2_a", "i_l3_a", "u_l1_v"}), _p1_three_phase),
    (frozenset({"s_house_va"}), _one_phase),
)
