"""The agent as a process: a real broker on one side, a wallbox's registers on a real socket on the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from ampherd_charger_agent.service import STATE_EVERY_S
from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound, running
from ampherd_core.messages import ChargerState, Event, Grant, GrantId, LinkHealth, ServiceStatus, Stamp
from ampherd_core.phases import PhaseCount
from ampherd_core.topics import Topics

from tests.support.brokers import BrokerServer
from tests.support.modbus_devices import Device, DeviceServer, Framing, edgetech, smartevse_v2
from tests.support.wait import wait_for

TOPICS = Topics("home")
LEASE_S = 3.0
WITHIN_S = 20.0

SITE = """
version: 1
connection: {{rating_a: 25}}
meters:
  grid: {{role: grid, driver: dsmr, source: tcp://127.0.0.1:2001}}
chargers:
{chargers}
timings: {{lease_s: 3}}
"""


def charger_yaml(url: str, driver: str = "edgetech", *, name: str = "left", **given: object) -> str:
    more = "".join(f", {key}: {value}" for key, value in given.items())
    return f"  {name}: {{driver: {driver}, link: '{url}', lines: [L2, L3, L1], max_a: 16{more}}}\n"


@dataclass
class Agent:
    """The process under test."""

    site: Path
    broker_url: str
    log: Path
    place: dict[str, str] = field(default_factory=lambda: {"AMPHERD_CHARGER": "left"})
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ampherd_charger_agent",
                env={**os.environ, "AMPHERD_SITE": str(self.site), "AMPHERD_MQTT_URL": self.broker_url, **self.place},
                stderr=log,
            )

    async def __aenter__(self) -> Agent:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            await self.end(signal.SIGKILL)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), WITHIN_S)


class Balancer:
    """Repeats its grant every 0.2 s, echoing the newest stamp that it heard."""

    def __init__(self, url: str) -> None:
        self.states: list[ChargerState] = []
        self.events: list[Event] = []
        self.status: dict[str, ServiceStatus] = {}
        self.evcc: dict[str, str] = {}
        self.seq = 0
        self.offer_a: float | None = None
        self.phases: PhaseCount | None = None
        self.bus = MqttBus(
            BrokerAddress.parse(url),
            "test-balancer",
            filters=(
                TOPICS.charger_state("+"),
                TOPICS.event,
                TOPICS.service_status("+"),
                TOPICS.evcc("left", "#"),
            ),
            listener=self.hear,
        )

    def hear(self, message: Inbound) -> None:
        levels = TOPICS.parse(message.topic) or ()
        if levels[0] == "charger" and not message.is_retained:
            self.states.append(ChargerState.model_validate_json(message.payload))
        elif levels[0] == "event":
            self.events.append(Event.model_validate_json(message.payload))
        elif levels[0] == "service":
            self.status[levels[1]] = ServiceStatus.model_validate_json(message.payload)
        elif levels[0] == "evcc":
            self.evcc["/".join(levels[2:])] = message.payload.decode()

    async def repeat(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if self.offer_a is not None and self.states:
                await self.say(self.offer_a)

    async def say(self, offer_a: float, *, echo: Stamp | None = None, is_retained: bool = False) -> GrantId:
        self.seq += 1
        grant = Grant(
            charger="left",
            id=GrantId(epoch=1, seq=self.seq),
            echo=echo or self.states[-1].stamp,
            lease_s=LEASE_S,
            offer_a=offer_a,
            phases=self.phases,
        )
        await self.bus.publish(Outbound(TOPICS.grant("left"), grant.to_json(), is_retained=is_retained))
        return grant.id

    async def until(self, condition: Callable[[ChargerState], bool], within_s: float = WITHIN_S) -> ChargerState:
        """The first state said from now on that meets `condition`."""
        heard = len(self.states)

        def found() -> ChargerState | None:
            return next((state for state in self.states[heard:] if condition(state)), None)

        state = await wait_for(found, within_s, f"a state; last {self.states[-1:]}")
        assert state is not None
        return state

    def codes(self) -> set[str]:
        return {event.code for event in self.events}


@dataclass
class Bench:
    """A wallbox, a balancer and an agent."""

    server: DeviceServer
    balancer: Balancer
    agent: Agent

    @property
    def device(self) -> Device:
        return self.server.device

    @property
    def offer_a(self) -> int:
        return self.server.device.registers[0x0102] >> 8


@contextlib.asynccontextmanager
async def bench(
    broker: BrokerServer, tmp_path: Path, server: DeviceServer, driver: str = "edgetech", **given: str
) -> AsyncIterator[Bench]:
    site = tmp_path / "site.yaml"
    balancer = Balancer(broker.url)
    agent = Agent(site, broker.url, tmp_path / "agent.log")
    async with server, running(balancer.bus), asyncio.TaskGroup() as group:
        site.write_text(SITE.format(chargers=charger_yaml(server.url, driver, **given)))
        await wait_for(balancer.bus.connected.is_set)
        repeating = group.create_task(balancer.repeat())
        try:
            async with agent:
                yield Bench(server, balancer, agent)
        finally:
            repeating.cancel()


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_a_grant_becomes_a_write_and_a_confirmed_state(
    broker: BrokerServer, tmp_path: Path, framing: Framing
) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech(offer_a=16), framing)) as b:
        first = await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        assert (first.offer_a, first.iec_state, first.max_a) == (16.0, "C", 32.0)
        b.balancer.offer_a = 10.0
        state = await b.balancer.until(lambda state: state.applied is not None)
        assert (state.offer_a, state.is_fallback, b.offer_a) == (10.0, False, 10)
        writes = len(b.device.writes)
        await b.balancer.until(lambda state: state.applied is not None and state.applied.seq > 15)
        assert len(b.device.writes) == writes == 1, "a grant that changes nothing writes nothing"
        assert b.balancer.evcc["status"] == "C"
        assert b.balancer.evcc["current/l1"] == "0.00"
        assert b.balancer.status["agent-left"].is_online


async def test_a_granted_phase_is_switched_to_after_the_dead_time(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech()), switches_phases="true") as b:
        state = await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        assert state.phases == 3
        others = b.device.registers[0x0204] & ~1
        b.balancer.offer_a, b.balancer.phases = 8.0, 1
        state = await b.balancer.until(lambda state: state.offer_a == 8.0 and state.applied is not None)
        assert state.phases == 1
        assert b.device.registers[0x0204] == others
        assert b.device.writes == [(0x0201, 0), (0x0204, others), (0x0201, 0x0808)]


async def test_a_silent_balancer_brings_the_fallback_within_lease_and_a_second(
    broker: BrokerServer, tmp_path: Path
) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.balancer.offer_a = 12.0
        await b.balancer.until(lambda state: state.offer_a == 12.0 and state.applied is not None)
        b.balancer.offer_a = None
        silent_since = time.monotonic()
        await wait_for(lambda: b.offer_a == 0, LEASE_S + 1.0, "the fallback")
        assert time.monotonic() - silent_since <= LEASE_S + 1.0
        state = await b.balancer.until(lambda state: state.offer_a == 0.0)
        assert state.is_fallback
        await wait_for(lambda: "lease-lapsed" in b.balancer.codes())


async def test_a_dead_broker_brings_the_fallback_too(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.balancer.offer_a = 12.0
        await wait_for(lambda: b.offer_a == 12)
        broker.kill()
        await wait_for(lambda: b.offer_a == 0, LEASE_S + 1.5, "the fallback")
        broker.start()
        await wait_for(lambda: b.offer_a == 12, WITHIN_S * 2, "the grant, once the broker is back")


async def test_told_to_stop_it_leaves_the_fallback_behind(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.balancer.offer_a = 12.0
        await wait_for(lambda: b.offer_a == 12)
        assert await b.agent.end() == 0
        assert b.offer_a == 0
        await wait_for(lambda: b.balancer.states[-1].offer_a == 0.0)
        assert not (await wait_for(lambda: b.balancer.status.get("agent-left"))).is_online


async def test_told_to_stop_with_a_dead_wallbox_it_ends_all_the_same(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.device.is_silent = True
        began = time.monotonic()
        assert await b.agent.end() == 0
        assert time.monotonic() - began < 5.0


async def test_killed_and_started_again_it_holds_and_follows_a_new_grant(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.balancer.offer_a = 12.0
        await wait_for(lambda: b.offer_a == 12)
        await b.agent.end(signal.SIGKILL)
        session = b.balancer.states[-1].stamp.session
        writes = len(b.device.writes)
        await b.agent.start()
        await b.balancer.until(
            lambda state: state.stamp.session != session and state.applied is not None and not state.is_fallback
        )
        assert len(b.device.writes) == writes, "the car never noticed"
        b.balancer.offer_a = 9.0
        await wait_for(lambda: b.offer_a == 9)


async def test_grants_that_must_not_count_are_counted(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        b.balancer.offer_a = 10.0
        await b.balancer.until(lambda state: state.applied is not None)
        stamp = b.balancer.states[-1].stamp
        await b.balancer.say(16.0, is_retained=False, echo=Stamp(session="another", at_s=stamp.at_s))
        await b.balancer.say(16.0, echo=Stamp(session=stamp.session, at_s=stamp.at_s + 1000))
        await b.balancer.say(16.0, echo=Stamp(session=stamp.session, at_s=max(0.0, stamp.at_s - 1000)))
        await b.balancer.say(3.0)
        await b.balancer.bus.publish(Outbound(TOPICS.grant("left"), b'{"offer_a": NaN}'))
        await b.balancer.bus.publish(Outbound(TOPICS.grant("left"), b"\xff\xfe"))
        state = await b.balancer.until(lambda state: state.counters.get("grants_malformed") == 2)
        for cause in ("other_session", "from_the_future", "lapsed", "absurd"):
            assert state.counters[f"grants_{cause}"] == 1
        assert {value for _, value in b.device.writes} == {0x0A0A}


async def test_a_retained_grant_is_no_grant(broker: BrokerServer, tmp_path: Path) -> None:
    """Were it heard, it would be refused for its session as well: so the count of its cause is what tells."""
    async with running(MqttBus(BrokerAddress.parse(broker.url), "test-old")) as bus:
        await wait_for(bus.connected.is_set)
        await bus.publish(Outbound(TOPICS.grant("left"), b"{}", qos=1, is_retained=True))
        async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
            await b.balancer.until(lambda state: state.counters.get("grants_retained") == 1)


async def test_a_wallbox_that_goes_and_comes_back(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        b.balancer.offer_a = 10.0
        await b.balancer.until(lambda state: state.applied is not None)
        b.device.is_silent = True
        lost = await b.balancer.until(lambda state: state.link is LinkHealth.LOST)
        assert lost.offer_a == 10.0
        assert "does not answer" in str(lost.error)
        b.balancer.offer_a = 8.0
        b.device.is_silent = False
        await b.balancer.until(lambda state: state.link is LinkHealth.OK and state.offer_a == 8.0)
        await wait_for(lambda: {"wallbox-lost", "wallbox-back"} <= b.balancer.codes())


async def test_a_hung_line_does_not_stop_the_watchdog(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        b.balancer.offer_a = 10.0
        await b.balancer.until(lambda state: state.applied is not None)
        b.device.is_silent = True
        b.balancer.offer_a = None
        state = await b.balancer.until(lambda state: state.is_fallback, LEASE_S + 1.5)
        assert state.offer_a == 10.0, "nobody has read anything else"


async def test_an_edit_of_the_policy_moves_the_agent(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b, DeviceServer(edgetech()) as other:
        b.balancer.offer_a = 8.0
        await wait_for(lambda: b.offer_a == 8)
        b.agent.site.write_text(SITE.format(chargers=charger_yaml(other.url)))
        await wait_for(lambda: other.device.registers[0x0102] >> 8 == 8, WITHIN_S, "the other link")
        assert b.offer_a == 0, "the wallbox that is left stays at its fallback"


async def test_a_slot_without_a_charger_idles_until_it_has_one(broker: BrokerServer, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    balancer = Balancer(broker.url)
    async with DeviceServer(edgetech()) as server, running(balancer.bus):
        site.write_text(SITE.format(chargers=charger_yaml(server.url)))
        async with Agent(site, broker.url, tmp_path / "agent.log", {"AMPHERD_SLOT": "2"}) as agent:
            status = await wait_for(lambda: balancer.status.get("agent-slot-2"), WITHIN_S)
            assert status is not None
            assert status.detail == "idle: the policy has no charger number 2"
            assert server.connections == 0
            site.write_text(
                SITE.format(chargers=charger_yaml("tcp://127.0.0.1:9", name="first") + charger_yaml(server.url))
            )
            await wait_for(lambda: balancer.status.get("agent-left") and server.connections, WITHIN_S)
            assert await agent.end() == 0


async def test_a_smartevse_is_left_in_silence(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(smartevse_v2(), "rtu"), "smartevse-v2") as b:
        b.balancer.offer_a = 10.0
        state = await b.balancer.until(lambda state: state.applied is not None, 20.0)
        assert state.offer_a == 10.0
        assert b.device.registers[0x0002] == 100
        assert len(b.device.requests) <= 6, "two bursts at most"


async def test_a_grant_that_changes_nothing_is_confirmed_at_once(broker: BrokerServer, tmp_path: Path) -> None:
    """A new leader waits for it, and a SmartEVSE is read only every few seconds."""
    async with bench(broker, tmp_path, DeviceServer(smartevse_v2(), "rtu"), "smartevse-v2") as b:
        b.balancer.offer_a = 10.0
        await b.balancer.until(lambda state: state.applied is not None, 20.0)
        b.balancer.offer_a = None
        told = await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        grant_id = await b.balancer.say(10.0)
        state = await b.balancer.until(lambda state: state.applied == grant_id)
        assert state.stamp.at_s - told.stamp.at_s < 0.9 * STATE_EVERY_S, "not only with the next repetition"


async def test_without_a_place_it_says_what_to_set(broker: BrokerServer, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(chargers=charger_yaml("tcp://127.0.0.1:9")))
    agent = Agent(site, broker.url, tmp_path / "agent.log", {})
    await agent.start()
    assert agent.process is not None
    assert await asyncio.wait_for(agent.process.wait(), WITHIN_S) == 78
    assert "AMPHERD_SLOT" in agent.log.read_text()


async def test_an_idle_agent_is_small(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        assert b.agent.process is not None
        resident_mb = psutil.Process(b.agent.process.pid).memory_info().rss / 1e6
        assert resident_mb < 80


async def test_without_a_key_it_says_loudly_that_anybody_is_believed(broker: BrokerServer, tmp_path: Path) -> None:
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.balancer.offer_a = 12.0
        await wait_for(lambda: b.offer_a == 12)
        assert b.balancer.status["agent-left"].is_sealed is False
        assert b.agent.log.read_text().count("no_seal_key") == 1


async def test_with_a_key_a_grant_without_a_seal_moves_nothing(
    broker: BrokerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMPHERD_SEAL_KEY", "k" * 32)
    async with bench(broker, tmp_path, DeviceServer(edgetech())) as b:
        await b.balancer.until(lambda state: state.link is LinkHealth.OK)
        b.balancer.offer_a = 12.0
        state = await b.balancer.until(lambda state: state.counters.get("grants_unsealed", 0) >= 10)
        assert state.applied is None
        await wait_for(lambda: b.offer_a == 0, LEASE_S + 1.5, "without a grant it comes to its fallback")
        await wait_for(lambda: "forged" in b.balancer.codes())
        assert b.balancer.status["agent-left"].is_sealed is True
