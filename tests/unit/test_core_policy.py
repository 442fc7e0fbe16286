"""site.yaml: what runs, what is refused and how the refusal reads, and the watch for edits."""

from __future__ import annotations

import gc
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml
from ampherd_core.messages import Mode
from ampherd_core.policy import Policy
from ampherd_core.policy_check import check, warnings
from ampherd_core.policy_file import MAX_BYTES, PolicyError, PolicyFault, PolicyWatch, load_policy, parse_policy
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLE = Path(__file__).parents[2] / "site.example.yaml"
QUICK_S = 5.0

BASE = """\
version: 1
connection:
  phases: 3
  rating_a: 25
  margin_a: 1
circuits:
  carport:
    limit_a: 20
meters:
  grid:
    role: grid
    driver: dsmr
    source: tcp://127.0.0.1:2001
  bay:
    role: charger
    driver: sensorbox
    source: rtu:///dev/ttyUSB1?baudrate=9600
chargers:
  left:
    driver: edgetech
    link: tcp://127.0.0.1:5021
    circuit: carport
    max_a: 16
  right:
    driver: smartevse-v2
    link: rtu:///dev/ttyUSB1?baudrate=9600
    unit: 2
    lines: [L2, L3, L1]
    meter: bay
"""


def spoilt(old: str, new: str) -> str:
    assert BASE.count(old) == 1, f"{old!r} stands {BASE.count(old)} times"
    return BASE.replace(old, new)


def faults_of(text: str | bytes) -> tuple[PolicyFault, ...]:
    data = text.encode() if isinstance(text, str) else text
    began_s = time.process_time()
    with pytest.raises(PolicyError) as refusal:
        parse_policy(data)
    assert time.process_time() - began_s < QUICK_S
    return refusal.value.faults


GRID = "    role: grid\n    driver: dsmr\n    source: tcp://127.0.0.1:2001\n"
LEFT = "    circuit: carport\n    max_a: 16\n"

