"""Each dialect's telegram says what its meter meant."""

from __future__ import annotations

import pytest
from ampherd_meter.sample import Count, PhaseValues
from ampherd_meter.telegram import TelegramError, parse_telegram
from hypothesis import given
from hypothesis import strategies as st

from tests.support.p1 import objects

THREE = [
    ("003", "00.690", "00.000", "230.1"),
    ("000", "00.000", "01.150", "229.9"),
    ("001", "00.100", "00.040", "231.0"),
]


def parse(lines: list[str]):  # type: ignore[no-untyped-def]
    return parse_telegram("\r\n".join(["/AMP5x", "", *lines, "!"]))


def test_reads_a_dsmr_5_telegram() -> None:
    sample = parse(objects(THREE, total=("00.750", "01.150")))
    assert sample.phases == (
        PhaseValues(3.0, 690.0, 230.1),
        PhaseValues(0.0, -1150.0, 229.9),
        PhaseValues(1.0, 60.0, 231.0),
    )
    assert sample.power_w == -400.0
    assert (sample.energy_import_wh, sample.energy_export_wh) == (3500.0, 250.0)
    assert (sample.resolution_a, sample.nominal_interval_s, sample.has_clock) == (1.0, 1.0, True)


SPELLINGS = [
    ("whole amps", "1-0:31.7.0(016*A)", 16.0, 1.0),
    ("tenths", "1-0:31.7.0(013.6*A)", 13.6, 0.1),
    ("hundredths", "1-0:31.7.0(002.72*A)", 2.72, 0.01),
    ("milliamps, a business meter", "1-0:31.7.0(791*mA)", 0.791, 0.001),
    ("kiloamps in steps of an amp, Lithuania", "1-0:31.7.0(0000.013*kA)", 13.0, 1.0),
    ("no asterisk before the unit", "1-0:31.7.0(000.19A)", 0.19, 0.01),
    ("OBIS group F with an asterisk", "1-0:31.7.0*255(002*A)", 2.0, 1.0),
    ("OBIS group F with a dot", "1-0:31.7.0.255(002*A)", 2.0, 1.0),
    ("lower case", "1-0:31.7.0(002*a)", 2.0, 1.0),
    ("no channel", "31.7.0(002*A)", 2.0, 1.0),
    ("blanks at the end", "1-0:31.7.0(002*A)  ", 2.0, 1.0),
]


@pytest.mark.parametrize(("line", "current_a", "step_a"), [s[1:] for s in SPELLINGS], ids=[s[0] for s in SPELLINGS])
def test_reads_a_current_in_every_spelling(line: str, current_a: float, step_a: float) -> None:
    sample = parse([line])
    assert sample.phases == (PhaseValues(current_a), None, None)
    assert sample.resolution_a == step_a


DIALECTS = [
    (
        "Austria: totals in W and Wh",
        ["1-0:1.7.0(000000286*W)", "1-0:2.7.0(000000000*W)", "1-0:1.8.0(006545766*Wh)"],
        286,
        6545766,
    ),
    (
        "DSMR 2.2: totals in steps of 10 W",
        ["1-0:1.7.0(0000.68*kW)", "1-0:2.7.0(0000.00*kW)", "1-0:1.8.1(05080.475*kWh)"],
        680,
        5080475,
    ),
    (
        "Q3D: W with decimals",
        ["1-0:1.7.0*255(001688.21*W)", "1-0:1.8.0*255(00032549.5061662*kWh)"],
        1688.21,
        32549506.166,
    ),
    (
        "Sweden: long fields",
        ["1-0:1.7.0(0002.301*kW)", "1-0:2.7.0(0000.000*kW)", "1-0:1.8.0(00010501.076*kWh)"],
        2301,
        10501076,
    ),
    (
        "Hungary: a total beside four tariffs",
        ["1-0:1.7.0(00.001*kW)", "1-0:1.8.0(000173.640*kWh)", "1-0:1.8.1(000047.719*kWh)"],
        1,
        173640,
    ),
    ("import and export at once", ["1-0:1.7.0(00.721*kW)", "1-0:2.7.0(01.519*kW)", "1-0:1.8.0(1*kWh)"], -798, 1000),
]


