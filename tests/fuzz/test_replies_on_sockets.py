"""The same spoilt replies over real sockets: fewer, for each silence costs a timeout."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from ampherd_charger_agent.link import ModbusLink
from ampherd_charger_agent.wallbox import AgentError
from ampherd_core.clock import boot_s
from ampherd_core.endpoint import parse_endpoint
from ampherd_core.messages import MeterRole
from ampherd_core.policy import CHARGER_TRANSPORTS, Meter
from ampherd_meter.drivers import new_driver, sensorbox
from ampherd_meter.drivers.port import DriverPort
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, LinkError, Sample

from tests.fuzz.replies import RTU, sensorbox_device, whole_reply
from tests.support.modbus_devices import DeviceServer, Framing, edgetech
from tests.support.wait import wait_for

TIMEOUT_S = 0.05
INPUTS = 80


def garbage(random: Random, framing: Framing) -> bytes:
    if random.random() < 0.3:
        return random.randbytes(random.choice((1, 5, 9, 300, 70_000)))
    return whole_reply(random, bytes((RTU if framing == "rtu" else 0,)))[3:]


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_a_wallbox_that_babbles_is_no_answer_and_heals(
    framing: Framing, caplog: pytest.LogCaptureFixture
) -> None:
    random = Random(framing)
    async with DeviceServer(edgetech(), framing) as server:
        link = ModbusLink(parse_endpoint(server.url, CHARGER_TRANSPORTS), 1, timeout_s=TIMEOUT_S)
        for _ in range(INPUTS):
            server.device.garbage = garbage(random, framing)
            with suppress(AgentError):
                registers = await link.read_input(0x0102, 3)
                assert b"".join(word.to_bytes(2, "big") for word in registers) in server.device.garbage
            server.device.garbage = None
            assert (await link.read_input(0x0102, 3))[0] == 16 << 8 | 32
        link.close()
    assert not caplog.records, "no trace in the log"


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_a_sensorbox_that_babbles_is_a_lost_link_or_no_sample(
    framing: Framing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sensorbox, "_TIMEOUT_S", TIMEOUT_S)
    random, samples, counters = Random(framing), list[Sample](), Counter[Count]()

    async def deliver(sample: Sample) -> None:
        samples.append(sample)

    async with DeviceServer(sensorbox_device(), framing) as server:
        meter = Meter(role=MeterRole.GRID, driver="sensorbox", source=server.url)
        port = DriverPort(
            meter=meter, is_delta=False, counters=counters, pulse=Pulse(boot_s()), link_up=lambda: None, deliver=deliver
        )
        for _ in range(INPUTS // 2):
            server.device.garbage = garbage(random, framing)
            counted = counters.total()
            driving = asyncio.create_task(new_driver(port).run())
            await wait_for(lambda task=driving, before=counted: task.done() or counters.total() > before)  # type: ignore[misc]
            driving.cancel()
            (ended,) = await asyncio.gather(driving, return_exceptions=True)
            assert isinstance(ended, LinkError | asyncio.CancelledError), ended
        server.device.garbage = None
        before = len(samples)
        driving = asyncio.create_task(new_driver(port).run())
        await wait_for(lambda: len(samples) > before)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
    assert not caplog.records, "no trace in the log"
