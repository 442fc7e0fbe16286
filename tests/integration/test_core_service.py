"""The life of a service: a real process, a real broker, and what others see of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound, running
from ampherd_core.messages import Event, ServiceStatus
from ampherd_core.service import EXIT_CONFIG, STOPPING_S
from ampherd_core.topics import Topics

from tests.support.brokers import KINDS, BrokerServer
from tests.support.needs import REPOSITORY
from tests.support.processes import is_alive
from tests.support.wait import wait_for

POLICY = """\
version: 1
connection: {rating_a: 25}
meters:
  grid: {role: grid, driver: dsmr, source: 'tcp://127.0.0.1:2001'}
chargers: {}
"""
EDITED = POLICY.replace("25", "20")
BAD = POLICY.replace("25", "25 A")

TAKEN_UP_WITHIN_S = 2.0
WILL_WITHIN_S = 15.0
T = Topics("home")

on_each_broker = pytest.mark.parametrize("broker", KINDS, indirect=True)


def rewrite(policy: Path, text: str) -> None:
    policy.write_text(text)


class Process:
    """The service as a supervisor sees it."""

    def __init__(self, policy: Path, broker_url: str) -> None:
        self._log = policy.with_name("echo.log")
        environment = {
            **os.environ,
            "AMPHERD_SITE": str(policy),
            "AMPHERD_MQTT_URL": broker_url,
            "AMPHERD_HEARTBEAT": str(policy.with_name("heartbeat")),
        }
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.echo_service"], cwd=REPOSITORY, env=environment, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    async def exit_code(self, deadline_s: float = 10.0) -> int:
        await wait_for(lambda: self._child.poll() is not None, deadline_s, f"it ends; {self.log}")
        return self._child.returncode

    @property
    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        if is_alive(self._child.pid):
            self._child.kill()
        self._child.wait()


class Observer:
    """Another client of the bus, that remembers."""

    def __init__(self, broker_url: str) -> None:
        self.status: list[ServiceStatus] = []
        self.said: list[str] = []
        filters = (T.service_status("echo"), T.event)
        self.bus = MqttBus(BrokerAddress.parse(broker_url), "observer", filters=filters, listener=self._hear)

    def _hear(self, message: Inbound) -> None:
        if message.topic == T.event:
            self.said.append(Event.model_validate_json(message.payload).text)
        else:
            self.status.append(ServiceStatus.model_validate_json(message.payload))

    @property
    def last(self) -> ServiceStatus | None:
        return self.status[-1] if self.status else None

    async def sees(self, *, online: bool, detail: str | None = None, deadline_s: float = 10.0) -> ServiceStatus:
        def matches() -> ServiceStatus | None:
            last = self.last
            return last if last and last.is_online is online and detail in (None, last.detail) else None

        return await wait_for(matches, deadline_s, f"online={online}, detail={detail}; seen {self.status}")

    async def hears(self, text: str, deadline_s: float = 10.0) -> None:
        await wait_for(lambda: text in self.said, deadline_s, f"{text!r}; heard {self.said}")

    async def order(self, word: str) -> None:
        await self.bus.publish(Outbound(T.set("echo", "mode"), word.encode(), qos=1))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
async def observer(broker: BrokerServer) -> AsyncIterator[Observer]:
    observer = Observer(broker.url)
    async with running(observer.bus):
        await asyncio.wait_for(observer.bus.connected.wait(), 5)
        yield observer


@pytest.fixture
def process(policy: Path, broker: BrokerServer, observer: Observer) -> Iterator[Process]:
    process = Process(policy, broker.url)
    yield process
    process.end()


@on_each_broker
async def test_says_that_it_runs_and_that_it_was_stopped(process: Process, observer: Observer, policy: Path) -> None:
    status = await observer.sees(online=True)
    assert (status.service, status.policy_error) == ("echo", None)
    assert status.since is not None
    await wait_for(policy.with_name("heartbeat").exists)

    process.send(signal.SIGTERM)
    assert await process.exit_code() == 0
    await observer.sees(online=False, detail="stopped")
    assert observer.said == ["connected", "stopping"], "it makes itself safe while the bus still runs"


@on_each_broker
async def test_its_last_will_tells_of_a_sudden_death(process: Process, observer: Observer) -> None:
    await observer.sees(online=True)
    process.send(signal.SIGKILL)
    status = await observer.sees(online=False, deadline_s=WILL_WITHIN_S)
    assert status.detail != "stopped"


async def test_the_last_will_of_a_frozen_process_comes_too(process: Process, observer: Observer) -> None:
    await observer.sees(online=True)
    process.send(signal.SIGSTOP)
    await observer.sees(online=False, deadline_s=WILL_WITHIN_S)
    process.send(signal.SIGCONT)
    await observer.sees(online=True, deadline_s=15)


async def test_an_edit_is_taken_up_at_once_and_a_bad_one_reported(
    process: Process, observer: Observer, policy: Path
) -> None:
    await observer.sees(online=True)
    began_s = time.monotonic()
    rewrite(policy, EDITED)
    await observer.hears("rating 20")
    assert time.monotonic() - began_s < TAKEN_UP_WITHIN_S

    rewrite(policy, BAD)
    status = await wait_for(lambda: observer.last if observer.last and observer.last.policy_error else None)
    assert status.is_online
    assert status.policy_error is not None
    assert status.policy_error.startswith("site.yaml:2: connection.rating_a: ")
    assert "without its unit" in status.policy_error

    rewrite(policy, EDITED)
    await wait_for(lambda: observer.last is not None and observer.last.policy_error is None)

    rewrite(policy, EDITED + "site: {id: elsewhere}\n")
    status = await wait_for(lambda: observer.last if observer.last and observer.last.policy_error else None)
    assert "restart" in str(status.policy_error)

    rewrite(policy, POLICY)
    await observer.hears("rating 25")
    assert observer.said == ["connected", "rating 20", "rating 25"]
    assert observer.last is not None
    assert observer.last.policy_error is None


async def test_a_failing_task_ends_the_process_for_its_supervisor_to_start_anew(
    process: Process, observer: Observer
) -> None:
    await observer.sees(online=True)
    await observer.order("fail")
    assert await process.exit_code() not in {0, EXIT_CONFIG}
    await observer.sees(online=False, detail="failed")
    assert "told to fail" in process.log
    assert "stopping" in observer.said


async def test_stops_though_a_task_loses_its_cancellation(process: Process, observer: Observer) -> None:
    await observer.sees(online=True)
    await observer.order("cling")
    await observer.hears("clinging")
    process.send(signal.SIGINT)
    assert await process.exit_code() == 0
    await observer.sees(online=False, detail="stopped")


async def test_stops_though_making_safe_takes_for_ever(process: Process, observer: Observer) -> None:
    await observer.sees(online=True)
    await observer.order("linger")
    process.send(signal.SIGTERM)
    assert await process.exit_code(STOPPING_S + 5) == 0
    await observer.sees(online=False, detail="stopped")


async def test_comes_back_when_the_broker_does(process: Process, observer: Observer, broker: BrokerServer) -> None:
    await observer.sees(online=True)
    broker.kill()
    observer.status.clear()
    observer.said.clear()
    broker.start()
    await observer.sees(online=True, deadline_s=15)


@on_each_broker
async def test_a_guest_with_a_broken_topic_does_not_silence_it(
    process: Process, observer: Observer, broker: BrokerServer
) -> None:
    await observer.sees(online=True)
    await publish_raw(broker.port_v311, b"ampherd/home/charger/\xff\xfe/mode/set", b"fail")

    async def is_heard() -> bool:
        await observer.order("return")
        return observer.last is not None and not observer.last.is_online

    await wait_for(is_heard, 15.0, "an order after it is obeyed")
    assert await process.exit_code() == 0


async def publish_raw(port: int, topic: bytes, payload: bytes) -> None:
    """Connect as MQTT 3.1.1 without a library, which would refuse such a topic, and publish at QoS 0."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05guest")
    await reader.readexactly(4)
    body = len(topic).to_bytes(2, "big") + topic + payload
    writer.write(bytes([0x30, len(body)]) + body)
    await writer.drain()
    writer.close()


async def test_stops_though_the_broker_is_frozen(process: Process, observer: Observer, broker: BrokerServer) -> None:
    await observer.sees(online=True)
    broker.freeze()
    process.send(signal.SIGTERM)
    try:
        assert await process.exit_code(20) == 0
    finally:
        broker.thaw()


async def test_a_bad_policy_at_the_start_is_told_and_not_retried(policy: Path) -> None:
    rewrite(policy, BAD)
    process = Process(policy, "mqtt://127.0.0.1:1")
    try:
        assert await process.exit_code() == EXIT_CONFIG
        assert "site.yaml:2: connection.rating_a: should be a number, but it is '25 A'" in process.log
    finally:
        process.end()


async def test_a_bad_broker_address_is_told_and_not_retried(policy: Path) -> None:
    process = Process(policy, "localhost")
    try:
        assert await process.exit_code() == EXIT_CONFIG
        assert "mqtt://user:password@host:1883" in process.log
    finally:
        process.end()
