"""Keeps the list of prices fresh: asks the policy's source every hour, and publishes what is new.

The list before stays in force while a source is down: the broker retains it, and the balancer keeps it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from ampherd_core.backoff import Backoff
from ampherd_core.messages import Severity
from ampherd_core.policy_tariff import PriceFeed

from ampherd_api.price_source import PriceSource, PriceSourceError, SourcePrice, source_of

EVERY_S: Final = 3_600.0
"""Tomorrow's prices come once a day; providers ask for no more than a hundred questions a day."""

FIRST_RETRY_S: Final = 60.0
DOWN_AFTER: Final = 3
"""So many failures in a row are told: a provider's hiccup is no news."""

Publish = Callable[[bytes], Awaitable[bool]]
"""Puts a list on the bus; False where it could not."""

Tell = Callable[[str, Severity, str], Awaitable[None]]
"""An event: its code and its sentence."""

log = structlog.get_logger()


class PriceKeeper:
    """Runs beside all else in the api; without a feed in the policy it waits for one."""

    def __init__(
        self,
        feed: PriceFeed | None,
        publish: Publish,
        tell: Tell,
        *,
        make_source: Callable[[PriceFeed], PriceSource] = source_of,
    ) -> None:
        self._feed = feed
        self._publish = publish
        self._tell = tell
        self._make_source = make_source
        self._backoff = Backoff(base_s=FIRST_RETRY_S, cap_s=EVERY_S)
        self._is_edited = asyncio.Event()

    def take_feed(self, feed: PriceFeed | None) -> None:
        """The policy was edited."""
        if feed != self._feed:
            self._feed, self._backoff = feed, self._backoff.reset()
            self._is_edited.set()

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            self._is_edited.clear()
            wait_s = await self._turn(self._feed) if self._feed is not None else None
            try:
                await asyncio.wait_for(self._is_edited.wait(), wait_s)
            except TimeoutError:
                continue

    async def _turn(self, feed: PriceFeed) -> float:
        """Ask once; how long to wait before the next time, s."""
        try:
            prices = await asyncio.to_thread(self._make_source(feed).prices)
        except PriceSourceError as err:
            await self._failed(err)
            return self._backoff.delay_s
        if feed != self._feed or not await self._publish(_document(prices)):
            return FIRST_RETRY_S
        log.info("prices_fetched", count=len(prices), until=prices[-1].end.isoformat())
        if self._backoff.failures >= DOWN_AFTER:
            await self._tell("prices-back", Severity.INFO, "The source of prices answers again.")
        self._backoff = self._backoff.reset()
        return EVERY_S

    async def _failed(self, err: PriceSourceError) -> None:
        (log.debug if self._backoff.failures else log.warning)("prices_not_fetched", error=str(err))
        self._backoff = self._backoff.after_failure()
        if self._backoff.failures == DOWN_AFTER:
            text = f"The source of prices gives none: {err}. Plans go on with the prices that are known."
            await self._tell("prices-down", Severity.WARNING, text)


def _document(prices: Sequence[SourcePrice]) -> bytes:
    entries = [{"start": each.start.isoformat(), "end": each.end.isoformat(), "price": each.price} for each in prices]
    return json.dumps(entries).encode()
