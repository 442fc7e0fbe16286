"""The contracts of bus, store and history, held by single services in containers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from ampherd_api.history_influx import InfluxAddress, InfluxHistory
from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound, running
from ampherd_core.clock import utc_now
from ampherd_core.history import HistoryError, Point
from ampherd_core.store import RedisStore, StoreError

from tests.support.containers import ContainerBroker, ContainerInflux, ContainerStore
from tests.support.wait import wait_for

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(900)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ContainerBroker]:
    server = ContainerBroker(tmp_path)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def store_server() -> Iterator[ContainerStore]:
    server = ContainerStore()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def influx() -> Iterator[ContainerInflux]:
    server = ContainerInflux("ampherd")
    server.start()
    yield server
    server.remove()


async def test_the_bus_heals_when_its_broker_hangs_and_restarts(broker: ContainerBroker) -> None:
    heard: list[Inbound] = []
    ear = MqttBus(BrokerAddress.parse(broker.url), "ear", filters=["a"], listener=heard.append)
    mouth = MqttBus(BrokerAddress.parse(broker.url), "mouth")
    async with running(ear), running(mouth):
        await wait_for(lambda: ear.is_connected and mouth.is_connected, 10)
        broker.freeze()
        await wait_for(lambda: not ear.is_connected and not mouth.is_connected, 30, "a hung broker is noticed")
        broker.thaw()
        broker.kill()
        broker.start()

        async def is_heard() -> bool:
            await mouth.publish(Outbound("a", b"again"))
            return bool(heard)

        await wait_for(is_heard, 30)


async def test_the_store_fails_fast_while_redis_hangs_and_keeps_what_it_had(store_server: ContainerStore) -> None:
    store = RedisStore(store_server.url, "home")
    await store.save("modes", b"kept")
    assert await store.acquire("me", 30)
    store_server.freeze()
    began_s = time.monotonic()
    with pytest.raises(StoreError):
        await store.acquire("me", 30)
    assert time.monotonic() - began_s < 1
    store_server.thaw()
    assert await store.load("modes") == b"kept"
    assert not await store.acquire("other", 30)
    await store.close()


async def test_history_takes_points_once_and_says_when_it_cannot(influx: ContainerInflux) -> None:
    history = InfluxHistory(InfluxAddress(influx.url, "ampherd", "ampherd", "any"))
    start = utc_now().replace(microsecond=0) - timedelta(minutes=5)
    tags = {"site": "home", "meter": "grid"}
    points = [
        Point(measurement="meter", tags=tags, at=start + timedelta(seconds=second), fields={"power_w": float(second)})
        for second in range(60)
    ]
    await history.write(points)
    await history.write(points)
    stop = start + timedelta(seconds=60)
    samples = await history.read("meter", "power_w", tags, start=start, stop=stop, step_s=1)
    assert [sample.mean for sample in samples] == [float(second) for second in range(60)]
    influx.stop()
    with pytest.raises(HistoryError):
        await history.write(points)
    influx.start()
    await history.write(points)
    await history.close()
