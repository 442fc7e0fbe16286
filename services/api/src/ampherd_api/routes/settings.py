"""`/api/chargers/{id}/{setting}`: what a user changes; the balancer has the last word."""

from __future__ import annotations

from typing import Annotated

from ampherd_core.messages import Mode
from ampherd_core.plans import MAX_ENERGY_KWH, Weekday
from ampherd_core.units import MAX_OFFER_A, MIN_OFFER_A
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from ampherd_api.access import writer
from ampherd_api.context import Context, Ctx
from ampherd_api.documents import Answer, failures
from ampherd_api.errors import RefusedError

_NO_ANSWER = failures({504: "The balancer does not answer."})

router = APIRouter(
    prefix="/chargers/{charger}", tags=["settings"], dependencies=[Depends(writer)], responses=_NO_ANSWER
)


class _Setting(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModeSetting(_Setting):
    """What the user asks of a charger."""

    value: Mode


class MaxCurrentSetting(_Setting):
    """The user's own ceiling for a charger."""

    value: Annotated[float, Field(strict=True, ge=MIN_OFFER_A, le=MAX_OFFER_A, description="A per phase")]


class PrioritySetting(_Setting):
    """Who is served first."""

    value: Annotated[int, Field(strict=True, ge=1, le=9, description="1 is served first; equals share")]


class WantedPlan(_Setting):
    """Energy or a state of charge by a time."""

    energy_kwh: Annotated[float, Field(gt=0, le=MAX_ENERGY_KWH, description="kWh")] | None = None
    soc_percent: Annotated[float, Field(gt=0, le=100, description="%")] | None = None
    by: Annotated[str, Field(max_length=40, description="`07:00`, or a date with a time")]
    weekdays: Annotated[tuple[Weekday, ...], Field(max_length=7, description="none: once")] = ()


class PlanSetting(_Setting):
    """A charging plan; null drops it."""

    value: WantedPlan | None


class SocSetting(_Setting):
    """The car's state of charge, from whoever knows it."""

    value: Annotated[float, Field(strict=True, ge=0, le=100, description="%")]


class Accepted(Answer):
    """The balancer took the change."""

    charger: str
    setting: str
    value: str


@router.post("/mode")
async def mode(context: Ctx, charger: str, setting: ModeSetting) -> Accepted:
    """Choose the mode."""
    return await _set(context, charger, "mode", setting.value.value)


@router.post("/max_current")
async def max_current(context: Ctx, charger: str, setting: MaxCurrentSetting) -> Accepted:
    """Set the user's own ceiling."""
    return await _set(context, charger, "max_current", f"{setting.value:g}")


@router.post("/priority")
async def priority(context: Ctx, charger: str, setting: PrioritySetting) -> Accepted:
    """Set who is served first."""
    return await _set(context, charger, "priority", str(setting.value))


@router.post("/plan")
async def plan(context: Ctx, charger: str, setting: PlanSetting) -> Accepted:
    """Have the car ready by a time, once or on weekdays."""
    wanted = setting.value
    value = "none" if wanted is None else wanted.model_dump_json(exclude_none=True, exclude_defaults=True)
    return await _set(context, charger, "plan", value)


@router.post("/soc")
async def soc(context: Ctx, charger: str, setting: SocSetting) -> Accepted:
    """Tell the car's state of charge."""
    return await _set(context, charger, "soc", f"{setting.value:g}")


async def _set(context: Context, charger: str, setting: str, value: str) -> Accepted:
    if charger not in context.view.policy.chargers:
        raise RefusedError(404, "unknown-charger", f"There is no charger {charger[:40]!r}.")
    await context.commands.set(charger, setting, value)
    return Accepted(charger=charger, setting=setting, value=value)
