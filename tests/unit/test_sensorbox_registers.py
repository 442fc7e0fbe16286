"""A Sensorbox is believed as far as its flags go."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from ampherd_core.messages import MeterRole, Stamp
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.sample import Count, RefusedError, Sample
from ampherd_meter.sensorbox_registers import (
    POLLS_WITHOUT_P1,
    Block,
    BlockChoice,
    Fresh,
    decode,
    fresh_flags,
    is_three_wire,
)

RECORDED = bytes.fromhex(
    "0A 04 28 00 14 32 83 43668000 43664CCD 4369199A 3E129A61 3F9F8380 BE414A5A 3BEA003B BB6FF36B 3A458DE3 CA CB"
)
"""A real box's answer with P1 and clamps new."""

NO_PHASE = 3.4e38


def registers(
    *, version: int = 0x0114, flags: int = 0x83, p1: Sequence[float] = (0, 0, 0), ct: Sequence[float] = (0, 0, 0),
    volts: Sequence[float] = (230, 230, 230), count: int = 20,
) -> list[int]:  # fmt: skip
    payload = struct.pack(">HH9f", version, 0x3200 | flags, *volts, *p1, *ct)
    words = list(struct.unpack(">20H", payload))
    return words + [0] * (count - len(words))


def modbus_crc(frame: bytes) -> int:
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def sample_of(words: Sequence[int], block: Block = Block.P1, *, ct_ratio: float = 1, is_delta: bool = False) -> Sample:
    sample = decode(words, block, ct_ratio=ct_ratio, is_delta=is_delta)
    assert sample is not None
    return sample


def currents(sample: Sample) -> list[float | None]:
    return [phase.current_a if phase else None for phase in sample.phases]


def test_reads_the_recorded_answer() -> None:
    assert modbus_crc(RECORDED[:-2]) == int.from_bytes(RECORDED[-2:], "little")
    words = struct.unpack(">20H", RECORDED[3:-2])
    p1 = sample_of(words)
    assert currents(p1) == pytest.approx([0.143, 1.246, -0.189], abs=5e-4)
    assert [phase and phase.voltage_v for phase in p1.phases] == pytest.approx([230.5, 230.3, 233.1], abs=0.05)
    assert p1.power_w == pytest.approx(0.143 * 230.5 + 1.246 * 230.3 - 0.189 * 233.1, abs=0.5)
    assert currents(sample_of(words, Block.CLAMPS)) == pytest.approx([0.007, -0.004, 0.001], abs=5e-4)


def test_does_not_look_at_a_block_whose_flag_is_not_set() -> None:
    """After a three-wire write a real box answered with flags 0x03 and foreign values in its P1 slots."""
    words = registers(version=0x0016, flags=0x03, p1=(0.056, 1.184, -0.317), volts=(230.9, 230.5, 233.1))
    assert decode(words, Block.P1, ct_ratio=1, is_delta=False) is None
    assert is_three_wire(words)


def test_nothing_new_is_no_sample() -> None:
    assert decode(registers(flags=0), Block.P1, ct_ratio=1, is_delta=False) is None
    assert decode(registers(flags=0), Block.CLAMPS, ct_ratio=1, is_delta=False) is None


@pytest.mark.parametrize("block", [Block.P1, None])
def test_p1_without_phases_is_refused_and_clamps_are_not_taken_for_it(block: Block | None) -> None:
    with pytest.raises(RefusedError) as refusal:
        decode(registers(flags=0x43), block, ct_ratio=1, is_delta=False)
    assert refusal.value.cause is Count.NO_CURRENTS


def test_fitted_clamps_serve_beside_a_p1_without_phases() -> None:
    assert currents(sample_of(registers(flags=0x43, ct=(5, 6, 7)), Block.CLAMPS)) == [5, 6, 7]


def test_p1_is_blind_to_a_line_without_neutral() -> None:
    with pytest.raises(RefusedError):
        decode(registers(flags=0x83), Block.P1, ct_ratio=1, is_delta=True)


