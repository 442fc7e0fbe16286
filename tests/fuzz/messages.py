"""Messages of the bus, as each service hears them: any topic, any payload."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, Protocol
from unittest.mock import patch
from zlib import crc32

from ampherd_core.bus import BrokerAddress, Inbound
from ampherd_core.clock import SESSION, boot_s
from ampherd_core.environment import Environment
from ampherd_core.messages import Grant, HistoryRequest, Message, Reading
from ampherd_core.policy import Policy
from ampherd_core.policy_file import parse_policy
from ampherd_core.service import Service
from ampherd_core.topics import Topics, channels

from docs.generator.examples import EXAMPLES
from tests.fuzz.policies import FULL
from tests.fuzz.quiet import Ears, listening
from tests.fuzz.recorded_bus import RecordedBus
from tests.fuzz.spoiling import nasty, spoilt
from tests.fuzz.target import TAKEN, Mutation, Outcome, promise

RETAINED: Final = 1
ASKS: Final = 2
_NOWHERE: Final = "mqtt://127.0.0.1:1"

_INPUT: Final = "shellies/box/input/0"

SETTINGS: Final = (
    ("mode", "off"), ("max_current", "13"), ("priority", '{"value": 2}'), ("plan", "none"), ("soc", "55.5"),
    ("plan", '{"energy_kwh": 20, "by": "07:00"}'),
    ("plan", '{"energy_kwh": 4.5, "by": "07:00", "weekdays": ["mon", "sun"]}'),
    ("plan", '{"soc_percent": 80, "by": "2026-11-22T07:00"}'),
)  # fmt: skip
"""What a user sets; the charger `right` has a battery of a known size."""

SIGNALS: Final = ("on", "off", "4200", '{"power_w": 4200, "for_s": 7200}', '{"active": false}')
INPUTS: Final = ("on", "0", "true", '{"id": 0, "state": true}')
PRICES: Final = (
    '[{"start": "2026-11-22T00:00:00Z", "price": 0.21}, {"start": "2026-11-22T01:00:00+01:00", "price": -0.1, '
    '"end": "2026-11-22T01:15:00Z"}]',
    '[{"start": "2026-11-22T00:00:00Z", "price": 30}]',
    "[]",
)


class Listener(Protocol):
    """One service under fuzzing."""

    @property
    def service(self) -> Service:
        """It."""
        ...

    @property
    def refused(self) -> Counter[str]:
        """What it did not take, by cause."""
        ...

    def state(self) -> object:
        """All that a message may change, in a form that compares."""
        ...

    def check(self, *, is_thorough: bool) -> None:
        """Hold it against what it promises after each message."""
        ...

    async def live_on(self, number: int) -> None:
        """Between messages: what keeps it in a state worth attacking."""
        ...


class Messages:
    """One line of flags and topic, with the flag 2 a line with the response topic, then the payload."""

    words: Sequence[bytes] = (
        b'{"', b'":', b",", b"[", b"]", b"}", b"null", b"true", b"NaN", b"Infinity", b"-Infinity", b'"\\ud800"',
        b"[" * 500, b'{"a":' * 300, b'"charger":"right",', b'"offer_a":6,', b'"schema_version":2,', b"1e400",
        b"\xff\xfe", b"\0", b"/", b"+", b"#", b"$SYS/", b"ampherd/home/", b"backlog/", b"meter/", b"charger/",
        b"/set", b"/reading",
    )  # fmt: skip

    def __init__(self, listener: Listener, ears: Ears, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._ears = ears
        self._loop = loop
        self._number = 0
        self.seeds: Sequence[bytes] = _seeds(listener.service.topics, listener.service.filters())
        self.mutations: Sequence[Mutation] = (_in_json, _in_numbers, _in_numbers, _twice_in_json, _on_another_topic)

    def feed(self, data: bytes) -> Outcome:
        """One message."""
        return self._loop.run_until_complete(self._feed(data))

    async def _feed(self, data: bytes) -> Outcome:
        self._number += 1
        listener = self._listener
        await listener.live_on(self._number)
        before, counted = listener.state(), listener.refused.copy()
        bus = listener.service.bus
        assert isinstance(bus, RecordedBus)
        await bus.hear(_inbound(data, self._number))
        await asyncio.sleep(0)
        listener.check(is_thorough=crc32(data) % 8 == 0)
        causes = listener.refused - counted
        if not causes:
            return Outcome(TAKEN if listener.state() != before else "ignored")
        cause = next(iter(causes))
        is_untouched = listener.state() == before or cause == "response-topic"
        promise(is_untouched, f"refused as {cause}, and yet it changed something")
        promise(bool(self._ears.why), f"refused as {cause} without a word")
        return Outcome(cause, self._ears.why)


def full_site() -> Policy:
    """The policy of every service here."""
    return parse_policy(FULL)


def environment(directory: str) -> Environment:
    """Settings that lead nowhere."""
    path = Path(directory)
    (path / "site.yaml").write_bytes(FULL)
    return Environment(
        site=path / "site.yaml",
        broker=BrokerAddress.parse(_NOWHERE),
        redis_url="redis://127.0.0.1:1/0",
        history_url=f"sqlite://{path}/history.db",
        state_dir=path,
    )


class Opener(Protocol):
    """Makes a listener; called within its event loop."""

    def __call__(self, environment: Environment, policy: Policy) -> Listener: ...


@contextmanager
def hearing(opener: Opener) -> Iterator[Messages]:
    """The target: a service without a broker, a store or a clock of its own."""
    loop = asyncio.new_event_loop()
    with (
        tempfile.TemporaryDirectory() as directory,
        patch("ampherd_core.service.MqttBus", RecordedBus),
        listening() as ears,
    ):
        loop.set_exception_handler(ears.note)

        async def opened() -> Listener:
            return opener(environment(directory), full_site())

        listener = loop.run_until_complete(opened())
        try:
            yield Messages(listener, ears, loop)
        finally:
            loop.close()


def _inbound(data: bytes, number: int) -> Inbound:
    head, _, payload = data.partition(b"\n")
    flags = head[0] if head else 0
    response = None
    if flags & ASKS:
        asked, _, payload = payload.partition(b"\n")
        response = asked.decode("utf-8", "replace")
    now = b"%.6f" % boot_s()
    payload = payload.replace(b"@SESSION", SESSION.encode()).replace(b'"@NOW"', now).replace(b'"@SEQ"', b"%d" % number)
    topic = head[1:].decode("utf-8", "replace")
    return Inbound(topic, payload[:65_537], bool(flags & RETAINED), response, b"\0\xff" if response else None)


def _seeds(topics: Topics, filters: Sequence[str]) -> list[bytes]:
    """Every document of the contract on its topic, and every setting; mostly what the service asks to hear."""
    found: list[bytes] = []
    for channel in channels():
        if channel.model is None or not issubclass(channel.model, Message):
            continue
        topic = channel.topic.replace("{site}", topics.site).replace("{charger}", "left").replace("{meter}", "grid")
        plain = json.loads(EXAMPLES[channel.model].to_json())
        plain |= {"charger": "left"} if "charger" in plain and channel.model is not HistoryRequest else {}
        for stamp in ("echo", "stamp"):
            if stamp in plain:
                session = {Grant: "@SESSION", Reading: "true"}.get(channel.model, "true-left")
                plain[stamp] = {"session": session, "at_s": "@NOW"}
        if channel.model is Grant:
            plain["id"] = {"epoch": 7, "seq": "@SEQ"}
        found.append(f"0{topic.replace('{service}', 'balancer')}\n{json.dumps(plain)}".encode())
    heard = [seed for seed in found if any(_fits(each, seed[1:].partition(b"\n")[0].decode()) for each in filters)]
    for setting, value in SETTINGS:
        found.append(f"0{topics.set('right', setting)}\n{value}".encode())
        found.append(f"2{topics.set('right', setting)}\nguest/reply\n{value}".encode())
    for topic, values in (
        (topics.limit_set, SIGNALS),
        (_INPUT, INPUTS),
        (topics.prices_set, PRICES),
    ):
        found += [f"0{topic}\n{value}".encode() for value in values]
    return found + heard * (100 // len(heard))


def _fits(topic_filter: str, topic: str) -> bool:
    wanted, given = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(given) and all(one in {"+", two} for one, two in zip(wanted, given, strict=True))


def _in_json(random: Random, data: bytes) -> bytes:
    """Spoil one value of the document."""
    head, newline, payload = data.rpartition(b"\n")
    return head + newline + spoilt(random, payload)


def _in_numbers(random: Random, data: bytes) -> bytes:
    """Say the same with other numbers."""
    head, newline, payload = data.rpartition(b"\n")

    def other(match: re.Match[bytes]) -> bytes:
        if random.random() < 0.7:
            return match[0]
        return random.choice(
            (b"0", b"-1", b"5.99", b"6", b"16", b"16.01", b"499.9", b"1e3", b"%g" % random.uniform(-30, 60))
        )

    return head + newline + re.sub(rb"(?<=: )-?\d+(\.\d+)?(?=[,}])", other, payload)


def _twice_in_json(random: Random, data: bytes) -> bytes:
    """Say one field twice, with another value."""
    head, _, payload = data.rpartition(b"\n")
    if not payload.startswith(b"{"):
        return data
    key = random.choice((b"charger", b"meter", b"offer_a", b"id", b"stamp", b"schema_version", b"phases", b"drawn_a"))
    return head + b'\n{"' + key + b'":' + json.dumps(nasty(random)).encode() + b"," + payload[1:]


def _on_another_topic(random: Random, data: bytes) -> bytes:
    """The same, retained, asking for an answer, or from someone else."""
    head, newline, payload = data.partition(b"\n")
    levels = head[1:].split(b"/")
    others = (
        b"left",
        b"right",
        b"grid",
        b"bay",
        b"attic",
        b"+",
        b"",
        b"x" * 300,
        b"\xff",
        b"state",
        b"set",
        b"\0",
        b"home",
    )
    levels[random.randrange(len(levels))] = random.choice(others)
    flags = random.choice((b"0", b"0", b"1", b"2"))
    asked = random.choice((b"guest/reply\n", b"ampherd/home/charger/left/grant\n", b"a/+/#\n", b"\n", b"$SYS/x\n"))
    return flags + b"/".join(levels) + newline + (asked if flags == b"2" and head[:1] != b"2" else b"") + payload
