"""What a kilowatt-hour costs at a time: from a list, from windows of the day, or one price for all."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from ampherd_core.mail import MAX_PAYLOAD_BYTES
from ampherd_core.policy_tariff import Tariff

from ampherd_balancer.windows import holds

MAX_PRICES: Final = 1000
"""Ten days of quarter-hours; more is no list of prices."""

_LONGEST: Final = timedelta(hours=24)
"""A price that is said to hold for longer is a list with its end lost."""

_DEFAULT: Final = timedelta(hours=1)
"""How long a price without an end holds at most: what follows later follows a hole."""

_MOST: Final = 10_000.0
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 3000


class PriceError(ValueError):
    """A list of prices that cannot be used; the message is for the person who sent it."""


class Price(NamedTuple):
    """What a kilowatt-hour costs from `start` to `end` (UTC)."""

    start: datetime
    end: datetime
    price: float


@dataclass(frozen=True, slots=True)
class Prices:
    """A list of prices in the order of time, without overlaps; it may have holes."""

    entries: tuple[Price, ...] = ()

    def at(self, moment: datetime) -> float | None:
        """The price then; None in a hole and beyond the ends."""
        place = bisect_right(self.entries, moment, key=lambda entry: entry.start) - 1
        if place < 0 or moment >= self.entries[place].end:
            return None
        return self.entries[place].price


def read_prices(payload: bytes) -> Prices:
    """A list `[{start, end, price}, …]`; without an end a price holds until the next, an hour at most.

    Raises PriceError.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PriceError(f"more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        raw: object = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise PriceError('not JSON; send a list like [{"start": "2026-11-22T00:00:00Z", "price": 0.21}]') from err
    if not isinstance(raw, list):
        raise PriceError("not a list")
    if len(raw) > MAX_PRICES:
        raise PriceError(f"more than {MAX_PRICES} prices")
    starts = sorted([_entry(place, item) for place, item in enumerate(raw)], key=lambda entry: entry[0])
    return Prices(tuple(_ended(starts)))


def price_at(tariff: Tariff, prices: Prices, local: datetime) -> float | None:
    """The price at a time in the site's zone; None where neither the list nor the policy gives one."""
    listed = prices.at(local.astimezone(UTC))
    if listed is not None:
        return listed
    for window in tariff.windows.values():
        if holds(window, local):
            return window.price
    return tariff.price


def _entry(place: int, item: object) -> tuple[datetime, datetime | None, float]:
    where = f"entry {place + 1}"
    if not isinstance(item, dict):
        raise PriceError(f"{where}: not a document with start and price")
    price = item.get("price")
    if isinstance(price, bool) or not isinstance(price, int | float) or not -_MOST <= price <= _MOST:
        raise PriceError(f"{where}: price {ascii(price)[:20]} is not a number up to {_MOST:g}")
    if not math.isfinite(price):
        raise PriceError(f"{where}: price is not finite")
    end = item.get("end")
    return _moment(where, "start", item.get("start")), None if end is None else _moment(where, "end", end), float(price)


def _moment(where: str, field: str, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            raise PriceError(f"{where}: {field} is no time with a zone, like 2026-11-22T00:00:00Z")
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as err:
        if isinstance(err, PriceError):
            raise
        raise PriceError(f"{where}: {field} {str(value)[:40]!r} is no time like 2026-11-22T00:00:00Z") from err
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise PriceError(f"{where}: {field} is in the year {moment.year}")
    return moment


def _ended(starts: Sequence[tuple[datetime, datetime | None, float]]) -> list[Price]:
    entries = []
    for place, (start, end, price) in enumerate(starts):
        then = starts[place + 1][0] if place + 1 < len(starts) else None
        until = end or min(then or start + _DEFAULT, start + _DEFAULT)
        if not start < until <= start + _LONGEST:
            raise PriceError(f"the price from {start.isoformat()} ends before it begins, or a day later")
        entries.append(Price(start, until, price))
    for before, after in pairwise(entries):
        if before.end > after.start:
            raise PriceError(f"two prices for {after.start.isoformat()}")
    return entries
