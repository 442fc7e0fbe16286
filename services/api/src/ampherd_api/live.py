"""The live view for any number of watchers: each asks for what is new at its own pace, so a slow one delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from ampherd_core.clock import boot_s, utc_now
from fastapi.sse import ServerSentEvent

from ampherd_api.errors import RefusedError
from ampherd_api.view import View

WATCHERS: Final = 64
"""A household has fewer screens; more is a mistake or an attack."""

_EVERY_S: Final = 0.2
"""Five times a second looks live; changes in between travel together."""

_PULSE_S: Final = 1.5
"""How often a quiet connection is heard: a watcher that hears nothing for 10 s knows that it is lost, and one whose
token has ended is shown nothing more within two seconds."""

_RETRY_MS: Final = 2_000


class Live:
    """Wakes the watchers when the view has changed."""

    def __init__(self, view: View, is_bus_connected: Callable[[], bool]) -> None:
        self.watchers = 0
        self._view = view
        self._is_bus_connected = is_bus_connected
        self._news = asyncio.Event()
        self._generation = 0

    def changed(self) -> None:
        """The view has news."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def renewed(self) -> None:
        """The policy has changed: everyone gets the whole picture again."""
        self._generation += 1
        self.changed()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A watcher's place; raises RefusedError when all are taken."""
        if self.watchers >= WATCHERS:
            raise RefusedError(503, "too-many-watchers", f"{WATCHERS} live views are open already; close some.")
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1

    async def watch(self, may_go_on: Callable[[], bool]) -> AsyncIterator[ServerSentEvent]:
        """A `snapshot`, then a `change` whenever there is one, and a `pulse` when there is none."""
        generation, bus = -1, False
        revision = 0
        while may_go_on():
            news, is_connected = self._news, self._is_bus_connected()
            if generation != self._generation:
                generation, bus = self._generation, is_connected
                snapshot = self._view.snapshot(boot_s(), utc_now(), is_bus_connected=is_connected)
                revision = snapshot.revision
                yield ServerSentEvent(
                    raw_data=snapshot.model_dump_json(exclude_none=True), event="snapshot", retry=_RETRY_MS
                )
            elif self._view.revision > revision or bus is not is_connected:
                bus = is_connected
                change = self._view.change(revision, boot_s(), is_bus_connected=is_connected)
                revision = change.revision
                yield ServerSentEvent(raw_data=change.model_dump_json(exclude_none=True), event="change")
            else:
                change = self._view.change(revision, boot_s(), is_bus_connected=is_connected)
                yield ServerSentEvent(
                    raw_data=change.model_dump_json(exclude_none=True), event="pulse", comment="still here"
                )
            await asyncio.sleep(_EVERY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), _PULSE_S)
