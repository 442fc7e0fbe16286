"""What energy costs, and plans that stand in the policy."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ampherd_core.messages import Identifier
from ampherd_core.plans import WEEKDAYS, EnergyKwh, Weekday
from ampherd_core.policy_limits import DAYS, Day, TimeOfDay
from ampherd_core.policy_section import Section

Price = Annotated[float, Field(ge=-10_000, le=10_000)]


def _is_file_name(name: str) -> str:
    if not name.isprintable():
        raise ValueError("has control characters; write the name of a file, like prices.json")
    return name


FileName = Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_is_file_name)]


class PriceWindow(Section):
    """A price for some hours of some days."""

    price: Price = Field(description="per kWh")
    start: TimeOfDay = Field(description="from when on, local time, as in 23:00")
    end: TimeOfDay = Field(description="until when, local time; not after the start: on the next day")
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = Field(
        DAYS, description="the days on which it begins, as in [sat, sun]"
    )


def _is_web_address(url: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#@]+([/?][^\s#]*)?", url) is None:
        raise ValueError("this is no web address; write it like https://host/path, without a name and password")
    return url


class PriceFeed(Section):
    """Day-ahead prices that the api fetches every hour, for the list of prices. It never runs where it is left out."""

    url: Annotated[str, Field(max_length=400), AfterValidator(_is_web_address)] = Field(
        description="what to ask, by http or https; the answer is in the form of aWATTar's /v1/marketdata"
    )
    form: Literal["awattar"] = Field("awattar", description="how the answer is written")
    add_per_kwh: Price = Field(0, description="what comes on top of the exchange's price: grid fees, levies, per kWh")
    factor: Annotated[float, Field(gt=0, le=100)] = Field(
        1, description="then times this: 1.19 for a tax of 19 %; or an exchange rate"
    )


class Tariff(Section):
    """What a kilowatt-hour costs, in money or grams of CO2. A list comes before windows, windows before the price."""

    unit: str = Field("EUR", max_length=20, description="what prices are in; `g CO2` plans for the greenest hours")
    price: Price | None = Field(None, description="whenever nothing else says, per kWh")
    export_price: Price | None = Field(
        None, description="what a kWh fed in earns; plans then reckon with the sun that is usually left over"
    )
    windows: Annotated[dict[Identifier, PriceWindow], Field(max_length=50)] = Field(
        default_factory=dict, description="prices by time of day, by id; the first that holds counts"
    )
    list_file: FileName | None = Field(
        None, description="a JSON file with a list of {start, end, price}, read again when it changes"
    )
    feed: PriceFeed | None = Field(None, description="a source to fetch the list from; left out: none is asked")


class StandingPlan(Section):
    """A plan that holds until a user sets another."""

    energy_kwh: EnergyKwh | None = Field(None, description="energy to charge, kWh")
    soc_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="state of charge to reach, %; needs battery_kwh and somebody who tells the current one"
    )
    by: TimeOfDay = Field(description='local time when the car must be ready, like "07:00"')
    weekdays: tuple[Weekday, ...] = Field(WEEKDAYS, min_length=1, description="the days on which it must be")

    @model_validator(mode="after")
    def _is_one_of_two(self) -> StandingPlan:
        if (self.energy_kwh is None) is (self.soc_percent is None):
            raise ValueError("give either energy_kwh or soc_percent")
        return self
