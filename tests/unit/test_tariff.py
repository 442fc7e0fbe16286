"""Prices: lists that are strict, holes that are said, windows by the clock on the wall."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ampherd_balancer.allocate import Limit
from ampherd_balancer.planner import Order, Slot, cuts, plan
from ampherd_balancer.tariff import PriceError, Prices, price_at, read_prices
from ampherd_core.policy_tariff import Tariff
from hypothesis import given
from hypothesis import strategies as st

ZONE = ZoneInfo("Europe/Amsterdam")
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "days" / "tariff_dk2_hourly.csv.gz"
T0 = "2026-11-22T00:00:00+00:00"


def at(hour: float) -> datetime:
    return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(hours=hour)


def listed(*entries: dict[str, object]) -> Prices:
    return read_prices(json.dumps(entries).encode())


def test_without_an_end_a_price_holds_until_the_next_and_an_hour_at_most() -> None:
    prices = listed(
        {"start": T0, "price": 1},
        {"start": "2026-11-22T00:15:00Z", "price": 2},
        {"start": "2026-11-22T05:00:00Z", "price": 3},
    )
    assert [prices.at(at(hour)) for hour in (-0.1, 0, 0.2, 0.25, 1.2, 1.3, 5.9, 6)] == [
        None, 1, 1, 2, 2, None, 3, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"\xff", "not JSON"),
        (b"{}", "not a list"),
        (b"[1]", "entry 1: not a document"),
        (b'[{"start": "2026-11-22T00:00:00Z"}]', "price None"),
        (b'[{"start": "2026-11-22T00:00:00Z", "price": NaN}]', "price nan"),
        (b'[{"start": "2026-11-22T00:00:00Z", "price": true}]', "price True"),
        (b'[{"start": "2026-11-22T00:00:00Z", "price": 1e9}]', "price 1000000000"),
        (b'[{"start": "2026-11-22T00:00:00", "price": 1}]', "no time with a zone"),
        (b'[{"start": 1700000000, "price": 1}]', "no time with a zone"),
        (b'[{"start": "0001-01-01T00:00:00+14:00", "price": 1}]', "no time like"),
        (b'[{"start": "9999-12-31T23:59:00Z", "price": 1}]', "in the year 9999"),
        (b'[{"start": "2026-11-22T01:00:00Z", "end": "2026-11-22T00:00:00Z", "price": 1}]', "ends before it begins"),
        (b'[{"start": "2026-11-22T00:00:00Z", "end": "2026-11-24T00:00:00Z", "price": 1}]', "a day later"),
        (
            b'[{"start": "2026-11-22T00:00:00Z", "end": "2026-11-22T02:00:00Z", "price": 1},'
            b'{"start": "2026-11-22T01:00:00Z", "price": 1}]',
            "two prices",
        ),
        (b'[{"start": "2026-11-22T00:00:00Z", "price": 1}, {"start": "2026-11-22T00:00:00Z", "price": 2}]', "ends"),
        (b"[" + b'{"start": "2026-11-22T00:00:00Z", "price": 1},' * 1001 + b"1]", "more than 1000 prices"),
        (b"[" * 70_000, "more than 65536 bytes"),
    ],
)
def test_refuses_what_is_no_list_of_prices(payload: bytes, says: str) -> None:
    with pytest.raises(PriceError, match=says):
        read_prices(payload)


def test_an_empty_list_takes_all_prices_back() -> None:
    assert read_prices(b"[]") == Prices()


def test_a_refusal_can_be_told_whatever_was_sent() -> None:
    with pytest.raises(PriceError) as refused:
        read_prices(rb'[{"start": "2026-11-22T00:00:00Z", "price": "\ud800"}]')
    str(refused.value).encode()


@given(st.binary(max_size=300))
def test_any_payload_is_a_list_or_a_refusal(payload: bytes) -> None:
    try:
        read_prices(payload)
    except PriceError:
        return


def test_a_list_comes_before_windows_and_windows_before_the_price() -> None:
    tariff = Tariff.model_validate(
        {"price": 0.30, "windows": {"night": {"price": 0.20, "start": "23:00", "end": "07:00"}}}
    )
    prices = listed({"start": "2026-11-22T02:00:00Z", "price": 0.1})
    local = [at(hour).astimezone(ZONE) for hour in (2, 3, 12)]
    assert [price_at(tariff, prices, moment) for moment in local] == [0.1, 0.20, 0.30]
    assert price_at(Tariff(), prices, local[1]) is None


@pytest.mark.parametrize(
    ("local", "is_cheap"),
    [
        ((2026, 11, 20, 22, 59), False),
        ((2026, 11, 20, 23, 0), True),
        ((2026, 11, 21, 6, 59), True),
        ((2026, 11, 21, 7, 0), False),
        ((2026, 11, 21, 23, 30), False),
        ((2026, 11, 22, 3, 0), False),
        ((2026, 11, 23, 3, 0), False),
        ((2026, 3, 30, 3, 30), False),
        ((2026, 10, 30, 23, 30), True),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(
    local: tuple[int, int, int, int, int], is_cheap: bool
) -> None:
    window = {"price": 0.2, "start": "23:00", "end": "07:00", "days": ["mon", "tue", "wed", "thu", "fri"]}
    tariff = Tariff.model_validate({"price": 0.3, "windows": {"night": window}})
    assert price_at(tariff, Prices(), datetime(*local, tzinfo=ZONE)) == (0.2 if is_cheap else 0.3)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_night_window_is_an_hour_shorter_or_longer_when_the_clocks_change(
    day: tuple[int, int, int], hours: int
) -> None:
    tariff = Tariff.model_validate(
        {"price": 0.3, "windows": {"night": {"price": 0.2, "start": "00:00", "end": "06:00"}}}
    )
    start = datetime(*day, tzinfo=ZONE).astimezone(UTC)
    quarters = [(start + timedelta(minutes=15 * place)).astimezone(ZONE) for place in range(hours * 4)]
    assert sum(price_at(tariff, Prices(), quarter) == 0.2 for quarter in quarters) == (hours - 18) * 4
    assert {quarter.date() for quarter in quarters} == {quarters[0].date()}


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded prices are not here")
def test_a_hole_of_21_hours_is_planned_round_and_said() -> None:
    """Recorded day-ahead prices: what falls into the hole is used last, and counted."""
    with gzip.open(RECORDED, "rt") as file:
        rows = [(int(row["t_utc_s"]), float(row["price_eur_per_mwh"]) / 1000) for row in csv.DictReader(file)]
    entries = [{"start": datetime.fromtimestamp(t_s, UTC).isoformat(), "price": price} for t_s, price in rows]
    prices = listed(*entries)
    before_hole_s = next(t_s for (t_s, _), (then_s, _) in pairwise(rows) if then_s - t_s > 3600)
    start = datetime.fromtimestamp(before_hole_s, UTC) - timedelta(hours=9)
    due = start + timedelta(hours=40)

    def outlook(energy_kwh: float) -> tuple[float, float]:
        orders = [Order("car", energy_kwh * 1000, due, 6, 16, 690)]
        slots = [Slot(a, b, prices.at(a), [Limit("connection-l1", 25, {"car": 1.0})]) for a, b in cuts(start, orders)]
        found = plan(orders, slots).outlooks["car"]
        assert found.is_met
        return found.planned_wh, found.unpriced_wh

    assert outlook(100)[1] == 0
    planned_wh, unpriced_wh = outlook(300)
    assert 0 < unpriced_wh < planned_wh
