"""Meters that are read from topics, as they run: an emonPi and a battery's gateway on real brokers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ampherd_core.messages import Health, MeterStatus, Reading
from ampherd_embedded.program import Program, free_port

from tests.support.brokers import BrokerServer
from tests.support.emon import EmonHub, emon_hub, emon_pi, three_phases
from tests.support.guarded_broker import SETUP
from tests.support.meters import Ear, MeterProcess, listening, write_site
from tests.support.needs import needs_program
from tests.support.processes import Server
from tests.support.wait import wait_for

FAST_S = 0.3
"""Many times the pace of a real emonPi, to spare the tests' time."""

GRID = (
    "grid: {role: grid, driver: mqtt, source: '%s', values: {power_l1: {topic: emon/3phase/powerL1}, "
    "power_l2: {topic: emon/3phase/powerL2}, power_l3: {topic: emon/3phase/powerL3}}}"
)
ROOF = "roof: {role: solar, driver: mqtt, source: '%s', values: {power: {topic: emon/emonpi/power2, scale: -1}}}"
BATTERY = (
    "battery: {role: battery, driver: mqtt, source: '%s', values: {power: {topic: bms/state, field: dc.power, "
    "unit: kW}, soc: {topic: bms/charge}}}"
)


@asynccontextmanager
async def reading(broker: BrokerServer, directory: Path, *meters: str) -> AsyncIterator[Ear]:
    """A meter service with these meters, and what it says."""
    async with listening(broker.url) as ear:
        meter = MeterProcess(broker.url, write_site(directory / "site.yaml", "\n".join(meters)))
        meter.start()
        try:
            await ear.is_online()
            yield ear
        finally:
            meter.stop()


@asynccontextmanager
async def repeating(burst: Callable[[int], None]) -> AsyncIterator[None]:
    """Burst 0, 1, 2 … for the length of a block."""

    async def run() -> None:
        number = 0
        while True:
            await asyncio.to_thread(burst, number)
            number += 1
            await asyncio.sleep(FAST_S)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def newest(ear: Ear, meter: str) -> Reading | None:
    return next((each for each in reversed(ear.readings) if each.meter == meter), None)


def status(ear: Ear, meter: str) -> MeterStatus | None:
    return next((each for each in reversed(ear.statuses) if each.meter == meter), None)


async def test_an_emon_tx_a_roof_and_a_battery_on_our_own_broker(any_broker: BrokerServer, tmp_path: Path) -> None:
    meters = [each % "bus" for each in (GRID, ROOF, BATTERY)]
    async with reading(any_broker, tmp_path, *meters) as ear:
        with emon_hub(any_broker.port_v311) as hub:

            def burst(number: int) -> None:
                hub.burst("3phase", three_phases(2300 + number % 2, -460, 0))
                hub.burst("emonpi", emon_pi(2300, 1800 + number % 2))
                hub.say("bms/charge", f"{60 + number / 100:.2f}")
                hub.say("bms/state", f'{{"dc": {{"power": {-0.5 - number / 1000:.3f}}}, "mode": "eco"}}')

            async with repeating(burst):
                await wait_for(lambda: newest(ear, "battery") and len(ear.readings) > 9, 30, "all three are read")
                await ear.is_well("grid")
                await ear.is_well("battery")
    grid, roof, battery = (newest(ear, meter) for meter in ("grid", "roof", "battery"))
    assert grid is not None
    assert roof is not None
    assert battery is not None
    assert [phase and phase.power_w for phase in grid.phases][1:] == [-460, 0]
    assert [phase and phase.guard_a for phase in grid.phases][1:] == [pytest.approx(-1.818, abs=0.001), 0]
    assert grid.power_w in {1840, 1841}
    assert roof.power_w in {-1800, -1801}, "the roof's clamp counts what it gives as positive"
    assert battery.power_w == pytest.approx(-500, abs=100)
    assert battery.soc_percent == pytest.approx(60, abs=2)


async def test_what_the_broker_remembers_is_no_news(any_broker: BrokerServer, tmp_path: Path) -> None:
    with emon_hub(any_broker.port_v311) as hub:
        hub.say("bms/state", '{"dc": {"power": 3}}', is_retained=True)
        hub.say("bms/charge", "99", is_retained=True)
        async with reading(any_broker, tmp_path, GRID % "bus", BATTERY % "bus") as ear:
            await wait_for(lambda: status(ear, "battery"), 20, "it is told of")
            await wait_for(lambda: hears(hub, ear), 20, "it listens")
            battery = newest(ear, "battery")
            assert battery is not None
            assert battery.power_w == 1000, "the first reading is of what was said now"
            assert battery.soc_percent is None, "and no charge is known from before"


