"""Modbus replies: what a wallbox or a Sensorbox, or the line to it, may answer."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

from ampherd_charger_agent.drivers import DRIVERS
from ampherd_charger_agent.link import ModbusLink
from ampherd_charger_agent.wallbox import AgentError, Snapshot
from ampherd_core.clock import boot_s
from ampherd_core.endpoint import parse_endpoint
from ampherd_core.messages import MeterRole
from ampherd_core.policy import CHARGER_TRANSPORTS, DriverName, Meter
from ampherd_core.units import MAX_OFFER_A
from ampherd_meter.drivers import new_driver
from ampherd_meter.drivers.port import DriverPort
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, LinkError, Sample

from tests.fuzz.lines import InstantLoop
from tests.fuzz.quiet import Ears, listening
from tests.fuzz.target import Mutation, Outcome, promise
from tests.support.modbus_devices import Device, crc16, edgetech, smartevse_v2, smartevse_v2_legacy

RTU: Final = 0x80
SPLITS: Final = 0x40
WRITES: Final = 0x20
_KINDS: Final = (DriverName.EDGETECH, DriverName.SMARTEVSE_V2, DriverName.SMARTEVSE_V2_LEGACY, "sensorbox")
_HONEST: Final = 0xFE
"""A recipe's byte: this request is answered as the device would."""

_TWICE, _LATE, _OTHER_UNIT, _OTHER_FUNCTION, _OTHER_TURN, _REFUSED, _CUT, _RAW, _GONE = range(9)
_LATENESS: Final = 9
"""Recipes by number; a raw one takes the rest of the input as the line's bytes."""


class Far:
    """A device whose line does what the recipe says, one byte a request."""

    def __init__(self, device: Device, *, is_rtu: bool, recipe: bytes) -> None:
        self._device = device
        self._is_rtu = is_rtu
        self._recipe = recipe
        self._late = b""
        self.sent = b""
        self.splits = False

    def answer(self, request: bytes) -> Sequence[bytes] | None:
        head, body = (b"", request[:-2]) if self._is_rtu else (request[:6], request[6:])
        honest = body[:1] + self._device.answer(body[1:6])
        step, self._recipe = self._recipe[:1] or bytes((_HONEST,)), self._recipe[1:]
        if step[0] == _HONEST:
            answer: bytes | None = self._framed(head, honest)
        else:
            answer = self._spoilt(step[0] % _LATENESS, head, honest)
        if answer is None:
            return None
        self.sent += answer
        return [answer[at : at + 3] for at in range(0, len(answer), 3)] if self.splits else [answer]

    def heal(self) -> None:
        """From now on it answers as it should."""
        self._recipe, self._late, self.sent = b"", b"", b""

    def _spoilt(self, how: int, head: bytes, honest: bytes) -> bytes | None:
        answer: bytes | None = None
        match how:
            case 0:  # _TWICE
                answer = self._framed(head, honest) * 2
            case 1:  # _LATE
                answer, self._late = self._late, self._framed(head, honest)
            case 2:  # _OTHER_UNIT
                answer = self._framed(head, bytes((honest[0] ^ 3,)) + honest[1:])
            case 3:  # _OTHER_FUNCTION
                answer = self._framed(head, bytes((honest[0], honest[1] ^ 7)) + honest[2:])
            case 4:  # _OTHER_TURN
                answer = self._framed(bytes((head[0], head[1] ^ 1, *head[2:])) if head else b"", honest)
            case 5:  # _REFUSED
                code = self._take(1) or b"\2"
                answer = self._framed(head, bytes((honest[0], honest[1] | 0x80)) + code)
            case 6:  # _CUT
                answer = self._framed(head, honest)[: -1 - len(self._recipe) % 8]
            case 7:  # _RAW
                answer, self._recipe = self._recipe, b""
        return answer

    def _take(self, count: int) -> bytes:
        taken, self._recipe = self._recipe[:count], self._recipe[count:]
        return taken

    def _framed(self, head: bytes, body: bytes) -> bytes:
        return head[:4] + len(body).to_bytes(2, "big") + body if head else body + crc16(body)


