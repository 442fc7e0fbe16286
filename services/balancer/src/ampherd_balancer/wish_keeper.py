"""The shell round the wishes: taken as they come, kept in the store, and given to each reign's core."""

from __future__ import annotations

from typing import Final

import structlog
from ampherd_core.store import Settings, StoreError

from ampherd_balancer import settings
from ampherd_balancer.core import Balancer
from ampherd_balancer.settings import Wishes

_WISHES: Final = "wishes"

log = structlog.get_logger()


class WishKeeper:
    """Keeps what users set; what is stored is never replaced unread."""

    def __init__(self, store: Settings) -> None:
        self._store = store
        self._wishes: dict[str, Wishes] = {}
        self._is_saved = True
        self._is_loaded = False

    def set(self, core: Balancer, charger: str, setting: str, payload: bytes) -> None:
        """Take one setting; raises SettingError."""
        change = settings.read_change(setting, payload, core.policy.chargers.get(charger))
        wishes = self._wishes.get(charger, Wishes()).model_copy(update={change.field: change.value})
        self._wishes[charger] = core.desks[charger].wishes = wishes
        log.info("setting_changed", charger=charger, setting=setting, value=change.value)
        self._is_saved = False

    def give(self, core: Balancer) -> None:
        """Let the core decide by them."""
        for charger, desk in core.desks.items():
            desk.wishes = self._wishes.get(charger, Wishes())

    async def recall(self) -> None:
        """Load what an earlier reign left; what was set since then is newer."""
        self._is_loaded = False
        try:
            document = await self._store.load(_WISHES)
        except StoreError as err:
            log.debug("wishes_not_loaded", error=str(err))
            return
        newer = {} if self._is_saved else self._wishes
        self._wishes = (settings.load(document) if document else {}) | newer
        self._is_loaded = True

    async def keep(self, core: Balancer) -> None:
        """Load what was not loaded, save what was not saved."""
        if not self._is_loaded:
            await self.recall()
            self.give(core)
        if self._is_loaded and not self._is_saved:
            await self._save()

    async def _save(self) -> None:
        document = settings.dump(self._wishes)
        self._is_saved = True
        try:
            await self._store.save(_WISHES, document)
        except StoreError as err:
            self._is_saved = False
            log.debug("wishes_not_saved", error=str(err))
