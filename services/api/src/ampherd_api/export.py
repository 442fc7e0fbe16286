"""`python -m ampherd_api.export`: hours of history as a recording and a timetable that `ampherd simulate` reads."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ampherd_core.clock import utc_now
from ampherd_core.history import History, HistoryError, Sample
from ampherd_core.messages import MeterRole
from ampherd_core.phases import LINES
from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, load_policy

from ampherd_api.history_open import open_history
from ampherd_api.recorded_day import OLD_S, CarLog, ChargerCurves, Curve, Lines, Stretch, header, rows

STRETCH: Final = timedelta(hours=1)
"""So much is held in memory at a time."""

STEP_S: Final = 1.0
MOST_HOURS: Final = 24.0 * 366
MINUTE_S: Final = 60.0
"""What is older than the raw points is kept by the minute."""


class ExportError(Exception):
    """There is nothing to export; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when."""

    start: datetime
    stop: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} and {self.stop:%Y-%m-%d %H:%M} UTC"


class Reader:
    """Reads one site's history, stretch by stretch."""

    def __init__(self, history: History, policy: Policy) -> None:
        self._history = history
        self._policy = policy
        self._solar = [name for name, meter in policy.meters.items() if meter.role is MeterRole.SOLAR]

    @property
    def has_sun(self) -> bool:
        """Whether a meter sees the sun."""
        return bool(self._solar)

    async def stretches(self, span: Span) -> AsyncIterator[Stretch]:
        """All that holds a reading of the grid, oldest first."""
        start = span.start
        while start < span.stop:
            stretch = await self._stretch(Span(start, min(start + STRETCH, span.stop)))
            if any(curve.times_s for curve in stretch.grid_a):
                yield stretch
            start += STRETCH

    async def _stretch(self, span: Span) -> Stretch:
        grid_a = await self._lines("meter", "current", {"meter": self._policy.grid_meter}, span, STEP_S)
        step_s = STEP_S
        if not any(curve.times_s for curve in grid_a):
            step_s = MINUTE_S
            grid_a = await self._lines("meter", "current", {"meter": self._policy.grid_meter}, span, step_s)
        before = Span(span.start - timedelta(seconds=OLD_S), span.stop)
        return Stretch(
            grid_a,
            [await self._roof(meter, before, step_s) for meter in self._solar],
            {charger_id: await self._charger(charger_id, span, before, step_s) for charger_id in self._policy.chargers},
        )

    async def _roof(self, meter: str, span: Span, step_s: float) -> Lines:
        """A solar meter's currents; where it gives a total only, evenly on its lines."""
        currents = await self._lines("meter", "current", {"meter": meter}, span, step_s)
        if any(curve.times_s for curve in currents):
            return currents
        lines = self._policy.meters[meter].lines
        factor = 1.0 / self._policy.connection.voltage_v / len(lines)
        total = await self._curve("meter", "power_w", {"meter": meter}, span, step_s, factor)
        one, two, three = (total if line in lines else Curve(()) for line in LINES)
        return one, two, three

    async def _charger(self, charger_id: str, span: Span, before: Span, step_s: float) -> ChargerCurves:
        tags = {"charger": charger_id}
        return ChargerCurves(
            drawn_a=await self._lines("charger", "drawn", tags, before, step_s),
            offer_a=await self._curve("charger", "offer_a", tags, before, step_s),
            is_connected=await self._curve("charger", "is_connected", tags, span, step_s),
        )

    async def _lines(self, measurement: str, name: str, tags: dict[str, str], span: Span, step_s: float) -> Lines:
        one, two, three = [
            await self._curve(measurement, f"{name}_l{number}_a", tags, span, step_s) for number in (1, 2, 3)
        ]
        return one, two, three

    async def _curve(
        self, measurement: str, name: str, tags: dict[str, str], span: Span, step_s: float, factor: float = 1.0
    ) -> Curve:
        samples: Sequence[Sample] = await self._history.read(
            measurement,
            name,
            {"site": self._policy.site.id, **tags},
            start=span.start,
            stop=span.stop,
            step_s=step_s,
        )
        return Curve(samples, factor)


