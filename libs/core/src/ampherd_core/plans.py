"""Charging plans as they travel: what a user asks for, what will be done about it, and what the house usually takes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from ampherd_core.messages import Energy, Identifier, Message, Moment, Offer, PerLine, Power, Text

MAX_ENERGY_KWH: Final = 300.0
"""No car's battery holds more."""

QUARTERS_A_DAY: Final = 24 * 4
QUARTERS_A_WEEK: Final = 7 * QUARTERS_A_DAY
_Lines = Annotated[
    PerLine, WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3})
]
"""In a list of lists some readers of OpenAPI documents stumble over `prefixItems`."""

LONGEST_AHEAD_H: Final = 48
"""Plans are laid this far ahead; what is due later waits."""


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WEEKDAYS: Final = tuple(Weekday)

LocalTime = Annotated[
    time,
    PlainSerializer(lambda moment: f"{moment:%H:%M}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
SocPercent = Annotated[float, Field(ge=0, le=100)]
EnergyKwh = Annotated[float, Field(gt=0, le=MAX_ENERGY_KWH)]


class Goal(BaseModel):
    """So much energy, or a state of charge: one of the two."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    energy_kwh: EnergyKwh | None = Field(None, description="energy to charge, kWh")
    soc_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(None, description="state of charge to reach, %")

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.energy_kwh is None) is (self.soc_percent is None):
            raise ValueError("give either energy_kwh or soc_percent")
        return self


class Plan(Goal):
    """What a car is to get by a time: once (`due`), or on weekdays at a local time of day."""

    due: Moment | None = Field(None, description="when the car must be ready, for a plan that is for once")
    time_of_day: LocalTime | None = Field(None, description="local time, for a plan on weekdays")
    weekdays: tuple[Weekday, ...] = Field((), description="on which days the car must be ready then")

    @model_validator(mode="after")
    def _is_due_once_or_on_weekdays(self) -> Self:
        repeats = self.time_of_day is not None and bool(self.weekdays)
        if (self.due is not None) is repeats:
            raise ValueError("due once, or at a time of day on weekdays")
        return self

    def next_due(self, local: datetime) -> datetime | None:
        """When it is due next after `local` (in the site's zone); None for one that is over."""
        if self.due is not None:
            return self.due if self.due > local else None
        return next_time(local, self.time_of_day or time(), self.weekdays)


class SocReading(BaseModel):
    """A car's state of charge as somebody told it."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    percent: SocPercent
    at: Moment


class PlannedPart(BaseModel):
    """A stretch of time in which a car charges."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    start: Moment
    end: Moment
    offer_a: Offer = Field(description="A per phase")
    power_w: Power = Field(description="W")


class PlanState(Message):
    """A charger's plan and what will be done about it (`charger/<c>/plan`, retained)."""

    charger: Identifier
    at: Moment
    plan: Plan | None = Field(None, description="null: none is set")
    due: Moment | None = Field(None, description="when the car must be ready next")
    wanted_wh: Energy | None = Field(None, description="still to charge, Wh")
    charged_wh: Energy = Field(0, description="charged towards the plan so far, Wh")
    is_estimated: bool = Field(False, description="the wallbox measures no energy: what was charged is an estimate")
    is_met: bool | None = Field(None, description="whether all of it will be there in time; null while nothing is due")
    missing_wh: Energy = Field(0, description="what it will go short of, Wh")
    ready_at: Moment | None = Field(None, description="when it is expected to have got its energy")
    cost: Annotated[float, Field(ge=-1e6, le=1e6)] | None = Field(
        None, description="of what is still to charge, where prices are known, in the tariff's unit"
    )
    unit: Annotated[str, Field(max_length=20)] = Field("", description="what the cost is in, like EUR")
    unpriced_wh: Energy = Field(0, description="planned where no price is known, Wh")
    sun_wh: Energy = Field(0, description="what the sun is expected to give of what is planned, Wh")
    code: Identifier = Field(description="what became of it, for programs")
    reason: Text = Field(description="the same, as a sentence")
    parts: Annotated[tuple[PlannedPart, ...], Field(max_length=400)] = Field((), description="when it will charge")


class UsualLoad(Message):
    """What the house usually takes, by the quarter-hour of the week (`site/usual`, retained).

    The first is Monday 00:00 local time; null where nothing was learned yet.
    """

    at: Moment
    mean_a: Annotated[tuple[_Lines | None, ...], Field(max_length=QUARTERS_A_WEEK)] = Field(
        description="the mean per line, A"
    )
    high_a: Annotated[tuple[_Lines | None, ...], Field(max_length=QUARTERS_A_WEEK)] = Field(
        description="what it seldom exceeds, per line, A: plans reckon with it"
    )
    sun_w: Annotated[tuple[Power | None, ...], Field(max_length=QUARTERS_A_DAY)] = Field(
        (),
        description="what the sun leaves over before any car, by the quarter-hour of the day, W; empty: none learned",
    )


def next_time(local: datetime, time_of_day: time, weekdays: tuple[Weekday, ...] = WEEKDAYS) -> datetime | None:
    """The next moment (UTC as good as local) when it is that time in the zone of `local`, on one of the weekdays.

    A time that the clocks skip counts as an hour later; of a time that comes twice the first counts.
    """
    for ahead in range(9):
        day = local.date() + timedelta(days=ahead)
        moment = datetime.combine(day, time_of_day, tzinfo=local.tzinfo).astimezone(UTC)
        if moment > local and WEEKDAYS[day.weekday()] in weekdays:
            return moment
    return None
