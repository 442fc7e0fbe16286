"""Telegrams are found in whatever the wire delivers."""

from __future__ import annotations

from collections import Counter

import pytest
from ampherd_meter.framer import MAX_TELEGRAM_BYTES, Framer, crc16
from ampherd_meter.sample import Count
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.p1 import crc, objects, seal, telegram

GOOD = telegram(1)
OTHER = telegram(2)
BODY, _, SEAL = GOOD.rpartition(b"!")
OLD = BODY + b"!\r\n"


def frame_all(*chunks: bytes, needs_crc: bool = False) -> tuple[list[str], dict[str, int]]:
    counters: Counter[Count] = Counter()
    framer = Framer(counters, needs_crc=needs_crc)
    frames = [frame.text for chunk in chunks for frame in framer.feed(chunk)]
    framer.reset()
    return frames, {str(cause): count for cause, count in counters.items()}


SITUATIONS = [
    ("one telegram", GOOD, 1, {}),
    ("two in a row", GOOD + OTHER, 2, {}),
    ("lower-case CRC", BODY + b"!" + SEAL.lower(), 1, {}),
    ("line feeds only", GOOD.replace(b"\r\n", b"\n"), 1, {}),
    ("NUL after the CRC", BODY + b"!" + SEAL[:4] + b"\0\r\n", 1, {}),
    ("NULs all over", GOOD.replace(b"\r\n", b"\0\r\n\0"), 1, {}),
    ("no CRC, an old meter", OLD, 1, {}),
    ("no CRC, line feeds only", OLD.replace(b"\r\n", b"\n"), 1, {}),
    ("the last line end is lost", GOOD.rstrip(), 1, {}),
    ("a CRC that once was there and is lost", GOOD + OLD, 1, {"crc": 1}),
    ("wrong CRC", GOOD.replace(b"(00.690*kW)", b"(00.790*kW)"), 0, {"crc": 1}),
    ("a byte above 0x7f", GOOD.replace(b"1-0:1.8.1", b"1-0:1\xff8.1"), 0, {"crc": 1}),
    ("noise before", b"\x00\xff\x7f noise !!/x\r\n" + GOOD, 1, {"garbage": 1}),
    ("noise without a line end before", b"noise" + GOOD, 1, {"garbage": 1}),
    ("noise between", GOOD + b"\xfe\xfe noise \xfe" + OTHER, 2, {"garbage": 1}),
    ("blank lines between", GOOD + b"\r\n\n \0" + OTHER, 2, {}),
    ("a start without an end", GOOD[:300] + b"\r\n" + OTHER, 1, {"cut": 1}),
    ("a cut that swallowed the line end", GOOD[:300] + OTHER, 1, {"cut": 1}),
    ("an end without a start", GOOD[300:] + OTHER, 1, {"garbage": 1, "cut": 1}),
    ("the link breaks in a telegram", GOOD + OTHER[:200], 1, {"cut": 1}),
    ("no end at all", GOOD[:-8] * 30, 0, {"cut": 30}),
    ("an endless line", b"/AMP5" + b"x" * 3 * MAX_TELEGRAM_BYTES + GOOD, 1, {"oversize": 1}),
    ("an end mark with junk", BODY + b"!12zz\r\n" + OTHER, 1, {"cut": 1}),
]


@pytest.mark.parametrize(
    ("stream", "frames", "counted"), [row[1:] for row in SITUATIONS], ids=[s[0] for s in SITUATIONS]
)
def test_finds_whole_telegrams_and_counts_the_rest(stream: bytes, frames: int, counted: dict[str, int]) -> None:
    found, counters = frame_all(stream)
    assert (len(found), counters) == (frames, counted)


@pytest.mark.parametrize("row", SITUATIONS, ids=[s[0] for s in SITUATIONS])
def test_gives_the_same_byte_by_byte(row: tuple[str, bytes, int, dict[str, int]]) -> None:
    assert frame_all(row[1]) == frame_all(*(row[1][i : i + 1] for i in range(len(row[1]))))


def test_gives_a_telegram_at_its_last_byte() -> None:
    framer = Framer(Counter())
    assert framer.feed(GOOD[:-3]) == []
    assert len(framer.feed(GOOD[-3:-2])) == 1, "the CRC's last digit completes it"
    assert len(framer.feed(b"\r\n" + OTHER)) == 1


def test_takes_a_crc_of_three_digits() -> None:
    lines = next(
        lines
        for number in range(10_000)
        if crc((lines := "\r\n".join([r"/AMP5\X", "", f"0-0:96.1.1({number})", "!"])).encode()) < 0x1000
    )
    stream = lines.encode() + f"{crc(lines.encode()):X}\r\n".encode()
    assert frame_all(stream) == ([lines], {})


def test_refuses_a_telegram_without_crc_where_the_dialect_has_one() -> None:
    assert frame_all(OLD, needs_crc=True) == ([], {"crc": 1})


def test_marks_what_was_checked() -> None:
    framer = Framer(Counter())
    assert [frame.is_checked for frame in framer.feed(OLD + GOOD)] == [False, True]


def test_reset_forgets_the_half_telegram() -> None:
    counters: Counter[Count] = Counter()
    framer = Framer(counters)
    framer.feed(GOOD[:400])
    framer.reset()
    assert framer.feed(GOOD[400:]) == []
    assert len(framer.feed(OTHER)) == 1


@given(st.binary(max_size=300))
def test_crc_is_arc(data: bytes) -> None:
    assert crc16(data) == crc(data)


def test_crc_of_the_standard_check_string() -> None:
    assert crc16(b"123456789") == 0xBB3D


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200).map(lambda noise: noise.replace(b"/", b"").replace(b"!", b"")), max_size=6))
def test_noise_between_telegrams_costs_none_of_them(noises: list[bytes]) -> None:
    wanted = [telegram(second) for second in range(len(noises))]
    found, _ = frame_all(b"".join(noise + good for noise, good in zip(noises, wanted, strict=True)))
    assert found == [good[:-6].decode() for good in wanted]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 8 * len(GOOD) - 1))
def test_no_flipped_bit_is_ever_believed(place: int) -> None:
    spoilt = bytearray(GOOD)
    spoilt[place // 8] ^= 1 << place % 8
    found, _ = frame_all(bytes(spoilt), needs_crc=True)
    assert found in ([], [GOOD[:-6].decode()])


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [GOOD, OTHER, OLD, GOOD[:200], GOOD[200:], b"/AMP5", b"\r\n!", b"!", b"\r\n/abc", b"\n!12\n", b"\0"]
    ),
    st.sampled_from([b"y" * 5_000, b"/abc" * 3_000, b"\n!" * 4_500, seal(objects([]))]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=8), st.lists(st.integers(1, 2_000), min_size=1, max_size=6))
def test_any_bytes_in_any_portions_give_the_same_and_stay_bounded(pieces: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(pieces)
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        chunks.append(stream[at : at + sizes[turn % len(sizes)]])
        at, turn = at + len(chunks[-1]), turn + 1
    framer = Framer(Counter())
    for chunk in chunks:
        framer.feed(chunk)
        assert framer.held_bytes <= MAX_TELEGRAM_BYTES
    assert frame_all(*chunks) == frame_all(stream)
