"""What a user may send as a plan or a state of charge, and what is refused; days with 23 and 25 hours."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from ampherd_balancer.settings import SettingError
from ampherd_balancer.wish_plan import read_plan, read_soc
from ampherd_core.plans import Plan, SocReading, Weekday, next_time
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bench import policy_of

POLICY = policy_of({"known": {"battery_kwh": 60}, "unknown": {}})
KNOWN, UNKNOWN = POLICY.chargers["known"], POLICY.chargers["unknown"]
ZONE = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 21, 22, 0, tzinfo=ZONE)
SOC = SocReading(percent=40, at=NOW)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('{"energy_kwh": 20, "by": "07:00"}', Plan(energy_kwh=20, due=datetime(2026, 11, 22, 6, 0, tzinfo=UTC))),
        ('{"energy_kwh": 20, "by": "23:30"}', Plan(energy_kwh=20, due=datetime(2026, 11, 21, 22, 30, tzinfo=UTC))),
        ('{"energy_kwh": 5, "by": "2026-11-23T07:00"}', Plan(energy_kwh=5, due=datetime(2026, 11, 23, 6, tzinfo=UTC))),
        ('{"energy_kwh": 5, "by": "2026-11-23T07:00Z"}', Plan(energy_kwh=5, due=datetime(2026, 11, 23, 7, tzinfo=UTC))),
        ('{"soc_percent": 80, "by": "07:00"}', Plan(soc_percent=80, due=datetime(2026, 11, 22, 6, 0, tzinfo=UTC))),
        (
            '{"energy_kwh": 20, "by": "07:00", "weekdays": ["tue", "mon"]}',
            Plan(energy_kwh=20, time_of_day=time(7), weekdays=(Weekday.MON, Weekday.TUE)),
        ),
        ("none", "none"),
        ("null", "none"),
        ("{}", "none"),
        ('"off"', "none"),
    ],
)
def test_understands(payload: str, expected: object) -> None:
    assert read_plan(payload.encode(), KNOWN, SOC, NOW) == expected


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "empty"),
        (b"\xff", "not UTF-8"),
        (b"x" * 2000, "more than 1024 bytes"),
        (b"[" * 1000, "send a document like"),
        (b"20", "send a document like"),
        (b'{"energy_kwh": 20}', '"by" says when'),
        (b'{"energy_kwh": 20, "by": 7}', '"by" says when'),
        (b'{"by": "07:00"}', "either energy_kwh or soc_percent"),
        (b'{"energy_kwh": 20, "soc_percent": 80, "by": "07:00"}', "either energy_kwh or soc_percent"),
        (b'{"energy_kwh": 0, "by": "07:00"}', "not above 0"),
        (b'{"energy_kwh": -1, "by": "07:00"}', "not above 0"),
        (b'{"energy_kwh": 301, "by": "07:00"}', "up to 300"),
        (b'{"energy_kwh": NaN, "by": "07:00"}', "not a plausible number"),
        (b'{"energy_kwh": 1e999, "by": "07:00"}', "not a plausible number"),
        (b'{"energy_kwh": true, "by": "07:00"}', "not a number"),
        (b'{"energy_kwh": "20", "by": "07:00"}', "not a number"),
        (b'{"soc_percent": 101, "by": "07:00"}', "up to 100"),
        (b'{"energy_kwh": 20, "by": "25:00"}', "no time like"),
        (b'{"energy_kwh": 20, "by": "tomorrow"}', "no time like"),
        (b'{"energy_kwh": 20, "by": "2026-11-20T07:00"}', "not within the next seven days"),
        (b'{"energy_kwh": 20, "by": "2027-11-20T07:00"}', "not within the next seven days"),
        (b'{"energy_kwh": 20, "by": "9999-12-31T23:59:59-14:00"}', "no time like"),
        (b'{"energy_kwh": 20, "by": "07:00", "weekdays": "mon"}', "weekdays is a list"),
        (b'{"energy_kwh": 20, "by": "07:00", "weekdays": ["monday"]}', "no weekday"),
        (b'{"energy_kwh": 20, "by": "2026-11-23T07:00", "weekdays": ["mon"]}', "time of day"),
        (b'{"energy_kwh": 20, "by": "07:00", "colour": "red"}', "no field 'colour'"),
    ],
)
def test_refuses_and_says_what_would_be_right(payload: bytes, says: str) -> None:
    with pytest.raises(SettingError) as refusal:
        read_plan(payload, KNOWN, SOC, NOW)
    assert says in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_a_percentage_needs_the_battery_and_the_state_of_charge() -> None:
    wish = b'{"soc_percent": 80, "by": "07:00"}'
    with pytest.raises(SettingError, match="battery_kwh"):
        read_plan(wish, UNKNOWN, SOC, NOW)
    with pytest.raises(SettingError, match="set soc first"):
        read_plan(wish, KNOWN, None, NOW)
    with pytest.raises(SettingError, match="battery_kwh"):
        read_soc(b"40", UNKNOWN, NOW)
    with pytest.raises(SettingError, match="from 0 to 100"):
        read_soc(b"140", KNOWN, NOW)
    assert read_soc(b'{"value": 40}', KNOWN, NOW).percent == 40


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["energy_kwh", "soc_percent", "by", "weekdays", "x"]), inner, max_size=4)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_payload_is_a_plan_or_a_refusal(payload: bytes) -> None:
    for read in (lambda: read_plan(payload, KNOWN, SOC, NOW), lambda: read_soc(payload, KNOWN, NOW)):
        with contextlib.suppress(SettingError):
            read()


@pytest.mark.parametrize(
    ("local", "at", "expected_utc"),
    [
        pytest.param(
            (2026, 3, 28, 22), "02:30", (2026, 3, 29, 1, 30), id="a time that the clocks skip is an hour later"
        ),
        pytest.param((2026, 3, 28, 22), "07:00", (2026, 3, 29, 5, 0), id="the short night"),
        pytest.param((2026, 10, 24, 22), "02:30", (2026, 10, 25, 0, 30), id="of a time that comes twice the first"),
        pytest.param((2026, 10, 24, 22), "07:00", (2026, 10, 25, 6, 0), id="the long night"),
        pytest.param((2026, 11, 21, 22), "22:00", (2026, 11, 22, 21, 0), id="now is tomorrow"),
    ],
)
def test_times_of_day_on_days_of_23_and_25_hours(
    local: tuple[int, int, int, int], at: str, expected_utc: tuple[int, int, int, int, int]
) -> None:
    found = next_time(datetime(*local, tzinfo=ZONE), time.fromisoformat(at))
    assert found == datetime(*expected_utc, tzinfo=UTC)


def test_a_plan_on_weekdays_is_due_on_the_next_of_them() -> None:
    plan = Plan(energy_kwh=20, time_of_day=time(7), weekdays=(Weekday.MON,))
    saturday = datetime(2026, 11, 21, 22, 0, tzinfo=ZONE)
    assert plan.next_due(saturday) == datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    after = datetime(2026, 11, 23, 7, 0, tzinfo=ZONE)
    assert plan.next_due(after) == datetime(2026, 11, 23, 6, 0, tzinfo=UTC) + timedelta(days=7)
