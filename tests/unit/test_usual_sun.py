"""What the sun usually leaves over: learned by the quarter-hour of the day, as days go by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from ampherd_balancer.usual_sun import MEMORY_DAYS, UsualSun
from ampherd_core.plans import QUARTERS_A_DAY

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def quarter(sun: UsualSun, start: datetime, beside_w: Callable[[int], float], *, samples: int = 90) -> bool:
    """A quarter-hour of samples, and the first of the next."""
    for place in range(samples):
        at = start + timedelta(seconds=10 * place)
        sun.note(beside_w(place), at, at.timestamp())
    after = start + timedelta(minutes=15)
    return sun.note(beside_w(0), after, after.timestamp())


def test_a_quarter_hour_is_known_once_it_was_seen_whatever_the_weekday() -> None:
    sun = UsualSun()
    assert sun.expected_w(NOON, DAY) == 0.0
    assert quarter(sun, NOON, lambda _: -3_000.0)
    assert sun.expected_w(NOON + 3 * DAY + timedelta(minutes=14), DAY) == 3_000.0
    assert sun.expected_w(NOON + timedelta(minutes=15), DAY) == 0.0


def test_what_is_bought_takes_nothing_away() -> None:
    sun = UsualSun()
    quarter(sun, NOON, lambda place: -4_000.0 if place < 45 else 2_000.0)
    assert sun.expected_w(NOON, DAY) == pytest.approx(2_000.0)


def test_days_make_a_mean_and_the_new_ones_replace_the_old() -> None:
    sun = UsualSun()
    for day, power_w in enumerate((6_000.0, 0.0, 3_000.0)):
        quarter(sun, NOON + day * DAY, lambda _, power_w=power_w: -power_w)  # type: ignore[misc]
    assert sun.expected_w(NOON, DAY) == pytest.approx(3_000.0, abs=1)
    for day in range(3, 3 + 3 * MEMORY_DAYS):
        quarter(sun, NOON + day * DAY, lambda _: 0.0)
    assert sun.expected_w(NOON, DAY) == pytest.approx(0.0, abs=200.0)


def test_a_quarter_hour_that_was_hardly_seen_teaches_nothing() -> None:
    sun = UsualSun()
    assert not quarter(sun, NOON, lambda _: -3_000.0, samples=20)
    assert sun.by_quarter == ()


@pytest.mark.parametrize(
    ("gives_w", "now", "in_three_hours", "tomorrow"),
    [
        pytest.param(3_000, 3_000, 3_000, 3_000, id="as usual"),
        pytest.param(0, 0, 1_500, 3_000, id="dull"),
        pytest.param(1_500, 1_500, 2_250, 3_000, id="cloudy"),
        pytest.param(9_000, 6_000, 4_500, 3_000, id="brighter, but not for ever"),
    ],
)
def test_the_last_hour_tells_how_bright_the_next_ones_are(
    gives_w: float, now: float, in_three_hours: float, tomorrow: float
) -> None:
    sun = UsualSun()
    for start in range(16, 28):
        quarter(sun, NOON + start * timedelta(minutes=15), lambda _: -3_000.0)
    for start in range(16, 20):
        quarter(sun, NOON + DAY + start * timedelta(minutes=15), lambda _: -gives_w)
    coming = NOON + DAY + 24 * timedelta(minutes=15)
    expected = [sun.expected_w(coming, ahead) for ahead in (timedelta(0), timedelta(hours=3), DAY)]
    assert expected == pytest.approx([now, in_three_hours, tomorrow], rel=0.02)


def test_the_dusk_tells_nothing() -> None:
    sun = UsualSun()
    quarter(sun, NOON, lambda _: -100.0)
    quarter(sun, NOON + DAY, lambda _: -1.0)
    assert sun.expected_w(NOON, timedelta(0)) > 40


def test_it_outlives_a_restart() -> None:
    sun, again = UsualSun(), UsualSun()
    quarter(sun, NOON, lambda _: -3_000.0)
    again.recall(sun.remember())
    assert again.by_quarter == sun.by_quarter
    assert again.by_quarter[12 * 4] == 3_000.0
    assert again.by_quarter.count(None) == QUARTERS_A_DAY - 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"nonsense",
        b"{}",
        b"[]",
        b'{"quarters": {"96": {"sun_w": 1, "days": 1}}}',
        b'{"quarters": {"1": {"sun_w": -1, "days": 1}}}',
        b'{"quarters": {"1": {"sun_w": 1e99, "days": 1}}}',
        b'{"quarters": {"1": {"sun_w": NaN, "days": 1}}}',
        b'{"quarters": {"1": {"sun_w": 1, "days": 0}}}',
    ],
)
def test_a_remembered_document_that_is_broken_is_ignored(document: bytes) -> None:
    sun = UsualSun()
    sun.recall(document)
    assert sun.by_quarter == ()
