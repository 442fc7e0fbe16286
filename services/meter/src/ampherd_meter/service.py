"""The meter service: a supervised driver for each meter of the policy, its readings and its health on the bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from ampherd_core.backoff import Backoff
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.clock import SESSION, boot_s, utc_now
from ampherd_core.environment import Environment
from ampherd_core.messages import Health, MeterRole, Severity, Stamp
from ampherd_core.policy import Meter, Policy, Wiring
from ampherd_core.service import Service

from ampherd_meter.channel import Channel, Verdict
from ampherd_meter.drivers import new_driver
from ampherd_meter.drivers.port import Driver, DriverPort
from ampherd_meter.electrics import Mains
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, LinkError, Sample, SourceEndedError

TICK_S: Final = 0.5
"""How often health is judged, and how often this process feels its own pulse."""

STATUS_EVERY_S: Final = 30.0
"""Health is retained; it is said again so that its counters stay true."""

START_GRACE_S: Final = 25.0
"""A meter of 10 s and its bridge may need so long until the first whole sample; only then is its lack an alarm."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Line:
    """One meter at work: what it was made from, what judges it, and what was last said of it."""

    section: tuple[Meter, Mains]
    channel: Channel
    task: asyncio.Task[None]
    started_s: float
    told: Verdict | None = None
    told_s: float = 0.0
    was_ok: bool | None = None


class MeterService(Service):
    """Reads every meter of the site."""

    speaks_sealed = True

    def __init__(self, name: str, environment: Environment, policy: Policy) -> None:
        super().__init__(name, environment, policy)
        self._lines: dict[str, _Line] = {}
        self._pulse = Pulse(boot_s())
        self._news = asyncio.Event()

    def filters(self) -> Sequence[str]:
        """It speaks only."""
        return ()

    def hear(self, message: Inbound) -> Awaitable[None] | None:
        """Nothing is asked of it."""

    async def main(self) -> None:
        """Keep a driver running for each meter, and tell how they do."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._follow(self.policy)
                group.create_task(self._beat_pulse(), name="pulse")
                group.create_task(self._tell(), name="health")
        finally:
            await _end([line.task for line in self._lines.values()])

    async def connected(self) -> None:
        """The broker may have lost what was retained: say it all again."""
        for line in self._lines.values():
            line.told = None
        self._news.set()

    async def policy_changed(self, policy: Policy) -> None:
        """Restart the meters whose section changed, leave the others alone."""
        await self._follow(policy)

    async def _follow(self, policy: Policy) -> None:
        wanted = {meter_id: (meter, _mains(meter, policy)) for meter_id, meter in policy.meters.items()}
        for meter_id, line in list(self._lines.items()):
            if wanted.get(meter_id) != line.section:
                del self._lines[meter_id]
                await _end([line.task])
            if meter_id not in wanted:
                await self.bus.publish(Outbound(self.topics.meter_status(meter_id), b"", qos=1, is_retained=True))
        for meter_id, section in wanted.items():
            if meter_id not in self._lines:
                self._lines[meter_id] = self._new_line(meter_id, section)
        self._news.set()
        log.info("meters", reading=sorted(self._lines))

    def _new_line(self, meter_id: str, section: tuple[Meter, Mains]) -> _Line:
        meter, mains = section
        channel = Channel(meter_id, meter.role, mains, meter.stale_after_s)

        async def deliver(sample: Sample) -> None:
            await self._publish(channel, sample)

        driver = new_driver(
            DriverPort(
                meter=meter,
                is_delta=mains.is_delta,
                counters=channel.counters,
                pulse=self._pulse,
                link_up=channel.link_up,
                deliver=deliver,
                broker=self.environment.broker,
                directory=self.environment.site.parent,
            )
        )
        task = asyncio.create_task(self._keep(channel, driver), name=f"meter-{meter_id}")
        return _Line(section, channel, task, started_s=boot_s())

    async def _keep(self, channel: Channel, driver: Driver) -> None:
        """Run a driver for ever; each failure waits longer, a sample in between makes it forget."""
        backoff = Backoff()
        while True:
            samples = channel.counters[Count.OK]
            try:
                await driver.run()
            except LinkError as err:
                why, has_ended = str(err), isinstance(err, SourceEndedError)
            except Exception as err:  # noqa: BLE001 - one meter's fault must not silence the others
                why, has_ended = f"the driver failed: {err!r}", False
            else:
                why, has_ended = "the driver ended", False
            channel.link_lost(why)
            self._news.set()
            if has_ended:
                log.info("source_ended", meter=channel.meter_id, why=why)
                return
            backoff = (backoff.reset() if channel.counters[Count.OK] > samples else backoff).after_failure()
            (log.warning if backoff.failures == 1 else log.debug)(
                "meter_link_lost", meter=channel.meter_id, why=why, retry_s=backoff.delay_s
            )
            await asyncio.sleep(backoff.delay_s)

    async def _publish(self, channel: Channel, sample: Sample) -> None:
        reading = channel.take(sample, Stamp(session=SESSION, at_s=boot_s()), utc_now())
        if reading is None:
            return
        topic = self.topics.reading(channel.meter_id)
        await self.record(reading.measured_at, Outbound(topic, self.wire.write_sealed(topic, reading)))
        line = self._lines.get(channel.meter_id)
        if line is not None and line.told is not None and line.told.health is not Health.OK:
            self._news.set()

    async def _beat_pulse(self) -> None:
        while True:
            self._pulse.beat(boot_s())
            await asyncio.sleep(TICK_S)

    async def _tell(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), TICK_S)
            self._news.clear()
            for meter_id, line in list(self._lines.items()):
                await self._tell_of(meter_id, line)

    async def _tell_of(self, meter_id: str, line: _Line) -> None:
        now_s = boot_s()
        verdict = line.channel.verdict(now_s)
        if verdict != line.told or now_s - line.told_s >= STATUS_EVERY_S:
            status = line.channel.status(verdict, utc_now())
            topic = self.topics.meter_status(meter_id)
            if await self.bus.publish(Outbound(topic, status.to_json(), qos=1, is_retained=True)):
                line.told, line.told_s = verdict, now_s
        is_ok = verdict.health is Health.OK
        is_starting = line.was_ok is None and now_s - line.started_s < START_GRACE_S
        if self.bus.is_connected and is_ok is not line.was_ok and (is_ok or not is_starting):
            line.was_ok = is_ok
            await self._tell_people(meter_id, line.channel.role, verdict)

    async def _tell_people(self, meter_id: str, role: MeterRole, verdict: Verdict) -> None:
        log.info("meter_health", meter=meter_id, health=verdict.health, why=verdict.why)
        if verdict.health is Health.OK:
            await self.event("meter-ok", Severity.INFO, f"Meter {meter_id} gives readings.", meter=meter_id)
            return
        severity = Severity.ALARM if role is MeterRole.GRID else Severity.WARNING
        text = f"Meter {meter_id} gives no usable reading: {verdict.why}."
        await self.event(f"meter-{verdict.health}", severity, text, meter=meter_id)


def _mains(meter: Meter, policy: Policy) -> Mains:
    connection = policy.connection
    return Mains(
        site_lines=connection.lines,
        lines=meter.lines,
        voltage_v=connection.voltage_v,
        is_delta=connection.wiring is Wiring.DELTA,
    )


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
