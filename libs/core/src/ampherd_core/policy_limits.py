"""The policy's limits from outside: what tariff, network operator and connection rules ask, beyond what wires bear."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from ampherd_core.messages import Identifier
from ampherd_core.policy_section import Section

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the calendar's order."""

TIME_OF_DAY: Final = "^([01][0-9]|2[0-3]):([0-5][0-9])$"


def _time_of_day(value: object) -> time:
    found = re.fullmatch(TIME_OF_DAY, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("this is no time of day; write hours and minutes, like 16:00")
    return time(int(found[1]), int(found[2]))


def _is_one_topic(topic: str) -> str:
    if not topic.isprintable() or topic != topic.strip():
        raise ValueError("has control characters, or spaces at its ends; write the topic as it is on the broker")
    if set(topic) & set("+#"):
        raise ValueError("this names more than one topic; write the one that the device speaks on")
    if topic.startswith(("ampherd/", "$")):
        raise ValueError("this is not a device's own topic; what is below ampherd/ is ours")
    return topic


TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    PlainSerializer(lambda moment: f"{moment:%H:%M}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": TIME_OF_DAY}),
]
"""Written as it is read: hours and minutes."""


OneTopic = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_one_topic)]
"""A device's own topic: no filter, and none of ours."""


class QuarterPeak(Section):
    """The Belgian capacity tariff: the mean power of a clock quarter-hour that the cars must not raise."""

    floor_w: Annotated[float, Field(ge=0, le=100_000)] = Field(
        2500, description="a peak up to this costs nothing more, W; above it the month's peak so far is the limit"
    )
    house_max_w: Annotated[float, Field(ge=0, le=100_000)] = Field(
        4000,
        description="what the house alone may take at any moment: room for it is kept to the quarter's end, W; "
        "more is surer, less lets cars start earlier in the quarter",
    )


class OperatorCap(Section):
    """The German §14a: the network operator may dim what is controllable."""

    device_w: Annotated[float, Field(ge=0, le=100_000)] = Field(
        4200, description="what one device keeps at least while the cap holds, W"
    )
    devices: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None,
        description="controllable devices that share the cap, each after the first with its simultaneity factor; "
        "default: the chargers",
    )
    input_topic: OneTopic | None = Field(
        None, description="MQTT topic of a digital input that carries the signal (on, 1, true: the cap holds)"
    )


class Window(Section):
    """A time of day in which the whole site may take so much power and no more."""

    power_w: Annotated[float, Field(ge=0, le=350_000)] = Field(description="what the site may import, cars and all, W")
    start: TimeOfDay = Field(description="from when on, local time, as in 16:00")
    end: TimeOfDay = Field(description="until when, local time; not after the start: on the next day")
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = Field(
        DAYS, description="the days on which it begins, as in [mon, tue, wed, thu, fri]"
    )


class Limits(Section):
    """What holds for the whole site beside its wires."""

    quarter_peak: QuarterPeak | None = Field(
        None, description="hold the quarter-hour's peak; `{}` with its defaults; left out: off"
    )
    operator: OperatorCap | None = Field(
        None, description="obey the network operator's signal; `{}` with its defaults; left out: off"
    )
    imbalance_a: Annotated[float, Field(ge=1, le=200)] | None = Field(
        None, description="the most that one line may carry above another because of cars, A (Germany: 20)"
    )
    windows: Annotated[dict[Identifier, Window], Field(max_length=50)] = Field(
        default_factory=dict, description="power caps by time of day, by id"
    )
