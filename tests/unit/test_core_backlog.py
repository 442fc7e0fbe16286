"""What a service remembers for a recorder that was away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ampherd_core.backlog import KEEP, MOST, Backlog

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def said(backlog: Backlog, since: float) -> list[bytes]:
    return [payload for _, payload in backlog.since(at(since))]


def test_gives_what_was_said_from_a_moment_on_oldest_first() -> None:
    backlog = Backlog()
    for second in range(5):
        backlog.note(at(second), "t", b"%d" % second)
    assert said(backlog, 2) == [b"2", b"3", b"4"]
    assert said(backlog, 9) == []


def test_forgets_what_is_older_than_it_keeps() -> None:
    backlog = Backlog()
    backlog.note(at(0), "t", b"old")
    backlog.note(at(KEEP.total_seconds() + 1), "t", b"new")
    assert said(backlog, -1) == [b"new"]


def test_remembers_only_so_much_however_fast_one_speaks() -> None:
    backlog = Backlog()
    for number in range(MOST + 10):
        backlog.note(at(0), "t", b"%d" % number)
    assert len(said(backlog, 0)) == MOST
    assert said(backlog, 0)[0] == b"10"