async def export(
    history: History, policy: Policy, span: Span, write: Callable[[Sequence[str]], object]
) -> Mapping[str, CarLog]:
    """Write the recording row by row, the columns first; who came to each charger. Raises ExportError."""
    reader, is_empty = Reader(history, policy), True
    logs = {charger_id: CarLog(policy.connection.voltage_v) for charger_id in policy.chargers}
    write(header(has_sun=reader.has_sun))
    async for stretch in reader.stretches(span):
        is_empty = False
        for row in rows(stretch):
            write(row.cells)
        for charger_id, log in logs.items():
            log.take(stretch.chargers[charger_id])
    if is_empty:
        raise ExportError(
            f"history holds no current of meter {policy.grid_meter} of site {policy.site.id} between {span}; "
            "choose other hours with --from and --hours"
        )
    return logs


def main() -> None:
    """Carry out one command."""
    arguments = _parser().parse_args()
    try:
        policy = load_policy(arguments.site)
        span = _span(arguments.start, arguments.hours, ZoneInfo(policy.site.timezone))
        url = _existing(os.environ.get("AMPHERD_HISTORY_URL", ""))
        with _replacing(arguments.out) as file:
            logs = asyncio.run(_export(url, policy, span, csv.writer(file, lineterminator="\n").writerow))
        if arguments.cars is not None:
            arguments.cars.write_text("\n".join([*_timetable(logs), ""]), encoding="utf-8")
    except (ExportError, HistoryError, PolicyError, OSError, ValueError) as err:
        sys.exit(str(err))
    for charger_id, log in logs.items():
        if log.is_unmetered:
            print(f"{charger_id} does not measure what its car draws: it counts as a part of the house")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of the old one only when it is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _export(
    url: str, policy: Policy, span: Span, write: Callable[[Sequence[str]], object]
) -> Mapping[str, CarLog]:
    history = open_history(url, os.environ)
    try:
        return await export(history, policy, span, write)
    finally:
        await history.close()


def _existing(url: str) -> str:
    """The same address; a file that is not there would be made, and be empty."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not Path(parts.netloc + parts.path).exists():
        raise ExportError(f"there is no history at {parts.netloc + parts.path}; say where it is with --data-dir")
    return url


def _timetable(logs: Mapping[str, CarLog]) -> Iterator[str]:
    yield "# The cars that were there, with what they took; edit at will."
    lines = [line for charger_id, log in logs.items() if not log.is_unmetered for line in log.as_yaml(charger_id)]
    yield from lines or ["{}"]


def _span(start: str | None, hours: float, zone: ZoneInfo) -> Span:
    """Whole minutes, so that what is kept by the minute answers, too; the last hours where no start is given."""
    if not 0 < hours <= MOST_HOURS:
        raise ExportError(f"--hours {hours:g}: should be more than 0, and a year at most")
    try:
        begin = datetime.fromisoformat(start) if start is not None else utc_now() - timedelta(hours=hours)
    except ValueError as err:
        raise ExportError(f"--from {start}: write it like 2026-06-01 or 2026-06-01T18:00") from err
    begin = begin if begin.tzinfo is not None else begin.replace(tzinfo=zone)
    begin = begin.astimezone(UTC).replace(second=0, microsecond=0)
    return Span(begin, begin + timedelta(minutes=max(1, round(hours * 60))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="export", description="Hours of history as a recording and a timetable.")
    parser.add_argument("site", type=Path, help="the policy file")
    parser.add_argument("--from", dest="start", help="default: the last hours")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--out", type=Path, required=True, help="the recording, CSV")
    parser.add_argument("--cars", type=Path, help="the timetable, YAML")
    return parser


if __name__ == "__main__":
    main()
