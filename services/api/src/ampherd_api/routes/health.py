"""`/api/health`: for supervisors; no token needed, and nothing told that needs one."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ampherd_api.context import Ctx
from ampherd_api.documents import Answer

router = APIRouter(prefix="/health", tags=["health"])


class HealthDocument(Answer):
    """Ready while the bus is there: without history and Redis the page and the settings still work."""

    is_ready: bool
    bus: bool
    redis: bool
    history: bool


@router.get("/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"is_live": True}


@router.get("/ready")
async def ready(context: Ctx, response: Response) -> HealthDocument:
    """Whether it can do its work; 503 when it cannot."""
    is_ready = context.is_bus_connected()
    response.status_code = 200 if is_ready else 503
    recorder = context.recorder
    return HealthDocument(is_ready=is_ready, bus=is_ready, redis=recorder.is_spool_up, history=recorder.is_history_up)
