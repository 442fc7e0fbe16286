"""From documents to points, and their way through the stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ampherd_api.points import Thinning, decode, encode, point_of
from ampherd_core.history import Point
from ampherd_core.messages import Health, MeterStatus
from ampherd_core.policy_file import load_policy
from hypothesis import given
from hypothesis import strategies as st

from tests.page.make_believe import MakeBelieve
from tests.support.needs import REPOSITORY

AT = datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC)
SITE = MakeBelieve("mqtt://nowhere", load_policy(REPOSITORY / "site.example.yaml"))


def points() -> dict[str, Point]:
    made = [point_of("home", message) for _, message in SITE.messages(AT)]  # type: ignore[arg-type]
    return {point.measurement + point.tags.get("charger", ""): point for point in made if point is not None}


def test_a_reading_becomes_one_point_with_few_tags_and_floats() -> None:
    point = points()["meter"]
    assert point.tags == {"site": "home", "meter": "grid", "role": "grid"}
    assert {"current_l1_a", "power_l3_w", "voltage_l2_v", "power_w", "energy_import_wh"} <= set(point.fields)
    assert all(type(value) is float for value in point.fields.values())


def test_a_point_is_named_by_milliseconds() -> None:
    assert points()["meter"].at == AT.replace(microsecond=123_000)


def test_chargers_and_the_site_are_kept_with_what_the_chart_needs() -> None:
    assert {"offer_a", "drawn_l1_a", "power_w", "is_charging"} <= set(points()["chargergarage"].fields)
    assert {"house_l1_a", "drawn_l1_a", "grid_l1_a", "limit_l1_a", "grid_w"} <= set(points()["site"].fields)


def test_what_a_meter_does_not_tell_is_left_out() -> None:
    assert "quarter_power_w" not in points()["meter"].fields


def test_health_is_no_history() -> None:
    assert point_of("home", MeterStatus(meter="grid", health=Health.OK, at=AT)) is None


def test_chargers_are_kept_once_a_second_and_readings_always() -> None:
    thinning = Thinning()
    kept = {"meter": 0, "chargergarage": 0}
    for quarter in range(40):
        for name in kept:
            point = points()[name].model_copy(update={"at": AT + timedelta(seconds=quarter / 4)})
            kept[name] += thinning.keeps(point)
    assert kept == {"meter": 40, "chargergarage": 10}


def test_a_clock_that_jumps_back_does_not_silence_history() -> None:
    thinning = Thinning()
    point = points()["site"]
    assert thinning.keeps(point)
    assert thinning.keeps(point.model_copy(update={"at": AT - timedelta(hours=1)}))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.dictionaries(st.sampled_from(["a", "b"]), st.floats(allow_nan=False, allow_infinity=False), min_size=1),
)
def test_a_point_comes_back_from_the_stream_as_it_went_in(at: datetime, fields: dict[str, float]) -> None:
    point = Point(
        measurement="meter", tags={"m": "ü"}, at=at.replace(microsecond=at.microsecond // 1000 * 1000), fields=fields
    )
    assert decode(encode(point)) == point


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[1,2,3]", b'["m",{},"now",{}]', b'["m",{},1,{"a":NaN}]', b"[1,2,3,4]", b"\xff"]
)
def test_anything_else_in_the_stream_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each decoder has its own words
        decode(payload)
