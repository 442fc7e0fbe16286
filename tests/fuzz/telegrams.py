"""The P1 port: bytes of any kind in any portions, up to the reading."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from ampherd_core.messages import MeterRole, Reading, Stamp
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.framer import MAX_TELEGRAM_BYTES, Frame, Framer, crc16
from ampherd_meter.sample import Count
from ampherd_meter.telegram import TelegramError, parse_telegram

from tests.fuzz.target import TAKEN, Mutation, Outcome, promise
from tests.support.needs import REPOSITORY
from tests.support.p1 import objects, seal, telegram

_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SEALS: Final = 0x80
"""Bit of the first byte: give the rest a right CRC, so that what it says is read."""

_DELTA: Final = 0x40
_GOOD: Final = tuple(telegram(second) for second in range(3))
_SIZES: Final = (1, 7, 64, 1_000, 70_000)


class Telegrams:
    """The first byte chooses the portions, whether the rest is sealed, and the site's wiring."""

    words: Sequence[bytes] = (
        b"/AMP5", b"\r\n!", b"!", b"\r\n", b"(", b")", b"*", b"*kW)", b"*A)", b"*V)", b"1-0:", b"31.7.0", b"51.7.0",
        b"1-0:1.7.0(", b"0-0:1.0.0(", b"()", b"(-1*A)", b"(1E9*A)", b"(NaN*A)", b"(sNaN*kW)", b"(Infinity*V)",
        b"(9999999*kWh)", b"1-3:0.2.8(", b"*255", b"(1E999999999*kW)", b"(999999999999W)",
    )  # fmt: skip

    def __init__(self) -> None:
        bodies = [telegram(1), seal(objects([("003", "00.690", "00.000", "230.0")])), seal(objects([]))]
        bodies += _recorded()
        self.seeds: Sequence[bytes] = [
            bytes((choice,)) + body for body in bodies for choice in (0, 3, _SEALS, _SEALS | _DELTA)
        ]
        self.mutations: Sequence[Mutation] = (_in_an_object,)

    def feed(self, data: bytes) -> Outcome:
        """One stream, a new port."""
        choice, stream = data[:1] or b"\0", data[1:]
        if choice[0] & _SEALS:
            stream = _sealed(stream)
        channel = Channel("grid", MeterRole.GRID, Mains(is_delta=bool(choice[0] & _DELTA)), None)
        framer = Framer(channel.counters)
        frames: list[Frame] = []
        size = _SIZES[choice[0] % len(_SIZES)]
        if len(stream) / size > 3_000:
            size = 1_000
        for at in range(0, len(stream), size):
            frames += framer.feed(stream[at : at + size])
            promise(framer.held_bytes <= MAX_TELEGRAM_BYTES, "the framer holds more than it may")
        whole = Framer(Counter())
        promise(whole.feed(stream) == frames, "other portions give other telegrams")
        promise(framer.feed(b"".join(_GOOD))[-1:] == Framer(Counter()).feed(_GOOD[-1]), "good telegrams are lost after")
        return _read(channel, frames)


def _read(channel: Channel, frames: Sequence[Frame]) -> Outcome:
    why = ""
    for number, frame in enumerate(frames):
        try:
            sample = parse_telegram(frame.text)
        except TelegramError as err:
            channel.counters[err.cause] += 1
            why = str(err)
            continue
        reading = channel.take(sample, Stamp(session="fuzz", at_s=100.0 + number), _AT)
        if reading is not None:
            _check(reading)
    channel.status(channel.verdict(101.0), _AT).to_json()
    refused = {cause: count for cause, count in channel.counters.items() if cause is not Count.OK}
    if refused:
        cause = max(refused, key=lambda each: refused[each])
        return Outcome(cause, why or f"counted as {cause}")
    return Outcome(TAKEN if channel.counters[Count.OK] else "nothing")


def _check(reading: Reading) -> None:
    promise(Reading.model_validate_json(reading.to_json(), strict=True) == reading, "the reading does not travel")
    for phase in reading.phases:
        promise(phase is None or phase.guard_a >= phase.current_a - 1e-6, "the guard current is less than the best")
        promise(phase is None or math.isfinite(phase.current_a), "a current is no number")


def _sealed(stream: bytes) -> bytes:
    body = stream[: stream.rfind(b"!")] if b"!" in stream else stream
    body = body.replace(b"\0", b"") + (b"!" if body.endswith(b"\n") else b"\r\n!")
    return body + b"%04X\r\n" % crc16(body)


def _in_an_object(random: Random, data: bytes) -> bytes:
    """Spoil the value of one object, and keep the telegram's form."""
    lines = data.split(b"\r\n")
    at = random.randrange(len(lines))
    name, bracket, _ = lines[at].partition(b"(")
    values = (
        b"1E400*A)", b"-5*kW)", b"*A)", b"sNaN*V)", b"999999*kW)", b"1*kVA)", b"0.0000001*A)", b"261332256199S)",
        b"1)(2*kW)", b"\xb2*A)", b"1_0*A)", b"501*A)", b"350.001*kW)", b"0*V)", b"99.99*V)", b"00000000000001*A)",
    )  # fmt: skip
    if bracket:
        lines[at] = name + bracket + random.choice(values)
    if random.random() < 0.2:
        lines.insert(at, random.choice(lines))
    return bytes((data[0] | _SEALS,)) + b"\r\n".join(lines)[1:] if data else data


def _recorded() -> list[bytes]:
    """Real telegrams, where they lie beside the repository; none is ever copied."""
    shared = Path(os.environ.get("AMPHERD_SHARED", REPOSITORY.parent / "shared")) / "data" / "telegrams"
    return [path.read_bytes()[:4_000] for path in sorted(shared.glob("**/*.txt"))] if shared.is_dir() else []


@contextmanager
def telegrams() -> Iterator[Telegrams]:
    """The target."""
    yield Telegrams()
