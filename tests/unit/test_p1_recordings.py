"""Real telegrams of many meters: every one whose CRC is right gives a reading, every hostile one is survived."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ampherd_core.messages import MeterRole, Reading, Stamp
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.framer import Framer
from ampherd_meter.sample import Count
from ampherd_meter.telegram import TelegramError, parse_telegram

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def play(data: bytes, *, every_s: float = 1.0) -> tuple[list[Reading], dict[str, int], int]:
    """What a meter service makes of a stream: readings, counts, and how many CRCs were right."""
    channel = Channel("grid", MeterRole.GRID, Mains(), None)
    framer = Framer(channel.counters)
    readings, checked = [], 0
    for number, frame in enumerate(framer.feed(data)):
        checked += frame.is_checked
        try:
            sample = parse_telegram(frame.text)
        except TelegramError as err:
            channel.counters[err.cause] += 1
            continue
        reading = channel.take(sample, Stamp(session="test", at_s=100 + number * every_s), NOON)
        readings += [reading] if reading else []
    framer.reset()
    return readings, {str(cause): count for cause, count in channel.counters.items()}, checked


def currents(reading: Reading) -> str:
    return "; ".join(f"{p.current_a:g}/{p.guard_a:g}" if p else "-" for p in reading.phases)


# File, total power (W), step of the currents (A), best/guard current per phase (A), import and export counter (Wh).
READINGS = [
    ("aviborg-ell5-253833635-a", 6000.0, 0.1, "13.6/13.6; 2/2; 10.2/10.2", 1605055.0, 131.0),
    ("aviborg-kfm5kaifa-meter", 333.0, 1.0, "1.443/2; -; -", 1514050.0, 0.0),
    ("dsmr_parser-fluvius-v171-alt", 338.0, 0.01, "0.27/0.27; 0.88/0.88; 0.52/0.52", 571562.0, 5.0),
    ("dsmr_parser-fluvius-v171", 0.0, 0.01, "0/0; 0/0; 0/0", 15792.0, 11.0),
    ("dsmr_parser-iskra-ie", -100.0, 1.0, "-0.041/0; -0.041/0; -0.041/0", 20363.0, 20563.0),
    ("dsmr_parser-sagemcom-t210-d-r", 286.0, 0.0, "-; -; -", 6545766.0, 58.0),
    ("dsmr_parser-unpadded-crc", None, 0.0, "-; -; -", None, None),
    ("dsmr_parser-v4-2", 2027.0, 1.0, "0.739/1; 6/7; 2/3", 3016829.0, 0.0),
    ("dsmr_parser-v5-eon-hu", -2601.0, 1.0, "3/4; 4/5; 3/4", 173640.0, 627177.0),
    ("dsmr_parser-v5-two-mbus", 111.0, 1.0, "0.244/1; 0/1; 1/2", 2375582.0, 0.0),
    ("dsmr_parser-v5", 244.0, 0.01, "0.48/0.48; 0.44/0.44; 0.86/0.86", 6825.0, 2444.0),
    ("mthmulders-isk5-2m550t-1013", 302.0, 1.0, "1.067/2; 0.178/1; 0/1", 34326.0, 2376.0),
    ("nielsbasjes-isk5-2m550t-1012-2", 518.0, 1.0, "0.19/1; 0.042/1; 2/3", 6657486.0, 0.0),
    ("nielsbasjes-isk5-2m550t-1012-3", 708.0, 1.0, "0.207/1; 0.043/1; 3/4", 6657519.0, 0.0),
    ("nielsbasjes-isk5-2m550t-1012", 378.0, 1.0, "0.19/1; 0.043/1; 2/3", 6657459.0, 0.0),
    ("nielsbasjes-xmx5lgbbfg1009089532", 0.0, 1.0, "0.017/1; 0/1; 0/1", 55023.0, 528.0),
    ("nielsbasjes-xmx5lgbbfg1009325446", 374.0, 1.0, "2/3; -; -", 10012929.0, 313.0),
    ("robthree-test-v4-2-telegram", -11111.0, 1.0, "-14.491/0; -14.491/-1; -14.491/-2", 1111111110.0, 121212212.0),
    ("robthree-test-v5-telegram", -11111.0, 1.0, "-14.485/0; -14.491/-1; -14.498/-2", 1111111110.0, 121212212.0),
    ("toreamun-lgf5e360-2", 2301.0, 0.1, "2.8/2.8; 2.9/2.9; 4.8/4.8", 10501076.0, 0.0),
    ("toreamun-lgf5e360", -20.0, 0.1, "-0.052/-0.052; -0.306/-0.306; 0.3/0.3", 896020.0, 48792.0),
]


@pytest.mark.parametrize("row", READINGS, ids=[row[0] for row in READINGS])
def test_reads_what_the_meter_meant(row: tuple[str, float, float, str, float, float], shared: Path) -> None:
    name, power_w, resolution_a, expected, imported_wh, exported_wh = row
    (reading,), _, _ = play((shared / f"data/telegrams/{name}.txt").read_bytes())
    assert (reading.power_w, reading.resolution_a) == (power_w, resolution_a)
    assert currents(reading) == expected
    assert (reading.energy_import_wh, reading.energy_export_wh) == (imported_wh, exported_wh)


def test_every_telegram_with_a_right_crc_is_in_the_table(shared: Path) -> None:
    files = sorted((shared / "data/telegrams").glob("*.txt"))
    checked = {file.stem for file in files if play(file.read_bytes())[2]}
    assert checked == {row[0] for row in READINGS}


def test_reads_the_belgian_quarter(shared: Path) -> None:
    (reading,), _, _ = play((shared / "data/telegrams/dsmr_parser-fluvius-v171.txt").read_bytes())
    assert (reading.quarter_power_w, reading.month_peak_w) == (2351.0, 2589.0)


HOSTILE = [
    ("bitflip-in-power", 0, {"crc": 1}),
    ("byte-ff-inside", 0, {"crc": 1}),
    ("clock-backwards", 2, {"ok": 2}),
    ("clock-bad", 1, {"ok": 1}),
    ("crc-lowercase", 1, {"ok": 1}),
    ("cut-in-middle", 0, {"cut": 1}),
    ("double", 1, {"ok": 1, "repeat": 1}),
    ("duplicate-object", 0, {"duplicate": 1}),
    ("garbage-before", 1, {"garbage": 1, "ok": 1}),
    ("garbage-between", 1, {"garbage": 1, "ok": 1, "repeat": 1}),
    ("huge-current", 0, {"absurd": 1}),
    ("lf-only", 1, {"ok": 1}),
    ("missing-l2", 0, {"half_missing": 1}),
    ("negative-power", 0, {"absurd": 1}),
    ("nul-after-crc", 1, {"ok": 1}),
    ("tail-only", 0, {"garbage": 1, "cut": 1}),
]


@pytest.mark.parametrize(("name", "readings", "counted"), HOSTILE)
def test_survives_and_counts(name: str, readings: int, counted: dict[str, int], shared: Path) -> None:
    found, counters, _ = play((shared / f"data/telegrams/hostile/{name}.txt").read_bytes())
    assert (len(found), counters) == (readings, counted)


def test_every_hostile_telegram_is_in_the_table(shared: Path) -> None:
    assert {file.stem for file in (shared / "data/telegrams/hostile").iterdir()} == {row[0] for row in HOSTILE}


def test_no_telegram_of_any_file_raises(shared: Path) -> None:
    for file in (shared / "data/telegrams").rglob("*.*"):
        play(file.read_bytes())


def test_nine_minutes_of_line_feeds_give_every_telegram(shared: Path) -> None:
    data = (shared / "data/telegrams/streams/nielsbasjes-iskra-am550-1hz-9min.raw").read_bytes()
    readings, counters, checked = play(data)
    assert (len(readings), checked) == (566, 566)
    assert counters == {"garbage": 1, "cut": 1, "ok": 566}, "it starts in the middle of a telegram"
    assert {reading.interval_s for reading in readings} == {1.0}
    for reading in readings:
        for phase in reading.phases:
            assert phase is not None
            assert phase.guard_a >= phase.current_a - 1e-9
            assert phase.guard_a >= (phase.power_w or 0) / (phase.voltage_v or 230) - 1e-3


def test_a_stream_cut_in_the_middle_gives_the_rest(shared: Path) -> None:
    data = (shared / "data/telegrams/streams/nielsbasjes-truncated-then-complete.raw").read_bytes()
    (reading,), counters, _ = play(data)
    assert counters[Count.CUT] == 1
    assert currents(reading) == "0.217/1; -14.933/-13; 3/4"


def test_counts_are_those_of_the_framer_too() -> None:
    counters: Counter[Count] = Counter()
    Framer(counters).feed(b"noise" * 10)
    assert counters == {Count.GARBAGE: 1}
