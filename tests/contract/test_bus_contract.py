"""What the services rely on from a broker, on each broker: iotcore always, Mosquitto where it is installed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from ampherd_core.bus import MAX_PAYLOAD_BYTES, BrokerAddress, Inbound, MqttBus, Outbound, running
from ampherd_core.topics import channels

from tests.support.brokers import BrokerServer
from tests.support.wait import wait_for

RETAINED_MAX = 90
"""iotcore hands a new subscriber about a hundred retained messages and forgets the rest."""


class Ear:
    """A client that keeps what it heard."""

    def __init__(self, url: str, filters: Sequence[str], name: str = "ear") -> None:
        self.heard: list[Inbound] = []
        self.bus = MqttBus(BrokerAddress.parse(url), name, filters=filters, listener=self._hear)

    def _hear(self, message: Inbound) -> None:
        self.heard.append(message)

    def payloads(self, topic: str) -> list[bytes]:
        return [message.payload for message in self.heard if message.topic == topic]


@contextlib.asynccontextmanager
async def listening(url: str, *filters: str, name: str = "ear") -> AsyncIterator[Ear]:
    ear = Ear(url, filters, name)
    async with running(ear.bus):
        await asyncio.wait_for(ear.bus.connected.wait(), 10)
        yield ear


@contextlib.asynccontextmanager
async def speaking(url: str, name: str = "mouth") -> AsyncIterator[MqttBus]:
    bus = MqttBus(BrokerAddress.parse(url), name)
    async with running(bus):
        await asyncio.wait_for(bus.connected.wait(), 10)
        yield bus


async def _until(count: Callable[[], int], least: int) -> None:
    await wait_for(lambda: count() >= least)


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_message_arrives_as_it_was_said(any_broker: BrokerServer, qos: int) -> None:
    async with listening(any_broker.url, "a/+") as ear, speaking(any_broker.url) as mouth:
        assert await mouth.publish(Outbound("a/b", "fünf A".encode(), qos=1 if qos else 0))
        await wait_for(lambda: ear.heard)
        assert (ear.heard[0].payload.decode(), ear.heard[0].is_retained) == ("fünf A", False)


async def test_messages_of_one_sender_keep_their_order(any_broker: BrokerServer) -> None:
    async with listening(any_broker.url, "n") as ear, speaking(any_broker.url) as mouth:
        for number in range(500):
            await mouth.publish(Outbound("n", str(number).encode()))
        await wait_for(lambda: len(ear.heard) >= 500)
        assert [int(message.payload) for message in ear.heard] == list(range(500))


async def test_what_is_said_in_one_piece_arrives_whole_and_in_order(any_broker: BrokerServer) -> None:
    async with listening(any_broker.url, "n") as ear, speaking(any_broker.url) as mouth:
        with mouth.in_one_piece():
            for number in range(50):
                assert await mouth.publish(Outbound("n", str(number).encode()))
        assert await mouth.publish(Outbound("n", b"50"))
        await wait_for(lambda: len(ear.heard) >= 51)
        assert [int(message.payload) for message in ear.heard] == list(range(51))


async def test_a_patient_listener_hears_later_and_no_less(any_broker: BrokerServer) -> None:
    patience_s = 0.2
    async with listening(any_broker.url, "n") as hasty, speaking(any_broker.url) as mouth:
        ear = Ear(any_broker.url, ["n"], "patient")
        ear.bus.patience_s = patience_s
        async with running(ear.bus):
            await asyncio.wait_for(ear.bus.connected.wait(), 10)
            for so_far in (0, 200, 400):
                said_s = time.monotonic()
                for number in range(so_far, so_far + 200):
                    await mouth.publish(Outbound("n", str(number).encode()))
                await _until(lambda: len(ear.heard), so_far + 1)
                assert time.monotonic() - said_s >= 0.9 * patience_s
                await _until(lambda: min(len(ear.heard), len(hasty.heard)), so_far + 200)
            assert [int(message.payload) for message in ear.heard] == list(range(600))


async def test_a_late_listener_gets_the_newest_retained_message(any_broker: BrokerServer) -> None:
    async with speaking(any_broker.url) as mouth:
        for payload in (b"old", b"new"):
            await mouth.publish(Outbound("state", payload, qos=1, is_retained=True))
        async with listening(any_broker.url, "state") as ear:
            await wait_for(lambda: ear.heard)
            assert [(message.payload, message.is_retained) for message in ear.heard] == [(b"new", True)]


async def test_an_empty_retained_message_clears_the_topic(any_broker: BrokerServer) -> None:
    async with speaking(any_broker.url) as mouth:
        await mouth.publish(Outbound("state", b"here", qos=1, is_retained=True))
        await mouth.publish(Outbound("state", b"", qos=1, is_retained=True))
        await mouth.publish(Outbound("other", b"marks the end", qos=1, is_retained=True))
        async with listening(any_broker.url, "state", "other") as ear:
            await wait_for(lambda: ear.payloads("other"))
            assert ear.payloads("state") == []


async def test_a_client_that_dies_leaves_its_will(any_broker: BrokerServer) -> None:
    will = Outbound("status", b"offline", qos=1, is_retained=True)
    doomed = MqttBus(BrokerAddress.parse(any_broker.url), "doomed", will=will)
    async with listening(any_broker.url, "status") as ear:
        task = asyncio.create_task(doomed.run())
        await asyncio.wait_for(doomed.connected.wait(), 10)
        assert doomed._connection is not None
        doomed._connection._client.socket().close()  # type: ignore[union-attr]
        await wait_for(lambda: ear.payloads("status") == [b"offline"], 15)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_expired_message_is_not_delivered(any_broker: BrokerServer) -> None:
    async with speaking(any_broker.url_with_expiry) as mouth:
        await mouth.publish(Outbound("grant", b"short", qos=1, is_retained=True, expires_after_s=1))
        await mouth.publish(Outbound("grant2", b"long", qos=1, is_retained=True, expires_after_s=600))

        async def short_is_gone() -> bool:
            async with listening(any_broker.url, "grant", "grant2") as ear:
                await wait_for(lambda: ear.payloads("grant2"))
                return not ear.payloads("grant")

        await wait_for(short_is_gone, 15)


async def test_an_answer_finds_its_asker(any_broker: BrokerServer) -> None:
    """The balancer answers a setting on the topic that the asker gave, with the asker's own mark."""
    async with listening(any_broker.url, "set", "answer/#") as ear, speaking(any_broker.url) as mouth:
        await mouth.publish(Outbound("set", b"fast", qos=1, response_topic="answer/me", correlation=b"42"))
        await wait_for(lambda: ear.heard)
        asked = ear.heard[0]
        assert (asked.response_topic, asked.correlation) == ("answer/me", b"42")
        await mouth.publish(Outbound(asked.response_topic or "", b"ok", qos=1, correlation=asked.correlation))
        await wait_for(lambda: ear.payloads("answer/me"))
        assert ear.heard[-1].correlation == b"42"


