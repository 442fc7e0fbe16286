"""Where P1 bytes come from: serial ports, TCP, recordings."""

from __future__ import annotations

import asyncio
import os
import termios
import time
from collections import Counter
from pathlib import Path

import pytest
from ampherd_core.clock import boot_s
from ampherd_core.policy import METER_TRANSPORTS, Meter
from ampherd_meter.drivers import DRIVERS, new_driver
from ampherd_meter.drivers.port import Driver, DriverPort
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, LinkError, Sample, SourceEndedError

from tests.support.p1 import objects, seal, telegram
from tests.support.wait import wait_for


class Sink:
    """A driver with somewhere to deliver to."""

    def __init__(self, **section: object) -> None:
        self.samples: list[Sample] = []
        self.at_s: list[float] = []
        self.counters: Counter[Count] = Counter()
        self.pulse = Pulse(boot_s())
        self.is_up = False
        meter = Meter.model_validate({"role": "grid", "driver": "dsmr", **section})
        self.driver: Driver = new_driver(
            DriverPort(
                meter=meter,
                is_delta=False,
                counters=self.counters,
                pulse=self.pulse,
                link_up=self._up,
                deliver=self._deliver,
            )
        )

    def _up(self) -> None:
        self.is_up = True

    async def _deliver(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.at_s.append(time.monotonic())


def test_every_driver_of_the_policy_is_there() -> None:
    assert set(DRIVERS) == set(METER_TRANSPORTS)


async def test_reads_a_serial_port_at_115200_8n1_and_notices_its_end() -> None:
    master, slave = os.openpty()
    sink = Sink(source=f"serial://{os.ttyname(slave)}")
    task = asyncio.create_task(sink.driver.run())
    await wait_for(lambda: sink.is_up)
    attributes = termios.tcgetattr(slave)
    assert attributes[4] == termios.B115200
    assert attributes[2] & termios.CSIZE == termios.CS8
    for data in (telegram(1)[:300], telegram(1)[300:], telegram(2)):
        os.write(master, data)
    await wait_for(lambda: len(sink.samples) + sink.counters[Count.LATE] == 2)
    os.close(master)
    with pytest.raises(LinkError):
        await asyncio.wait_for(task, 5)
    os.close(slave)


async def test_old_meters_speak_9600_7e1() -> None:
    master, slave = os.openpty()
    sink = Sink(source=f"serial://{os.ttyname(slave)}", dsmr="2.2")
    task = asyncio.create_task(sink.driver.run())
    await wait_for(lambda: sink.is_up)
    assert termios.tcgetattr(slave)[4] == termios.B9600
    body = "\r\n".join(["/KMP5 OLD", "", "1-0:1.7.0(0000.68*kW)", "1-0:2.7.0(0000.00*kW)", "!"]) + "\r\n"
    os.write(master, body.encode())
    await wait_for(lambda: sink.samples)
    assert sink.samples[0].power_w == 680
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("source", ["serial:///dev/no-such-port", "tcp://127.0.0.1:1", "file:///no/such/recording"])
async def test_says_what_cannot_be_opened(source: str) -> None:
    with pytest.raises(LinkError, match=r"cannot|refused"):
        await Sink(source=source).driver.run()


def recording(path: Path, telegrams: list[bytes]) -> Path:
    path.write_bytes(b"".join(telegrams))
    return path


async def test_plays_a_recording_at_the_pace_of_its_clock_times_the_speed(tmp_path: Path) -> None:
    path = recording(tmp_path / "p1.raw", [telegram(second) for second in (0, 1, 2, 5)])
    sink = Sink(source=f"file://{path}?speed=10")
    with pytest.raises(SourceEndedError):
        await asyncio.wait_for(sink.driver.run(), 5)
    assert len(sink.samples) == 4
    gaps = [after - before for before, after in zip(sink.at_s, sink.at_s[1:], strict=False)]
    assert sum(gaps) == pytest.approx(0.5, abs=0.15)
    assert gaps[2] > 2 * gaps[0]


async def test_plays_as_fast_as_possible(tmp_path: Path) -> None:
    path = recording(tmp_path / "p1.raw", [telegram(second) for second in range(300)])
    sink = Sink(source=f"file://{path}?speed=0")
    with pytest.raises(SourceEndedError):
        await asyncio.wait_for(sink.driver.run(), 5)
    assert len(sink.samples) == 300


async def test_a_recording_of_something_else_ends_without_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(bytes(range(256)) * 2_000)
    sink = Sink(source=f"file://{path}?speed=0")
    with pytest.raises(SourceEndedError):
        await asyncio.wait_for(sink.driver.run(), 5)
    assert sink.samples == []


async def test_an_empty_recording_says_so(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="empty"):
        await Sink(source=f"file://{recording(tmp_path / 'p1.raw', [])}").driver.run()


async def test_plays_in_a_loop(tmp_path: Path) -> None:
    path = recording(tmp_path / "p1.raw", [telegram(second) for second in range(3)])
    sink = Sink(source=f"file://{path}?speed=100&loop=1")
    task = asyncio.create_task(sink.driver.run())
    await wait_for(lambda: len(sink.samples) > 7)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_recording_without_clock_plays_one_a_second(tmp_path: Path) -> None:
    body = seal(objects([("003", "00.690", "00.000", None)], clock=None))
    sink = Sink(source=f"file://{recording(tmp_path / 'p1.raw', [body] * 3)}?speed=10")
    with pytest.raises(SourceEndedError):
        await asyncio.wait_for(sink.driver.run(), 5)
    assert sink.at_s[-1] - sink.at_s[0] == pytest.approx(0.2, abs=0.1)


async def test_the_policys_dialect_says_how_often_and_whether_a_crc_is_a_must(tmp_path: Path) -> None:
    bare = telegram(1).rpartition(b"!")[0] + b"!\r\n"
    path = recording(tmp_path / "p1.raw", [bare, seal(objects([("003", None, None, None)], version=None))])
    sink = Sink(source=f"file://{path}?speed=0", dsmr="se")
    with pytest.raises(SourceEndedError):
        await asyncio.wait_for(sink.driver.run(), 5)
    assert [sample.nominal_interval_s for sample in sink.samples] == [10.0]
    assert sink.counters[Count.CRC] == 1


async def test_nine_real_minutes_through_the_driver(shared: Path) -> None:
    path = shared / "data/telegrams/streams/nielsbasjes-iskra-am550-1hz-9min.raw"
    sink = Sink(source=f"file://{path}?speed=0")
    with pytest.raises(SourceEndedError):
        await asyncio.wait_for(sink.driver.run(), 20)
    assert len(sink.samples) == 566
