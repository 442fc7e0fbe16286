"""What is asked of `ampherd simulate`: the day, the cars and the prices, and what is said when they make no sense."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ampherd_core.phases import Line
from ampherd_core.policy import Policy, Site
from ampherd_core.policy_file import parse_policy
from ampherd_simulator.errors import SimulatorError
from ampherd_simulator.scenario import CarPart, HousePart, SolarPart, VisitPart
from ampherd_simulator.whatif.chart import Chart, Curve, Mark
from ampherd_simulator.whatif.day import Day, plan_day
from ampherd_simulator.whatif.prices import read_prices
from ampherd_simulator.whatif.request import Request
from ampherd_simulator.whatif.timetable import TimetableError, cars_of, read_timetable

HOUR_S = 3_600
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
SITE = Path("site.yaml")


@pytest.fixture
def policy() -> Policy:
    """Two chargers on a site whose clocks show UTC."""
    return parse_policy(b"""\
version: 1
site: {timezone: UTC}
connection: {rating_a: 25}
meters: {grid: {role: grid, driver: dsmr, source: "tcp://192.0.2.1:2001"}}
chargers:
  garage: {driver: edgetech, link: "tcp://192.0.2.2:502"}
  guest: {driver: edgetech, link: "tcp://192.0.2.3:502"}