class Replies:
    """The first byte chooses device, framing and question; then a recipe, byte by byte; registers are spoilt by pairs.

    `kind, count, (place, high, low) * count, recipe`.
    """

    words: Sequence[bytes] = (
        b"\x01\x83\x02", b"\x01\x04\x06", b"\x00\x01\x00\x00\x00\x05\x01\x04\x02", b"\xff\xff", b"\x7f\x7f\xff\xff",
        b"\x01\x06", b"\x01\x2b\x0e", b"\x01\x08\x00\x0a", b"\x01\x18\x00\xff", b"\x01\x16", b"\x01\x14\xff",
        b"\x01\x03\xff", b"\x01\x80", bytes((_RAW,)), bytes((_HONEST,)), b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x07" + b"\0" * 600,
    )  # fmt: skip

    def __init__(self, loop: InstantLoop, ears: Ears) -> None:
        self._loop = loop
        self._ears = ears
        kinds = [kind | flags for kind in range(len(_KINDS)) for flags in (0, RTU, SPLITS, RTU | WRITES)]
        recipes = [bytes((_HONEST,)), *(bytes((how, 2, 3)) for how in range(_LATENESS))]
        self.seeds: Sequence[bytes] = [bytes((kind, 0)) + recipe for kind in kinds for recipe in recipes]
        self.mutations: Sequence[Mutation] = (_spoil_registers, whole_reply)

    def feed(self, data: bytes) -> Outcome:
        """One conversation of a few requests."""
        kind, data = (data[0], data[1:]) if data else (0, b"")
        device_of = _KINDS[(kind & 0x1F) % len(_KINDS)]
        device, recipe = _spoilt_device(device_of, data)
        far = Far(device, is_rtu=bool(kind & RTU), recipe=recipe)
        far.splits = bool(kind & SPLITS)
        self._loop.far = far
        self._ears.faults.clear()
        address = f"{'rtu+tcp' if kind & RTU else 'tcp'}://device:502"
        if isinstance(device_of, DriverName):
            asking = _ask_wallbox(device_of, address, far, writes=bool(kind & WRITES))
        else:
            asking = _ask_sensorbox(address, far)
        outcome = self._loop.run_until_complete(asking)
        promise(not self._ears.faults, f"a trace in the log: {self._ears.faults[:1]}")
        return outcome


def _spoilt_device(kind: DriverName | str, data: bytes) -> tuple[Device, bytes]:
    makers: dict[DriverName, Callable[[], Device]] = {
        DriverName.EDGETECH: edgetech,
        DriverName.SMARTEVSE_V2: smartevse_v2,
        DriverName.SMARTEVSE_V2_LEGACY: smartevse_v2_legacy,
    }
    device = makers[kind]() if isinstance(kind, DriverName) else sensorbox_device()
    count = data[0] % 16 if data else 0
    places = list(device.registers)
    for at in range(1, min(1 + 3 * count, len(data) - 2), 3):
        device.registers[places[data[at] % len(places)]] = data[at + 1] << 8 | data[at + 2]
    return device, data[1 + 3 * count :]


def sensorbox_device() -> Device:
    """A box whose P1 port and clamps are new."""
    device = Device(unit=10)
    device.hold(
        0, 0x0114, 0x3283, *struct.unpack(">18H", struct.pack(">9f", *[230.0] * 3, 1.0, -2.0, 3.0, 4.0, 5.0, 6.0))
    )
    return device


class _WatchedLink(ModbusLink):
    """Holds every answer that the link takes against what was on the line."""

    def __init__(self, address: str, far: Far) -> None:
        super().__init__(parse_endpoint(address, CHARGER_TRANSPORTS), 1)
        self._far = far

    async def read_input(self, address: int, count: int) -> Sequence[int]:
        registers = await super().read_input(address, count)
        answer = bytes((1, 4, 2 * count)) + struct.pack(f">{count}H", *registers)
        promise(answer in self._far.sent, f"registers that no answer gave: {registers}")
        return registers

    async def write(self, address: int, value: int) -> None:
        await super().write(address, value)
        promise(struct.pack(">BBHH", 1, 6, address, value) in self._far.sent, "a write that nobody echoed")