async def test_an_oversized_payload_is_cut_and_the_next_message_arrives(any_broker: BrokerServer) -> None:
    """What is cut is longer than any document may be, so the reader refuses it by its length."""
    async with listening(any_broker.url, "big", "small") as ear, speaking(any_broker.url) as mouth:
        await mouth.publish(Outbound("big", b"x" * (2 * MAX_PAYLOAD_BYTES), qos=1))
        await mouth.publish(Outbound("small", b"ok", qos=1))
        await wait_for(lambda: ear.payloads("small"))
        assert [len(payload) for payload in ear.payloads("big")] == [MAX_PAYLOAD_BYTES + 1]


async def test_a_payload_beyond_the_brokers_limit_harms_nobody_else(any_broker: BrokerServer) -> None:
    async with listening(any_broker.url, "big", "small") as ear, speaking(any_broker.url) as mouth:
        async with speaking(any_broker.url, name="flood") as flood:
            await flood.publish(Outbound("big", b"x" * (8 * MAX_PAYLOAD_BYTES)))
        await mouth.publish(Outbound("small", b"ok", qos=1))
        await wait_for(lambda: ear.payloads("small"))
        assert ear.payloads("big") == []


async def test_both_sides_are_back_after_the_broker_restarts(any_broker: BrokerServer) -> None:
    async with listening(any_broker.url, "a") as ear, speaking(any_broker.url) as mouth:
        any_broker.kill()
        await wait_for(lambda: not mouth.is_connected and not ear.bus.is_connected, 10)
        assert not await mouth.publish(Outbound("a", b"unheard"))
        any_broker.start()

        async def heard_again() -> bool:
            await mouth.publish(Outbound("a", b"again"))
            return b"again" in ear.payloads("a")

        await wait_for(heard_again, 15)
        assert b"unheard" not in ear.payloads("a")


