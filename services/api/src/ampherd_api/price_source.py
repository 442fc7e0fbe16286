"""Where prices come from: a port, and the one source that is kept well: a JSON list over HTTP."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Annotated, Final, Literal, NamedTuple, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ampherd_core.policy_tariff import PriceFeed
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_BYTES: Final = 500_000
"""Two days of quarter-hours are 30 kB."""

MAX_ENTRIES: Final = 400
"""Four days of quarter-hours; the balancer takes no list that is much longer."""

PATIENCE_S: Final = 8.0
"""For the whole answer, however slowly it drips: the service is told to stop no later."""

_CONNECT_S: Final = 5.0
_CHUNK: Final = 16_384
_PER_MWH: Final = 1_000.0


class PriceSourceError(Exception):
    """A source that gave no prices; the message is for people."""


class SourcePrice(NamedTuple):
    """What a kilowatt-hour costs from `start` to `end` (UTC)."""

    start: datetime
    end: datetime
    price: float


class PriceSource(Protocol):
    """Whoever knows prices."""

    def prices(self) -> Sequence[SourcePrice]:
        """The list as it is now, in the order of time; blocks for `PATIENCE_S` at most. Raises PriceSourceError."""
        ...


class _Entry(BaseModel):
    """A price as aWATTar writes it: milliseconds since 1970, and what a megawatt-hour costs at the exchange."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)

    start_timestamp: Annotated[int, Field(ge=946_684_800_000, lt=32_503_680_000_000)]
    end_timestamp: Annotated[int, Field(ge=946_684_800_000, lt=32_503_680_000_000)]
    marketprice: Annotated[float, Field(ge=-100_000, le=100_000)]
    unit: Literal["Eur/MWh", "EUR/MWh"]


class _Answer(BaseModel):
    """The whole answer; other fields are of no interest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: Annotated[tuple[_Entry, ...], Field(min_length=1, max_length=MAX_ENTRIES)]


class AwattarPrices:
    """Day-ahead prices in the form of aWATTar's `/v1/marketdata`."""

    def __init__(self, feed: PriceFeed) -> None:
        self._feed = feed

    def prices(self) -> Sequence[SourcePrice]:
        """As the port says."""
        try:
            answer = _Answer.model_validate_json(_body(self._feed.url))
        except ValidationError as err:
            first = err.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise PriceSourceError(f"its answer is no list of prices ({where}: {first['msg']})") from err
        entries = sorted(answer.data, key=lambda entry: entry.start_timestamp)
        return _checked([self._price(entry) for entry in entries])

    def _price(self, entry: _Entry) -> SourcePrice:
        feed = self._feed
        price = (entry.marketprice / _PER_MWH + feed.add_per_kwh) * feed.factor
        return SourcePrice(_moment(entry.start_timestamp), _moment(entry.end_timestamp), round(price, 6))


SOURCES: Final = {"awattar": AwattarPrices}
"""By the policy's `form`."""


def source_of(feed: PriceFeed) -> PriceSource:
    """The source that the policy names."""
    return SOURCES[feed.form](feed)


def _moment(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _checked(prices: Sequence[SourcePrice]) -> Sequence[SourcePrice]:
    before: datetime | None = None
    for start, end, price in prices:
        if not start < end <= start + timedelta(hours=24):
            raise PriceSourceError(f"the price from {start.isoformat()} ends before it begins, or days later")
        if before is not None and start < before:
            raise PriceSourceError(f"there are two prices for {start.isoformat()}")
        if not math.isfinite(price):
            raise PriceSourceError(f"the price from {start.isoformat()} is no number")
        before = end
    return prices


def _body(url: str) -> bytes:
    """The answer's body; no longer than `MAX_BYTES`, and within `PATIENCE_S`."""
    until = time.monotonic() + PATIENCE_S
    request = Request(url, headers={"Accept": "application/json", "User-Agent": "ampherd"})  # noqa: S310 - the policy takes http and https alone
    body = bytearray()
    try:
        with urlopen(request, timeout=_CONNECT_S) as answer:  # noqa: S310 - as above
            while chunk := answer.read1(_CHUNK):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise PriceSourceError(f"its answer is longer than {MAX_BYTES} bytes")
                if time.monotonic() > until:
                    raise PriceSourceError(f"its answer took longer than {PATIENCE_S:g} s")
    except HTTPError as err:
        raise PriceSourceError(f"it answers {err.code}") from err
    except (OSError, HTTPException, ValueError) as err:
        raise PriceSourceError(f"it cannot be reached ({type(err).__name__}: {err})"[:200]) from err
    return bytes(body)
