"""Nights and a day of prices, as data: cars that must be ready by a time, on recorded prices and on made-up ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from ampherd_core.phases import LINES, Line
from ampherd_simulator.books import Tariff
from ampherd_simulator.scenario import HousePart, Scenario

from benchmarks.case import Case, Kind
from benchmarks.prices import ListedPrices, read_prices

HOUR_S: Final = 3_600.0
QUARTER_S: Final = 900.0
LAG_S: Final = 3.0
BATTERY_WH: Final = 200_000.0

ZIGZAG_EUR: Final = (0.08, 0.03, -0.03, -0.08)
"""What each quarter of an hour costs beside its hour, as where power plants follow the load in whole hours."""


class Stay(NamedTuple):
    """A car: when it comes and goes (h after the beginning), what it is to get then, and its wires."""

    name: str
    from_h: float
    until_h: float
    wants_kwh: float
    lines: tuple[Line, ...] = LINES


def recorded(path: Path) -> Iterator[Case]:
    """Those of recorded day-ahead prices, by the hour."""
    prices = read_prices(path)
    yield _night(
        "prices",
        "three cars with deadlines, hourly DK2 prices, a made-up house, 3 x 25 A, from 18:00 to 8:00",
        prices,
        "2022-10-20T18:00:00+02:00",
        14,
        [Stay("early", 0.0, 12.5, 25), Stay("late", 3.0, 14.0, 40), Stay("short", 0.5, 5.0, 12)],
    )
    yield _night(
        "prices-valley",
        "four cars that all want the same five hours, of a seventh of the evening's price, 17:00 to 10:00",
        prices,
        "2022-10-28T17:00:00+02:00",
        17,
        [
            Stay("van", 0.25, 14.0, 45),
            Stay("saloon", 1.0, 17.0, 30),
            Stay("hatchback", 2.0, 13.0, 18, (Line.L2,)),
            Stay("guest", 4.0, 17.0, 25),
        ],
    )
    yield _night(
        "prices-short",
        "two cars want more by 2:00 than the fuse can give, and a third more than its visit allows, 20:00 to 7:00",
        prices,
        "2022-10-23T20:00:00+02:00",
        11,
        [Stay("left", 0.1, 6.0, 55), Stay("right", 0.2, 6.0, 55), Stay("visitor", 0.5, 1.0, 8)],
    )


def sunny(path: Path) -> Case:
    """A day under a recorded sun, with the end of a cheap night: the day before it was what plans know of the sun."""
    begins, hours = "2026-06-02T05:30:00+02:00", 12
    stays = [Stay("three", 0.0, 11.5, 14), Stay("one", 0.25, 9.5, 8, (Line.L1,))]
    case = _night(
        "prices-sun",
        "two cars with deadlines on the second day of a 5 kW inverter, 0.18 EUR until 7:00, then 0.32; 0.08 for export",
        ListedPrices(
            [datetime.fromisoformat(begins).timestamp() + at_h * HOUR_S for at_h in (0.0, 1.5)], [0.18, 0.32], 0.08
        ),
        begins,
        hours,
        stays,
    )
    house = {"constant_a": (1.0, 0.5, 0.5)}
    past, today = (
        case.scenario.model_copy(update={"house": HousePart.model_validate({**house, "inverter": inverter})})
        for inverter in ({"recording": path}, {"recording": path, "offset_s": 24 * HOUR_S})
    )
    return replace(case, scenario=today, past=past, export_price=0.08)


def made_up() -> Iterator[Case]:
    """One of prices that nobody recorded."""
    yield _night(
        "prices-zigzag",
        "quarter-hourly prices that rise and fall within each hour, a lively house, four cars on mixed phases",
        _zigzag("2026-01-15T17:00:00+01:00", 15),
        "2026-01-15T17:00:00+01:00",
        15,
        [
            Stay("three", 0.5, 14.0, 30),
            Stay("one", 1.0, 13.5, 20, (Line.L1,)),
            Stay("two", 1.5, 14.5, 16, (Line.L2,)),
            Stay("brief", 0.0, 4.0, 8, (Line.L3,)),
        ],
        is_recorded=False,
        liveliness=2.0,
    )


def _night(  # noqa: PLR0913 - a night has a name, prices, a beginning, a length and guests
    name: str,
    about: str,
    prices: Tariff,
    begins: str,
    hours: float,
    stays: Sequence[Stay],
    *,
    is_recorded: bool = True,
    liveliness: float = 1.0,
) -> Case:
    chargers = {stay.name: _charger(stay) for stay in stays}
    return Case(
        id=name,
        about=about,
        kind=Kind.COST,
        scenario=Scenario.model_validate(
            {"seed": 1, "starts_at": begins, "house": {"liveliness": liveliness}, "chargers": chargers}
        ),
        lasts_s=hours * HOUR_S,
        quick_s=HOUR_S,
        is_recorded=is_recorded,
        tariff=prices,
    )


def _charger(stay: Stay) -> dict[str, object]:
    is_one_phase = len(stay.lines) == 1
    max_a = 32 if is_one_phase else 16
    car = {
        "phases": len(stay.lines),
        "max_a": max_a,
        "lag_s": LAG_S,
        "battery_wh": BATTERY_WH,
        "soc": 0.0,
        "visits": [
            {
                "arrives_s": stay.from_h * HOUR_S,
                "leaves_s": stay.until_h * HOUR_S,
                "wants_wh": stay.wants_kwh * 1_000,
            }
        ],
    }
    return {"driver": "edgetech", "lines": stay.lines, "max_a": max_a, "is_32a": is_one_phase, "car": car}


def _zigzag(begins: str, hours: int) -> ListedPrices:
    """Dear in the evening, cheap at three, dear again in the morning; down within each hour, and up after midnight."""
    first_s = datetime.fromisoformat(begins).timestamp()
    hourly = (0.34, 0.37, 0.36, 0.31, 0.27, 0.25, 0.22, 0.19, 0.17, 0.15, 0.16, 0.20, 0.26, 0.33, 0.35)
    times_s, prices = [], []
    for quarter in range(hours * 4):
        hour, place = divmod(quarter, 4)
        is_evening = hour < len(hourly) // 2
        times_s.append(first_s + quarter * QUARTER_S)
        prices.append(hourly[hour] + (ZIGZAG_EUR[place] if is_evening else ZIGZAG_EUR[3 - place]))
    return ListedPrices(times_s, prices)
