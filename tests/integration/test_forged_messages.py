"""A guest who may write anything on the bus, as on an embedded broker: only what our services sealed is acted on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from ampherd_core.bus import BrokerAddress
from ampherd_core.topics import Topics

from tests.support.sites import WholeSite, whole_site
from tests.support.wait import wait_for

T = Topics("demo")
CAR = {"lag_s": 1, "is_away": True, "battery_wh": 1e9}
SCENARIO = {
    "rating_a": 22,
    "house": {"constant_a": [5, 5, 5]},
    "chargers": {"left": {"driver": "edgetech", "car": CAR}, "right": {"driver": "edgetech", "car": CAR}},
}
HASTY = {"timings": {"hold_s": 0, "return_after_s": 0, "min_off_s": 0, "rise_every_s": 1, "rise_step_a": 80}}
"""So that a balancer that believed a forgery would act on it within the test."""

ROOM_A = 17.0
"""What the house leaves of 22 A: more than this offered, and somebody believed a forgery."""

MANY = 20
"""So many forgeries that none was missed by chance."""

Json = dict[str, Any]


class Guest:
    """Hears everything, and says again what it heard with edits of its own."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.newest: dict[str, Json] = {}
        self.events: list[Json] = []
        self._client = client

    async def listen(self) -> None:
        await self._client.subscribe(f"{T.root}/#")
        async for message in self._client.messages:
            with contextlib.suppress(ValueError):
                document = json.loads(message.payload if isinstance(message.payload, bytes) else b"")
                if str(message.topic) == T.event:
                    self.events.append(document)
                elif isinstance(document, dict) and not document.get("reason", "").startswith("forged"):
                    self.newest[str(message.topic)] = document

    async def forge(self, topic: str, **edits: object) -> None:
        """The newest document of that topic with edits: once under its old seal, once without any."""
        document = await wait_for(lambda: self.newest.get(topic), 20, f"something on {topic}") | edits
        bare = {name: value for name, value in document.items() if name != "seal"}
        for forged in (bare, document):
            await self._client.publish(topic, json.dumps(forged))

    def alarms(self, service: str) -> list[Json]:
        return [event for event in self.events if (event["service"], event["code"]) == (service, "forged")]


async def offered_a(site: WholeSite) -> float:
    """What all wallboxes offer together."""
    return float(sum(charger["offer_a"] for charger in (await site.truth())["chargers"].values()))


@pytest_asyncio.fixture
async def charging(tmp_path: Path) -> AsyncIterator[tuple[WholeSite, Guest]]:
    """Two cars that share a connection, and a guest."""
    async with whole_site(tmp_path, SCENARIO, policy=HASTY) as site:
        await site.plug_in_all()
        await site.charging(2)
        address = BrokerAddress.parse(site.running.guests)
        async with aiomqtt.Client(address.host, address.port, protocol=aiomqtt.ProtocolVersion.V311) as client:
            guest = Guest(client)
            listening = asyncio.create_task(guest.listen())
            yield site, guest
            listening.cancel()


@pytest.mark.timeout(180)
async def test_a_forged_grant_moves_no_wallbox_and_dethrones_nobody(charging: tuple[WholeSite, Guest]) -> None:
    site, guest = charging
    reign = (await site.api.get("/api/state")).json()["site"]["state"]["epoch"]
    for number in range(1, MANY + 1):
        await guest.forge(T.grant("left"), offer_a=16, id={"epoch": reign + 5, "seq": number})
    state = T.charger_state("left")
    await wait_for(lambda: guest.newest[state]["counters"].get("grants_unsealed", 0) >= 2 * MANY, 20, "all refused")
    await wait_for(lambda: guest.alarms("agent-left") and guest.alarms("balancer"), 20, "both raise the alarm")
    assert len(guest.alarms("agent-left")) == 1, "a flood of forgeries is one alarm"
    assert guest.alarms("agent-left")[0]["severity"] == "alarm"
    assert (await site.api.get("/api/state")).json()["site"]["state"]["epoch"] == reign
    assert await offered_a(site) <= ROOM_A


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("topic", "edits"),
    [
        (T.charger_state("left"), {"offer_a": 0, "drawn_a": [0, 0, 0], "iec_state": "A"}),
        (T.reading("grid"), {"phases": [{"current_a": -30.0, "guard_a": -30.0}] * 3}),
    ],
    ids=["an idle charger", "an empty house"],
)
async def test_a_forgery_frees_no_current(charging: tuple[WholeSite, Guest], topic: str, edits: Json) -> None:
    site, guest = charging
    for number in range(2 * MANY):
        await guest.forge(topic, stamp={"session": "forged", "at_s": 1e6 + number}, reason="forged", **edits)
        await asyncio.sleep(0.2)
        assert await offered_a(site) <= ROOM_A
    await wait_for(lambda: guest.alarms("balancer"), 20, "the balancer raises the alarm")
    assert max((await site.our_excess()).values()) == 0
