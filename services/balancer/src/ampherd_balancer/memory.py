"""What the core keeps in the store: its queue, the running quarter, the network operator's signal."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
from ampherd_core.store import Settings, StoreError

from ampherd_balancer.core import Balancer

_TURNS: Final = "turns"
_QUARTER: Final = "quarter"
_SIGNAL: Final = "limit"

log = structlog.get_logger()


class Memory:
    """One reign's documents; a store that is away costs what was said lately, and never a decision."""

    def __init__(self, store: Settings) -> None:
        self._store = store
        self._is_signal_known = False

    async def recall(self, core: Balancer, now_s: float, at: datetime) -> None:
        """What an earlier reign left; what is not understood is ignored."""
        self._is_signal_known = False
        try:
            turns, quarter = await self._store.load(_TURNS), await self._store.load(_QUARTER)
            await self._recall_signal(core, now_s, at)
        except StoreError as err:
            log.debug("memory_not_loaded", error=str(err))
            return
        if turns:
            core.turns.recall(turns, now_s)
        if quarter:
            core.outside.recall(quarter)

    async def keep(self, core: Balancer, now_s: float, at: datetime) -> None:
        """Save it; a signal is not replaced before it was read, unless there is a newer."""
        quarter, operator = core.outside.remember(), core.outside.operator
        try:
            await self._store.save(_TURNS, core.turns.remember(now_s))
            if quarter is not None:
                await self._store.save(_QUARTER, quarter)
            if not self._is_signal_known and not operator.is_told:
                await self._recall_signal(core, now_s, at)
            await self._store.save(_SIGNAL, operator.remember(now_s, at))
        except StoreError as err:
            log.debug("memory_not_saved", error=str(err))

    async def _recall_signal(self, core: Balancer, now_s: float, at: datetime) -> None:
        document = await self._store.load(_SIGNAL)
        self._is_signal_known = True
        if document:
            core.outside.operator.recall(document, now_s, at)