# situation: what is edited into what | text on the line that is blamed, field, reason, remedy
MISTAKES: dict[str, tuple[str, str, str, str, str, str]] = {
    "unknown key": ("margin_a: 1", "colour: red", "colour", "connection.colour", "no such field", "docs/policy.md"),
    "misspelt": ("    max_a: 16", "    maxx_a: 16", "maxx_a", "chargers.left.maxx_a", "no such field", "max_a"),
    "misspelt section": ("meters:", "metres:", "metres", "metres", "no such field", "meters"),
    "unit written out": ("max_a: 16", "max_a: 16 A", "16 A", "chargers.left.max_a", "'16 A'", "without its unit"),
    "NaN": ("max_a: 16", "max_a: .nan", ".nan", "chargers.left.max_a", "finite", "plain"),
    "infinity": ("rating_a: 25", "rating_a: .inf", ".inf", "connection.rating_a", "finite", "plain"),
    "nan as a word": ("rating_a: 25", "rating_a: nan", "nan", "connection.rating_a", "finite", "plain"),
    "negative": ("margin_a: 1", "margin_a: -1", "-1", "connection.margin_a", "greater than or equal to 0", "bounds"),
    "absurd": ("rating_a: 25", "rating_a: 2500", "2500", "connection.rating_a", "less than or equal to 200", "bounds"),
    "yes for amps": ("max_a: 16", "max_a: yes", "max_a: yes", "chargers.left.max_a", "'yes'", "plain number"),
    "sexagesimal": ("max_a: 16", "max_a: 0:16", "0:16", "chargers.left.max_a", "'0:16'", "plain number"),
    "nothing given": ("rating_a: 25", "rating_a:", "rating_a", "connection.rating_a", "number", "plain number"),
    "left out": ("  rating_a: 25\n", "", "connection:", "connection.rating_a", "required", "add it"),
    "other version": ("version: 1", "version: 2", "version", "version", "1", "correct the value"),
    "two phases": ("phases: 3", "phases: 2", "phases", "connection.phases", "1 or 3", "correct the value"),
    "capital id": ("  left:", "  Left:", "Left", "chargers.Left", "pattern", "lower-case"),
    "number as id": ("  left:", "  7:", "  7:", "chargers.7", "should be a word", "quotes"),
    "empty section": ("    limit_a: 20\n", "", "carport:", "circuits.carport", "mapping", "fields"),
    "list for a section": (GRID, "    - role\n", "grid:", "meters.grid", "mapping", "fields"),
    "lines as a word": ("[L2, L3, L1]", "L2", "lines: L2", "chargers.right.lines", "list", "[L1, L2, L3]"),
    "a line that is none": ("[L2, L3, L1]", "[L2, N]", "[L2, N]", "chargers.right.lines.1", "L1", "correct"),
    "a line twice": ("[L2, L3, L1]", "[L2, L2]", "[L2, L2]", "chargers.right.lines", "more than once", "once"),
    "no lines": ("[L2, L3, L1]", "[]", "lines: []", "chargers.right.lines", "no line", "once"),
    "unknown driver": ("driver: edgetech", "driver: zappi", "zappi", "chargers.left.driver", "edgetech", "correct"),
    "unknown mode": ("max_a: 16", "mode: turbo", "turbo", "chargers.left.mode", "'off'", "correct the value"),
    "fast unquoted number": ("max_a: 16", "mode: 1", "mode: 1", "chargers.left.mode", "'off'", "correct the value"),
    "unknown time zone": (
        "version: 1",
        "version: 1\nsite: {timezone: Europe/Amsterdm}",
        "Amsterdm",
        "site.timezone",
        "no time zone",
        "Europe/Amsterdam",
    ),
    "price list of no file": (
        "version: 1",
        'version: 1\ntariff: {list_file: "a\\0b"}',
        "list_file",
        "tariff.list_file",
        "control characters",
        "like prices.json",
    ),
    "topic with a line of its own": (
        "version: 1",
        'version: 1\nlimits: {operator: {input_topic: "a\\nuser guest"}}',
        "input_topic",
        "limits.operator.input_topic",
        "control characters",
        "as it is on the broker",
    ),
    "lease out of bounds": (
        "version: 1",
        "version: 1\ntimings: {lease_s: 3600}",
        "3600",
        "timings.lease_s",
        "less than or equal to 30",
        "bounds",
    ),
    "misspelt limit": (
        "version: 1",
        "version: 1\nlimits: {quarter: {}}",
        "quarter",
        "limits.quarter",
        "no such field",
        "quarter_peak",
    ),
    "misspelt within a limit": (
        "version: 1",
        "version: 1\nlimits: {quarter_peak: {flor_w: 2500}}",
        "flor_w",
        "limits.quarter_peak.flor_w",
        "no such field",
        "floor_w",
    ),
    "time of day": (
        "version: 1",
        "version: 1\nlimits: {windows: {dinner: {power_w: 6000, start: 4pm, end: 21:00}}}",
        "4pm",
        "limits.windows.dinner.start",
        "no time of day",
        "16:00",
    ),
    "several topics": (
        "version: 1",
        "version: 1\nlimits: {operator: {input_topic: shellies/+/input/0}}",
        "shellies",
        "limits.operator.input_topic",
        "more than one topic",
        "the one",
    ),
    "bad link": ("tcp://127.0.0.1:5021", "192.168.1.5", "192.", "chargers.left.link", "no address", "tcp://"),
    "link without port": ("tcp://127.0.0.1:5021", "tcp://box", "box", "chargers.left.link", "a port", "tcp://"),
    "broken IPv6": ("tcp://127.0.0.1:5021", '"tcp://[::1"', "::1", "chargers.left.link", "no address", "tcp://"),
    "link of a meter": ("tcp://127.0.0.1:5021", "file:///x", "file:", "chargers.left.link", "does not fit", "tcp://"),
    "baud rate in words": (
        "link: rtu:///dev/ttyUSB1?baudrate=9600",
        "link: rtu:///dev/ttyUSB1?baudrate=slow",
        "slow",
        "chargers.right.link",
        "baudrate",
        "rtu://",
    ),
    "source of another driver": (
        "source: tcp://127.0.0.1:2001",
        "source: rtu:///dev/ttyUSB0",
        "ttyUSB0",
        "meters.grid.source",
        "rtu does not fit",
        "serial:///",
    ),
    "sun by a meter that is not there": (
        "meters:",
        "solar: {feed: generation}\nmeters:",
        "solar:",
        "solar.feed",
        "no meter has the role solar",
        "feed: grid",
    ),
    "no grid meter": ("role: grid", "role: solar", "meters:", "meters", "role grid", "role: grid"),
    "two grid meters": ("role: charger", "role: grid", "role: grid", "meters.bay.role", "already", "circuit"),
    "grid meter blind on L3": (
        "driver: dsmr",
        "lines: [L1, L2]\n    driver: dsmr",
        "lines: [L1, L2]",
        "meters.grid.lines",
        "does not see L3",
        "L1, L2, L3",
    ),
    "meter names a line twice": (
        "driver: dsmr",
        "lines: [L1, L2, L2]\n    driver: dsmr",
        "[L1, L2, L2]",
        "meters.grid.lines",
        "more than once",
        "once",
    ),
    "charger's meter blind on its line": (
        "driver: sensorbox",
        "lines: [L1]\n    driver: sensorbox",
        "meter: bay",
        "chargers.right.meter",
        "does not see L2, L3",
        "lines",
    ),
    "unknown circuit": (LEFT, "    circuit: shed\n", "shed", "chargers.left.circuit", "no circuit 'shed'", "carport"),
    "unknown parent": (
        "limit_a: 20",
        "limit_a: 20\n    parent: barn",
        "barn",
        "circuits.carport.parent",
        "no circuit 'barn'",
        "connection",
    ),
    "circuit feeds itself": (
        "limit_a: 20",
        "limit_a: 20\n    parent: carport",
        "parent: carport",
        "circuits.carport.parent",
        "ring",
        "connection",
    ),
    "circuits in a ring": (
        "limit_a: 20",
        "limit_a: 20\n    parent: barn\n  barn:\n    limit_a: 16\n    parent: carport",
        "parent: barn",
        "circuits.carport.parent",
        "ring",
        "connection",
    ),
    "circuit called connection": (
        "  carport:\n    limit_a: 20",
        "  carport:\n    limit_a: 20\n  connection:\n    limit_a: 9",
        "  connection:",
        "circuits.connection",
        "the mains itself",
        "another id",
    ),
    "reserve takes all": (
        "limit_a: 20",
        "limit_a: 20\n    reserve_a: 20",
        "reserve_a",
        "circuits.carport.reserve_a",
        "leaves nothing",
        "lower",
    ),
    "circuit's meter of another role": (
        "limit_a: 20",
        "limit_a: 20\n    meter: grid",
        "meter: grid",
        "circuits.carport.meter",
        "role circuit",
        "name one",
    ),
    "charger's meter of another role": ("meter: bay", "meter: grid", "meter: grid", "chargers.right.meter", "role", ""),
    "charger's meter unknown": ("meter: bay", "meter: hut", "meter: hut", "chargers.right.meter", "'hut'", "name one"),
    "meter used twice": (LEFT, "    meter: bay\n", "meter: bay", "chargers.left.meter", "same meter", "of its own"),
    "margin eats the rating": ("margin_a: 1", "margin_a: 25", "25", "connection.margin_a", "nothing", "lower"),
    "delta on one phase": (
        "phases: 3",
        "phases: 1\n  wiring: delta",
        "wiring",
        "connection.wiring",
        "three lines",
        "star",
    ),
    "one line in delta": (
        "lines: [L2, L3, L1]",
        "lines: [L2]",
        "lines: [L2]",
        "chargers.right.lines",
        "two lines",
        "[L2, L3]",
    ),
    "phases switched by a wallbox that cannot": (
        "    unit: 2\n",
        "    unit: 2\n    switches_phases: true\n",
        "switches_phases",
        "chargers.right.switches_phases",
        "smartevse-v2 cannot switch",
        "false",
    ),
    "phases switched without neutral": (
        LEFT,
        LEFT + "    switches_phases: true\n",
        "switches_phases",
        "chargers.left.switches_phases",
        "no return",
        "false",
    ),
    "phases switched on one line": (
        LEFT,
        LEFT + "    lines: [L2]\n    switches_phases: true\n",
        "switches_phases",
        "chargers.left.switches_phases",
        "1 of three lines",
        "three lines",
    ),
    "one wallbox twice": (
        "link: tcp://127.0.0.1:5021",
        "link: rtu:///dev/ttyUSB1?baudrate=9600\n    unit: 2",
        "    unit: 2",
        "chargers.left.unit",
        "chargers.right",
        "address of its own",
    ),
    "meter answers for a wallbox": (
        "unit: 2",
        "unit: 10",
        "unit: 10",
        "chargers.right.unit",
        "meters.bay",
        "address of its own",
    ),
    "one wire at two speeds": (
        "link: rtu:///dev/ttyUSB1?baudrate=9600",
        "link: rtu:///dev/ttyUSB1?baudrate=19200",
        "19200",
        "chargers.right.link",
        "other settings",
        "same",
    ),
    "wallbox on the P1 cable": (
        "source: tcp://127.0.0.1:2001",
        "source: serial:///dev/ttyUSB1",
        "serial",
        "meters.grid.source",
        "P1",
        "port of its own",
    ),
    "broadcast": ("unit: 2", "unit: 0", "unit: 0", "chargers.right.unit", "broadcast", "1 to 247"),
    "min above max": ("    max_a: 16", "    max_a: 8\n    min_a: 10", "min_a", "chargers.left.min_a", "above", "lower"),
    "fallback below min": (
        "max_a: 16",
        "max_a: 16\n    fallback_a: 4",
        "fallback_a",
        "chargers.left.fallback_a",
        "neither 0 nor",
        "6 to 16",
    ),
    "fallback above max": (
        "max_a: 16",
        "max_a: 16\n    fallback_a: 20",
        "fallback_a",
        "chargers.left.fallback_a",
        "neither 0 nor",
        "6 to 16",
    ),
    "fallback unproved": (
        "max_a: 16",
        "max_a: 16\n    fallback_a: 6",
        "fallback_a",
        "chargers.left.fallback_a",
        "not proved safe",
        "house_max_a",
    ),
    "half an amp for edgetech": (
        "max_a: 16",
        "max_a: 16\n    min_a: 6.5",
        "min_a",
        "chargers.left.min_a",
        "whole amps",
        "7",
    ),
    "key twice": (
        "max_a: 16",
        "max_a: 16\n    circuit: connection",
        "circuit: connection",
        "chargers.left.circuit",
        "already in line 22",
        "keep one",
    ),
    "charger twice": ("  right:", "  left:", "  left:", "chargers.left", "already in line 19", "keep one"),
    "tab": ("  phases: 3", "\tphases: 3", "\tphases", "file", "no YAML", "spaces"),
    "bad indentation": ("  rating_a: 25", "   rating_a: 25", "   rating_a", "file", "no YAML", "indentation"),
    "bracket left open": ("[L2, L3, L1]", "[L2, L3, L1", "", "file", "no YAML", "quotes"),
    "alias": ("max_a: 16", "max_a: &x 16\n    min_a: *x", "*x", "file", "alias", "write the value out"),
    "tag": ("max_a: 16", "max_a: !!python/name:os.system 16", "!!python", "file", "tag", "plain"),
    "tag that lies": ("max_a: 16", "max_a: !!bool maybe", "!!bool", "file", "tag", "plain"),
    "list as a key": ("  left:", "  ? [a, b]\n  :", "[a, b]", "file", "no plain name", "plain"),
    "two documents": ("meters:", "---\nmeters:", "---", "file", "no YAML", ""),
    "control character": ("max_a: 16", "max_a: 16 # \x07", "\x07", "file", "no YAML", ""),
}


