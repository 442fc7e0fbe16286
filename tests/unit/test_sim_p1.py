"""P1 telegrams: what the simulated meter says, and that an independent parser reads it so."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from ampherd_core.phases import Phases
from ampherd_simulator.errors import RecordingError
from ampherd_simulator.house import ConstantHouse
from ampherd_simulator.metering import GridSensor
from ampherd_simulator.p1 import GridSample, P1Kind, P1Meter, Rounding, crc16
from ampherd_simulator.p1_feed import P1Feed, ReplayFeed, split_telegrams
from ampherd_simulator.site import SimulatedSite
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

LOCAL = datetime(2026, 7, 1, 12, 30, 5, tzinfo=ZoneInfo("Europe/Amsterdam"))
SPECIFICATIONS = {
    P1Kind.DSMR_5: telegram_specifications.V5,
    P1Kind.DSMR_4: telegram_specifications.V4,
    P1Kind.BELGIAN: telegram_specifications.BELGIUM_FLUVIUS,
}


def sample(current_a: Phases = (5.6, -3.2, 0.4)) -> GridSample:
    one, two, three = current_a
    return GridSample(
        current_a=current_a,
        power_w=(one * 230, two * 230, three * 230),
        voltage_v=(230.0, 231.4, 229.8),
        import_wh=1_234_567.8,
        export_wh=89_012.3,
        quarter_w=1_500,
    )


def objects(telegram: bytes) -> dict[str, str]:
    lines = telegram.decode("ascii").split("\r\n")[2:-2]
    return dict(line.split("(", 1) for line in lines)


@pytest.mark.parametrize("kind", P1Kind)
def test_an_independent_parser_takes_it_with_its_checksum(kind: P1Kind) -> None:
    telegram = P1Meter(kind).telegram(sample(), LOCAL)

    parsed = TelegramParser(SPECIFICATIONS[kind]).parse(telegram.decode("ascii"))

    assert float(parsed.CURRENT_ELECTRICITY_USAGE.value) == pytest.approx(1.38)
    assert float(parsed.CURRENT_ELECTRICITY_DELIVERY.value) == pytest.approx(0.736)
    assert float(parsed.INSTANTANEOUS_ACTIVE_POWER_L1_POSITIVE.value) == pytest.approx(1.288)
    assert float(parsed.INSTANTANEOUS_ACTIVE_POWER_L2_NEGATIVE.value) == pytest.approx(0.736)
    assert float(parsed.ELECTRICITY_USED_TARIFF_1.value) == pytest.approx(1234.568)


@pytest.mark.parametrize("kind", P1Kind)
def test_is_framed_as_the_standard_says(kind: P1Kind) -> None:
    telegram = P1Meter(kind).telegram(sample(), LOCAL)

    body, _, tail = telegram.rpartition(b"!")
    assert telegram.startswith(b"/")
    assert b"\n" not in telegram.replace(b"\r\n", b"")
    assert tail == f"{crc16(body + b'!'):04X}\r\n".encode()
    assert telegram.split(b"\r\n")[1] == b""


def test_checksum_of_a_known_text() -> None:
    assert crc16(b"123456789") == 0xBB3D


@pytest.mark.parametrize(
    ("kind", "rounding", "expected"),
    [
        (P1Kind.DSMR_5, Rounding.ROUND, ["006*A)", "003*A)", "000*A)"]),
        (P1Kind.DSMR_5, Rounding.CUT, ["005*A)", "003*A)", "000*A)"]),
        (P1Kind.DSMR_4, Rounding.CUT, ["005*A)", "003*A)", "000*A)"]),
        (P1Kind.BELGIAN, Rounding.ROUND, ["005.60*A)", "003.20*A)", "000.40*A)"]),
    ],
)
def test_currents_are_unsigned_and_as_coarse_as_the_meter(
    kind: P1Kind, rounding: Rounding, expected: list[str]
) -> None:
    said = objects(P1Meter(kind, rounding).telegram(sample(), LOCAL))

    assert [said[f"1-0:{code}.7.0"] for code in (31, 51, 71)] == expected


def test_dsmr_4_has_no_voltage_and_comes_every_ten_seconds() -> None:
    meter = P1Meter(P1Kind.DSMR_4)

    assert "1-0:32.7.0" not in objects(meter.telegram(sample(), LOCAL))
    assert (meter.period_s, P1Meter().period_s) == (10, 1)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (LOCAL, "260701123005S)"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=ZoneInfo("Europe/Amsterdam")), "260102030405W)"),
    ],
)
def test_time_says_summer_or_winter(local: datetime, expected: str) -> None:
    assert objects(P1Meter().telegram(sample(), local))["0-0:1.0.0"] == expected


def feed(house: Phases = (9.7, 1.0, -2.0), power_factor: float = 1.0) -> tuple[P1Feed, SimulatedSite]:
    site = SimulatedSite(ConstantHouse(house), [], 25)
    site.step(0)
    starts_at = datetime(2026, 7, 1, 10, 0, 0, tzinfo=UTC)
    return P1Feed(P1Meter(P1Kind.BELGIAN), GridSensor(site, starts_at, power_factor=power_factor)), site


def test_a_house_with_reactive_current_shows_more_current_than_power() -> None:
    said = objects(feed(power_factor=0.5)[0].next(0) or b"")

    assert (said["1-0:31.7.0"], said["1-0:21.7.0"]) == ("009.70*A)", "01.115*kW)")


def test_quarter_demand_is_the_energy_so_far_over_a_quarter_of_an_hour() -> None:
    source, site = feed((10, 0, 0))
    demand = {}
    for second in range(0, 1_081, 60):
        site.step(float(second))
        demand[second] = objects(source.next(float(second)) or b"")["1-0:1.4.0"]

    assert (demand[0], demand[360], demand[900], demand[1080]) == (
        "00.000*kW)",
        "00.920*kW)",
        "00.000*kW)",
        "00.460*kW)",
    )


def test_faults_of_the_port() -> None:
    source, site = feed()
    first = source.next(0)
    site.step(5)

    source.faults.is_frozen = True
    assert source.next(5) == first
    source.faults.is_frozen = False
    source.faults.is_half_missing = True
    half = objects(source.next(6) or b"")
    assert "1-0:31.7.0" in half
    assert "1-0:51.7.0" not in half
    source.faults.is_half_missing = False
    source.faults.has_bad_crc = True
    bad = source.next(7) or b""
    assert crc16(bad[: bad.rindex(b"!") + 1]) != int(bad[-6:-2], 16)
    source.faults.is_garbage = True
    assert (source.next(8) or b"").count(b"1-0:1.7.0") == 0
    source.faults.is_silent = True
    assert source.next(9) is None


def test_a_replay_sends_what_was_recorded_and_then_falls_silent() -> None:
    one, two = P1Meter().telegram(sample(), LOCAL), P1Meter().telegram(sample((1, 1, 1)), LOCAL)
    telegrams = split_telegrams(b"half a line\r\n" + one + two)

    once, looped = ReplayFeed(telegrams), ReplayFeed(telegrams, is_looped=True)

    assert [once.next(0) for _ in range(3)] == [one, two, None]
    assert [looped.next(0) for _ in range(3)] == [one, two, one]


def test_a_capture_without_telegrams_is_refused() -> None:
    with pytest.raises(RecordingError, match="no telegram"):
        split_telegrams(b"nothing here")