def hears(hub: EmonHub, ear: Ear) -> bool:
    hub.say("bms/state", '{"dc": {"power": 1}}')
    return newest(ear, "battery") is not None


async def test_nonsense_is_counted_and_silence_is_stale(any_broker: BrokerServer, tmp_path: Path) -> None:
    async with reading(any_broker, tmp_path, GRID % "bus") as ear:
        with emon_hub(any_broker.port_v311) as hub:
            async with repeating(lambda number: hub.burst("3phase", three_phases(100 + number, 200, 300))):
                await ear.is_well()
            for payload in ("NaN", "12,5", b"\xff", "9" * 70_000, '{"powerL1": 3}', "1e9", ""):
                hub.say("emon/3phase/powerL1", payload)
            await wait_for(lambda: ear.health() is Health.ERROR, 20, "nothing usable comes")
            told = status(ear, "grid")
            assert told is not None
            assert "unparsable" in told.why
            assert told.counters["unparsable"] == 5
            assert (told.counters["oversize"], told.counters["absurd"]) == (1, 1)
            hub.burst("3phase", three_phases(1, 2, 3))
            await wait_for(lambda: ear.health() is Health.OK, 10, "the next good burst counts")


async def test_a_phase_that_stays_away_leaves_no_reading(any_broker: BrokerServer, tmp_path: Path) -> None:
    def two_of_three(number: int) -> None:
        hub.burst("3phase", {"powerL1": 100 + number, "powerL2": 200})

    async with reading(any_broker, tmp_path, GRID % "bus") as ear:
        with emon_hub(any_broker.port_v311) as hub:
            async with repeating(two_of_three):
                await wait_for(lambda: ear.health() is Health.ERROR, 20, "half a meter is none")
                told = status(ear, "grid")
                assert told is not None
                assert "half_missing" in told.why
                assert ear.readings == []


async def test_it_comes_back_with_the_broker(any_broker: BrokerServer, tmp_path: Path) -> None:
    foreign = f"mqtt://127.0.0.1:{any_broker.port_v311}"
    async with reading(any_broker, tmp_path, GRID % foreign) as ear:
        with emon_hub(any_broker.port_v311) as hub:
            async with repeating(lambda number: hub.burst("3phase", three_phases(number, 2, 3))):
                await ear.is_well()
        any_broker.stop()
        any_broker.start()
        ear.statuses.clear()
        with emon_hub(any_broker.port_v311) as hub:
            async with repeating(lambda number: hub.burst("3phase", three_phases(number, 5, 6))):
                await ear.is_well(deadline_s=60)


class EmonBroker(Server):
    """The Mosquitto of an emonPi: one account, and no MQTT 5 is asked of it."""

    def __init__(self, directory: Path, user: str, password: str) -> None:
        self.port = free_port()
        directory.mkdir(parents=True)
        digest = SETUP["mosquitto_hash"](password, b"0123456789ab")
        (directory / "passwd").write_text(f"{user}:{digest}\n")
        (directory / "conf").write_text(
            f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {directory}/passwd\n"
        )
        command = (needs_program("mosquitto"), "-c", str(directory / "conf"))
        super().__init__(Program("emonpi", command, {}, (f"127.0.0.1:{self.port}",)), directory / "log")


@pytest.mark.needs("mosquitto")
async def test_an_emon_pis_own_broker_with_its_password(broker: BrokerServer, tmp_path: Path) -> None:
    emon_pi_broker = EmonBroker(tmp_path / "emonpi", "emonpi", "emonpimqtt2016")
    emon_pi_broker.start()
    secret = tmp_path / "emonpi-password"
    secret.write_text("wrong\n")
    where = f"mqtt://127.0.0.1:{emon_pi_broker.port}', user: emonpi, password_file: 'emonpi-password"
    try:
        async with reading(broker, tmp_path, GRID % where) as ear:
            await wait_for(lambda: ear.health() is Health.ERROR, 20, "the broker refuses us")
            told = status(ear, "grid")
            assert told is not None
            assert "refuses us" in told.why
            assert "wrong" not in told.why
            secret.write_text("emonpimqtt2016\n")
            with emon_hub(emon_pi_broker.port, qos=2, user="emonpi", password="emonpimqtt2016") as hub:
                async with repeating(lambda number: hub.burst("3phase", three_phases(100 + number, 200, 300))):
                    await ear.is_well(deadline_s=60)
    finally:
        emon_pi_broker.stop()
    assert "emonpimqtt2016" not in (tmp_path / "meter.log").read_text()
