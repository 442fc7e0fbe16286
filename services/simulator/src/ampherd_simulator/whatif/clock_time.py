"""Times as people write them: a time of day, a date, or both."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_TIME_OF_DAY: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")

FORMS: Final = "18:00, 2026-06-01 or 2026-06-01T18:00"


def is_time(text: str) -> bool:
    """Whether `text` is one of FORMS."""
    return time_of_day(text) is not None or _moment(text) is not None


def time_of_day(text: str) -> time | None:
    """A bare time of day; None for anything else."""
    found = _TIME_OF_DAY.fullmatch(text.strip())
    return time(int(found[1]), int(found[2])) if found else None


def moment(text: str, zone: ZoneInfo, not_before: datetime) -> datetime:
    """The moment that `text` names, a bare time of day the first at or after `not_before`; ValueError for none."""
    clock = time_of_day(text)
    if clock is not None:
        return on_day(not_before.astimezone(zone).date(), clock, zone, not_before)
    found = _moment(text)
    if found is None:
        raise ValueError(f"{text!r} is no time; write it like {FORMS}")
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def on_day(day: date, clock: time, zone: ZoneInfo, not_before: datetime) -> datetime:
    """That time on that day, or on the next where it is before `not_before`."""
    at = datetime.combine(day, clock, zone)
    return at if at >= not_before else datetime.combine(day + timedelta(days=1), clock, zone)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None