@pytest.mark.parametrize("situation", MISTAKES)
def test_a_mistake_is_refused_with_its_line_field_and_remedy(situation: str) -> None:
    old, new, blamed, field, reason, remedy = MISTAKES[situation]
    text = spoilt(old, new)
    if situation in {"one line in delta", "phases switched without neutral"}:
        text = text.replace("  margin_a", "  wiring: delta\n  margin_a")
    fault = next((fault for fault in faults_of(text) if fault.field == field), None)
    assert fault is not None, faults_of(text)
    assert reason in fault.reason
    assert remedy in fault.remedy
    assert blamed in text.split("\n")[fault.line - 1]


def test_the_message_names_file_line_field_reason_and_remedy() -> None:
    with pytest.raises(PolicyError) as refusal:
        parse_policy(spoilt("max_a: 16", "max_a: 16 A").encode(), "house.yaml")
    assert str(refusal.value).startswith("house.yaml:23: chargers.left.max_a: ")
    assert str(refusal.value).endswith("Write a plain number without its unit, like 16")


def test_every_mistake_is_told_at_once() -> None:
    text = spoilt("rating_a: 25", "rating_a: -25").replace("max_a: 16", "max_a: much")
    assert {fault.field for fault in faults_of(text)} == {"connection.rating_a", "chargers.left.max_a"}


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 1, "is empty"),
        (b"# nothing yet\n", 1, "is empty"),
        (b"- a\n- list\n", 1, "not a mapping"),
        (b"just words", 1, "not a mapping"),
        (b"version: 1\nsite: {name: \xff\xfe}\n", 2, "not UTF-8"),
        (b"\x00\x01\x02", 1, "no YAML"),
        (b"x" * (MAX_BYTES + 1), 1, "larger than"),
        (b"[" * MAX_BYTES, 1, "nested too deeply"),
        (b"{a: " * (MAX_BYTES // 4), 1, "nested too deeply"),
        (b"- " * (MAX_BYTES // 2), 1, "nested too deeply"),
        (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", 2, "alias"),
        (b"version: [" + b"a," * 30_000 + b"]", 1, "should be 1"),
        (b"".join(b"margin_%d:\n" % number for number in range(4_000)), 1, "is required"),
        (b"version: " + b"9" * 20_000, 1, "should be 1"),
        (b"version: 2026-13-45", 1, "should be 1"),
        (b'version: 1\nsite: {name: "\\UFFFFFFFF"}\n', 2, "no character"),
        (b'version: 1\nsite: {name: "\\U00110000"}\n', 2, "no character"),
        (b'version: 1\n"\\ud800": 1\n', 2, "half a character"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_policy_at_all_is_refused_soon(data: bytes, line: int, reason: str) -> None:
    fault = faults_of(data)[0]
    assert (fault.line, reason in fault.reason) == (line, True), fault


def test_a_file_that_is_not_there_is_a_policy_error(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(PolicyError, match="cannot be read"):
            load_policy(path)


def test_what_is_refused_leaves_nothing_in_memory() -> None:
    text = spoilt("tcp://127.0.0.1:5021", "tpc://127.0.0.1:5021").encode()
    faults_of(text)
    tracemalloc.start()
    for _ in range(100):
        with pytest.raises(PolicyError):
            parse_policy(text)
    gc.collect()
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 100_000


FALLBACKS: dict[str, tuple[str, str, bool]] = {
    "beside the house they fit": ("house_max_a: 12", "fallback_a: 6", True),
    "to the last amp": ("house_max_a: 18", "fallback_a: 6", True),
    "one amp too many": ("house_max_a: 19", "fallback_a: 6", False),
    "each fits, both do not": ("house_max_a: 13", "fallback_a: 6", False),
    "in tenths, to the last": ("house_max_a: 17.7", "fallback_a: 6.3", True),
}


@pytest.mark.parametrize("situation", FALLBACKS)
def test_fallbacks_run_only_when_proved_beside_the_house(situation: str) -> None:
    house, fallback, runs = FALLBACKS[situation]
    text = spoilt("margin_a: 1", f"margin_a: 1\n  {house}").replace("unit: 2", f"unit: 2\n    {fallback}")
    if situation == "each fits, both do not":
        text = text.replace("max_a: 16", "max_a: 16\n    fallback_a: 6")
    if runs:
        parse_policy(text.encode())
    else:
        assert "the fallbacks add up to" in faults_of(text)[0].reason


def test_fallbacks_are_counted_phase_by_phase() -> None:
    text = spoilt("margin_a: 1", "margin_a: 1\n  house_max_a: 14").replace("unit: 2", "unit: 2\n    fallback_a: 10")
    text = text.replace("max_a: 16", "max_a: 16\n    fallback_a: 10")
    assert "20 A on L1" in faults_of(text)[0].reason
    parse_policy(text.replace("lines: [L2, L3, L1]", "lines: [L2]").replace("max_a: 16", "lines: [L1]").encode())


def test_fallbacks_of_a_circuit_fit_beside_its_other_loads() -> None:
    text = spoilt("margin_a: 1", "margin_a: 1\n  house_max_a: 10").replace("max_a: 16", "max_a: 16\n    fallback_a: 10")
    parse_policy(text.replace("limit_a: 20", "limit_a: 20\n    reserve_a: 10").encode())
    fault = faults_of(text.replace("limit_a: 20", "limit_a: 20\n    reserve_a: 11"))[0]
    assert (fault.line, fault.field) == (8, "circuits.carport")


def test_the_example_that_users_start_from_runs() -> None:
    policy = load_policy(EXAMPLE)
    assert len(policy.chargers) == 4
    assert policy.grid_meter == "grid"
    assert policy.circuits_above("carport-left") == ("carport",)
    assert policy.connection.limit_a == 24


@pytest.mark.parametrize("mode", Mode)
def test_every_mode_is_a_plain_word_off_too(mode: Mode) -> None:
    policy = parse_policy(spoilt("max_a: 16", f"mode: {mode}").encode())
    assert policy.chargers["left"].mode is mode


def test_off_and_on_may_be_ids() -> None:
    assert set(parse_policy(spoilt("  left:", "  on:").encode()).chargers) == {"on", "right"}


def test_a_leading_zero_is_no_octal() -> None:
    assert parse_policy(spoilt("unit: 2", "unit: 010").replace("role: charger", "unit: 3\n    role: charger").encode())


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"---\n", b"%YAML 1.2\n---\n"])
def test_marks_that_editors_leave_do_not_matter(start: bytes) -> None:
    parse_policy(start + BASE.encode())
    parse_policy(start + BASE.replace("\n", "\r\n").encode())


ONE_PHASE = (
    spoilt("phases: 3", "phases: 1").replace("lines: [L2, L3, L1]", "lines: [L1]").replace("max_a: 16", "lines: [L1]")
)


def test_a_one_phase_site_needs_no_word_about_its_meters_lines() -> None:
    parse_policy(ONE_PHASE.encode())
    parse_policy(ONE_PHASE.replace("role: grid", "role: grid\n    lines: [L1]").encode())


def test_a_one_phase_site_has_only_one_line() -> None:
    fault = faults_of(ONE_PHASE.replace("role: grid", "role: grid\n    lines: [L2]"))[0]
    assert (fault.field, "only L1" in fault.reason) == ("meters.grid.lines", True)
    left = next(fault for fault in faults_of(spoilt("phases: 3", "phases: 1")) if fault.field == "chargers.left.lines")
    assert "lines: [L1]" in left.remedy


def test_a_rotated_grid_meter_runs() -> None:
    assert parse_policy(spoilt("role: grid", "role: grid\n    lines: [L3, L1, L2]").encode())


def test_warns_of_what_runs_but_deserves_a_look() -> None:
    assert not warnings(parse_policy(BASE.encode()))
    unmetered = parse_policy(spoilt("    meter: bay\n", "").encode())
    assert [finding.path for finding in warnings(unmetered)] == [("chargers", "right")]
    starved = parse_policy(spoilt("limit_a: 20", "limit_a: 20\n    reserve_a: 15").encode())
    assert [finding.path for finding in warnings(starved)] == [("chargers", "left", "circuit")]


def test_an_edit_is_taken_once_and_a_bad_one_told_once(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(BASE)
    watch = PolicyWatch(path)
    assert _polled(watch) == parse_policy(BASE.encode())
    assert watch.poll() is None

    path.write_text(spoilt("max_a: 16", "max_a: 10"))
    policy = _polled(watch)
    assert policy is not None
    assert policy.chargers["left"].max_a == 10
    assert watch.poll() is None

    path.write_text(spoilt("max_a: 16", "max_a: ten"))
    with pytest.raises(PolicyError, match="'ten'"):
        _polled(watch)
    assert _polled(watch) is None

    path.unlink()
    with pytest.raises(PolicyError, match="cannot be read"):
        _polled(watch)
    assert _polled(watch) is None

    path.write_text(BASE)
    assert _polled(watch) == parse_policy(BASE.encode())


def test_a_file_that_is_still_being_written_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(BASE)
    watch = PolicyWatch(path)
    _polled(watch)
    half = BASE[: BASE.index("  right:")]
    assert parse_policy(half.encode()), "half a file may well be a policy, with a charger less"
    path.write_text(half)
    assert watch.poll() is None
    path.write_text(BASE + "# done\n")
    assert _polled(watch) == parse_policy(BASE.encode())


def _polled(watch: PolicyWatch) -> Policy | None:
    """What comes of two looks at a file that no longer changes."""
    return watch.poll() or watch.poll()


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_as_a_policy_error(data: bytes) -> None:
    with pytest.raises(PolicyError):
        parse_policy(data)


@settings(max_examples=60, deadline=2000)
@given(st.data())
def test_a_mangled_policy_runs_or_is_refused(data: st.DataObject) -> None:
    text = BASE.encode()
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 12))
    patch = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"!!int ", b"&a ", b"*a", b"<<: ", b"? ", b"\n\t", b"{"])
    )
    outcome = _outcome(text[:start] + patch + text[start + length :])
    if isinstance(outcome, Policy):
        assert not check(outcome)
    else:
        assert outcome
        assert all(fault.line >= 1 and fault.reason and fault.remedy for fault in outcome)


@given(st.lists(st.integers(0, 12).map(float), min_size=4, max_size=4), st.integers(0, 25))
def test_a_policy_that_runs_never_oversells_with_all_leases_lapsed(amps: list[float], house_a: int) -> None:
    fallbacks = [0.0 if value < 6 else value for value in amps]
    lines = (("L1",), ("L1", "L2", "L3"), ("L2", "L3"), ("L3",))
    text = (
        f"version: 1\nconnection: {{rating_a: 25, margin_a: 1, house_max_a: {house_a}}}\n"
        + BASE[BASE.index("meters") :]
    )
    text = text[: text.index("chargers:")] + "chargers:\n"
    for number, (fallback_a, on) in enumerate(zip(fallbacks, lines, strict=True)):
        text += (
            f"  c{number}: {{driver: edgetech, link: 'tcp://host:{5020 + number}', fallback_a: {fallback_a}, "
            f"lines: [{', '.join(on)}]}}\n"
        )
    load = {line: sum(f for f, on in zip(fallbacks, lines, strict=True) if line in on) for line in ("L1", "L2", "L3")}
    is_safe = not any(fallbacks) or all(house_a + amps_on <= 24 for amps_on in load.values())
    assert isinstance(_outcome(text.encode()), Policy) == is_safe


WRITABLE = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))
"""Line ends and control characters, old YAML's among them, are not written in a name."""

