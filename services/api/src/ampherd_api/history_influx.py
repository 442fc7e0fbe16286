"""History in InfluxDB: written through influxdb-client, read with InfluxQL, which 1.8, 2.x and 3 all answer.

The only module that names influxdb-client. Importing it takes more than a second and 30 MB, so it is imported where
InfluxDB is really used.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from ampherd_core.history import HistoryError, Point, Sample

from ampherd_api import influxql
from ampherd_api.influxql import ROLLED_UP, Table, select, where
from ampherd_api.steps import MINUTE_MS, Part, PointsRefusedError, is_whole_minutes, merge, milliseconds

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

_TIMEOUT_MS: Final = 10_000
_UNROLLED_MS: Final = 10 * MINUTE_MS
"""The newest roll-ups may still change: from here on the raw points answer."""

_SHORT_MS: Final = 120 * MINUTE_MS
"""A range so short is read raw: it costs nothing, and needs no look for the newest roll-up."""

_NOT_TO_BE_TRIED_AGAIN: Final = frozenset({400, 413, 422})
"""What the server says of points that it will never take; 401 and 404 are cured by a person."""

_NEWEST: Final = "ORDER BY time DESC LIMIT 1"

_Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """Where InfluxDB is: `bucket` is the database that InfluxQL sees."""

    url: str
    org: str
    bucket: str
    token: str = field(default="", repr=False)


class InfluxHistory:
    """The history port on InfluxDB; the server itself makes a point that is written twice one point.

    A minute is rolled up once a later one begins, from what the server holds: late and doubled points count rightly.
    """

    def __init__(self, address: InfluxAddress) -> None:
        self._address = address
        self._client: InfluxDBClient | None = None
        self._open_minutes: defaultdict[_Series, set[int]] = defaultdict(set)
        self._resumed: set[_Series] = set()
        self._lock = asyncio.Lock()

    async def write(self, points: Sequence[Point]) -> None:
        """Keep all points; raises HistoryError, or PointsRefusedError where a second try will not help."""
        async with self._lock:
            await asyncio.to_thread(self._write, points)

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
        """One sample for every step that holds points, oldest first; long ranges of whole minutes use the roll-ups."""
        span = milliseconds(start), milliseconds(stop), round(step_s * 1000)
        parts = await asyncio.to_thread(lambda: list(self._read((measurement, field), tags, span)))
        return merge(parts, span[2])

    async def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    def _write(self, points: Sequence[Point]) -> None:
        for point in points:
            series, at_ms = (point.measurement, tuple(sorted(point.tags.items()))), milliseconds(point.at)
            if series not in self._resumed:
                self._resume(series, at_ms)
            self._open_minutes[series].add(at_ms - at_ms % MINUTE_MS)
        self._send([_line(point.measurement, point.tags, milliseconds(point.at), point.fields) for point in points])
        for series, minutes in self._open_minutes.items():
            self._roll_up(series, minutes)

    def _resume(self, series: _Series, at_ms: int) -> None:
        """After a start: open again the minutes that a dead process may have left without a roll-up."""
        measurement, tags = series[0], dict(series[1])
        newest_ms = self._newest_ms(measurement + ROLLED_UP, tags)
        if newest_ms is not None and newest_ms < at_ms:
            within = where(tags, (newest_ms, at_ms))
            tables = self._query(select("count(*)", measurement, within, influxql.every(MINUTE_MS)))
            self._open_minutes[series].update(at for table in tables for at, _ in table.rows)
        self._resumed.add(series)

    def _roll_up(self, series: _Series, minutes: set[int]) -> None:
        """Write the roll-ups of all minutes but the newest; when that fails they stay open."""
        closed = sorted(minutes)[:-1]
        if not closed:
            return
        measurement, tags = series[0], dict(series[1])
        within = where(tags, (closed[0], closed[-1] + MINUTE_MS))
        columns = "count(*), sum(*), min(*), max(*), last(*)"
        tables = self._query(select(columns, measurement, within, influxql.every(MINUTE_MS)))
        lines = [
            _line(measurement + ROLLED_UP, tags, at_ms, _known(table.columns, values))
            for table in tables
            for at_ms, values in table.rows
            if at_ms in minutes
        ]
        if lines:
            self._send(lines)
        minutes.difference_update(closed)

    def _read(self, name: tuple[str, str], tags: dict[str, str], span: tuple[int, int, int]) -> Iterator[Part]:
        start_ms, stop_ms, step_ms = span
        seam_ms = start_ms
        if is_whole_minutes(start_ms, stop_ms, step_ms) and stop_ms - start_ms > _SHORT_MS:
            newest_ms = self._newest_ms(name[0] + ROLLED_UP, tags) or 0
            seam_ms = min(stop_ms, max(start_ms, newest_ms - _UNROLLED_MS))
        if seam_ms > start_ms:
            yield from self._rolled_up(name, tags, (start_ms, seam_ms, step_ms))
        if seam_ms < stop_ms:
            yield from self._raw(name, tags, (seam_ms, stop_ms, step_ms))

    def _raw(self, name: tuple[str, str], tags: dict[str, str], span: tuple[int, int, int]) -> Iterator[Part]:
        column = influxql.name(name[1])
        columns = f"count({column}), sum({column}), min({column}), max({column})"
        return self._parts(select(columns, name[0], where(tags, span[:2]), influxql.every(span[2])))

    def _rolled_up(self, name: tuple[str, str], tags: dict[str, str], span: tuple[int, int, int]) -> Iterator[Part]:
        count, total, low, high = (influxql.name(f"{kind}_{name[1]}") for kind in ("count", "sum", "min", "max"))
        columns = f"sum({count}), sum({total}), min({low}), max({high})"
        return self._parts(select(columns, name[0] + ROLLED_UP, where(tags, span[:2]), influxql.every(span[2])))

    def _parts(self, query: str) -> Iterator[Part]:
        for table in self._query(query):
            for at_ms, values in table.rows:
                count, total, low, high = values
                if count and total is not None and low is not None and high is not None:
                    yield Part(at_ms, count, total, low, high)

    def _newest_ms(self, measurement: str, tags: Mapping[str, str]) -> int | None:
        tables = self._query(select("*", measurement, where(tags), _NEWEST))
        return tables[0].rows[0][0] if tables and tables[0].rows else None

    def _send(self, lines: list[str]) -> None:
        from influxdb_client.client.exceptions import InfluxDBError  # noqa: PLC0415 - see the module's docstring
        from influxdb_client.client.write_api import SYNCHRONOUS  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            with self._connect().write_api(write_options=SYNCHRONOUS) as writer:
                writer.write(self._address.bucket, self._address.org, lines, write_precision="ms")
        except InfluxDBError as err:
            status = err.response.status if err.response is not None else None
            kind = PointsRefusedError if status in _NOT_TO_BE_TRIED_AGAIN else HistoryError
            raise kind(f"InfluxDB refused points: {str(err.message or status)[:200]}") from err
        except (HTTPError, OSError) as err:
            raise HistoryError(f"InfluxDB does not answer: {err}") from err

    def _query(self, query: str) -> Sequence[Table]:
        from influxdb_client.client.exceptions import InfluxDBError  # noqa: PLC0415 - see the module's docstring
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        client = self._connect().api_client
        try:
            response = client.request(  # type: ignore[no-untyped-call]
                "GET",
                f"{self._address.url}/query",
                query_params=[("db", self._address.bucket), ("epoch", "ms"), ("q", query)],
                headers=dict(client.default_headers),
                _request_timeout=_TIMEOUT_MS,
            )
        except InfluxDBError as err:
            raise HistoryError(f"InfluxDB refused a query: {str(err.message)[:200]}") from err
        except (HTTPError, OSError) as err:
            raise HistoryError(f"InfluxDB does not answer: {err}") from err
        return influxql.read_answer(response.data)

    def _connect(self) -> InfluxDBClient:
        if self._client is None:
            from influxdb_client.client.influxdb_client import InfluxDBClient  # noqa: PLC0415 - see the docstring

            self._client = InfluxDBClient(
                url=self._address.url, token=self._address.token, org=self._address.org, timeout=_TIMEOUT_MS
            )
        return self._client


def _line(measurement: str, tags: Mapping[str, str], at_ms: int, fields: Mapping[str, float]) -> str:
    from influxdb_client.client.write.point import Point as Line  # noqa: PLC0415 - see the module's docstring

    line = Line.from_dict(
        {
            "measurement": measurement,
            "tags": dict(tags),
            "fields": {name: float(number) for name, number in fields.items()},
            "time": at_ms,
        },
        write_precision="ms",  # type: ignore[arg-type]  # the library's constants are plain strings, too
    )
    return str(line.to_line_protocol())


def _known(columns: Sequence[str], values: Sequence[float | None]) -> dict[str, float]:
    return {column: float(value) for column, value in zip(columns, values, strict=True) if value is not None}
