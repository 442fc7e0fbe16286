"""The history port: points go in once, ranges come out; SQLite and InfluxDB adapt to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Point(BaseModel):
    """One measured moment: few tags, and fields that are always floats.

    A point is named by measurement, tags and time (UTC, milliseconds): writing it twice changes nothing.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    measurement: str
    tags: dict[str, str]
    at: AwareDatetime
    fields: dict[str, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a range: the mean, least and most of its step, and when the step begins."""

    at: datetime
    mean: float
    low: float
    high: float


class HistoryError(Exception):
    """The history did not answer, or refused."""


class History(Protocol):
    """Where points end."""

    async def write(self, points: Sequence[Point]) -> None:
        """Keep all points or none; raises HistoryError."""
        ...

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
        """One sample for every step of [start, stop) that holds points, oldest first; raises HistoryError."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
