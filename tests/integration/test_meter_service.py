"""The meter service as it runs: a P1 port over TCP in, readings and health on a real broker out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ampherd_core.messages import Health, Severity

from tests.support.brokers import BrokerServer
from tests.support.meters import Ear, MeterProcess, P1Port, listening, p1_port, sending, write_site
from tests.support.p1 import telegram
from tests.support.wait import wait_for

FAST_S = 0.1
"""Ten times the pace of a real meter, to spare the tests' time."""


@dataclass
class Site:
    """A meter service that reads one P1 port."""

    ear: Ear
    port: P1Port
    meter: MeterProcess
    policy: Path


@pytest.fixture
async def site(broker: BrokerServer, tmp_path: Path) -> AsyncIterator[Site]:
    async with listening(broker.url) as ear, p1_port() as port:
        policy = write_site(tmp_path / "site.yaml", f"grid: {{role: grid, driver: dsmr, source: '{port.url}'}}")
        meter = MeterProcess(broker.url, policy)
        meter.start()
        try:
            await wait_for(lambda: port.is_read, 15, "the service reads the port")
            await ear.is_online()
            yield Site(ear, port, meter, policy)
        finally:
            meter.stop()


async def test_a_telegram_becomes_a_reading_at_its_last_byte(site: Site) -> None:
    data = telegram(1, amps=(3, 5, 7))
    site.port.send(data[:500])
    site.port.send(data[500:-2])
    reading = (await wait_for(lambda: site.ear.readings, what="a reading"))[0]
    assert [phase and phase.guard_a for phase in reading.phases] == [4, 6, 8]
    assert (reading.power_w, reading.valid_for_s, reading.resolution_a) == (3450, 5, 1)
    assert reading.measured_at.tzinfo is not None
    await site.ear.is_well()
    (event,) = await wait_for(lambda: site.ear.events, what="people are told")
    assert (event.code, event.severity) == ("meter-ok", Severity.INFO)


async def test_noise_and_halves_are_counted_and_the_next_telegram_is_read(site: Site) -> None:
    site.port.send(b"\xff\x00noise" + telegram(1)[:400] + b"\r\n" + telegram(2).replace(b"003*A", b"004*A"))
    site.port.send(telegram(3))
    await site.ear.is_well()
    assert site.ear.statuses[-1].counters | {"late": 0} == {"garbage": 1, "cut": 1, "crc": 1, "ok": 1, "late": 0}


async def test_a_silent_meter_goes_stale_tells_it_and_recovers(site: Site) -> None:
    site.port.send(telegram(1))
    await site.ear.is_well()
    await wait_for(lambda: site.ear.health() is Health.STALE, 8, "stale after 5 s")
    (alarm,) = await wait_for(lambda: [event for event in site.ear.events if event.code == "meter-stale"])
    assert (alarm.severity, alarm.meter) == (Severity.ALARM, "grid")
    site.port.send(telegram(2))
    await site.ear.is_well()


async def test_a_frozen_meter_goes_stale_although_it_talks(site: Site) -> None:
    async with sending(site.port.send, lambda _: telegram(1), FAST_S):
        await site.ear.is_well()
        await wait_for(lambda: site.ear.health() is Health.STALE, 8, "stale after 5 s")
        assert "frozen" in site.ear.statuses[-1].why
        assert len(site.ear.readings) == 1


async def test_a_lost_line_is_dialled_again(site: Site) -> None:
    async with sending(site.port.send, telegram, FAST_S):
        await site.ear.is_well()
        await site.port.stop()
        await wait_for(lambda: site.ear.health() is Health.ERROR, 8, "error once the sample is old")
        assert "cannot connect" in site.ear.statuses[-1].why
        await site.port.start()
        await site.ear.is_well()


async def test_what_waited_through_a_freeze_is_never_a_reading(site: Site) -> None:
    site.port.send(telegram(1, amps=(1, 0, 0)))
    await site.ear.is_well()
    site.meter.freeze()
    site.port.send(telegram(2, amps=(2, 0, 0)))
    await asyncio.sleep(2.5)  # a freeze lasts as long as it lasts
    site.meter.thaw()
    await wait_for(lambda: site.port.connections == 2, what="the line is opened anew")
    site.port.send(telegram(3, amps=(3, 0, 0)))
    await wait_for(lambda: len(site.ear.readings) == 2, what="a reading after the freeze")
    assert [reading.phases[0] and reading.phases[0].current_a for reading in site.ear.readings] == [1, 3]


async def test_the_newest_of_a_stalled_bridge_counts(site: Site) -> None:
    site.port.send(b"".join(telegram(second, amps=(second, 0, 0)) for second in range(1, 9)))
    reading = (await wait_for(lambda: site.ear.readings, what="a reading"))[0]
    assert reading.phases[0] is not None
    assert reading.phases[0].current_a == 8
    assert len(site.ear.readings) == 1


async def test_an_edit_restarts_only_the_meters_that_it_touches(site: Site) -> None:
    async with p1_port() as solar, sending(site.port.send, telegram, FAST_S), sending(solar.send, telegram, FAST_S):
        await site.ear.is_well()
        grid = f"grid: {{role: grid, driver: dsmr, source: '{site.port.url}'}}"
        write_site(site.policy, f"{grid}\nroof: {{role: solar, driver: dsmr, source: '{solar.url}'}}")
        await site.ear.is_well("roof")
        assert site.port.connections == 1
        write_site(site.policy, grid)
        await wait_for(lambda: not solar.is_read, what="the solar meter's line is closed")
        await wait_for(lambda: any("roof/status" in topic for topic in site.ear.cleared), what="its status is cleared")
        assert site.port.connections == 1


async def test_a_bad_edit_changes_nothing_and_is_told(site: Site) -> None:
    async with sending(site.port.send, telegram, FAST_S):
        await site.ear.is_well()
        write_site(site.policy, "grid: {role: grid, driver: dsmr, source: 'tcp://nowhere'}")
        await wait_for(lambda: site.ear.service[-1].policy_error, what="the refusal is told")
        count = len(site.ear.readings)
        await wait_for(lambda: len(site.ear.readings) > count + 3, what="readings go on")
        assert site.port.connections == 1


async def test_health_is_there_again_after_the_broker_restarts(site: Site, broker: BrokerServer) -> None:
    async with sending(site.port.send, telegram, FAST_S):
        await site.ear.is_well()
        broker.stop()
        broker.start()
        async with listening(broker.url) as late:
            await late.is_well()
            await wait_for(lambda: late.readings, 10, "readings after the restart")


async def test_stops_when_told(site: Site) -> None:
    site.meter.stop()
    await wait_for(lambda: not site.ear.service[-1].is_online, what="offline")
    assert not site.port.is_read or await wait_for(lambda: not site.port.is_read)
