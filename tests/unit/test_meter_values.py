"""What payloads of plain topics mean, and when they are whole: a table of payloads, and timelines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ampherd_core.messages import Health, MeterRole, Reading, Stamp
from ampherd_core.phases import Line
from ampherd_core.policy_values import Quantity, TopicValue, TopicValues
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.sample import Count, RefusedError, Sample
from ampherd_meter.values import Gathering, read

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

# quantity, unit, scale, field | payload | the value in our own unit
GOOD: dict[str, tuple[Quantity, dict[str, object], bytes, float]] = {
    "watts": (Quantity.POWER, {}, b"1520", 1520),
    "export": (Quantity.POWER_L2, {}, b"-1520.5", -1520.5),
    "spaces around": (Quantity.POWER, {}, b" 12\r\n", 12),
    "a plus": (Quantity.POWER, {}, b"+7.25", 7.25),
    "thousandths in powers of ten": (Quantity.CURRENT_L1, {}, b"1.5e-1", 0.15),
    "kilowatts": (Quantity.POWER, {"unit": "kW"}, b"-1.52", -1520),
    "a clamp the wrong way round": (Quantity.POWER, {"scale": -1}, b"1520", -1520),
    "tenths of amperes": (Quantity.CURRENT_L3, {"unit": "dA"}, b"164", 16.4),
    "milliamperes": (Quantity.CURRENT_L1, {"unit": "mA"}, b"16400", 16.4),
    "volts times a hundred": (Quantity.VOLTAGE_L1, {"scale": 0.01}, b"23051", 230.51),
    "kilowatt-hours": (Quantity.ENERGY_IMPORT, {"unit": "kWh"}, b"12345.678", 12_345_678),
    "share of one": (Quantity.SOC, {"scale": 100}, b"0.87", 87),
    "nothing is a value": (Quantity.SOC, {}, b"0", 0),
    "field of a document": (Quantity.POWER, {"field": "power1"}, b'{"power1": 100, "time": 1}', 100),
    "field within a field": (Quantity.SOC, {"field": "bms.soc"}, b'{"bms": {"soc": 55.5}}', 55.5),
    "column of a row": (Quantity.POWER, {"column": 2}, b"100,-200,300,-50", -200),
}

# quantity, how it is read | payload | how it is counted, and a word of why
BAD: dict[str, tuple[Quantity, dict[str, object], bytes, Count, str]] = {
    "nothing at all": (Quantity.POWER, {}, b"", Count.UNPARSABLE, "plain number"),
    "no number": (Quantity.POWER, {}, b"NaN", Count.UNPARSABLE, "plain number"),
    "without end": (Quantity.POWER, {}, b"inf", Count.UNPARSABLE, "plain number"),
    "minus without end": (Quantity.POWER, {}, b"-Infinity", Count.UNPARSABLE, "plain number"),
    "a word": (Quantity.SOC, {}, b"unavailable", Count.UNPARSABLE, "unavailable"),
    "with its unit": (Quantity.POWER, {}, b"230.4 W", Count.UNPARSABLE, "230.4 W"),
    "decimal comma": (Quantity.POWER, {}, b"230,4", Count.UNPARSABLE, "230,4"),
    "grouped": (Quantity.POWER, {}, b"1_000", Count.UNPARSABLE, "1_000"),
    "other digits": (Quantity.POWER, {}, "٣".encode(), Count.UNPARSABLE, "plain number"),
    "hexadecimal": (Quantity.POWER, {}, b"0x10", Count.UNPARSABLE, "0x10"),
    "two numbers": (Quantity.POWER, {}, b"1 2", Count.UNPARSABLE, "1 2"),
    "not UTF-8": (Quantity.POWER, {}, b"12\xff", Count.UNPARSABLE, "UTF-8"),
    "a document where a number is meant": (Quantity.POWER, {}, b'{"power": 1}', Count.UNPARSABLE, "plain number"),
    "a number where a document is meant": (Quantity.POWER, {"field": "p"}, b"12", Count.UNPARSABLE, "no number"),
    "no such field": (Quantity.POWER, {"field": "p"}, b"{}", Count.UNPARSABLE, "'p'"),
    "a field that is text": (Quantity.POWER, {"field": "p"}, b'{"p": "12"}', Count.UNPARSABLE, "'p'"),
    "a field that is true": (Quantity.POWER, {"field": "p"}, b'{"p": true}', Count.UNPARSABLE, "'p'"),
    "a field that is NaN": (Quantity.POWER, {"field": "p"}, b'{"p": NaN}', Count.UNPARSABLE, "not JSON"),
    "half a document": (Quantity.POWER, {"field": "p"}, b'{"p": 1', Count.UNPARSABLE, "not JSON"),
    "nested without end": (Quantity.POWER, {"field": "p"}, b"[" * 4000, Count.UNPARSABLE, "not JSON"),
    "no such column": (Quantity.POWER, {"column": 4}, b"1,2,3", Count.UNPARSABLE, "column 4"),
    "empty column": (Quantity.POWER, {"column": 2}, b"1,,3", Count.UNPARSABLE, "plain number"),
    "oversized": (Quantity.POWER, {}, b"1" * 5000, Count.OVERSIZE, "bytes"),
    "watts taken for kilowatts": (Quantity.POWER, {"unit": "kW"}, b"1520", Count.ABSURD, "unit, scale"),
    "more than a home": (Quantity.CURRENT_L1, {}, b"501", Count.ABSURD, "501 A"),
    "power of ten": (Quantity.POWER, {}, b"1e99", Count.ABSURD, "no home"),
    "power of ten in a document": (Quantity.POWER, {"field": "p"}, b'{"p": 1e999999}', Count.ABSURD, "no home"),
    "tiny": (Quantity.POWER, {}, b"1e-99", Count.ABSURD, "no home"),
    "nothing to a power of ten": (Quantity.POWER, {"field": "p"}, b'{"p": 0e995}', Count.ABSURD, "no home"),
    "voltage below nothing": (Quantity.VOLTAGE_L1, {}, b"-230", Count.ABSURD, "-230 V"),
    "more than full": (Quantity.SOC, {}, b"101", Count.ABSURD, "101 %"),
    "less than empty": (Quantity.SOC, {}, b"-1", Count.ABSURD, "-1 %"),
    "counter below nothing": (Quantity.ENERGY_IMPORT, {}, b"-1", Count.ABSURD, "-1 Wh"),
}


def meant(**how: object) -> TopicValue:
    return TopicValue.model_validate({"topic": "t", **how})


@pytest.mark.parametrize(("quantity", "how", "payload", "value"), GOOD.values(), ids=GOOD)
def test_reads(quantity: Quantity, how: dict[str, object], payload: bytes, value: float) -> None:
    assert read(quantity, meant(**how), payload).value == pytest.approx(value)


@pytest.mark.parametrize(("quantity", "how", "payload", "cause", "why"), BAD.values(), ids=BAD)
def test_refuses(quantity: Quantity, how: dict[str, object], payload: bytes, cause: Count, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(quantity, meant(**how), payload)
    assert refused.value.cause is cause
    assert why in str(refused.value)


def gathering(*, may_rest: bool = False, **topics: str) -> Gathering:
    values = TopicValues.model_validate({quantity: {"topic": topic} for quantity, topic in topics.items()})
    return Gathering(values.named, may_rest=may_rest)


def test_a_sample_is_whole_when_its_last_part_has_come() -> None:
    grid = gathering(power_l1="p1", power_l2="p2", power_l3="p3")
    assert grid.hear("p1", b"100", 0.0) is None
    assert grid.hear("p2", b"-200", 0.1) is None
    sample = grid.hear("p3", b"300", 0.2)
    assert sample is not None
    assert [phase and phase.power_w for phase in sample.phases] == [100, -200, 300]
    assert sample.power_w == 200, "the sum, where no topic gives the total"
    assert grid.hear("p1", b"110", 5.0) is None, "the next one needs all of them again"


def test_parts_that_are_not_said_together_make_no_sample() -> None:
    grid = gathering(power_l1="p1", power_l2="p2", power_l3="p3")
    grid.hear("p1", b"100", 0.0)
    grid.hear("p2", b"100", 0.0)
    assert grid.hear("p3", b"100", 5.1) is None
    assert grid.hear("p1", b"100", 5.2) is None
    assert grid.hear("p2", b"100", 5.3) is not None


def test_a_part_that_stays_away_is_told_of() -> None:
    grid = gathering(power_l1="p1", power_l2="p2", power_l3="p3")
    for second in range(3):
        assert grid.hear("p1", b"100", second) is None
        assert grid.hear("p2", b"100", second) is None
    with pytest.raises(RefusedError, match="p3") as refused:
        grid.hear("p1", b"100", 3.0)
    assert refused.value.cause is Count.HALF_MISSING
    assert grid.hear("p3", b"100", 3.1) is not None, "and when it comes the sample is whole"


def test_a_refused_value_leaves_the_one_before_and_completes_nothing() -> None:
    battery = gathering(power="p")
    assert battery.hear("p", b"100", 0.0) is not None
    with pytest.raises(RefusedError):
        battery.hear("p", b"NaN", 1.0)
    sample = battery.hear("p", b"101", 2.0)
    assert sample is not None
    assert sample.power_w == 101


def test_charge_comes_seldom_and_is_forgotten_when_it_comes_no_more() -> None:
    battery = gathering(power="p", soc="soc")
    first = battery.hear("p", b"500", 0.0)
    assert first is not None
    assert first.soc_percent is None, "power does not wait for it"
    assert battery.hear("soc", b"80", 1.0) is None, "and it alone is no sample"
    charges = []
    for second in (10.0, 900.0, 902.0):
        sample = battery.hear("p", b"500", second)
        charges.append(sample and sample.soc_percent)
    assert charges == [80, 80, None]


def test_one_topic_may_tell_many_quantities() -> None:
    values = {
        "power": {"topic": "bms", "field": "p"},
        "soc": {"topic": "bms", "field": "soc"},
    }
    battery = Gathering(TopicValues.model_validate(values).named, may_rest=True)
    sample = battery.hear("bms", b'{"p": -400, "soc": 61}', 0.0)
    assert sample is not None
    assert (sample.power_w, sample.soc_percent) == (-400, 61)
    with pytest.raises(RefusedError):
        battery.hear("bms", b'{"p": -300, "soc": 161}', 1.0)


def test_a_topic_that_nobody_asked_for_says_nothing() -> None:
    assert gathering(power="p").hear("q", b"1", 0.0) is None


@pytest.mark.parametrize(
    ("payloads", "resolution_a"),
    [((b"5", b"6"), 1.0), ((b"5.0", b"6"), 0.1), ((b"5", b"5.25", b"6"), 0.01), ((b"1e2", b"0e9"), 10.0)],
)
def test_whole_amperes_are_told_by_their_digits(payloads: tuple[bytes, ...], resolution_a: float) -> None:
    grid = gathering(current_l1="i")
    samples = [grid.hear("i", payload, second) for second, payload in enumerate(payloads)]
    assert samples[-1] is not None
    assert samples[-1].resolution_a == pytest.approx(resolution_a)


class Line1:
    """One meter on L1 from topic to verdict; its clock is the test's."""

    def __init__(self, role: MeterRole, gathered: Gathering) -> None:
        self.gathered = gathered
        self.channel = Channel("m", role, Mains(lines=(Line.L1,)), None)

    def hear(self, topic: str, payload: bytes, now_s: float) -> Reading | None:
        sample: Sample | None = self.gathered.hear(topic, payload, now_s)
        if sample is None:
            return None
        return self.channel.take(sample, Stamp(session="test", at_s=now_s), NOON)


