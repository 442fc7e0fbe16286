"""History in one SQLite file: raw points, and one-minute roll-ups kept in the same transaction."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from ampherd_core.clock import utc_now
from ampherd_core.history import HistoryError, Point, Sample

from ampherd_api.steps import MINUTE_MS, Part, is_whole_minutes, merge, milliseconds

RAW_DAYS: Final = 14
"""About 100 MB a day for four chargers at 1 Hz: two weeks fit a small disk."""

MINUTE_DAYS: Final = 1_100
"""Three years of roll-ups: enough to compare the seasons."""

_DAY_MS: Final = 24 * 60 * MINUTE_MS
_PURGE_EVERY_MS: Final = 10 * MINUTE_MS
_CACHE_KIB: Final = 4_096
_BUSY_TIMEOUT_S: Final = 5.0

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, field TEXT NOT NULL, tags TEXT NOT NULL,
    UNIQUE (measurement, field, tags)
);
CREATE TABLE IF NOT EXISTS raw (
    series INTEGER NOT NULL, ts INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, ts)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minute (
    series INTEGER NOT NULL, ts INTEGER NOT NULL, count INTEGER NOT NULL, total REAL NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, last REAL NOT NULL, last_ts INTEGER NOT NULL, PRIMARY KEY (series, ts)
) WITHOUT ROWID;
"""

_ROLL_UP: Final = """
INSERT INTO minute VALUES (?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (series, ts) DO UPDATE SET
    count = count + 1, total = total + excluded.total,
    low = min(low, excluded.low), high = max(high, excluded.high),
    last = iif(excluded.last_ts >= last_ts, excluded.last, last), last_ts = max(last_ts, excluded.last_ts)
"""

_READ_RAW: Final = """
SELECT ts - ts % ? AS step, count(*), sum(value), min(value), max(value) FROM raw
WHERE series = ? AND ts >= ? AND ts < ? GROUP BY step
"""

_READ_MINUTES: Final = """
SELECT ts - ts % ? AS step, sum(count), sum(total), min(low), max(high) FROM minute
WHERE series = ? AND ts >= ? AND ts < ? GROUP BY step
"""

T = TypeVar("T")


