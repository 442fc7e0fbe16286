"""`/metrics`: for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ampherd_api.access import reader
from ampherd_api.context import Ctx
from ampherd_api.gauges import exposition

router = APIRouter(tags=["metrics"])


@router.get("/metrics")
async def metrics(context: Ctx, request: Request) -> Response:
    """Every gauge; needs the read token unless AMPHERD_METRICS_OPEN is 1."""
    if not context.are_metrics_open:
        reader(request, context)
    text, media_type = exposition(context)
    return Response(text, headers={"Content-Type": media_type})
