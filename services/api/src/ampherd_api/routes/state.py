"""`/api/state`: the whole live picture; `/api/live`: the same as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator

from ampherd_core.clock import boot_s, utc_now
from ampherd_core.plans import UsualLoad
from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ampherd_api.access import is_still_known, reader
from ampherd_api.context import Ctx
from ampherd_api.documents import Snapshot

router = APIRouter(tags=["state"], dependencies=[Depends(reader)])


def place(context: Ctx) -> Iterator[None]:
    """A watcher's place for as long as its stream lasts."""
    with context.live.place():
        yield


@router.get("/state")
async def state(context: Ctx) -> Snapshot:
    """Everything that the page shows, as one document."""
    return context.view.snapshot(boot_s(), utc_now(), is_bus_connected=context.is_bus_connected())


@router.get("/usual")
async def usual(context: Ctx) -> UsualLoad:
    """What the house usually takes, by the quarter-hour of the week; plans reckon with it."""
    return context.view.usual or UsualLoad(at=utc_now(), mean_a=(), high_a=())


@router.get("/live", response_class=EventSourceResponse, dependencies=[Depends(place)])
async def live(context: Ctx, request: Request) -> AsyncIterable[ServerSentEvent]:
    """Server-sent events: `snapshot` first, then each `change`, and a `pulse` when all is quiet."""
    async for event in context.live.watch(lambda: is_still_known(request, context)):
        yield event
