"""One suite for every history: SQLite in a file, and InfluxDB as Debian has it behind a 2.x write address."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ampherd_api.history_influx import InfluxAddress, InfluxHistory
from ampherd_api.history_sqlite import SqliteHistory
from ampherd_api.steps import PointsRefusedError
from ampherd_core.clock import utc_now
from ampherd_core.history import History, HistoryError, Point, Sample

from tests.contract.influx_server import InfluxServer

START = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
TAGS = {"site": "home", "meter": "grid"}


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "influxdb"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], History]]:
    """Opens the same history again and again."""
    opened: list[History] = []
    if request.param == "influxdb":
        address = request.getfixturevalue("influx").new_bucket()

    def reopen() -> History:
        history: History = (
            SqliteHistory(tmp_path / "history.db") if request.param == "sqlite" else InfluxHistory(address)
        )
        opened.append(history)
        return history

    yield reopen
    for history in opened:
        await history.close()


@pytest.fixture
def history(reopen: Callable[[], History]) -> History:
    return reopen()


def point(second: float, value: float, **tags: str) -> Point:
    at = START + timedelta(seconds=second)
    return Point(measurement="meter", tags=TAGS | tags, at=at, fields={"power_w": value})


async def read(history: History, stop_s: float, step_s: float, start_s: float = 0, **tags: str) -> Sequence[Sample]:
    start, stop = START + timedelta(seconds=start_s), START + timedelta(seconds=stop_s)
    return await history.read("meter", "power_w", TAGS | tags, start=start, stop=stop, step_s=step_s)


def rows(samples: Sequence[Sample]) -> list[tuple[float, float, float, float]]:
    return [((s.at - START).total_seconds(), round(s.mean, 6), s.low, s.high) for s in samples]


async def test_nothing_was_written(history: History) -> None:
    assert await read(history, 60, 1) == []


async def test_steps_hold_mean_least_and_most(history: History) -> None:
    await history.write([point(second, second) for second in range(20)])
    assert rows(await read(history, 20, 10)) == [(0, 4.5, 0, 9), (10, 14.5, 10, 19)]


async def test_a_range_begins_with_its_start_and_ends_before_its_stop(history: History) -> None:
    await history.write([point(second, second) for second in range(10)])
    assert [row[0] for row in rows(await read(history, 7, 1, start_s=3))] == [3, 4, 5, 6]


async def test_steps_without_points_are_left_out(history: History) -> None:
    await history.write([point(0, 1), point(30, 2)])
    assert [row[0] for row in rows(await read(history, 60, 10))] == [0, 30]


async def test_writing_twice_changes_nothing(history: History) -> None:
    batch = [point(second, second) for second in range(130)]
    await history.write(batch)
    await history.write(batch[40:90])
    assert rows(await read(history, 180, 60)) == [(0, 29.5, 0, 59), (60, 89.5, 60, 119), (120, 124.5, 120, 129)]


async def test_milliseconds_tell_points_apart(history: History) -> None:
    await history.write([point(0.001, 1), point(0.002, 3)])
    assert rows(await read(history, 1, 1)) == [(0, 2, 1, 3)]


async def test_tags_tell_series_apart_and_fewer_tags_join_them(history: History) -> None:
    await history.write([point(0, 1, role="a"), point(0, 3, role="b")])
    assert rows(await read(history, 1, 1, role="a")) == [(0, 1, 1, 1)]
    assert rows(await read(history, 1, 1)) == [(0, 2, 1, 3)]


@pytest.mark.parametrize("name", ["it's", 'a "quote"', "comma, equals=", "back\\slash", "ümläut", "'; DROP TABLE x--"])
async def test_odd_names_are_only_names(history: History, name: str) -> None:
    await history.write([point(0, 1, role=name), point(0, 5, role="other")])
    assert rows(await read(history, 1, 1, role=name)) == [(0, 1, 1, 1)]


@pytest.mark.parametrize("step_s", [60, 300, 3600])
async def test_long_ranges_tell_the_same_as_the_points(history: History, step_s: int) -> None:
    """Four hours by the ten seconds, in batches, some late and some twice: roll-ups must not show."""
    values = {second: float((second * 7919) % 1000) for second in range(0, 4 * 3600, 10)}
    batches = [[point(second, value) for second, value in list(values.items())[i : i + 90]] for i in range(0, 1440, 90)]
    shuffled = [*batches[:8], *random.Random(5).sample(batches[8:], 8), batches[2]]
    for batch in shuffled:
        await history.write(batch)
    expected = []
    for begin in range(0, 4 * 3600, step_s):
        inside = [value for second, value in values.items() if begin <= second < begin + step_s]
        expected.append((begin, round(sum(inside) / len(inside), 6), min(inside), max(inside)))
    assert rows(await read(history, 4 * 3600, step_s)) == expected


async def test_a_restart_goes_on_where_it_was(reopen: Callable[[], History]) -> None:
    await reopen().write([point(second, 1) for second in range(0, 3 * 3600, 20)])
    await reopen().write([point(second, 3) for second in range(3 * 3600, 4 * 3600, 20)])
    found = rows(await read(reopen(), 4 * 3600, 3600))
    assert found == [(0, 1, 1, 1), (3600, 1, 1, 1), (7200, 1, 1, 1), (10800, 3, 3, 3)]


async def test_reading_and_writing_at_once(history: History) -> None:
    async def write() -> None:
        for second in range(0, 200, 10):
            await history.write([point(second + k, 1) for k in range(10)])

    await asyncio.gather(write(), *(read(history, 200, 1) for _ in range(10)))
    assert len(await read(history, 200, 1)) == 200


async def test_a_new_file_is_read_and_written_at_once(tmp_path: Path) -> None:
    for number in range(50):
        history = SqliteHistory(tmp_path / f"{number}.db")
        await asyncio.gather(history.write([point(0, 1)]), read(history, 60, 1))
        assert rows(await read(history, 60, 60)) == [(0, 1, 1, 1)]
        await history.close()


async def test_influxdb_refuses_for_ever_what_changes_its_type(influx: InfluxServer) -> None:
    address = influx.new_bucket()
    influx.write_line(address.bucket, f"meter,site=home,meter=grid power_w=1i {int(START.timestamp())}000")
    history = InfluxHistory(address)
    with pytest.raises(PointsRefusedError):
        await history.write([point(0, 1.5)])
    await history.close()


async def test_influxdb_that_is_away_is_told() -> None:
    history = InfluxHistory(InfluxAddress("http://127.0.0.1:9", "o", "b", "t"))
    with pytest.raises(HistoryError):
        await history.write([point(0, 1)])
    with pytest.raises(HistoryError):
        await read(history, 1, 1)
    await history.close()


async def test_sqlite_purges_raw_points_and_keeps_their_minutes(tmp_path: Path) -> None:
    now = [START]
    history = SqliteHistory(tmp_path / "h.db", raw_days=1, now=lambda: now[0])
    await history.write([point(second, 2) for second in range(-120, 0)])
    now[0] = START + timedelta(days=3)
    await history.write([point(3 * 86_400, 1)])
    assert await read(history, 0, 1, start_s=-120) == []
    assert rows(await read(history, 0, 60, start_s=-120)) == [(-120, 2, 2, 2), (-60, 2, 2, 2)]
    await history.write([point(-10, 99)])
    assert rows(await read(history, 0, 60, start_s=-120)) == [(-120, 2, 2, 2), (-60, 2, 2, 2)]
    await history.close()


async def test_sqlite_is_not_aged_by_a_clock_that_runs_ahead(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "h.db", raw_days=1, now=lambda: START)
    future = Point(measurement="meter", tags=TAGS, at=datetime(2090, 1, 1, tzinfo=UTC), fields={"power_w": 1})
    await history.write([future])
    await history.write([point(-5, 7)])
    assert rows(await read(history, 0, 1, start_s=-10)) == [(-5, 7, 7, 7)]
    await history.close()


async def test_sqlite_in_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = SqliteHistory(tmp_path / "file" / "h.db")
    with pytest.raises(HistoryError):
        await history.write([point(0, 1)])
    await history.close()