def test_a_one_phase_p1_leaves_two_phases_out() -> None:
    words = registers(p1=(4, NO_PHASE, NO_PHASE), volts=(231, NO_PHASE, NO_PHASE))
    sample = sample_of(words)
    assert currents(sample) == [4, None, None]
    assert sample.power_w == 924


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -NO_PHASE])
def test_junk_is_no_phase(junk: float) -> None:
    assert currents(sample_of(registers(p1=(4, junk, 5)))) == [4, None, 5]


@pytest.mark.parametrize(
    ("version", "given", "read"),
    [(0x0114, -4.5, -4.5), (0x0014, -4.5, -4.5), (0x000A, -4.5, 4.5), (0x000F, -4.5, 4.5), (0x000A, 4.5, 4.5)],
)
def test_only_version_2_can_sign_its_clamps(version: int, given: float, read: float) -> None:
    assert currents(sample_of(registers(version=version, ct=(given, 0, 0)), Block.CLAMPS))[0] == read


def test_the_ratio_scales_clamps_only() -> None:
    words = registers(p1=(10, 10, 10), ct=(10, 10, 10))
    assert currents(sample_of(words, Block.CLAMPS, ct_ratio=2)) == [20, 20, 20]
    assert currents(sample_of(words, Block.P1, ct_ratio=2)) == [10, 10, 10]


def test_takes_twenty_and_thirty_two_registers() -> None:
    assert currents(sample_of(registers(p1=(1, 2, 3), count=32))) == [1, 2, 3]


@pytest.mark.parametrize("version", [0x0114, 0x0314, 0x0014, 0x0115, 0x0016, 0x0117, 0x000A, 0x000F])
def test_knows_every_version(version: int) -> None:
    assert fresh_flags(registers(version=version, flags=0x80)) == Fresh.P1


@pytest.mark.parametrize(
    "words", [[], [0x0114] * 3, registers(version=0x0000), registers(version=0x0120), [-1] * 20, [70_000] * 20]
)
def test_refuses_what_is_no_sensorbox(words: list[int]) -> None:
    with pytest.raises(RefusedError) as refusal:
        fresh_flags(words)
    assert refusal.value.cause is Count.UNPARSABLE


def test_auto_believes_clamps_only_when_no_p1_ever_comes() -> None:
    choice = BlockChoice("auto")
    assert [choice.choose(Fresh.CLAMPS, is_delta=False) for _ in range(POLLS_WITHOUT_P1)] == [None] * 5 + [Block.CLAMPS]


def test_auto_stays_with_p1_once_seen() -> None:
    choice = BlockChoice("auto")
    flags = [Fresh.CLAMPS, Fresh.P1 | Fresh.CLAMPS, *[Fresh.CLAMPS] * 20]
    assert [choice.choose(fresh, is_delta=False) for fresh in flags] == [None, *[Block.P1] * 21]


@pytest.mark.parametrize(
    ("currents_", "is_delta", "block"), [("p1", False, "p1"), ("ct", False, "ct"), ("auto", True, "ct")]
)
def test_the_policy_and_the_wiring_choose(currents_: str, is_delta: bool, block: str) -> None:
    choice = BlockChoice(currents_)  # type: ignore[arg-type]
    assert choice.choose(Fresh.P1 | Fresh.CLAMPS, is_delta=is_delta) == block


def test_unsigned_clamps_count_as_import_and_guard() -> None:
    channel = Channel("grid", MeterRole.GRID, Mains(), None)
    words = registers(version=0x000F, ct=(-12, 3, 0))
    reading = channel.take(
        sample_of(words, Block.CLAMPS), Stamp(session="test", at_s=0), datetime(2026, 11, 21, tzinfo=UTC)
    )
    assert reading is not None
    assert [phase and phase.guard_a for phase in reading.phases] == [12, 3, 0]
    assert reading.power_w is None


def test_an_absurd_clamp_is_refused() -> None:
    channel = Channel("grid", MeterRole.GRID, Mains(), None)
    sample = sample_of(registers(ct=(900, 3, 0)), Block.CLAMPS)
    assert channel.take(sample, Stamp(session="test", at_s=0), datetime(2026, 11, 21, tzinfo=UTC)) is None
    assert channel.counters[Count.ABSURD] == 1