""")


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def house(folder: Path, *, columns: str = "t_utc_s", begins_s: float = MIDNIGHT.timestamp(), hours: int = 48) -> Path:
    rows = [f"{begins_s + hour * HOUR_S:.0f},1,1,1" for hour in range(hours + 1)]
    return written(folder / "house.csv", "\n".join([f"{columns},l1_a,l2_a,l3_a", *rows, ""]))


def sun(folder: Path, begins_s: float) -> Path:
    rows = [f"{begins_s + hour * HOUR_S:.0f},{hour}" for hour in range(49)]
    return written(folder / "sun.csv", "\n".join(["t_utc_s,p_pv_w", *rows, ""]))


@pytest.mark.parametrize(
    ("asked", "starts", "hours", "offset_h"),
    [
        ({}, "2026-06-01T00:00", 24, 0),
        ({"begins": "18:00"}, "2026-06-01T18:00", 24, 18),
        ({"begins": "2026-06-02"}, "2026-06-02T00:00", 24, 24),
        ({"begins": "2026-06-02T12:00"}, "2026-06-02T12:00", 12, 36),
        ({"begins": "2026-06-02T12:00+02:00", "hours": 3.0}, "2026-06-02T10:00", 3, 34),
    ],
)
def test_a_recording_is_entered_where_one_asks(
    tmp_path: Path, policy: Policy, asked: dict[str, str], starts: str, hours: float, offset_h: float
) -> None:
    day = plan_day(Request(policies=(SITE,), house=house(tmp_path), **asked), policy)  # type: ignore[arg-type]

    assert day.starts_at == datetime.fromisoformat(starts).replace(tzinfo=UTC)
    assert (day.hours, day.house.offset_s) == (hours, offset_h * HOUR_S)


@pytest.mark.parametrize(
    ("begins", "starts"),
    [(None, "2026-06-01T00:00"), ("18:00", "2026-06-01T18:00"), ("2026-11-14T18:00", "2026-11-14T18:00")],
)
def test_a_recording_without_a_date_counts_from_midnight_of_the_day_one_asks_for(
    tmp_path: Path, policy: Policy, begins: str | None, starts: str
) -> None:
    path = house(tmp_path, columns="t_s", begins_s=0)

    day = plan_day(Request(policies=(SITE,), house=path, begins=begins), policy)

    assert day.starts_at == datetime.fromisoformat(starts).replace(tzinfo=UTC)
    assert day.house.offset_s == day.starts_at.hour * HOUR_S


def test_without_a_recording_a_house_is_made_up_from_noon_on(policy: Policy) -> None:
    day = plan_day(Request(policies=(SITE,), solar="4.6", solar_lines=(Line.L1, Line.L2)), policy)

    assert (day.starts_at.hour, day.hours) == (12, 24)
    assert day.house.recording is None
    assert day.house.solar is not None
    assert day.house.solar.peak_a == pytest.approx(10)


def test_the_sun_is_laid_beside_the_house_by_the_clock_or_by_hand(tmp_path: Path, policy: Policy) -> None:
    begins_s = MIDNIGHT.timestamp()
    request = Request(policies=(SITE,), house=house(tmp_path), solar=str(sun(tmp_path, begins_s)), begins="06:00")
    by_clock = plan_day(request, policy)
    by_hand = plan_day(
        replace(request, solar=str(sun(tmp_path, 0)), solar_from="1970-01-01T05:00"),
        policy,
    )

    assert by_clock.house.inverter is not None
    assert by_clock.house.inverter.offset_s == 6 * HOUR_S
    assert by_hand.house.inverter is not None
    assert by_hand.house.inverter.offset_s == 5 * HOUR_S


def test_a_recording_that_holds_the_sun_brings_it_along(tmp_path: Path, policy: Policy) -> None:
    header = "t_utc_s,l1_a,l2_a,l3_a,pv_l1_a,pv_l2_a,pv_l3_a"
    path = written(tmp_path / "both.csv", f"{header}\n0,1,1,1,0,0,5\n86400,1,1,1,0,0,5\n")

    day = plan_day(Request(policies=(SITE,), house=path), policy)

    assert day.house.inverter is not None
    assert day.house.inverter.recording == path


def test_a_site_of_one_phase_has_house_and_sun_on_it(tmp_path: Path, policy: Policy) -> None:
    one_phase = policy.model_copy(update={"connection": policy.connection.model_copy(update={"phases": 1})})
    made_up = plan_day(Request(policies=(SITE,), solar="2.3"), one_phase)
    recorded = plan_day(
        Request(policies=(SITE,), house=house(tmp_path), solar=str(sun(tmp_path, MIDNIGHT.timestamp()))), one_phase
    )

    assert made_up.house.phases == 1
    assert made_up.house.solar == SolarPart(peak_a=10, lines=(Line.L1,))
    assert recorded.house.inverter is not None
    assert recorded.house.inverter.lines == (Line.L1,)
    for wrong in (Request(policies=(SITE,), house_line=Line.L2), Request(policies=(SITE,), solar_lines=(Line.L3,))):
        with pytest.raises(SimulatorError, match="the site has one phase"):
            plan_day(wrong, one_phase)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"begins": "tomorrow"}, r"--from: 'tomorrow' is no time; write it like 18:00"),
        ({"begins": "2027-01-01"}, r"--from 2027-01-01 00:00: house.csv covers 2026-06-01 00:00 to 2026-06-03 00:00"),
        ({"hours": 72.0}, r"--hours 72: house.csv ends after 48.00 hours; ask for no more"),
        ({"hours": -1.0}, r"--hours -1: should be more than 0"),
        ({"solar": "sun.csv"}, r"--solar-from 2026-06-01 00:00: sun.csv covers 1970-01-01"),
        ({"solar": "none.csv"}, r"none.csv cannot be read"),
        ({"solar": "1000"}, r"--solar 1000: should be a CSV file, or"),
    ],
)
def test_a_day_that_is_not_there_is_refused_with_what_there_is(
    tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    sun(tmp_path, 0)

    with pytest.raises(SimulatorError, match=complaint):
        plan_day(Request(policies=(SITE,), house=house(tmp_path), **asked), policy)  # type: ignore[arg-type]


def a_day(starts: str = "2026-06-01T12:00", hours: float = 24) -> Day:
    return Day(datetime.fromisoformat(starts).replace(tzinfo=UTC), hours, HousePart(), "house")


def cars(folder: Path, policy: Policy, text: str, day: Day) -> dict[str, CarPart]:
    return dict(cars_of(read_timetable(written(folder / "cars.yaml", text), policy), policy, day))


def test_a_time_of_day_is_meant_every_day_and_a_car_may_leave_on_the_next(tmp_path: Path, policy: Policy) -> None:
    text = 'garage: {phases: 1, max_a: 20, visits: [{arrives: 18:00, leaves: "07:30", wants_kwh: 12}]}\n'

    found = cars(tmp_path, policy, text, a_day(hours=48))

    assert (found["garage"].phases, found["garage"].max_a) == (1, 20)
    assert found["garage"].visits == (
        VisitPart(arrives_s=6 * HOUR_S, leaves_s=19.5 * HOUR_S, wants_wh=12_000),
        VisitPart(arrives_s=30 * HOUR_S, leaves_s=43.5 * HOUR_S, wants_wh=12_000),
    )
    assert found["guest"].is_away


def test_a_car_comes_by_the_clock_when_the_clocks_are_put_back(tmp_path: Path, policy: Policy) -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    there = policy.model_copy(update={"site": Site(timezone=zone.key)})
    day = Day(datetime(2026, 10, 24, 12, tzinfo=zone), 48, HousePart(), "house")

    found = cars(tmp_path, there, "garage: {visits: [{arrives: 18:00, leaves: 19:00}]}\n", day)

    assert [visit.arrives_s / HOUR_S for visit in found["garage"].visits] == [6, 31]
    assert day.ends_at.hour == 11


def test_a_date_is_meant_once(tmp_path: Path, policy: Policy) -> None:
    text = "guest:\n  visits:\n    - arrives: 2026-06-01T13:00\n    - arrives: 2026-07-01T13:00\n"

    found = cars(tmp_path, policy, text, a_day())

    assert found["guest"].visits == (VisitPart(arrives_s=HOUR_S),)


def test_a_visit_that_is_under_way_begins_with_the_day_and_one_that_is_over_does_not(
    tmp_path: Path, policy: Policy
) -> None:
    text = """\
