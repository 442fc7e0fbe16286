"""The policy's limits from outside: what tariff, network operator and connection rules ask, beyond what wires bear."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ampherd_core.policy_section import Section


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


class Limits(Section):
    """What holds for the whole site beside its wires."""

    quarter_peak: QuarterPeak | None = Field(
        None, description="hold the quarter-hour's peak; `{}` with its defaults; left out: off"
    )
