"""`/api/events`: what a person would want to know, newest first."""

from __future__ import annotations

from typing import Annotated

from ampherd_core.messages import Event
from fastapi import APIRouter, Depends, Query

from ampherd_api.access import reader
from ampherd_api.context import Ctx
from ampherd_api.view import EVENTS_KEPT

router = APIRouter(prefix="/events", tags=["events"], dependencies=[Depends(reader)])


@router.get("")
async def events(context: Ctx, limit: Annotated[int, Query(ge=1, le=EVENTS_KEPT)] = EVENTS_KEPT) -> list[Event]:
    """The last events since this api started."""
    return [heard.document for heard in context.view.events][:limit]
