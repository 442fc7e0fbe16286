"""A meter's topics: payloads of any kind on its topics in any order, up to the reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Final

from ampherd_core.messages import MeterRole, Reading, Stamp
from ampherd_core.policy_values import TopicValues
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.sample import Count, RefusedError
from ampherd_meter.values import MAX_BYTES, Gathering

from tests.fuzz.spoiling import spoilt
from tests.fuzz.target import TAKEN, Mutation, Outcome, promise

_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STEP_S: Final = 0.5

_METERS: Final = tuple(
    TopicValues.model_validate(values).named
    for values in (
        {f"power_l{line}": {"topic": f"{line}"} for line in (1, 2, 3)},
        {f"current_l{line}": {"topic": "1", "column": line, "unit": "mA", "scale": -1000} for line in (1, 2, 3)},
        {
            "power": {"topic": "1", "field": "dc.power", "unit": "kW"},
            "soc": {"topic": "2"},
            "energy_import": {"topic": "3", "unit": "kWh"},
            "voltage_l1": {"topic": "1", "field": "volts"},
        },
    )
)
_ROLES: Final = (MeterRole.GRID, MeterRole.CIRCUIT, MeterRole.BATTERY)
_GOOD: Final[tuple[list[tuple[str, bytes]], ...]] = (
    [("1", b"230"), ("2", b"-460.5"), ("3", b"0")],
    [("1", b"1.5,-2,3.25")],
    [("2", b"63.5"), ("3", b"1234.5"), ("1", b'{"dc": {"power": -1.5}, "volts": 231.5, "mode": "eco"}')],
)


class Values:
    """The first byte chooses the meter, then a message a line: the topic's digit, and the payload."""

    words: Sequence[bytes] = (
        b"\n1", b"\n2", b"\n3", b"NaN", b"inf", b"1e400", b"1E-99", b"-0", b"+", b".", b"9" * 5_000, b"1" * 15, b",",
        b'{"dc":', b'{"power":', b'"volts":', b"null", b"true", b"[" * 3_000, b'"\\ud800"', b"0x10", b"1_0",
        b"\xd9\xa3", b" ", b"\xff", b"\0", b"Infinity", b"1e30", b"1e31", b"0e99", b"-",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = [
            bytes((meter,)) + b"\n".join(topic.encode() + payload for topic, payload in good * times)
            for meter, good in enumerate(_GOOD)
            for times in (1, 2)
        ]
        self.mutations: Sequence[Mutation] = (_in_a_document,)

    def feed(self, data: bytes) -> Outcome:
        """One meter's life of some seconds."""
        kind = data[0] % len(_METERS) if data else 0
        gathering = Gathering(_METERS[kind], may_rest=_ROLES[kind] is not MeterRole.GRID)
        channel = Channel("m", _ROLES[kind], Mains(), None)
        now_s, why = 100.0, ""
        for line in data[1:].split(b"\n")[:200]:
            now_s += _STEP_S
            why = _hear(gathering, channel, (line[:1].decode("latin-1"), line[1:]), now_s) or why
        outcome = _outcome(channel, why)
        read = channel.counters[Count.OK]
        for message in _GOOD[kind] * 2:
            _hear(gathering, channel, message, now_s + 1.0)
        promise(channel.counters[Count.OK] > read, "it does not heal")
        return outcome


def _hear(gathering: Gathering, channel: Channel, message: tuple[str, bytes], now_s: float) -> str | None:
    """Why it was refused; None where it was not."""
    try:
        sample = gathering.hear(*message, now_s)
    except RefusedError as err:
        channel.counters[err.cause] += 1
        promise(len(message[1]) <= MAX_BYTES or err.cause is Count.OVERSIZE, "an oversized payload was read")
        return str(err) or "no word"
    reading = None if sample is None else channel.take(sample, Stamp(session="fuzz", at_s=now_s), _AT)
    if reading is not None:
        _check(reading)
    return None


def _check(reading: Reading) -> None:
    promise(Reading.model_validate_json(reading.to_json(), strict=True) == reading, "the reading does not travel")
    for phase in reading.phases:
        promise(phase is None or phase.guard_a >= phase.current_a - 1e-3, "the guard current is less than the best")


def _outcome(channel: Channel, why: str) -> Outcome:
    channel.status(channel.verdict(101.0), _AT).to_json()
    refused = {cause: count for cause, count in channel.counters.items() if cause is not Count.OK}
    if refused:
        cause = max(refused, key=lambda each: refused[each])
        return Outcome(cause, why or f"counted as {cause}")
    return Outcome(TAKEN if channel.counters[Count.OK] else "nothing")


def _in_a_document(random: Random, data: bytes) -> bytes:
    lines = data[1:].split(b"\n")
    at = random.randrange(len(lines))
    lines[at] = lines[at][:1] + spoilt(random, lines[at][1:])
    return data[:1] + b"\n".join(lines)


@contextmanager
def values() -> Iterator[Values]:
    """The target."""
    yield Values()