def test_a_grid_meter_that_says_the_same_for_five_minutes_is_frozen_even_at_nothing() -> None:
    grid = Line1(MeterRole.GRID, gathering(power="p"))
    for second in range(0, 300, 5):
        assert grid.hear("p", b"0", second) is not None
    for second in range(300, 330, 5):
        assert grid.hear("p", b"0", second) is None
    verdict = grid.channel.verdict(330.0)
    assert (verdict.health, "frozen" in verdict.why) == (Health.STALE, True)
    assert grid.hear("p", b"1", 335.0) is not None


def test_a_battery_may_rest_and_a_battery_that_charges_may_not_stand_still() -> None:
    battery = Line1(MeterRole.BATTERY, gathering(power="p", soc="soc", may_rest=True))
    battery.hear("soc", b"100", 0.0)
    for second in range(0, 600, 5):
        assert battery.hear("p", b"0", second) is not None
    readings = [battery.hear("p", b"1500", second) for second in range(600, 1200, 5)]
    assert readings[-1] is None
    assert battery.channel.verdict(1200.0).health is Health.STALE


def test_a_battery_tells_its_charge_in_its_reading() -> None:
    battery = Line1(MeterRole.BATTERY, gathering(power="p", soc="soc"))
    battery.hear("soc", b"63.5", 0.0)
    reading = battery.hear("p", b"1500", 1.0)
    assert reading is not None
    assert (reading.power_w, reading.soc_percent) == (1500, 63.5)


def test_power_guards_a_phase_at_the_lowest_voltage_that_may_be() -> None:
    reading = Line1(MeterRole.GRID, gathering(power="p")).hear("p", b"2070", 0.0)
    assert reading is not None
    assert reading.phases[0] is not None
    assert reading.phases[0].guard_a == pytest.approx(10.0)
