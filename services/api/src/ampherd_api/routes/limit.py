"""`/api/site/limit`: the network operator's signal; the balancer has the last word."""

from __future__ import annotations

from typing import Annotated

from ampherd_core.units import MAX_PLAUSIBLE_W
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from ampherd_api.access import writer
from ampherd_api.context import Ctx
from ampherd_api.documents import Answer, failures

router = APIRouter(
    prefix="/site",
    tags=["settings"],
    dependencies=[Depends(writer)],
    responses=failures({504: "The balancer does not answer."}),
)

_LONGEST_S = 31 * 86_400


class LimitSetting(BaseModel):
    """What the network operator asks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    active: Annotated[bool, Field(description="whether the cap holds")] = True
    power_w: Annotated[
        Annotated[float, Field(ge=0, le=MAX_PLAUSIBLE_W)] | None,
        Field(description="what all cars may draw from the grid, W; left out: as the rules reckon"),
    ] = None
    for_s: Annotated[
        Annotated[float, Field(gt=0, le=_LONGEST_S)] | None,
        Field(description="how long it holds, s; left out: until it is ended"),
    ] = None


class LimitAccepted(Answer):
    """The balancer took the signal."""

    limit: LimitSetting


@router.post("/limit")
async def limit(context: Ctx, setting: LimitSetting) -> LimitAccepted:
    """Begin, change or end the network operator's cap (Germany, §14a)."""
    await context.commands.set_limit(setting.model_dump_json(exclude_none=True))
    return LimitAccepted(limit=setting)
