"""A meter is judged by the age of its samples: silent, frozen, halved and absurd ones are not zero but stale."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ampherd_core.messages import Health, MeterRole, Reading, Stamp
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.presence import Presence
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, PhaseValues, Sample

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FULL = Sample(phases=(PhaseValues(1, 230, 230),) * 3, power_w=690, nominal_interval_s=1.0)


def new_channel(stale_after_s: float | None = None, role: MeterRole = MeterRole.GRID) -> Channel:
    return Channel("grid", role, Mains(), stale_after_s)


def take(channel: Channel, at_s: float, sample: Sample = FULL) -> Reading | None:
    return channel.take(sample, Stamp(session="test", at_s=at_s), NOON)


def telegram(text: str, *, has_clock: bool = True) -> Sample:
    return replace(FULL, content=text, has_clock=has_clock)


def test_a_meter_of_one_second_is_stale_after_five() -> None:
    channel = new_channel()
    assert channel.verdict(0).health is Health.STALE, "nothing has come yet"
    for at_s in range(1, 10):
        reading = take(channel, at_s)
        assert reading is not None
        assert (reading.valid_for_s, reading.interval_s) == (5.0, 1.0)
    assert channel.verdict(13.9).health is Health.OK
    assert channel.verdict(14).health is Health.STALE
    assert "nothing has arrived for 5 s" in channel.verdict(14).why
    take(channel, 20)
    assert channel.verdict(20).health is Health.OK


@pytest.mark.parametrize(
    ("nominal_s", "gap_s", "stale_after_s", "valid_for_s"),
    [
        (None, 1.0, None, 5.0),
        (None, 2.0, None, 5.0),
        (None, 10.0, None, 25.0),
        (10.0, 10.0, None, 25.0),
        (None, 60.0, None, 25.0),
        (1.0, 4.0, None, 5.0),  # a link that thins out a fast meter does not make it a slow one
        (10.0, 10.0, 60.0, 60.0),
        (1.0, 1.0, 3.0, 3.0),
    ],
)
def test_validity_follows_the_period_or_the_policy(
    nominal_s: float | None, gap_s: float, stale_after_s: float | None, valid_for_s: float
) -> None:
    channel = new_channel(stale_after_s)
    sample = replace(FULL, nominal_interval_s=nominal_s)
    readings = [take(channel, number * gap_s, sample) for number in range(5)]
    assert readings[-1] is not None
    assert readings[-1].valid_for_s == valid_for_s
    assert readings[-1].interval_s == gap_s


def test_a_first_sample_of_an_unknown_meter_lives_five_seconds() -> None:
    reading = take(new_channel(), 0, replace(FULL, nominal_interval_s=None))
    assert reading is not None
    assert reading.valid_for_s == 5.0


def test_a_frozen_meter_is_stale_although_it_talks() -> None:
    channel = new_channel()
    assert take(channel, 0, telegram("a")) is not None
    assert [take(channel, at_s, telegram("a")) for at_s in range(1, 8)] == [None] * 7
    assert channel.verdict(4).health is Health.OK, "a doubled telegram does no harm"
    verdict = channel.verdict(7)
    assert (verdict.health, "frozen" in verdict.why) == (Health.STALE, True)
    assert channel.counters[Count.REPEAT] == 7
    assert take(channel, 8, telegram("b")) is not None
    assert channel.verdict(8).health is Health.OK


def test_an_old_meter_without_clock_may_repeat_itself_for_five_minutes() -> None:
    channel = new_channel()
    quiet = replace(telegram("quiet", has_clock=False), nominal_interval_s=10.0)
    assert all(take(channel, at_s, quiet) for at_s in range(0, 300, 10))
    assert take(channel, 300, quiet) is None


def test_half_a_sample_is_none() -> None:
    channel = new_channel()
    take(channel, 0)
    halved = replace(FULL, phases=(FULL.phases[0], None, FULL.phases[2]))
    assert [take(channel, at_s, halved) for at_s in range(1, 7)] == [None] * 6
    assert channel.counters[Count.HALF_MISSING] == 6
    verdict = channel.verdict(6)
    assert verdict.health is Health.ERROR
    assert "half_missing" in verdict.why


def test_an_absurd_value_takes_its_whole_sample_down() -> None:
    channel = new_channel()
    take(channel, 0)
    absurd = replace(FULL, phases=(PhaseValues(999, 230, 230), *FULL.phases[1:]))
    assert [take(channel, at_s, absurd) for at_s in (1, 2)] == [None, None]
    assert channel.verdict(1).health is Health.OK, "the sample before is still young"
    assert channel.verdict(5) == channel.verdict(6)
    assert "absurd" in channel.verdict(5).why


def test_the_half_telegram_of_a_new_connection_is_no_fault() -> None:
    channel = new_channel()
    channel.counters.update({Count.GARBAGE: 1, Count.CUT: 1})
    assert channel.verdict(0).health is Health.STALE
    channel.counters.update({Count.CRC: 2})
    assert channel.verdict(3).why == "what arrives is refused: crc"


def test_an_outage_does_not_lengthen_the_validity() -> None:
    channel = new_channel()
    unknown = replace(FULL, nominal_interval_s=None)
    readings = [take(channel, at_s, unknown) for at_s in (0, 1, 301, 302)]
    assert [reading and reading.valid_for_s for reading in readings] == [5, 5, 5, 5]


def test_counts_lost_samples() -> None:
    channel = new_channel()
    for at_s in (0, 1, 2, 3, 6, 7):
        take(channel, at_s)
    assert channel.counters[Count.GAP] == 2


def test_a_lost_link_is_an_error_once_the_sample_is_old() -> None:
    channel = new_channel()
    take(channel, 0)
    channel.link_lost("cannot connect to 192.168.1.20:2001: connection refused")
    assert channel.verdict(4.9).health is Health.OK
    assert channel.verdict(5).health is Health.ERROR
    channel.link_up()
    assert channel.verdict(6).health is Health.STALE


def test_a_grid_meter_without_phases_cannot_guard_and_says_so() -> None:
    totals = Sample(power_w=500)
    channel = new_channel()
    reading = take(channel, 0, totals)
    assert reading is not None
    assert (reading.power_w, reading.phases) == (500, (None, None, None))
    assert channel.verdict(0).health is Health.ERROR
    solar = new_channel(role=MeterRole.SOLAR)
    take(solar, 0, totals)
    assert solar.verdict(0).health is Health.OK


def test_status_carries_what_was_counted() -> None:
    channel = new_channel()
    take(channel, 0)
    channel.counters[Count.CRC] += 2
    status = channel.status(channel.verdict(0), NOON)
    assert (status.health, status.interval_s, status.counters) == (Health.OK, 1.0, {"crc": 2, "ok": 1})


ALL = (PhaseValues(1, 1, 1),) * 3
PRESENCE = [
    ("one phase", (PhaseValues(1), None, None), False, None),
    ("three phases", ALL, False, None),
    ("two of three", (PhaseValues(1), None, PhaseValues(1)), False, "L2 current"),
    ("two of three without neutral", (PhaseValues(1), None, PhaseValues(1)), True, None),
    ("the first lacks", (None, PhaseValues(1), PhaseValues(1)), False, "L1 current"),
    ("one voltage lacks", (PhaseValues(1, 1, 1), PhaseValues(1, 1, 1), PhaseValues(1, 1)), False, "L3 voltage"),
    ("nothing", (None, None, None), False, None),
]


@pytest.mark.parametrize(
    ("phases", "is_delta", "lacks"), [row[1:] for row in PRESENCE], ids=[row[0] for row in PRESENCE]
)
def test_names_what_lacks(phases, is_delta: bool, lacks: str | None) -> None:  # type: ignore[no-untyped-def]
    assert Presence().missing(Sample(phases=phases), is_delta=is_delta) == lacks


@pytest.mark.parametrize(
    ("later", "lacks"),
    [
        ((PhaseValues(1, 1, 1), None, None), "L2 current"),
        ((PhaseValues(1, None, 1),) * 3, "L1 power"),
        ((None, None, None), "L1 current"),
    ],
)
def test_what_was_there_must_stay(later, lacks: str) -> None:  # type: ignore[no-untyped-def]
    presence = Presence()
    assert presence.missing(Sample(phases=ALL), is_delta=False) is None
    assert presence.missing(Sample(phases=later), is_delta=False) == lacks
    assert presence.missing(Sample(phases=later), is_delta=False) == lacks, "it does not get used to it"


def test_pulse_feels_a_freeze_once() -> None:
    pulse = Pulse(0.0)
    assert [pulse.beat(now_s) for now_s in (0.5, 1.0, 2.9, 5.0, 5.1)] == [0, 0, 0, 1, 1]
