"""The Sensorbox driver against boxes at register level, written from the register facts."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ampherd_core.clock import boot_s
from ampherd_core.policy import Meter
from ampherd_meter.drivers import new_driver, sensorbox
from ampherd_meter.drivers.port import Driver, DriverPort
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, LinkError, Sample

from tests.support.brokers import BrokerServer
from tests.support.meters import MeterProcess, listening, write_site
from tests.support.wait import wait_for

UNIT = 10
SILENT = b""


def crc(frame: bytes) -> bytes:
    register = 0xFFFF
    for byte in frame:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")


@dataclass
class Box:
    """A Sensorbox: function 4 from register 0, flags cleared by each read; `answer` may spoil a reply."""

    version: int = 0x0114
    flags: int = 0x83
    volts: Sequence[float] = (230.0, 230.0, 230.0)
    p1: Sequence[float] = (1.0, -2.0, 3.0)
    ct: Sequence[float] = (10.0, 11.0, 12.0)
    refreshes: bool = True
    delay_s: float = 0.0
    requests: int = 0
    connections: int = 0
    port: int = 0
    is_rtu: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'rtu+tcp' if self.is_rtu else 'tcp'}://127.0.0.1:{self.port}"

    def reply(self, request: bytes) -> bytes:
        """The answer to a request without its envelope: unit, function, address, count."""
        unit, function, address, count = struct.unpack(">BBHH", request)
        is_old = self.version & 0xFF in {0x0A, 0x0F}
        if unit != UNIT or (is_old and (function, count) != (4, 0x14)):
            return SILENT
        if function not in {3, 4} or address + count > 32 or count == 0:
            return bytes([unit, function | 0x80, 2])
        self.requests += 1
        words = struct.pack(">HH9f", self.version, 0x3200 | self.flags, *self.volts, *self.p1, *self.ct) + bytes(24)
        if not self.refreshes:
            self.flags = 0
        return bytes([unit, function, 2 * count]) + words[2 * address : 2 * (address + count)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                await (self._serve_rtu if self.is_rtu else self._serve_tcp)(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        envelope = await reader.readexactly(6)
        reply = self.reply(await reader.readexactly(int.from_bytes(envelope[4:6], "big")))
        await asyncio.sleep(self.delay_s)
        if reply:
            writer.write(envelope[:4] + len(reply).to_bytes(2, "big") + reply)

    async def _serve_rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = await reader.readexactly(8)
        assert crc(frame[:-2]) == frame[-2:]
        reply = self.reply(frame[:-2])
        await asyncio.sleep(self.delay_s)
        if reply:
            writer.write(reply + crc(reply))


@asynccontextmanager
async def serving(box: Box) -> AsyncIterator[Box]:
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for writer in box._writers:
            writer.close()


@dataclass
class Reader:
    samples: list[Sample]
    counters: Counter[Count]
    pulse: Pulse
    driver: Driver


def reader_of(box: Box, **section: object) -> Reader:
    samples: list[Sample] = []
    counters: Counter[Count] = Counter()

    async def deliver(sample: Sample) -> None:
        samples.append(sample)

    meter = Meter.model_validate({"role": "grid", "driver": "sensorbox", "source": box.url, "unit": UNIT, **section})
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    pulse = Pulse(boot_s())
    port = DriverPort(meter, False, counters, pulse, nothing, deliver)
    return Reader(samples, counters, pulse, new_driver(port))


@asynccontextmanager
async def polling(reader: Reader) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(reader.driver.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll and time out ten times faster than at home."""
    monkeypatch.setattr(sensorbox, "POLL_S", 0.2)
    monkeypatch.setattr(sensorbox, "_TIMEOUT_S", 0.1)


def currents(sample: Sample) -> list[float | None]:
    return [phase.current_a if phase else None for phase in sample.phases]


@pytest.mark.parametrize("is_rtu", [False, True], ids=["tcp", "rtu over tcp"])
@pytest.mark.parametrize("version", [0x0014, 0x0114, 0x0315])
async def test_reads_p1_currents_over_each_link(is_rtu: bool, version: int) -> None:
    async with serving(Box(version=version, is_rtu=is_rtu)) as box:
        reader = reader_of(box)
        async with polling(reader):
            await wait_for(lambda: len(reader.samples) >= 3)
        assert currents(reader.samples[0]) == [1.0, -2.0, 3.0]
        assert reader.samples[0].power_w == 460.0
        assert box.connections == 1


