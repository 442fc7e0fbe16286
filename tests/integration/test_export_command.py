"""`ampherd export` and `ampherd simulate --history`: yesterday as it was, under another policy."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from ampherd_api.history_sqlite import SqliteHistory
from ampherd_core.history import Point
from ampherd_embedded.cli import app
from typer.testing import CliRunner, Result

SITE = """\
version: 1
site: {timezone: UTC}
connection: {rating_a: 25}
meters:
  grid: {role: grid, driver: dsmr, source: "tcp://192.0.2.1:2001"}
  roof: {role: solar, driver: dsmr, source: "tcp://192.0.2.1:2002", lines: [L3]}
  shed: {role: solar, driver: dsmr, source: "tcp://192.0.2.1:2003"}
chargers:
  garage: {driver: edgetech, link: "tcp://192.0.2.2:502"}
  guest: {driver: smartevse-v2, link: "tcp://192.0.2.3:502"}
"""
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
LASTS_S = 2_400
ARRIVES_S, CHARGES_S, LEAVES_S = 300, 600, 1_800
DRAWN_A = 10.0
HOUSE_A = (2.0, 3.0, 1.0)
SUN_A = 4.0
SHED_A = 1.0
"""On each line; its meter gives the total only."""


def ampherd(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def point(measurement: str, tags: dict[str, str], second: float, **fields: float) -> Point:
    at = START + timedelta(seconds=second)
    return Point(measurement=measurement, tags={"site": "home", **tags}, at=at, fields=fields)


def lived() -> Iterator[Point]:
    """A car takes 10 A on L1 and L2 for twenty minutes; its wallbox says so two seconds after the grid meter."""
    for second in range(LASTS_S):
        drawn_a = DRAWN_A if CHARGES_S <= second < LEAVES_S else 0.0
        told_a = DRAWN_A if CHARGES_S + 2 <= second < LEAVES_S + 2 else 0.0
        yield point(
            "meter",
            {"meter": "grid", "role": "grid"},
            second,
            current_l1_a=HOUSE_A[0] + drawn_a - SHED_A,
            current_l2_a=HOUSE_A[1] + drawn_a - SHED_A,
            current_l3_a=HOUSE_A[2] - SUN_A - SHED_A,
        )
        yield point("meter", {"meter": "roof", "role": "solar"}, second, current_l3_a=-SUN_A, power_w=-SUN_A * 230)
        yield point("meter", {"meter": "shed", "role": "solar"}, second, power_w=-3 * SHED_A * 230)
        yield point(
            "charger",
            {"charger": "garage"},
            second + 0.3,
            drawn_l1_a=told_a,
            drawn_l2_a=told_a,
            drawn_l3_a=0.0,
            offer_a=16.0,
            is_connected=float(ARRIVES_S <= second < LEAVES_S),
        )
        yield point("charger", {"charger": "guest"}, second, is_connected=float(second < 60), offer_a=6.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site and forty minutes of its history."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "site.yaml").write_text(SITE)

    async def fill() -> None:
        history = SqliteHistory(folder / "history.db")
        await history.write(list(lived()))
        await history.close()

    asyncio.run(fill())
    return folder


@pytest.fixture(autouse=True)
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("AMPHERD_HISTORY_URL", raising=False)


def test_house_sun_and_cars_come_out_of_the_history_apart(folder: Path) -> None:
    result = ampherd(
        "export", "site.yaml", "--data-dir", ".", "--from", f"{START:%Y-%m-%dT%H:%M}", "--hours", "1",
        "--out", "day.csv", "--cars", "cars.yaml",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "guest does not measure what its car draws" in result.output
    with (folder / "day.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == LASTS_S
    assert float(rows[0]["t_utc_s"]) == START.timestamp()
    house = {tuple(float(row[f"l{line}_a"]) for line in (1, 2, 3)) for row in rows}
    assert house == {HOUSE_A}
    assert {tuple(row[f"pv_l{line}_a"] for line in (1, 2, 3)) for row in rows} == {("1", "1", "5")}

    cars = yaml.safe_load((folder / "cars.yaml").read_text())
    (visit,) = cars["garage"].pop("visits")
    assert cars == {"garage": {"phases": 2, "max_a": 10}}
    assert visit["arrives"].timestamp() == START.timestamp() + ARRIVES_S
    assert visit["leaves"].timestamp() == START.timestamp() + LEAVES_S
    assert visit["wants_kwh"] == pytest.approx(2 * DRAWN_A * 230 * (LEAVES_S - CHARGES_S) / 3.6e6, rel=0.01)


def test_a_day_that_was_is_simulated_in_one_go(folder: Path) -> None:
    result = ampherd(
        "simulate", "site.yaml", "--history", "--data-dir", ".", "--from", f"{START:%Y-%m-%dT%H:%M}", "--hours", "1",
        "--json", "report.json",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    (report,) = json.loads((folder / "report.json").read_text())["policies"]
    assert report["cars"]["garage"]["energy_wh"] == pytest.approx(1_533, rel=0.02)
    assert report["solar_wh"] == pytest.approx((SUN_A + 3 * SHED_A) * 230 * LASTS_S / 3_600, rel=0.01)
    assert report["house_wh"] == pytest.approx(sum(HOUSE_A) * 230 * LASTS_S / 3_600, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data-dir", "nowhere"], "nowhere/history.db; say where it is with --data-dir"),
        (
            ["--data-dir", ".", "--from", "1990-01-01"],
            "history holds no current of meter grid of site home",
        ),
        (["--data-dir", ".", "--from", "yesterday"], "--from yesterday: write it like 2026-06-01"),
        (["--data-dir", ".", "--hours", "0"], "--hours 0: should be more than 0"),
    ],
)
@pytest.mark.parametrize("command", [["export"], ["simulate", "--history"]])
def test_hours_that_are_not_there_are_refused(command: list[str], arguments: list[str], says: str) -> None:
    result = ampherd(command[0], "site.yaml", *command[1:], *arguments)

    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
    assert not Path("house.csv").exists()