garage: {visits: [{arrives: 2026-06-01T11:00, leaves: "15:00"}]}
guest: {visits: [{arrives: 2026-06-01T09:00, leaves: 2026-06-01T11:00}]}
"""
    found = cars(tmp_path, policy, text, a_day())

    assert found["garage"].visits == (VisitPart(arrives_s=0, leaves_s=3 * HOUR_S),)
    assert found["guest"].is_away


def test_without_a_file_every_charger_gets_a_car_at_six(policy: Policy) -> None:
    found = cars_of(None, policy, a_day())

    assert {name: [visit.arrives_s for visit in car.visits] for name, car in found.items()} == {
        "garage": [6 * HOUR_S],
        "guest": [6 * HOUR_S],
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("garage:\n  visits: [{arrives: noon}]\n", "cars.yaml:2: garage.visits.0.arrives: 'noon' is no time. Write it"),
        ("garage:\n  visits: [{leaves: 07:00}]\n", "cars.yaml:2: garage.visits.0.arrives: is required. Add it; the ex"),
        ("garage:\n  phase: 1\n  visits: []\n", "cars.yaml:2: garage.phase: there is no such field here. Write phases"),
        ("\nzoe:\n  visits: []\n", "cars.yaml:2: zoe: the policy has no such charger. Choose from garage, guest"),
        ("garage: {visits: [{arrives: 7:00, wants_kwh: 0}]}\n", "cars.yaml:1: garage.visits.0.wants_kwh: should be gr"),
        ("garage: [\n", "cars.yaml:2: file: is no YAML"),
    ],
)
def test_a_wrong_timetable_is_refused_with_line_field_and_remedy(
    tmp_path: Path, policy: Policy, text: str, complaint: str
) -> None:
    with pytest.raises(TimetableError) as refusal:
        cars(tmp_path, policy, text, a_day())

    assert str(refusal.value).startswith(complaint)
    assert "docs/policy.md" not in str(refusal.value)


def test_visits_that_overlap_are_refused(tmp_path: Path, policy: Policy) -> None:
    text = "garage: {visits: [{arrives: 13:00, leaves: 15:00}, {arrives: 14:00}]}\n"

    with pytest.raises(ValueError, match="arrives at 7200 s before it has left"):
        cars(tmp_path, policy, text, a_day())


def test_prices_hold_until_the_next_and_repeat_by_whole_days(tmp_path: Path) -> None:
    rows = "".join(f"{hour * HOUR_S},{100 + hour}\n" for hour in range(24))
    path = written(tmp_path / "prices.csv", f"t_utc_s,price_eur_per_mwh\n{rows}")
    prices = read_prices(path, MIDNIGHT, 0.05)

    assert prices.import_price(1.5 * HOUR_S) == pytest.approx(0.101)
    assert prices.import_price(MIDNIGHT.timestamp() + 23.9 * HOUR_S) == pytest.approx(0.123)
    assert prices.export_price(0) == 0.05


def test_prices_of_a_day_without_a_date_begin_at_midnight_and_may_tell_what_export_earns(tmp_path: Path) -> None:
    path = written(tmp_path / "prices.csv", "t_s,price_per_kwh,export_price_per_kwh\n0,0.2,0.1\n25200,0.4,-0.1\n")
    prices = read_prices(path, MIDNIGHT, 0.05)

    found = [
        (prices.import_price(MIDNIGHT.timestamp() + at_s), prices.export_price(MIDNIGHT.timestamp() + at_s))
        for at_s in (0, 7 * HOUR_S, 86_399, 86_400)
    ]
    assert found == [(0.2, 0.1), (0.4, -0.1), (0.4, -0.1), (0.2, 0.1)]


@pytest.mark.parametrize(
    ("starts", "hours", "labels"),
    [
        ("2026-06-01T17:20", 2, ["18:00", "19:00"]),
        ("2026-06-01T12:00", 24, [f"{hour % 24:02}:00" for hour in range(12, 38, 2)]),
        ("2026-06-01T12:00", 72, ["12:00", "18:00", "02 Jun", "06:00", "12:00", "18:00"]),
        ("2026-06-01T00:00", 168, [f"0{day} Jun" for day in range(1, 9)]),
    ],
)
def test_a_chart_names_round_hours_and_as_many_as_fit(starts: str, hours: float, labels: list[str]) -> None:
    chart = Chart("A", [Curve("L1", "line0", [0.0, 5.0, 5.0, 9.0])], [Mark("rating", 25)])

    picture = chart.as_svg(a_day(starts, hours))

    assert re.findall(r'hour"[^>]*>([^<]+)<', picture)[: len(labels)] == labels
    assert re.findall(r'scale"[^>]*>([^<]+)<', picture) == ["0", "5", "10", "15", "20", "25", "30 A"]


def test_a_chart_of_nothing_is_a_picture_all_the_same() -> None:
    assert Chart("kW", [Curve("house", "house", [0.0, 0.0])]).as_svg(a_day()).startswith("<svg")
