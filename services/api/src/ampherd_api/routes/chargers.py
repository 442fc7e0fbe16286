"""`/api/chargers`: what each charger does, gets, and why."""

from __future__ import annotations

from ampherd_core.clock import boot_s
from fastapi import APIRouter, Depends

from ampherd_api.access import reader
from ampherd_api.context import Ctx
from ampherd_api.documents import ChargerDocument
from ampherd_api.errors import RefusedError

router = APIRouter(prefix="/chargers", tags=["chargers"], dependencies=[Depends(reader)])


@router.get("")
async def chargers(context: Ctx) -> list[ChargerDocument]:
    """Every charger of the policy, in its order."""
    return list(context.view.charger_documents(boot_s()).values())


@router.get("/{charger}")
async def charger(context: Ctx, charger: str) -> ChargerDocument:
    """One charger."""
    if charger not in context.view.policy.chargers:
        raise RefusedError(404, "unknown-charger", f"There is no charger {charger[:40]!r}.")
    return context.view.charger_document(charger, boot_s())