class SqliteHistory:
    """The history port on a file; the first value of a point stays, so writing it again changes nothing.

    Points older than the raw ones that are kept are dropped: nothing could tell whether they were counted already.
    """

    def __init__(
        self,
        path: Path,
        *,
        raw_days: float = RAW_DAYS,
        minute_days: float = MINUTE_DAYS,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._path = path
        self._now = now
        self._raw_ms = round(raw_days * _DAY_MS)
        self._minute_ms = round(minute_days * _DAY_MS)
        self._newest_ms = 0
        self._purged_ms = 0
        self._series: dict[tuple[str, str, str], int] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="history-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history-read")
        self._connections: dict[ThreadPoolExecutor, sqlite3.Connection] = {}
        self._opening = Lock()

    async def write(self, points: Sequence[Point]) -> None:
        """Keep all points or none; raises HistoryError."""
        await self._in(self._writer, lambda connection: self._write(connection, points))

    async def read(
        self,
        measurement: str,
        field: str,
        tags: dict[str, str],
        *,
        start: datetime,
        stop: datetime,
        step_s: float,
    ) -> Sequence[Sample]:
        """One sample for every step that holds points, oldest first; whole minutes come from the roll-ups."""
        span = milliseconds(start), milliseconds(stop), round(step_s * 1000)
        return await self._in(self._reader, lambda connection: _read(connection, (measurement, field), tags, span))

    async def close(self) -> None:
        """Close the file."""
        for pool in (self._reader, self._writer):
            connection = self._connections.pop(pool, None)
            if connection is not None:
                await asyncio.get_running_loop().run_in_executor(pool, connection.close)
            pool.shutdown(wait=False)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, self._with_connection, pool, work)
        except (sqlite3.Error, OSError, RuntimeError) as err:
            raise HistoryError(f"{self._path.name}: {err}") from err

    def _with_connection(self, pool: ThreadPoolExecutor, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connections.get(pool)
        if connection is None:
            # A new file goes over to write-ahead logging by a lock for which SQLite does not wait.
            with self._opening:
                connection = self._connections[pool] = self._open()
        return work(connection)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        connection.executescript(_SCHEMA)
        connection.execute("PRAGMA synchronous = normal")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _write(self, connection: sqlite3.Connection, points: Sequence[Point]) -> None:
        known = dict(self._series)
        try:
            with connection:
                self._insert(connection, points)
                self._purge(connection)
        except sqlite3.Error:
            self._series = known
            raise

    def _insert(self, connection: sqlite3.Connection, points: Sequence[Point]) -> None:
        newest_ms = max((milliseconds(point.at) for point in points), default=0)
        # A sender whose clock runs ahead must not age everything else.
        self._newest_ms = min(max(self._newest_ms or _newest(connection), newest_ms), milliseconds(self._now()))
        for series, at_ms, value in self._rows(connection, points):
            if connection.execute("INSERT OR IGNORE INTO raw VALUES (?, ?, ?)", (series, at_ms, value)).rowcount == 1:
                minute_ms = at_ms - at_ms % MINUTE_MS
                connection.execute(_ROLL_UP, (series, minute_ms, value, value, value, value, at_ms))

    def _rows(self, connection: sqlite3.Connection, points: Sequence[Point]) -> Iterator[tuple[int, int, float]]:
        for point in points:
            at_ms = milliseconds(point.at)
            if at_ms >= self._horizon_ms(self._raw_ms):
                tags = _canonical(point.tags)
                for field, value in point.fields.items():
                    yield self._series_id(connection, (point.measurement, field, tags)), at_ms, value

    def _series_id(self, connection: sqlite3.Connection, name: tuple[str, str, str]) -> int:
        series = self._series.get(name)
        if series is None:
            connection.execute("INSERT OR IGNORE INTO series (measurement, field, tags) VALUES (?, ?, ?)", name)
            where = "SELECT id FROM series WHERE measurement = ? AND field = ? AND tags = ?"
            series = self._series[name] = int(connection.execute(where, name).fetchone()[0])
        return series

    def _purge(self, connection: sqlite3.Connection) -> None:
        """Little and often: the raw points of ten minutes at a time do not hold up a write."""
        if self._newest_ms - self._purged_ms < _PURGE_EVERY_MS:
            return
        self._purged_ms = self._newest_ms
        for (series,) in connection.execute("SELECT id FROM series").fetchall():
            for table, kept_ms in (("raw", self._raw_ms), ("minute", self._minute_ms)):
                horizon_ms = self._horizon_ms(kept_ms)
                statement = f"DELETE FROM {table} WHERE series = ? AND ts < ?"  # noqa: S608 - a name from the line above
                connection.execute(statement, (series, horizon_ms))

    def _horizon_ms(self, kept_ms: int) -> int:
        """The begin of the oldest minute that is kept whole."""
        horizon_ms = self._newest_ms - kept_ms
        return horizon_ms - horizon_ms % MINUTE_MS


def _newest(connection: sqlite3.Connection) -> int:
    """The newest minute on file, so that a restart keeps the horizon."""
    rows = connection.execute("SELECT (SELECT max(ts) FROM minute WHERE series = series.id) FROM series").fetchall()
    return max((row[0] or 0 for row in rows), default=0)


def _read(
    connection: sqlite3.Connection, name: tuple[str, str], tags: dict[str, str], span: tuple[int, int, int]
) -> Sequence[Sample]:
    start_ms, stop_ms, step_ms = span
    query = _READ_MINUTES if is_whole_minutes(start_ms, stop_ms, step_ms) else _READ_RAW
    parts: list[Part] = []
    for series in _matching(connection, name, tags):
        rows = connection.execute(query, (step_ms, series, start_ms, stop_ms))
        parts.extend(Part(*row) for row in rows)
    return merge(parts, step_ms)


def _matching(connection: sqlite3.Connection, name: tuple[str, str], tags: dict[str, str]) -> list[int]:
    rows = connection.execute("SELECT id, tags FROM series WHERE measurement = ? AND field = ?", name)
    return [series for series, known in rows if tags.items() <= json.loads(known).items()]


def _canonical(tags: dict[str, str]) -> str:
    return json.dumps(tags, sort_keys=True, separators=(",", ":"))
