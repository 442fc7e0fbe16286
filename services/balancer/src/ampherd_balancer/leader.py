"""Who leads: one balancer at a time by a lock in the store, each reign under a higher epoch."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from ampherd_core.store import Leadership, StoreError

LOCK_TTL_S: Final = 5.0
"""A dead leader's lock lapses within this; a lease (10 s) outlives it, so a fail-over pauses nobody."""

log = structlog.get_logger()


class Candidate:
    """This process's claim to lead; call `campaign` about once a second."""

    def __init__(self, store: Leadership, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._is_store_well = True
        self._turn = asyncio.Lock()
        self.epoch: int | None = None

    async def campaign(self, highest_heard: int) -> bool:
        """Take or keep the lead; True when a new reign begins. Without the store only a leader goes on."""
        async with self._turn:
            return await self._campaign(highest_heard)

    async def resign(self) -> None:
        """Stop leading and let another; the lock lapses by itself when the store does not answer."""
        async with self._turn:
            self.epoch = None
            try:
                await self._store.release(self._owner)
            except StoreError as err:
                log.debug("lock_not_released", error=str(err))

    async def _campaign(self, highest_heard: int) -> bool:
        try:
            holds_lock = await self._store.acquire(self._owner, LOCK_TTL_S)
            if not holds_lock:
                self.epoch = None
            elif self.epoch is None:
                self.epoch = await self._store.next_epoch(highest_heard)
                return True
        except StoreError as err:
            (log.warning if self._is_store_well else log.debug)("store_unreachable", error=str(err))
            self._is_store_well = False
            return False
        self._is_store_well = True
        return False
