"""A running meter service, what it says on the bus, and a P1 port for it to read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, running
from ampherd_core.messages import Event, Health, MeterStatus, Reading, ServiceStatus
from ampherd_core.topics import Topics
from ampherd_embedded.program import Program

from tests.support.processes import Server
from tests.support.wait import wait_for

TOPICS = Topics("home")


class MeterProcess(Server):
    """The meter service as a process of its own."""

    def __init__(self, broker_url: str, site: Path) -> None:
        environment = {"AMPHERD_SITE": str(site), "AMPHERD_MQTT_URL": broker_url, "AMPHERD_STATE_DIR": str(site.parent)}
        program = Program("meter", (sys.executable, "-m", "ampherd_meter"), environment)
        super().__init__(program, site.parent / "meter.log")


class Ear:
    """Everything that the service said."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.statuses: list[MeterStatus] = []
        self.events: list[Event] = []
        self.service: list[ServiceStatus] = []
        self.cleared: list[str] = []

    def hear(self, message: Inbound) -> None:
        """Sort one message by its topic."""
        level = message.topic.rsplit("/", 1)[-1]
        if not message.payload:
            self.cleared.append(message.topic)
        elif level == "reading":
            self.readings.append(Reading.model_validate_json(message.payload))
        elif level == "event":
            self.events.append(Event.model_validate_json(message.payload))
        elif "/service/" in message.topic:
            self.service.append(ServiceStatus.model_validate_json(message.payload))
        else:
            self.statuses.append(MeterStatus.model_validate_json(message.payload))

    def health(self, meter: str = "grid") -> Health | None:
        """A meter's newest health."""
        return next((status.health for status in reversed(self.statuses) if status.meter == meter), None)

    async def is_online(self) -> None:
        """Wait until the service speaks on the bus: what it says before is lost."""
        await wait_for(lambda: bool(self.service) and self.service[-1].is_online, 15, "the service is online")

    async def is_well(self, meter: str = "grid", deadline_s: float = 40.0) -> None:
        """Wait until the meter is ok."""
        await wait_for(lambda: self.health(meter) is Health.OK, deadline_s, f"{meter} is ok; {self.statuses[-3:]}")


@asynccontextmanager
async def listening(broker_url: str) -> AsyncIterator[Ear]:
    """An ear on the bus for the length of a block."""
    ear = Ear()
    filters = (TOPICS.reading("+"), TOPICS.meter_status("+"), TOPICS.event, TOPICS.service_status("meter"))
    bus = MqttBus(BrokerAddress.parse(broker_url), "ear", filters=filters, listener=ear.hear)
    async with running(bus):
        await asyncio.wait_for(bus.connected.wait(), 10)
        yield ear


class P1Port:
    """A P1 port behind ser2net: whoever connects gets what is sent from then on."""

    def __init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its address for the policy."""
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def is_read(self) -> bool:
        """Whether someone is connected."""
        return bool(self._writers)

    async def start(self) -> None:
        """Listen; the same port again after a stop."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        self._writers.clear()

    def send(self, data: bytes) -> None:
        """Put bytes on the line."""
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def p1_port() -> AsyncIterator[P1Port]:
    """A P1 port for the length of a block."""
    port = P1Port()
    await port.start()
    try:
        yield port
    finally:
        await port.stop()


@asynccontextmanager
async def sending(
    send: Callable[[bytes], None], telegram_of: Callable[[int], bytes], every_s: float
) -> AsyncIterator[None]:
    """Send telegram 0, 1, 2 … for the length of a block."""

    async def run() -> None:
        number = 0
        while True:
            send(telegram_of(number))
            number += 1
            await asyncio.sleep(every_s)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()


def write_site(path: Path, meters: str) -> Path:
    """A policy with one charger and the given meters (YAML, one flow mapping a line)."""
    lines = "\n".join(f"  {line.strip()}" for line in meters.strip().splitlines())
    path.write_text(
        f"version: 1\nconnection: {{rating_a: 25}}\nmeters:\n{lines}\n"
        "chargers:\n  one: {driver: edgetech, link: 'tcp://127.0.0.1:1'}\n"
    )
    return path