async def test_what_is_listened_to_can_change_and_stays_so_after_a_restart(any_broker: BrokerServer) -> None:
    async with listening(any_broker.url, "old", "both") as ear, speaking(any_broker.url) as mouth:
        await mouth.publish(Outbound("new", b"retained", qos=1, is_retained=True))
        await ear.bus.listen(["both", "new"])

        async def hears_only_the_new_ones(text: bytes) -> bool:
            for topic in ("old", "new", "both"):
                await mouth.publish(Outbound(topic, text, qos=1))
            return text in ear.payloads("both")

        await wait_for(lambda: hears_only_the_new_ones(b"now"))
        assert ear.payloads("new")[0] == b"retained"
        any_broker.kill()
        await wait_for(lambda: not mouth.is_connected and not ear.bus.is_connected, 10)
        any_broker.start()
        await wait_for(lambda: hears_only_the_new_ones(b"again"), 15)
        assert b"again" in ear.payloads("new")
        assert ear.payloads("old") == []


async def test_who_listens_to_something_else_while_away_hears_it_once_back(any_broker: BrokerServer) -> None:
    async with listening(any_broker.url, "old") as ear, speaking(any_broker.url) as mouth:
        any_broker.kill()
        await wait_for(lambda: not mouth.is_connected and not ear.bus.is_connected, 10)
        await ear.bus.listen(["new"])
        any_broker.start()

        async def hears_the_new_one() -> bool:
            await mouth.publish(Outbound("new", b"again"))
            return b"again" in ear.payloads("new")

        await wait_for(hears_the_new_one, 15)


async def test_a_frozen_broker_holds_nobody_up(any_broker: BrokerServer) -> None:
    async with speaking(any_broker.url) as mouth:
        any_broker.freeze()
        began_s = time.monotonic()
        assert not await mouth.publish(Outbound("a", b"heard?", qos=1))
        assert time.monotonic() - began_s < 3
        await wait_for(lambda: not mouth.is_connected, 20, "the silence is noticed")
        assert not await mouth.publish(Outbound("a", b"unheard"))
        any_broker.thaw()
        await wait_for(lambda: mouth.is_connected, 20, "the broker is back")


async def test_guests_with_mqtt_3_see_the_same_topics(any_broker: BrokerServer) -> None:
    import aiomqtt

    host_port = BrokerAddress.parse(any_broker.url_v311)
    guest = aiomqtt.Client(host_port.host, host_port.port, protocol=aiomqtt.ProtocolVersion.V311)
    async with listening(any_broker.url, "set") as ear, speaking(any_broker.url) as mouth, guest:
        await guest.subscribe("state")
        await guest.publish("set", "fast", qos=1)
        await wait_for(lambda: ear.payloads("set") == [b"fast"])
        await mouth.publish(Outbound("state", b"charging", expires_after_s=60))
        heard = await asyncio.wait_for(anext(aiter(guest.messages)), 5)
        assert heard.payload == b"charging"


async def test_a_full_site_of_retained_topics_reaches_a_new_listener(any_broker: BrokerServer) -> None:
    """As many as the api's filters match on a site with 32 chargers and 20 meters, a filter at a time."""
    kinds = {"charger/{}/state": 32, "charger/{}/decision": 32, "meter/{}/status": 20, "service/{}/status": 36}
    topics = [f"ampherd/home/{kind.format(number)}" for kind, count in kinds.items() for number in range(count)]
    async with speaking(any_broker.url) as mouth:
        for topic in topics:
            await mouth.publish(Outbound(topic, b"{}", qos=1, is_retained=True))
        filters = [f"ampherd/home/{kind.format('+')}" for kind in kinds]
        async with listening(any_broker.url, *filters) as ear:
            await wait_for(lambda: {message.topic for message in ear.heard} == set(topics))


def test_no_client_listens_to_more_retained_topics_than_an_embedded_broker_delivers() -> None:
    """One filter of a site with four chargers and its services matches at most 90 retained topics."""
    per_id = {"{charger}": 4, "{meter}": 12, "{service}": 8, "{name}": 10, "{setting}": 5, "{site}": 1}
    total = 0
    for channel in channels():
        count = 1
        for name, size in per_id.items():
            count *= size if name in channel.topic else 1
        total += count if channel.is_retained else 0
    assert 0 < total <= RETAINED_MAX