async def _ask_wallbox(name: DriverName, address: str, far: Far, *, writes: bool) -> Outcome:
    link = _WatchedLink(address, far)
    wallbox = DRIVERS[name](link)
    try:
        if writes:
            await wallbox.write(13.0)
        _check_snapshot(await wallbox.read(1.0))
        outcome = Outcome()
    except AgentError as err:
        promise(bool(str(err)), "an error without words")
        outcome = Outcome(type(err).__name__, str(err))
    far.heal()
    registers = await link.read_input(0x0102 if name is DriverName.EDGETECH else _start(name), 3)
    promise(len(registers) == 3, "the link does not heal")
    link.close()
    await asyncio.sleep(0)
    return outcome


def _start(name: DriverName) -> int:
    return 0x0000 if name is DriverName.SMARTEVSE_V2 else 0x00A0


def _check_snapshot(seen: Snapshot) -> None:
    promise(0 <= seen.offer_a <= MAX_OFFER_A, f"an offer of {seen.offer_a:g} A")


async def _ask_sensorbox(address: str, far: Far) -> Outcome:
    samples: list[Sample] = []
    counters: Counter[Count] = Counter()

    async def deliver(sample: Sample) -> None:
        samples.append(sample)

    meter = Meter(role=MeterRole.GRID, driver="sensorbox", source=address)
    driver = new_driver(
        DriverPort(
            meter=meter, is_delta=False, counters=counters, pulse=Pulse(boot_s()), link_up=lambda: None, deliver=deliver
        )
    )
    why = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(9.0):
            try:
                await driver.run()
            except LinkError as err:
                why = str(err)
    await asyncio.sleep(0)
    refused = next(iter(counters), None)
    if refused is not None:
        return Outcome(refused, why or f"counted as {refused}")
    if why:
        return Outcome("LinkError", why)
    return Outcome("taken" if samples else "nothing new")


def _spoil_registers(random: Random, data: bytes) -> bytes:
    count = random.randint(1, 6)
    values = (0, 0xFFFF, 0x8000, 0x7F80, 0x7FC0, 1, 80 << 8, 1000, 0x7F7F, random.randrange(1 << 16))
    spoilt = b"".join(bytes((random.randrange(256),)) + random.choice(values).to_bytes(2, "big") for _ in range(count))
    return (data[:1] or b"\0") + bytes((count,)) + spoilt + bytes((_HONEST,)) * random.randint(0, 3) + data[2:6]


def whole_reply(random: Random, data: bytes) -> bytes:
    """A frame that is whole, and the answer to nothing that was asked."""
    kind = (data[:1] or b"\0")[0]
    function = random.choice((1, 2, 3, 4, 4, 4, 6, 7, 8, 0x0B, 0x11, 0x14, 0x16, 0x17, 0x18, 0x2B, 0x83, 0x84, 0xFF, 0))
    size = random.choice((0, 1, 2, 6, 20, 40, 250))
    body = bytes((random.choice((1, 1, 1, 0, 10, 255)), function, size)) + random.randbytes(
        random.choice((size, size, 3))
    )
    frame = (
        body + crc16(body)
        if kind & RTU
        else random.choice((b"\0\1", b"\0\0", b"\0\2")) + b"\0\0" + len(body).to_bytes(2, "big") + body
    )
    return bytes((kind, 0, _RAW)) + frame * random.choice((1, 1, 2))


@contextmanager
def replies() -> Iterator[Replies]:
    """The target."""
    loop = InstantLoop()
    asyncio.set_event_loop(loop)
    with listening() as ears:
        loop.set_exception_handler(ears.note)
        try:
            yield Replies(loop, ears)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
