"""From the bus to history: into the Redis stream at once, and from there into the database when it can take it.

What reached the stream is not lost by the death of this process or of the database, and writing it twice changes
nothing. What was said while this process was down is asked for again, from the last moment that reached the stream.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from ampherd_core.backlog import KEEP
from ampherd_core.backoff import Backoff
from ampherd_core.clock import utc_now
from ampherd_core.history import History, HistoryError, Point
from ampherd_core.store import Entry, Settings, Spool, StoreError

from ampherd_api.inbox import Document
from ampherd_api.points import Thinning, decode, encode, point_of
from ampherd_api.steps import PointsRefusedError

_BUFFERED: Final = 20_000
"""Points that wait in memory while Redis and the database are both away: about an hour of one site, 20 MB."""

_BATCH: Final = 500
_SPOOL_LOOK_S: Final = 0.5
"""How often the stream is looked into; each look writes one transaction."""

_MARK: Final = "recorded-until"
_AHEAD: Final = timedelta(seconds=5)
"""Clocks differ a little; a sender whose clock runs far ahead must not hide what the others say until then."""

_OVERLAP: Final = timedelta(seconds=5)
"""Senders do not speak in step; asking for a little too much costs nothing."""

log = structlog.get_logger()


class Recorder:
    """Takes documents without ever waiting (`take`), and brings their points to history (`run`)."""

    def __init__(self, site: str, spool: Spool, history: History, marks: Settings | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.waiting = 0
        self.is_history_up = True
        self.is_spool_up = True
        self._site = site
        self._spool = spool
        self._marks = marks
        self._newest: datetime | None = None
        self._history = history
        self._thinning = Thinning()
        self._buffer: deque[Point] = deque()
        self._news = asyncio.Event()

    def take(self, document: Document) -> None:
        """Remember what history keeps of this document; the oldest gives way when the memory is full."""
        point = point_of(self._site, document)
        if point is None or not self._thinning.keeps(point):
            return
        if len(self._buffer) >= _BUFFERED:
            self._buffer.popleft()
            self._count("dropped")
        self._buffer.append(point)
        if _is_said(point.at):
            self._newest = point.at if self._newest is None else max(point.at, self._newest)
        self.counts["taken"] += 1
        self._news.set()

    async def recorded_until(self) -> datetime:
        """What was said before needs not be said again; this process's memory counts, then what an earlier one kept."""
        if self._newest is not None:
            return self._newest - _OVERLAP
        try:
            mark = await self._marks.load(_MARK) if self._marks is not None else None
            at = datetime.fromisoformat(mark.decode()) if mark else None
            return utc_now() - KEEP if at is None or not _is_said(at) else at - _OVERLAP
        except (StoreError, ValueError, TypeError, OverflowError):
            return utc_now() - KEEP

    async def run(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_spooling(), name="spool")
            tasks.create_task(self._keep_draining(), name="drain")

    async def flush(self) -> None:
        """Bring what is in memory to the stream, or else to history; gives up quietly when both are away."""
        if self._buffer and not await self._spool_buffer():
            await self._write_buffer()

    async def _keep_spooling(self) -> None:
        backoff = Backoff()
        while True:
            await self._news.wait()
            self._news.clear()
            if await self._spool_buffer() or await self._write_buffer():
                backoff = backoff.reset()
            else:
                backoff = backoff.after_failure()
                await asyncio.sleep(backoff.delay_s)
            if self._buffer:
                self._news.set()

    async def _keep_draining(self) -> None:
        backoff = Backoff(base_s=1.0, cap_s=30.0)
        while True:
            try:
                drained = await self._drain()
            except (StoreError, HistoryError):
                backoff = backoff.after_failure()
                await asyncio.sleep(backoff.delay_s)
                continue
            backoff = backoff.reset()
            if drained < _BATCH:
                await asyncio.sleep(_SPOOL_LOOK_S)

    async def _spool_buffer(self) -> bool:
        batch = [self._buffer[index] for index in range(min(_BATCH, len(self._buffer)))]
        try:
            await self._spool.append([encode(point) for point in batch])
            newest = max((point.at for point in batch if _is_said(point.at)), default=None)
            if self._marks is not None and newest is not None:
                await self._marks.save(_MARK, newest.isoformat().encode())
        except StoreError as err:
            self._note_spool(is_up=False, why=str(err))
            return False
        self._note_spool(is_up=True)
        self._forget(batch)
        return True

    async def _write_buffer(self) -> bool:
        """Redis is away: straight into the database."""
        batch = [self._buffer[index] for index in range(min(_BATCH, len(self._buffer)))]
        try:
            await self._write(batch)
        except HistoryError:
            return False
        self._forget(batch)
        return True

    def _forget(self, batch: Sequence[Point]) -> None:
        # `take` may have dropped from the left meanwhile: only what was handled goes.
        handled = {id(point) for point in batch}
        while self._buffer and id(self._buffer[0]) in handled:
            self._buffer.popleft()

    async def _drain(self) -> int:
        try:
            entries = await self._spool.oldest(_BATCH)
            if entries:
                await self._write(self._decode(entries))
                await self._spool.drop([entry.id for entry in entries])
            self.waiting = await self._spool.length()
        except StoreError as err:
            self._note_spool(is_up=False, why=str(err))
            raise
        self._note_spool(is_up=True)
        return len(entries)

    def _decode(self, entries: Sequence[Entry]) -> list[Point]:
        points = []
        for entry in entries:
            try:
                points.append(decode(entry.payload))
            except ValueError:
                self._count("unreadable")
        return points

    async def _write(self, points: Sequence[Point]) -> None:
        """Write all; points that the database will never take are counted and left out, the others go on."""
        if not points:
            return
        try:
            await self._history.write(points)
        except PointsRefusedError as err:
            if len(points) == 1:
                self._count("refused", error=str(err))
                return
            middle = len(points) // 2
            await self._write(points[:middle])
            await self._write(points[middle:])
            return
        except HistoryError as err:
            self._note_history(is_up=False, why=str(err))
            raise
        self._note_history(is_up=True)
        self.counts["written"] += len(points)

    def _count(self, cause: str, **facts: str) -> None:
        self.counts[cause] += 1
        (log.warning if self.counts[cause] == 1 else log.debug)("points_lost", cause=cause, **facts)

    def _note_spool(self, *, is_up: bool, why: str = "") -> None:
        if is_up is not self.is_spool_up:
            self.is_spool_up = is_up
            (log.info("spool_back") if is_up else log.warning("spool_lost", error=why))

    def _note_history(self, *, is_up: bool, why: str = "") -> None:
        if is_up is not self.is_history_up:
            self.is_history_up = is_up
            (log.info("history_back") if is_up else log.warning("history_lost", error=why))


def _is_said(at: datetime) -> bool:
    """Whether a document of that time can have been said by now."""
    return at <= utc_now() + _AHEAD
