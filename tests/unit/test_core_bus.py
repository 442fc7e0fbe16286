"""The bus's own care: addresses, leaving, and what it says while the broker is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from ampherd_core import connection
from ampherd_core.bus import BrokerAddress, MqttBus, Outbound

ADDRESS = BrokerAddress("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", BrokerAddress("broker", 1883)),
        ("mqtt://broker:1884", BrokerAddress("broker", 1884)),
        ("mqtts://broker", BrokerAddress("broker", 8883, uses_tls=True)),
        ("mqtt://me:p%40ss@broker", BrokerAddress("broker", 1883, username="me", password="p@ss")),
    ],
)
def test_an_address_comes_apart(url: str, expected: BrokerAddress) -> None:
    assert BrokerAddress.parse(url) == expected


@pytest.mark.parametrize(
    "url", ["", "broker", "http://broker", "mqtt://", "mqtt://broker:port", "mqtt://[::1", "mqtt:x"]
)
def test_a_wrong_address_is_refused_with_a_right_one_to_copy(url: str) -> None:
    with pytest.raises(ValueError, match="must look like mqtt://"):
        BrokerAddress.parse(url)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(BrokerAddress.parse("mqtt://me:secret@broker"))


async def test_nothing_is_queued_while_the_broker_is_away() -> None:
    assert await MqttBus(ADDRESS, "test").publish(Outbound("a/b", b"c", qos=1)) is False


@contextlib.asynccontextmanager
async def mute_broker() -> AsyncIterator[BrokerAddress]:
    """Takes connections and never says a word."""
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as server:
        yield BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1])


async def test_ends_when_told_while_a_mute_broker_keeps_it_waiting() -> None:
    async with mute_broker() as address:
        bus = MqttBus(address, "test")
        task = asyncio.create_task(bus.run())
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=2)
        assert done
        assert task.cancelled()
        assert not bus.is_connected


async def test_a_mute_broker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_S", 0.2)
    async with mute_broker() as address:
        with pytest.raises(connection.ConnectionLostError, match="does not answer"):
            async with connection.Connection(address, "test"):
                pass
