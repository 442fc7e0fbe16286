"""`/api/chargers/{id}/{setting}`: what a user changes; the balancer has the last word."""

from __future__ import annotations

from typing import Annotated

from ampherd_core.messages import Mode
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


async def _set(context: Context, charger: str, setting: str, value: str) -> Accepted:
    if charger not in context.view.policy.chargers:
        raise RefusedError(404, "unknown-charger", f"There is no charger {charger[:40]!r}.")
    await context.commands.set(charger, setting, value)
    return Accepted(charger=charger, setting=setting, value=value)
