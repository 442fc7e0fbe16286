"""`/api/history`: ranges of what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from ampherd_core.clock import utc_now
from ampherd_core.history import HistoryError, Sample
from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ampherd_api.access import reader
from ampherd_api.context import Ctx
from ampherd_api.documents import Answer
from ampherd_api.errors import RefusedError
from ampherd_api.steps import moment

router = APIRouter(prefix="/history", tags=["history"], dependencies=[Depends(reader)])

_MAX_STEPS: Final = 20_000
"""Two weeks by the minute; a chart shows no more."""

_DRAWN_STEPS: Final = 1_500
"""As many as a wide chart has pixels: the step where none is asked for."""

_STEPS_S: Final = (1, 5, 10, 60, 120, 300, 900, 3600, 6 * 3600, 24 * 3600)
_LAST_S: Final = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
"""A step beyond the last years would leave the calendar."""

_DEFAULT_SPAN: Final = timedelta(hours=24)


class Question(BaseModel):
    """What a range is asked by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measurement: Literal["meter", "charger", "site"]
    field: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]], Field(min_length=1, max_length=16)]
    tags: Annotated[list[str], Field(max_length=4, description="like `charger:garage`")] = []
    start: Annotated[AwareDatetime | None, Field(description="default: a day before the stop")] = None
    stop: Annotated[AwareDatetime | None, Field(description="default: now")] = None
    step: Annotated[float | None, Field(ge=1, le=31 * 86_400, description="s; default: as a chart needs")] = None


class Series(Answer):
    """One field by step: `at` is when each step begins (s since 1970, UTC); steps without points are left out."""

    field: str
    at: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


class Range(Answer):
    """What was asked for, rounded outward to whole steps."""

    measurement: str
    tags: dict[str, str]
    start: datetime
    stop: datetime
    step_s: float
    series: list[Series]


@router.get("")
async def history(context: Ctx, asked: Annotated[Question, Query()]) -> Range:
    """Mean, least and most of each field in every step of [start, stop)."""
    tags = _tags(asked.tags)
    start, stop, step_s = _span(asked)
    series = []
    try:
        for name in asked.field:
            samples = await context.history.read(asked.measurement, name, tags, start=start, stop=stop, step_s=step_s)
            series.append(_series(name, samples))
    except HistoryError as err:
        raise RefusedError(503, "no-history", "The history does not answer; live data and charging go on.") from err
    return Range(measurement=asked.measurement, tags=tags, start=start, stop=stop, step_s=step_s, series=series)


def _series(name: str, samples: Sequence[Sample]) -> Series:
    return Series(
        field=name,
        at=[sample.at.timestamp() for sample in samples],
        mean=[round(sample.mean, 3) for sample in samples],
        low=[round(sample.low, 3) for sample in samples],
        high=[round(sample.high, 3) for sample in samples],
    )


def _tags(given: Sequence[str]) -> dict[str, str]:
    tags = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not (name.isidentifier() and colon and 0 < len(value) <= 64):
            raise RefusedError(422, "bad-tag", "Write a tag as name:value, like charger:garage.")
        tags[name] = value
    return tags


def _span(asked: Question) -> tuple[datetime, datetime, float]:
    """Whole steps around what was asked for; raises RefusedError for too many of them."""
    end_s = (asked.stop or utc_now()).timestamp()
    begin_s = asked.start.timestamp() if asked.start is not None else end_s - _DEFAULT_SPAN.total_seconds()
    if not 0 <= begin_s < end_s <= _LAST_S:
        raise RefusedError(422, "bad-range", "The start must lie before the stop, and both from 1970 to 2999.")
    step_s = asked.step or next((s for s in _STEPS_S if (end_s - begin_s) / s <= _DRAWN_STEPS), _STEPS_S[-1])
    first, last = math.floor(begin_s / step_s), math.ceil(end_s / step_s)
    if last - first > _MAX_STEPS:
        raise RefusedError(422, "too-many-steps", f"This range has more than {_MAX_STEPS} steps; take a longer step.")
    return moment(round(first * step_s * 1000)), moment(round(last * step_s * 1000)), step_s