@pytest.mark.parametrize("version", [0x000A, 0x000F])
async def test_old_boxes_answer_their_one_question(version: int) -> None:
    async with serving(Box(version=version, flags=0x03, is_rtu=True, ct=(4, 5, 6))) as box:
        reader = reader_of(box, currents="ct", ct_ratio=2)
        async with polling(reader):
            await wait_for(lambda: reader.samples)
        assert currents(reader.samples[0]) == [8.0, 10.0, 12.0]


async def test_what_is_not_new_is_no_sample() -> None:
    async with serving(Box(refreshes=False)) as box:
        reader = reader_of(box)
        async with polling(reader):
            await wait_for(lambda: box.requests >= 4)
        assert len(reader.samples) == 1


async def test_p1_without_phases_is_counted_and_gives_nothing() -> None:
    async with serving(Box(flags=0x43)) as box:
        reader = reader_of(box)
        async with polling(reader):
            await wait_for(lambda: reader.counters[Count.NO_CURRENTS] >= 3)
        assert reader.samples == []


async def test_auto_falls_to_clamps_when_no_p1_ever_comes() -> None:
    async with serving(Box(flags=0x03)) as box:
        reader = reader_of(box)
        async with polling(reader):
            await wait_for(lambda: reader.samples)
        assert currents(reader.samples[0]) == [10.0, 11.0, 12.0]
        assert box.requests >= 6


async def test_a_deaf_box_is_a_lost_link_and_counted() -> None:
    async with serving(Box()) as box:
        reader = reader_of(box, unit=11)
        with pytest.raises(LinkError, match="does not answer"):
            await asyncio.wait_for(reader.driver.run(), 5)
        assert reader.counters[Count.TIMEOUT] == 1


async def test_a_late_reply_is_never_taken_for_the_next() -> None:
    """RTU has no transaction id: the reply of a first, slow read must not answer the read after it."""
    async with serving(Box(is_rtu=True, delay_s=0.25, p1=(1.0, 1.0, 1.0))) as box:
        reader = reader_of(box)
        with pytest.raises(LinkError):
            await asyncio.wait_for(reader.driver.run(), 5)
        box.delay_s, box.p1 = 0.0, (9.0, 9.0, 9.0)
        async with polling(reader):
            await wait_for(lambda: len(reader.samples) >= 3)
        assert [currents(sample) for sample in reader.samples] == [[9.0, 9.0, 9.0]] * len(reader.samples)
        assert box.connections == 2


async def test_a_reply_that_waited_through_a_freeze_is_no_sample() -> None:
    async with serving(Box()) as box:
        reader = reader_of(box)
        async with polling(reader) as task:
            await wait_for(lambda: reader.samples)
            reader.pulse.beat(boot_s() + 60)
            with pytest.raises(LinkError, match="frozen"):
                await asyncio.wait_for(task, 5)
        assert len(reader.samples) == 1


async def test_a_box_that_refuses_says_so() -> None:
    class Refusing(Box):
        def reply(self, request: bytes) -> bytes:
            return bytes([request[0], request[1] | 0x80, 2])

    async with serving(Refusing()) as box:
        with pytest.raises(LinkError, match="refuses"):
            await asyncio.wait_for(reader_of(box).driver.run(), 5)


async def test_another_device_is_not_taken_for_a_sensorbox() -> None:
    async with serving(Box(version=0x0001)) as box:
        reader = reader_of(box)
        async with polling(reader):
            await wait_for(lambda: reader.counters[Count.UNPARSABLE] >= 2)
        assert reader.samples == []


async def test_nobody_there_says_so() -> None:
    with pytest.raises(LinkError, match="cannot open"):
        await reader_of(Box(port=1)).driver.run()


async def test_a_sensorbox_becomes_readings_on_the_bus(broker: BrokerServer, tmp_path: Path) -> None:
    async with serving(Box()) as box, listening(broker.url) as ear:
        site = write_site(tmp_path / "site.yaml", f"grid: {{role: grid, driver: sensorbox, source: '{box.url}'}}")
        meter = MeterProcess(broker.url, site)
        meter.start()
        try:
            await ear.is_well()
            await wait_for(lambda: ear.readings)
            assert [phase and phase.guard_a for phase in ear.readings[0].phases] == [1, -2, 3]
            assert ear.readings[0].valid_for_s == 5
        finally:
            meter.stop()
