"""Who may write what on the broker of a compose deployment: a real Mosquitto with its own accounts and rights."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound, running
from ampherd_core.connection import Connection, ConnectionLostError
from ampherd_core.policy import Policy
from ampherd_core.policy_file import parse_policy
from ampherd_core.topics import Topics

from tests.support.guarded_broker import AGENTS, SETUP, GuardedBroker
from tests.support.processes import is_alive
from tests.support.wait import wait_for

pytestmark = pytest.mark.needs("mosquitto")

T = Topics("home")
RENEWED_WITHIN_S = 10.0
SERVICES = ("meter", "balancer", "api", *AGENTS)

SITE = """
version: 1
connection: {{rating_a: 25}}
limits: {{operator: {{input_topic: plc/dim}}}}
meters:
  grid: {{role: grid, driver: dsmr, source: "tcp://localhost:1"}}
  house: {{role: battery, driver: mqtt, source: bus, values: {{power: {{topic: bms/power}}, soc: {{topic: bms/soc}}}}}}
  roof: {{role: solar, driver: mqtt, source: "mqtt://localhost:2", values: {{power: {{topic: elsewhere/power}}}}}}
chargers:
{chargers}
"""

TABLE = {
    T.grant("left"): {"balancer"},
    T.decision("left"): {"balancer"},
    T.site_state: {"balancer"},
    T.set_error("left", "mode"): {"balancer"},
    T.charger_state("left"): {"agent-1"},
    T.charger_state("right"): {"agent-2"},
    T.charger_state("third"): set(),
    T.backlog(T.charger_state("left")): {"agent-1"},
    T.evcc("left", "power"): {"agent-1", "balancer"},
    T.evcc("right", "power"): {"agent-2", "balancer"},
    T.service_status("agent-left"): {"agent-1", "balancer"},
    T.service_status("agent-slot-4"): {"agent-4", "balancer"},
    T.service_status("api"): {"api", "balancer"},
    T.reading("grid"): {"meter"},
    T.meter_status("grid"): {"meter"},
    T.set("left", "mode"): {"api", "guest"},
    T.limit_set: {"api", "operator"},
    T.limit_error: {"balancer"},
    T.history_request: {"api"},
    T.event: set(SERVICES),
    "ampherd/home/anything": set(),
    "homeassistant/device/left/config": set(),
    "$SYS/broker/uptime": set(),
}
"""Topic: the accounts that may write it; nobody else may."""


def policy(*chargers: str) -> Policy:
    rows = (f"  {name}: {{driver: edgetech, link: 'tcp://localhost:{port}'}}" for port, name in enumerate(chargers, 11))
    return parse_policy(SITE.format(chargers="\n".join(rows)).encode(), "site.yaml")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedBroker]:
    server = GuardedBroker(tmp_path / "broker")
    server.give_rights(policy("left", "right"))
    server.start()
    yield server
    server.stop()


class Ear:
    """Hears what gets through, as the account that may only read."""

    def __init__(self, server: GuardedBroker) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.bus = MqttBus(server.address("reader"), "ear", filters=["ampherd/#"], listener=self._hear)

    def _hear(self, message: Inbound) -> None:
        self.heard.append((message.topic, message.payload))


@pytest_asyncio.fixture
async def ear(guarded: GuardedBroker) -> AsyncIterator[Ear]:
    ear = Ear(guarded)
    async with running(ear.bus):
        await wait_for(lambda: ear.bus.is_connected)
        yield ear


@contextlib.asynccontextmanager
async def mouths(server: GuardedBroker, *accounts: str) -> AsyncIterator[dict[str, MqttBus]]:
    """A connection for each of these accounts."""
    buses = {account: MqttBus(server.address(account), account) for account in accounts}
    async with contextlib.AsyncExitStack() as stack:
        for bus in buses.values():
            await stack.enter_async_context(running(bus))
        await wait_for(lambda: all(bus.is_connected for bus in buses.values()), what="all accounts are let in")
        yield buses


async def test_each_account_writes_its_own_topics_and_no_other(guarded: GuardedBroker, ear: Ear) -> None:
    accounts = SETUP["accounts"](guarded.passwords)
    async with mouths(guarded, *accounts) as buses:
        for topic in TABLE:
            for account, bus in buses.items():
                await bus.publish(Outbound(topic, account.encode(), qos=1))
        # What was said last comes last: then all that may come has come.
        await buses["balancer"].publish(Outbound(T.grant("last"), b"", qos=1))
        await wait_for(lambda: any(topic == T.grant("last") for topic, _ in ear.heard))
    written = {topic: {payload.decode() for heard, payload in ear.heard if heard == topic} for topic in TABLE}
    assert written == TABLE


DEVICES = {
    "plc/dim": ({"operator"}, {"balancer"}),
    "bms/power": ({"source"}, {"meter"}),
    "bms/soc": ({"source"}, {"meter"}),
    "bms/other": (set(), set()),
    "elsewhere/power": (set(), set()),
}
"""A topic of a device: who may write it, and who hears it."""


async def test_devices_speak_where_the_policy_names_them_and_nowhere_else(guarded: GuardedBroker) -> None:
    accounts = SETUP["accounts"](guarded.passwords)
    heard: set[tuple[str, str, str]] = set()

    def ear(account: str) -> MqttBus:
        def hear(message: Inbound) -> None:
            heard.add((message.topic, message.payload.decode(), account))

        return MqttBus(guarded.address(account), f"{account}-ear", filters=["#"], listener=hear)

    async with contextlib.AsyncExitStack() as stack:
        for account in accounts:
            await stack.enter_async_context(running(ear(account)))
        async with mouths(guarded, *accounts) as buses:
            for topic in DEVICES:
                for account, bus in buses.items():
                    await bus.publish(Outbound(topic, account.encode(), qos=1))
            await buses["balancer"].publish(Outbound(T.grant("last"), b"", qos=1))
            readers = set(accounts) - {"health"}
            await wait_for(lambda: {who for topic, _, who in heard if topic == T.grant("last")} == readers)
    for topic, (writers, listeners) in DEVICES.items():
        assert {(said, who) for name, said, who in heard if name == topic} == {
            (writer, listener) for writer in writers for listener in listeners
        }, topic


async def test_an_edit_moves_rights_without_a_restart(guarded: GuardedBroker, ear: Ear) -> None:
    async with mouths(guarded, "agent-1", "agent-2") as buses:
        pid = guarded.pid
        guarded.give_rights(policy("right", "left"))

        async def is_swapped() -> bool:
            await buses["agent-2"].publish(Outbound(T.charger_state("left"), b"second"))
            return (T.charger_state("left"), b"second") in ear.heard

        await wait_for(is_swapped, RENEWED_WITHIN_S)
        await buses["agent-1"].publish(Outbound(T.charger_state("left"), b"first", qos=1))
        await buses["agent-1"].publish(Outbound(T.charger_state("right"), b"first", qos=1))
        await wait_for(lambda: (T.charger_state("right"), b"first") in ear.heard)
        assert (T.charger_state("left"), b"first") not in ear.heard
        assert guarded.pid == pid


async def test_when_the_broker_dies_its_container_ends(guarded: GuardedBroker) -> None:
    shell = psutil.Process(guarded.pid)
    await wait_for(lambda: [child for child in shell.children() if child.name() == "mosquitto"])
    next(child for child in shell.children() if child.name() == "mosquitto").kill()
    await wait_for(lambda: not is_alive(shell.pid), RENEWED_WITHIN_S, "so that Docker starts it again")


async def test_a_guest_comes_and_goes_without_a_restart(guarded: GuardedBroker) -> None:
    guarded.passwords = SETUP["welcome"](guarded.passwords, "evcc")
    guarded.write_accounts()
    guarded.give_rights(policy("left"))
    evcc = MqttBus(guarded.address("evcc"), "evcc")
    async with running(evcc):
        await wait_for(lambda: evcc.is_connected, 30)
        guarded.passwords = SETUP["without"](guarded.passwords, "evcc")
        guarded.write_accounts()
        await wait_for(lambda: not evcc.is_connected, RENEWED_WITHIN_S, "who is forgotten is put out")


@pytest.mark.parametrize(
    ("account", "password"), [(None, None), ("guest", "wrong"), ("nobody", ""), ("balancer", None), ("", "")]
)
async def test_strangers_are_turned_away(guarded: GuardedBroker, account: str | None, password: str | None) -> None:
    stranger = Connection(BrokerAddress("127.0.0.1", guarded.port, account, password), "stranger")
    with pytest.raises(ConnectionLostError, match=r"Not authorized|Bad user name"):
        await stranger.__aenter__()


async def test_without_a_policy_no_agent_speaks_for_a_charger(guarded: GuardedBroker) -> None:
    guarded.give_rights(None)
    rights = (guarded.log.parent / "acl").read_text().split("\n\n")
    assert [block for block in rights if "user agent-" in block]
    assert not [block for block in rights if "user agent-" in block and ("/state" in block or "evcc" in block)]
