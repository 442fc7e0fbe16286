"""The bus's own care: addresses, leaving, and what it says while the broker is away."""

from __future__ import annotations

import asyncio
from types import TracebackType

import aiomqtt
import pytest
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


class RudeClient:
    """Connects, stays silent, and cannot leave without an error."""

    messages = property(lambda self: self)

    async def __aenter__(self) -> RudeClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise aiomqtt.MqttError("the broker went first")

    def __aiter__(self) -> RudeClient:
        return self

    async def __anext__(self) -> None:
        await asyncio.Event().wait()


async def test_ends_when_told_although_leaving_the_broker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = MqttBus(ADDRESS, "test")
    monkeypatch.setattr(bus, "_new_client", RudeClient)
    task = asyncio.create_task(bus.run())
    await asyncio.wait_for(bus.connected.wait(), 1)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=2)
    monkeypatch.setattr(bus, "_new_client", None)
    assert done
    assert task.cancelled()
    assert not bus.is_connected
