"""The source of prices: what it answers well and badly, and what becomes of the list."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ampherd_api import price_source
from ampherd_api.price_feed import DOWN_AFTER, EVERY_S, PriceKeeper
from ampherd_api.price_source import AwattarPrices, PriceSourceError, SourcePrice
from ampherd_balancer.tariff import read_prices
from ampherd_core.messages import Severity
from ampherd_core.policy_tariff import PriceFeed
from pydantic import ValidationError

from tests.support.wait import wait_for

DUSK_MS = 1_795_302_000_000
HOUR_MS = 3_600_000


def entry(hour: float = 0, **fields: object) -> dict[str, object]:
    start = int(DUSK_MS + hour * HOUR_MS)
    known = {"start_timestamp": start, "end_timestamp": start + HOUR_MS, "marketprice": 42.5, "unit": "Eur/MWh"}
    return {**known, **fields}


def answer(*entries: object) -> bytes:
    return json.dumps({"object": "list", "data": entries, "url": "/de/v1/marketdata"}).encode()


class Provider:
    """An HTTP server that answers as it is told."""

    def __init__(self) -> None:
        self.status, self.body = 200, answer(entry())
        self.waits = threading.Event()
        self.waits.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(provider.body)))
                self.end_headers()
                self.wfile.write(provider.body[:1])
                self.wfile.flush()
                provider.waits.wait(10)
                self.wfile.write(provider.body[1:])

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def feed(self) -> PriceFeed:
        return PriceFeed(url=f"http://127.0.0.1:{self.server.server_address[1]}/v1/marketdata")


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.waits.set()
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def test_prices_of_an_exchange_become_what_a_kilowatt_hour_costs_at_home(provider: Provider) -> None:
    provider.body = answer(entry(1, marketprice=-5), entry(0, marketprice=100, more="of no interest"))
    feed = provider.feed.model_copy(update={"add_per_kwh": 0.1, "factor": 1.2})
    first, second = AwattarPrices(feed).prices()
    assert first.start == datetime.fromtimestamp(DUSK_MS / 1000, UTC)
    assert first.end == second.start
    assert [first.price, second.price] == pytest.approx([0.24, 0.114])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no list of prices"),
        (b"<html>busy</html>", "no list of prices"),
        (b"[]", "no list of prices"),
        (b"[" * 100_000, "no list of prices"),
        (b"\xff\xfe", "no list of prices"),
        (answer(), "at least 1"),
        (answer(*[entry(hour) for hour in range(401)]), "at most 400"),
        (answer(entry(), "garbage"), "no list of prices"),
        (answer(entry(marketprice="42.5")), "marketprice"),
        (answer(entry(marketprice=True)), "marketprice"),
        (answer(entry(marketprice=None)), "marketprice"),
        (answer(entry(marketprice=float("nan"))), "marketprice"),
        (answer(entry())[:-10], "no list of prices"),
        (answer(entry(marketprice=1e9)), "marketprice"),
        (answer(entry(unit="ct/kWh")), "unit"),
        (answer(entry(start_timestamp=DUSK_MS // 1000)), "start_timestamp"),
        (answer(entry(end_timestamp=DUSK_MS)), "ends before it begins"),
        (answer(entry(end_timestamp=DUSK_MS + 25 * HOUR_MS)), "days later"),
        (answer(entry(0), entry(0.5)), "two prices"),
        (b"x" * 500_001, "longer than"),
    ],
)  # fmt: skip
def test_what_is_not_understood_whole_is_refused(provider: Provider, body: bytes, says: str) -> None:
    provider.body = body
    with pytest.raises(PriceSourceError, match=says):
        AwattarPrices(provider.feed).prices()


def test_a_source_that_is_down_slow_or_cut_off_is_told(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.status = 503
    with pytest.raises(PriceSourceError, match="503"):
        AwattarPrices(provider.feed).prices()
    provider.status = 200
    monkeypatch.setattr(price_source, "_CONNECT_S", 0.1)
    provider.waits.clear()
    with pytest.raises(PriceSourceError, match=r"cannot be reached \(TimeoutError"):
        AwattarPrices(provider.feed).prices()
    provider.waits.set()
    monkeypatch.setattr(price_source, "PATIENCE_S", -1.0)
    with pytest.raises(PriceSourceError, match="took longer"):
        AwattarPrices(provider.feed).prices()
    provider.server.socket.close()
    with pytest.raises(PriceSourceError, match="cannot be reached"):
        AwattarPrices(PriceFeed(url="http://127.0.0.1:1/")).prices()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "https://", "https://me:secret@host/", "host/x"])
def test_the_policy_takes_web_addresses_alone(url: str) -> None:
    with pytest.raises(ValidationError, match="no web address"):
        PriceFeed(url=url)


class Desk:
    """What a keeper publishes and tells, and a source that answers as the list says."""

    def __init__(self, *answers: Sequence[SourcePrice] | PriceSourceError) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.published: list[bytes] = []
        self.told: list[str] = []

    def source(self, feed: PriceFeed) -> Desk:
        del feed
        return self

    def prices(self) -> Sequence[SourcePrice]:
        self.asked += 1
        found = self.answers.pop(0)
        if isinstance(found, PriceSourceError):
            raise found
        return found

    async def publish(self, payload: bytes) -> bool:
        self.published.append(payload)
        return True

    async def tell(self, code: str, severity: Severity, text: str) -> None:
        del severity, text
        self.told.append(code)


GOOD = (SourcePrice(datetime(2026, 11, 21, 21, tzinfo=UTC), datetime(2026, 11, 21, 22, tzinfo=UTC), 0.21),)
DOWN = PriceSourceError("it answers 503")
FEED = PriceFeed(url="https://prices.test/")


async def waits_of(desk: Desk, turns: int) -> list[float | None]:
    """How long the keeper waits after each of its turns, s."""
    waits: list[float | None] = []

    async def no_wait(waiting: object, timeout: float | None) -> None:  # noqa: ASYNC109 - as asyncio's own
        waiting.close()  # type: ignore[attr-defined]
        waits.append(timeout)
        if len(waits) == turns:
            raise asyncio.CancelledError
        raise TimeoutError

    keeper = PriceKeeper(FEED, desk.publish, desk.tell, make_source=desk.source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "wait_for", no_wait)
        with pytest.raises(asyncio.CancelledError):
            await keeper.keep()
    return waits


async def test_what_is_fetched_is_published_as_the_balancer_reads_it() -> None:
    desk = Desk(GOOD)
    assert await waits_of(desk, 1) == [EVERY_S]
    assert read_prices(desk.published[0]).at(GOOD[0].start) == 0.21


async def test_a_source_that_is_down_is_asked_ever_later_told_once_and_told_when_it_is_back() -> None:
    desk = Desk(*[DOWN] * 8, GOOD, GOOD)
    assert await waits_of(desk, 10) == [60, 120, 240, 480, 960, 1920, 3600, 3600, EVERY_S, EVERY_S]
    assert desk.told == ["prices-down", "prices-back"]
    assert len(desk.published) == 2


async def test_a_hiccup_is_no_news() -> None:
    desk = Desk(*[DOWN] * (DOWN_AFTER - 1), GOOD)
    await waits_of(desk, DOWN_AFTER)
    assert desk.told == []


async def test_without_a_feed_nobody_is_asked_until_the_policy_names_one() -> None:
    desk = Desk(GOOD)
    keeper = PriceKeeper(None, desk.publish, desk.tell, make_source=desk.source)
    keeping = asyncio.create_task(keeper.keep())
    await asyncio.sleep(0)
    assert desk.asked == 0
    keeper.take_feed(FEED)
    await wait_for(lambda: desk.published)
    keeping.cancel()
    assert desk.asked == 1