homes = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "connection": st.fixed_dictionaries(
            {"rating_a": st.integers(16, 80), "margin_a": st.floats(0, 5), "wiring": st.sampled_from(["star", "delta"])}
        ),
        "meters": st.just({"grid": {"role": "grid", "driver": "dsmr", "source": "tcp://host:1"}}),
        "limits": st.just({"windows": {"dinner": {"power_w": 8000, "start": "16:00", "end": "21:30"}}}),
        "chargers": st.dictionaries(
            st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,31}\Z"),
            st.fixed_dictionaries(
                {
                    "driver": st.sampled_from(["edgetech", "smartevse-v2"]),
                    "link": st.integers(1, 65_535).map(lambda port: f"tcp://host:{port}"),
                    "lines": st.permutations(["L1", "L2", "L3"]),
                    "name": st.text(WRITABLE, max_size=80),
                    "priority": st.integers(1, 9),
                    "mode": st.sampled_from(["off", "fast", "solar"]),
                }
            ),
            max_size=4,
        ),
    }
)


@settings(max_examples=150, deadline=None)
@given(homes)
def test_a_policy_that_runs_is_the_same_after_a_round_trip(home: dict[str, object]) -> None:
    """Whatever a name is, written as YAML and read again it is that name; and a second check finds nothing new."""
    outcome = _outcome(yaml.safe_dump(home, allow_unicode=True).encode())
    if isinstance(outcome, Policy):
        again = yaml.safe_dump(outcome.model_dump(mode="json", exclude_none=True), allow_unicode=True).encode()
        assert _outcome(again) == outcome
        assert {name: home["chargers"][name]["name"] for name in outcome.chargers} == {  # type: ignore[index]
            name: charger.name for name, charger in outcome.chargers.items()
        }
    else:
        assert all(fault.field and fault.reason and fault.remedy for fault in outcome)


def _outcome(data: bytes) -> Policy | tuple[PolicyFault, ...]:
    try:
        return parse_policy(data)
    except PolicyError as err:
        return err.faults
