"""`/api/meters`: what each meter measures, and how it does."""

from __future__ import annotations

from ampherd_core.clock import boot_s
from fastapi import APIRouter, Depends

from ampherd_api.access import reader
from ampherd_api.context import Ctx
from ampherd_api.documents import MeterDocument
from ampherd_api.errors import RefusedError

router = APIRouter(prefix="/meters", tags=["meters"], dependencies=[Depends(reader)])


@router.get("")
async def meters(context: Ctx) -> list[MeterDocument]:
    """Every meter of the policy, in its order."""
    return list(context.view.meter_documents(boot_s()).values())


@router.get("/{meter}")
async def meter(context: Ctx, meter: str) -> MeterDocument:
    """One meter."""
    if meter not in context.view.policy.meters:
        raise RefusedError(404, "unknown-meter", f"There is no meter {meter[:40]!r}.")
    return context.view.meter_document(meter, boot_s())