@pytest.mark.parametrize(("lines", "power_w", "energy_wh"), [d[1:] for d in DIALECTS], ids=[d[0] for d in DIALECTS])
def test_reads_totals_of_every_dialect(lines: list[str], power_w: float, energy_wh: float) -> None:
    sample = parse(lines)
    assert sample.power_w == pytest.approx(power_w)
    assert sample.energy_import_wh == pytest.approx(energy_wh)


def test_reads_the_belgian_quarter_and_month_peak() -> None:
    sample = parse(
        [
            "0-0:96.1.4(50217)",
            "1-0:1.4.0(02.351*kW)",
            "1-0:1.6.0(200509134558S)(02.589*kW)",
            "0-0:98.1.0(3)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)",
        ]
    )
    assert (sample.quarter_power_w, sample.month_peak_w, sample.nominal_interval_s) == (2351.0, 2589.0, 1.0)


UNUSED = [
    "0-0:96.13.0(2F2F3131)",
    "0-0:96.13.1(not digits/!)",
    "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)",
    "(00000.000)",
    "1-0:99.97.0(9)(0-0:96.7.19)(170609063239S)",
    "0-0:98.1.0(9)(0-0:0.1.0)(632525252525W)(x)",
    "1-0:32.32.0(00002)",
    "1-0:31.4.0(999*A)",
    "0-1:24.2.1(632525252525W)(00000000.000)",
    "\xff\xfe\x00",
]


@pytest.mark.parametrize("line", UNUSED)
def test_is_not_disturbed_by_objects_that_it_does_not_use(line: str) -> None:
    assert parse([line, "1-0:1.7.0(00.500*kW)"]).power_w == 500.0


@pytest.mark.parametrize("clock", ["000000000000W", "632525252525W", "", "261121103000", "x"])
def test_a_bad_clock_does_no_harm(clock: str) -> None:
    sample = parse([f"0-0:1.0.0({clock})", "1-0:1.7.0(00.500*kW)"])
    assert sample.power_w == 500.0
    assert sample.has_clock is (clock == "261121103000")


def test_an_empty_value_is_no_value() -> None:
    assert parse(["1-0:31.7.0()", "1-0:1.7.0(00.500*kW)"]).phases == (None, None, None)


def test_an_equal_repeat_of_an_object_is_harmless() -> None:
    assert parse(["1-0:1.7.0(00.500*kW)"] * 2).power_w == 500.0


REFUSALS = [
    ("two currents for one phase", ["1-0:51.7.0(001*A)", "1-0:51.7.0(025*A)"], Count.DUPLICATE),
    ("negative power", ["1-0:21.7.0(-0.122*kW)"], Count.ABSURD),
    ("negative current", ["1-0:31.7.0(-01*A)"], Count.ABSURD),
    ("not a number", ["1-0:31.7.0(NaN*A)"], Count.UNPARSABLE),
    ("signalling not a number", ["1-0:31.7.0(sNaN*A)"], Count.UNPARSABLE),
    ("infinite", ["1-0:31.7.0(Infinity*A)"], Count.UNPARSABLE),
    ("current in kW", ["1-0:31.7.0(001*kW)"], Count.UNPARSABLE),
    ("no unit", ["1-0:31.7.0(001)"], Count.UNPARSABLE),
    ("letters for digits", ["1-0:31.7.0(0O1*A)"], Count.UNPARSABLE),
    ("two units", ["1-0:31.7.0(001*A*A)"], Count.UNPARSABLE),
    ("a byte above 0x7f in the number", ["1-0:31.7.0(0\xff1*A)"], Count.UNPARSABLE),
]


@pytest.mark.parametrize(("lines", "cause"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refuses_what_cannot_be_meant(lines: list[str], cause: Count) -> None:
    with pytest.raises(TelegramError) as refusal:
        parse(lines)
    assert refusal.value.cause is cause


@given(
    st.lists(
        st.from_regex(r"1-0:[1-7][12]?\.[78]\.[0-4]\([-0-9A-Za-z.*:]{0,12}\)", fullmatch=True) | st.text(max_size=30)
    )
)
def test_raises_nothing_else(lines: list[str]) -> None:
    try:
        parse(lines)
    except TelegramError:
        return
