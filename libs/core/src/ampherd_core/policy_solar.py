"""The sun's part of the policy: what counts as surplus, and how patient the cars are with clouds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ampherd_core.policy_section import Section


class SolarFeed(StrEnum):
    """Which measurement tells what the sun has left."""

    GRID = "grid"
    GENERATION = "generation"


class Accounting(StrEnum):
    """Whether the export of one phase makes up for the import of another."""

    NET = "net"
    PER_PHASE = "per-phase"


class SolarBattery(Section):
    """A home battery's place in the order."""

    first_until_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        0,
        description="below this state of charge the battery comes before the cars, from it on after them, %; "
        "100: always before; a battery that does not tell its charge comes before, unless this is 0",
    )


class Solar(Section):
    """How the modes `solar` and `min_solar` follow the sun."""

    feed: SolarFeed = Field(
        SolarFeed.GRID,
        description="`grid`: what would be exported if no such car charged; "
        "`generation`: all that the meters with the role solar give, whatever the house takes",
    )
    accounting: Accounting = Field(
        Accounting.NET,
        description="`net`: phases are netted, as most meters bill; `per-phase`: a car gets what its own phases export",
    )
    reserve_w: Annotated[float, Field(ge=-5000, le=10_000)] = Field(
        0, description="kept for the grid, W; below 0: so much may be bought beside the sun"
    )
    deadband_w: Annotated[float, Field(ge=0, le=1000)] = Field(
        30, description="smaller changes of the surplus move no car, W"
    )
    sun_share: Annotated[float, Field(ge=0.2, le=1)] = Field(
        0.5,
        description="a wallbox gets its next step of current when the sun covers this share of it; "
        "0.5: the nearest step, 1: none that would have to be bought",
    )
    rise_after_s: Annotated[float, Field(ge=0, le=600)] = Field(
        20, description="more surplus is shared out once it has lasted this long, s"
    )
    start_above_w: Annotated[float, Field(ge=0, le=10_000)] = Field(
        0, description="surplus beyond a car's minimum that it needs to start, W"
    )
    start_after_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        60, description="a car starts once the surplus has sufficed so long, s; each second without takes back two"
    )
    stop_below_w: Annotated[float, Field(ge=0, le=10_000)] = Field(
        100, description="a shortage of a car's minimum up to this stops nothing while the allowance lasts, W"
    )
    stop_after_s: Annotated[float, Field(ge=0, le=7200)] = Field(
        900, description="a shortage that lasts this long stops a car, s"
    )
    import_allowance_wh: Annotated[float, Field(ge=0, le=10_000)] = Field(
        200,
        description="what may be bought to hold cars at their minimum through a cloud, and to start the first "
        "once the sun covers half of it, Wh for each phase that the car with most of them charges on; "
        "later surplus refills it",
    )
    min_on_s: Annotated[float, Field(ge=0, le=7200)] = Field(
        600, description="a car that started charges at least so long, sun or not, s"
    )
    min_off_s: Annotated[float, Field(ge=0, le=7200)] = Field(
        300, description="a car that was stopped pauses at least so long, s"
    )
    turn_s: Annotated[float, Field(ge=900, le=86_400)] = Field(
        7200, description="length of a turn when the sun does not suffice for all of a priority, s"
    )
    battery: SolarBattery = Field(default_factory=SolarBattery, description="the home battery's place in the order")
