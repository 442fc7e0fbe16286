"""What the recorder keeps while Redis, the database or both are away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest
from ampherd_api import recorder as module
from ampherd_api.recorder import Recorder
from ampherd_api.steps import PointsRefusedError
from ampherd_core.backlog import KEEP
from ampherd_core.clock import utc_now
from ampherd_core.history import HistoryError, Point, Sample
from ampherd_core.messages import Reading
from ampherd_core.policy_file import load_policy
from ampherd_core.store import Entry, StoreError

from tests.page.make_believe import MakeBelieve
from tests.support.needs import REPOSITORY
from tests.support.wait import wait_for

START = utc_now().replace(microsecond=0) - timedelta(hours=1)
SITE = MakeBelieve("mqtt://nowhere", load_policy(REPOSITORY / "site.example.yaml"))


class FakeSpool:
    """A stream in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_up = True
        self._next = 0

    async def append(self, payloads: Sequence[bytes]) -> None:
        self._check()
        for payload in payloads:
            self._next += 1
            self.entries.append(Entry(str(self._next), payload))

    async def oldest(self, count: int) -> Sequence[Entry]:
        self._check()
        return self.entries[:count]

    async def drop(self, ids: Sequence[str]) -> None:
        self._check()
        self.entries = [entry for entry in self.entries if entry.id not in ids]

    async def length(self) -> int:
        self._check()
        return len(self.entries)

    def _check(self) -> None:
        if not self.is_up:
            raise StoreError("away")


class FakeHistory:
    """A database in memory."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, datetime], Point] = {}
        self.is_up = True
        self.refuses: set[datetime] = set()

    async def write(self, points: Sequence[Point]) -> None:
        if not self.is_up:
            raise HistoryError("away")
        if any(point.at in self.refuses for point in points):
            raise PointsRefusedError("never")
        self.points |= {(point.measurement, point.at): point for point in points}

    async def read(self, *_: object, **__: object) -> Sequence[Sample]:
        return []

    async def close(self) -> None:
        return None


def reading(second: int) -> Reading:
    message = SITE.messages(START + timedelta(seconds=second))[0][1]
    assert isinstance(message, Reading)
    return message


@asynccontextmanager
async def recording(recorder: Recorder) -> AsyncIterator[None]:
    task = asyncio.create_task(recorder.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SPOOL_LOOK_S", 0.01)


async def test_points_reach_history_through_the_stream() -> None:
    spool, history = FakeSpool(), FakeHistory()
    recorder = Recorder("home", spool, history)
    async with recording(recorder):
        for second in range(20):
            recorder.take(reading(second))
        await wait_for(lambda: len(history.points) == 20 and not spool.entries)
    assert (recorder.counts["taken"], recorder.counts["written"]) == (20, 20)


async def test_the_stream_keeps_what_the_database_cannot_take_and_a_restart_writes_it_once() -> None:
    spool, history = FakeSpool(), FakeHistory()
    history.is_up = False
    recorder = Recorder("home", spool, history)
    async with recording(recorder):
        for second in range(20):
            recorder.take(reading(second))
        await wait_for(lambda: len(spool.entries) == 20)
    history.is_up = True
    async with recording(Recorder("home", spool, history)):
        await wait_for(lambda: len(history.points) == 20 and not spool.entries)


async def test_without_redis_points_go_straight_to_the_database() -> None:
    spool, history = FakeSpool(), FakeHistory()
    spool.is_up = False
    recorder = Recorder("home", spool, history)
    async with recording(recorder):
        recorder.take(reading(0))
        await wait_for(lambda: len(history.points) == 1)
    assert not recorder.is_spool_up


async def test_with_both_away_memory_is_bounded_and_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUFFERED", 10)
    spool, history = FakeSpool(), FakeHistory()
    spool.is_up = history.is_up = False
    recorder = Recorder("home", spool, history)
    async with recording(recorder):
        for second in range(25):
            recorder.take(reading(second))
        await wait_for(lambda: not recorder.is_history_up)
        spool.is_up = history.is_up = True
        await wait_for(lambda: len(history.points) == 10)
    assert recorder.counts["dropped"] == 15
    assert max(at for _, at in history.points) == START + timedelta(seconds=24)


async def test_one_point_that_is_never_taken_does_not_hold_up_the_others() -> None:
    spool, history = FakeSpool(), FakeHistory()
    history.refuses = {START + timedelta(seconds=7)}
    recorder = Recorder("home", spool, history)
    async with recording(recorder):
        for second in range(20):
            recorder.take(reading(second))
        await wait_for(lambda: len(history.points) == 19 and not spool.entries)
    assert recorder.counts["refused"] == 1


async def test_rubbish_in_the_stream_is_counted_and_passed_over() -> None:
    spool, history = FakeSpool(), FakeHistory()
    await spool.append([b"rubbish"])
    recorder = Recorder("home", spool, history)
    async with recording(recorder):
        recorder.take(reading(0))
        await wait_for(lambda: len(history.points) == 1 and not spool.entries)
    assert recorder.counts["unreadable"] == 1


async def test_what_is_in_memory_at_the_stop_is_put_away() -> None:
    spool, history = FakeSpool(), FakeHistory()
    recorder = Recorder("home", spool, history)
    recorder.take(reading(0))
    await recorder.flush()
    assert len(spool.entries) == 1


class FakeMarks:
    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}

    async def load(self, name: str) -> bytes | None:
        return self.documents.get(name)

    async def save(self, name: str, document: bytes) -> None:
        self.documents[name] = document


async def test_after_a_restart_it_asks_from_the_last_moment_that_reached_the_stream() -> None:
    spool, history, marks = FakeSpool(), FakeHistory(), FakeMarks()
    recorder = Recorder("home", spool, history, marks)
    async with recording(recorder):
        for second in range(20):
            recorder.take(reading(second))
        await wait_for(lambda: bool(marks.documents))
        await wait_for(lambda: len(history.points) == 20)
    last = reading(19).measured_at
    anew = await Recorder("home", spool, history, marks).recorded_until()
    assert 0 < (last - anew).total_seconds() <= 10


async def test_a_sender_of_the_future_does_not_hide_what_the_others_say_until_then() -> None:
    spool, history, marks = FakeSpool(), FakeHistory(), FakeMarks()
    recorder = Recorder("home", spool, history, marks)
    for second in (0, 400 * 86_400):
        recorder.take(reading(second))
    await recorder.flush()
    for asking in (recorder, Recorder("home", spool, history, marks)):
        assert await asking.recorded_until() < reading(0).measured_at
    assert len(spool.entries) == 2, "what it says is kept all the same"


@pytest.mark.parametrize("mark", [b"", b"\xff", b"yesterday"])
async def test_without_a_readable_mark_it_asks_for_all_that_services_remember(mark: bytes) -> None:
    marks = FakeMarks()
    marks.documents["recorded-until"] = mark
    since = await Recorder("home", FakeSpool(), FakeHistory(), marks).recorded_until()
    assert (utc_now() - since).total_seconds() >= KEEP.total_seconds() - 1
