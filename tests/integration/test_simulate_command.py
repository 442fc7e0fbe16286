"""`ampherd simulate` as a user runs it, on half an hour of a house with sun."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ampherd_embedded.cli import app
from typer.testing import CliRunner, Result

SITE = """\
version: 1
site: {timezone: UTC}
connection: {rating_a: 20}
meters: {grid: {role: grid, driver: dsmr, source: "tcp://192.0.2.1:2001"}}
chargers:
  garage: {driver: edgetech, link: "tcp://192.0.2.2:502", max_a: MAX}
"""
CARS = "garage: {phases: 1, visits: [{arrives: 12:01, leaves: 12:29, wants_kwh: 0.5}]}\n"
NOON_S = 43_200


def simulate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two policies, a car, a price, and a house of 2 A a line whose sun gives 1840 W on L1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yaml").write_text(SITE.replace("MAX", "16"))
    (tmp_path / "gentle.yaml").write_text(SITE.replace("MAX", "8"))
    (tmp_path / "cars.yaml").write_text(CARS)
    (tmp_path / "hurried.yaml").write_text(SITE.replace("MAX", "16") + "tariff: {list_file: none.json}\n")
    (tmp_path / "wishful.yaml").write_text('garage: {visits: [{arrives: 12:01, by: "12:20"}]}\n')
    (tmp_path / "late.yaml").write_text(CARS.replace("wants", 'by: "13:00", wants'))
    rows = "".join(f"{NOON_S + 60 * minute},2,2,2,1840\n" for minute in range(31))
    (tmp_path / "day.csv").write_text(f"t_s,l1_a,l2_a,l3_a,p_pv_w\n{rows}")
    (tmp_path / "prices.csv").write_text("t_s,price_per_kwh\n0,0.4\n")
    return tmp_path


def test_two_policies_stand_side_by_side_in_text_json_and_page(files: Path) -> None:
    result = simulate(
        "site.yaml", "--house", "day.csv", "--cars", "cars.yaml", "--solar-lines", "L1", "--tariff", "prices.csv",
        "--export-price", "0.1", "--compare", "gentle.yaml", "--json", "report.json", "--html", "report.html",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert re.search(r"charged into cars +0\.5 kWh +0\.5 kWh", result.output)
    assert re.search(r"visits that got what they wanted +1 of 1 +1 of 1", result.output)

    report = json.loads((files / "report.json").read_text())
    fast, gentle = report["policies"]
    assert [each["name"] for each in (fast, gentle)] == ["site.yaml", "gentle.yaml"]
    for each in (fast, gentle):
        assert each["cars"]["garage"]["energy_wh"] == pytest.approx(500, rel=0.02)
        assert each["house_wh"] == pytest.approx(690, rel=0.01)
        assert each["solar_wh"] == pytest.approx(920, rel=0.01)
        assert each["surplus_wh"] == pytest.approx(230, rel=0.01)
        assert each["surplus_used_wh"] + each["caused_import_wh"] == pytest.approx(each["charged_wh"])
        paid = each["caused_import_wh"] * 0.4e-3 + each["surplus_used_wh"] * 0.1e-3
        assert each["charging_cost"] == pytest.approx(paid)
        assert each["limits"]["connection"]["L1"]["total_as"] == 0
        assert each["over_policy_limit"]["ours"]["total_as"] == 0
    assert gentle["surplus_used_wh"] > 1.5 * fast["surplus_used_wh"]
    assert gentle["peak_quarter_w"] < fast["peak_quarter_w"]

    page = (files / "report.html").read_text()
    assert page.count("<svg") == 2 * 3
    assert not re.search(r"(src|href|url\()=?\"?http", page)
    assert "<script" not in page


def test_a_mode_of_the_policy_is_what_is_tried(files: Path) -> None:
    one_phase = SITE.replace("MAX", "16, lines: [L1]")
    (files / "fast.yaml").write_text(one_phase)
    (files / "sunny.yaml").write_text(one_phase.replace("lines: [L1]", "lines: [L1], mode: solar"))
    (files / "hungry.yaml").write_text(CARS.replace("0.5", "5"))

    result = simulate(
        "sunny.yaml", "--compare", "fast.yaml", "--house", "day.csv", "--cars", "hungry.yaml", "--solar-lines", "L1",
        "--solar-scale", "2", "--json", "report.json",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    sunny, fast = json.loads((files / "report.json").read_text())["policies"]
    assert sunny["charged_wh"] > 500
    assert sunny["caused_import_wh"] < 0.1 * sunny["charged_wh"]
    assert fast["caused_import_wh"] > 0.2 * fast["charged_wh"]


NIGHT = """\
tariff: {price: 0.40, windows: {night: {price: 0.10, start: "23:00", end: "05:00"}}}
"""
PLANNED = SITE.replace("MAX", '16, plan: {energy_kwh: 1.5, by: "00:15"}') + NIGHT
AT_ONCE = SITE.replace("MAX", "16") + NIGHT
EVENING = "garage: {phases: 1, visits: [{arrives: 22:31, leaves: 00:20, wants_kwh: 1.5WISH}]}\n"


@pytest.fixture
def night(files: Path) -> Path:
    """From 22:30 to 00:30, cheap from 23:00 on; the car needs half an hour."""
    (files / "planned.yaml").write_text(PLANNED)
    (files / "at_once.yaml").write_text(AT_ONCE)
    (files / "evening.yaml").write_text(EVENING.replace("WISH", ""))
    (files / "night.csv").write_text("t_s,l1_a,l2_a,l3_a\n81000,1,1,1\n88200,1,1,1\n")
    return files


def simulate_night(folder: Path, *arguments: str) -> tuple[str, list[Any]]:
    result = simulate(*arguments, "--house", "night.csv", "--json", "report.json", "--html", "report.html")
    assert result.exit_code == 0, result.output
    return result.output, json.loads((folder / "report.json").read_text())["policies"]


def test_a_plan_of_the_policy_waits_for_the_cheap_hours_and_is_met(night: Path) -> None:
    output, (planned, at_once) = simulate_night(
        night, "planned.yaml", "--compare", "at_once.yaml", "--cars", "evening.yaml"
    )

    for each in (planned, at_once):
        assert each["charged_wh"] == pytest.approx(1_500, rel=0.02)
    assert planned["charging_cost"] == pytest.approx(1.5 * 0.10, rel=0.05)
    assert at_once["charging_cost"] > 3 * planned["charging_cost"]
    assert (planned["plans_met"], planned["plans"]) == (1, 1)
    assert (at_once["plans_met"], at_once["plans"]) == (0, 0)
    (plan,) = planned["cars"]["garage"]["plans"]
    assert plan["is_met"]
    assert plan["due"].startswith("2026-06-02T00:15")
    assert re.search(r"plans met in time +1 of 1 +-\n", output)
    assert re.search(r"garage +Tue 00:15 +1\.5 kWh +1\.5 kWh +yes\n", output)
    assert "<td>Tue 00:15</td>" in (night / "report.html").read_text()


def test_a_driver_sets_a_plan_and_the_prices_of_a_file_count_before_the_policys(night: Path) -> None:
    """The policy's night begins at 23:00, the file's at 23:30."""
    (night / "wish.yaml").write_text(EVENING.replace("WISH", ', by: "00:20"'))
    (night / "late.csv").write_text("t_s,price_per_kwh\n0,0.40\n84600,0.10\n87000,0.40\n")

    _, (found,) = simulate_night(night, "at_once.yaml", "--cars", "wish.yaml", "--tariff", "late.csv")

    assert (found["plans_met"], found["plans"]) == (1, 1)
    assert found["charging_cost"] == pytest.approx(1.5 * 0.10, rel=0.05)


def test_a_plan_that_cannot_be_met_is_told_with_what_it_lacks(night: Path) -> None:
    (night / "planned.yaml").write_text(PLANNED.replace("00:15", "22:41"))

    output, (found,) = simulate_night(night, "planned.yaml", "--cars", "evening.yaml", "--hours", "0.3")

    assert (found["plans_met"], found["plans"]) == (0, 1)
    (plan,) = found["cars"]["garage"]["plans"]
    assert plan["missing_wh"] == pytest.approx(1_500 - 3_600 * 9.5 / 60, rel=0.1)
    assert re.search(r"plans met in time +0 of 1\n", output)
    assert re.search(r"garage +Mon 22:41 +1\.5 kWh +0\.\d kWh +\d\.\d kWh short", output)


def test_the_same_question_gets_the_same_answer(files: Path) -> None:
    one, other = (
        simulate("site.yaml", "--hours", "0.3", "--from", "18:00", "--solar", "3", "--json", f"{number}.json")
        for number in (1, 2)
    )

    assert one.exit_code == 0, one.output
    assert one.output == other.output
    assert (files / "1.json").read_text() == (files / "2.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.yaml"], "none.yaml:1: file: cannot be read"),
        (["site.yaml", "--house", "site.yaml"], "site.yaml, line 1: needs the column t_s or t_utc_s"),
        (["site.yaml", "--cars", "prices.csv"], "prices.csv:1: file: is "),
        (["site.yaml", "--house", "day.csv", "--from", "11:00"], "day.csv covers 2026-06-01 12:00 to"),
        (["site.yaml", "--solar-lines", "L4"], "--solar-lines L4: write lines like L1,L3"),
        (["hurried.yaml", "--cars", "cars.yaml"], "hurried.yaml: tariff.list_file none.json: "),
        (["site.yaml", "--cars", "wishful.yaml"], "wishful.yaml:1: garage.visits.0: a plan with `by` needs wants_kwh"),
        (["site.yaml", "--cars", "late.yaml"], "--cars: garage: by 13:00 is no time of the stay from 12:01"),
        (["site.yaml", "--tariff", "day.csv"], "day.csv, line 1: needs the column price_per_kwh or price_eur_per_mwh"),
    ],
)
@pytest.mark.usefixtures("files")
def test_what_makes_no_sense_is_refused_with_file_reason_and_remedy(arguments: list[str], says: str) -> None:
    result = simulate(*arguments)

    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
