"""The usual load: learned by the quarter-hour of the week, as weeks go by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from ampherd_balancer.usual import UsualLoads, quarter_of
from ampherd_core.phases import Phases

ZONE = ZoneInfo("Europe/Amsterdam")
MONDAY = datetime(2026, 11, 16, 18, 0, tzinfo=ZONE)


def quarter(usual: UsualLoads, start: datetime, load: Callable[[int], Phases], *, samples: int = 90) -> bool:
    """A quarter-hour of samples, and the first moment of the next; whether it was learned."""
    start_s = start.timestamp()
    for place in range(samples):
        usual.note({"connection": load(place)}, start + timedelta(seconds=10 * place), start_s + 10 * place)
    return usual.note({"connection": load(0)}, start + timedelta(minutes=15), start_s + 900)


def test_a_quarter_hour_is_learned_when_it_is_over() -> None:
    usual = UsualLoads()
    assert usual.high("connection", MONDAY) is None
    assert quarter(usual, MONDAY, lambda _: (2.0, 1.0, 0.5))
    assert usual.high("connection", MONDAY + timedelta(minutes=14)) == (2.0, 1.0, 0.5)
    assert usual.high("connection", MONDAY + timedelta(days=7)) == (2.0, 1.0, 0.5)


def test_another_day_counts_until_that_one_was_seen() -> None:
    usual = UsualLoads()
    quarter(usual, MONDAY, lambda _: (2.0, 1.0, 0.0))
    quarter(usual, MONDAY + timedelta(days=1), lambda _: (1.0, 4.0, 0.0))
    assert usual.high("connection", MONDAY + timedelta(days=2)) == (2.0, 4.0, 0.0)
    assert usual.high("connection", MONDAY + timedelta(hours=3)) is None


def test_the_high_is_above_the_mean_and_below_a_short_peak() -> None:
    usual = UsualLoads()
    quarter(usual, MONDAY, lambda place: (20.0 if place < 9 else 4.0 if place < 30 else 1.0, 0.0, 0.0))
    learned = usual.book["connection"][quarter_of(MONDAY)]
    assert learned.high_a[0] == 4.0
    assert learned.mean_a[0] == pytest.approx((9 * 20 + 21 * 4 + 60 * 1) / 90, abs=0.001)


def test_weeks_wear_in_and_a_change_shows_within_a_month() -> None:
    usual = UsualLoads()
    for week in range(12):
        quarter(usual, MONDAY + timedelta(weeks=week), lambda _: (2.0, 0.0, 0.0))
    for week in range(12, 17):
        quarter(usual, MONDAY + timedelta(weeks=week), lambda _: (10.0, 0.0, 0.0))
    high = usual.high("connection", MONDAY)
    assert high is not None
    assert high[0] > 7.5


def test_too_little_teaches_nothing() -> None:
    assert not quarter(UsualLoads(), MONDAY, lambda _: (2.0, 0.0, 0.0), samples=20)


def test_what_runs_just_now_is_not_what_the_house_takes_these_days() -> None:
    """An oven for five of the last twenty minutes."""
    usual = UsualLoads()
    assert usual.lately("connection") is None
    quarter(usual, MONDAY, lambda _: (1.0, 0.5, 2.0))
    quarter(usual, MONDAY + timedelta(minutes=15), lambda _: (1.0, 0.5, 13.0), samples=30)
    assert usual.lately("connection") == (1.0, 0.5, 2.0)


def test_it_outlives_a_restart_and_nonsense_is_ignored() -> None:
    usual, again = UsualLoads(), UsualLoads()
    quarter(usual, MONDAY, lambda _: (2.0, 1.0, 0.5))
    again.recall(usual.remember())
    for nonsense in (b"", b"[]", b'{"connection": {"700": {}}}', b"\xff"):
        again.recall(nonsense)
    assert again.high("connection", MONDAY) == (2.0, 1.0, 0.5)
