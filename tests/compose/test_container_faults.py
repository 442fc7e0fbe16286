"""Containers die, stand still and lose their network while cars charge; and an hour without InfluxDB."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from ampherd_core.bus import BrokerAddress, MqttBus, Outbound, running
from ampherd_core.messages import MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.seal import Seal
from ampherd_core.topics import Topics
from ampherd_core.wire import Wire

from tests.support.compose import Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(900)]

VICTIMS = ("meter", "balancer", "agent-1", "agent-3", "api", "mosquitto", "redis", "influxdb")
ON_THE_BUS = ("meter", "balancer", "agent-1", "agent-3", "api", "mosquitto")

LONG_S = 13
"""Longer than a lease: the chargers fall back, and come back."""

SHORT_S = 4
"""For those on whom no lease hangs."""

WELL_WITHIN_S = 15.0
CHARGES_WITHIN_S = 60.0
LEASE_S = 10.0
HOUR = 3600


def kill(stack: Stack, name: str) -> Callable[[], None]:
    """End a container's process as a crash would, so that the engine starts it anew."""
    before = stack.container(name).attrs["State"]["Pid"]
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        state = stack.container(name).attrs["State"]
        return state["Running"] and state["Pid"] not in {0, before}

    def wait() -> None:
        wait_until(is_back, WELL_WITHIN_S, f"{name} runs again")

    return wait


def pause(stack: Stack, name: str) -> Callable[[], None]:
    """Stop it where it stands."""
    container = stack.container(name)
    container.pause()

    def go_on() -> None:
        container.unpause()

    return go_on


def cut_off(stack: Stack, name: str) -> Callable[[], None]:
    """Take its network to the bus away."""
    stack.cut_off(name)
    return lambda: stack.reconnect(name)


def lasts_s(name: str) -> int:
    """How long a fault of that container is interesting, s."""
    return LONG_S if name in {"meter", "balancer", "mosquitto"} else SHORT_S


FAULTS = [
    *(pytest.param(kill, name, 0, id=f"{name}-killed") for name in VICTIMS),
    *(pytest.param(pause, name, lasts_s(name), id=f"{name}-paused") for name in VICTIMS),
    *(pytest.param(cut_off, name, lasts_s(name), id=f"{name}-cut-off") for name in ON_THE_BUS),
]


@pytest.mark.parametrize(("harm", "name", "for_s"), FAULTS)
def test_a_container_fails_and_all_is_well_again(
    stack: Stack, harm: Callable[[Stack, str], Callable[[], None]], name: str, for_s: int
) -> None:
    wait_until(lambda: charging(stack) == 3, CHARGES_WITHIN_S, "all cars charge")
    before = ours_as(stack)
    sent = stack.count("telegram_sent")
    heal = harm(stack, name)
    try:
        wait_until(lambda: stack.count("telegram_sent") >= sent + for_s, for_s + 20, "the fault lasts")
    finally:
        heal()
    healed_s = time.monotonic()
    wait_until(stack.is_well, WELL_WITHIN_S, f"all is well after {name}")
    assert time.monotonic() - healed_s <= WELL_WITHIN_S
    wait_until(lambda: charging(stack) == 3, CHARGES_WITHIN_S, "all cars charge on")
    assert ours_as(stack) == before, "over the limit by our doing"


def test_an_agent_cut_off_from_the_bus_falls_back_within_its_lease_and_a_second(stack: Stack) -> None:
    wait_until(lambda: charging(stack) == 3, CHARGES_WITHIN_S, "all cars charge")
    stack.cut_off("agent-1")
    cut_s = stack.truth()["at_s"]
    try:
        wait_until(lambda: stack.truth()["chargers"]["left"]["offer_a"] == 0, LEASE_S + 10, "the fallback")
        fell_s = stack.truth()["at_s"]
    finally:
        stack.reconnect("agent-1")
    # The truth has a line a second, at both ends.
    assert fell_s - cut_s <= LEASE_S + 1 + 2


async def test_an_hour_without_influxdb_is_in_it_at_last_once(stack: Stack) -> None:
    """An hour of readings, said in a few seconds as a meter service says them again to a recorder."""
    topics, topic = Topics("test"), Topics("test").backlog(Topics("test").reading("grid"))
    wire = Wire(Seal.of(stack.passwords()["seal"]))
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    account = BrokerAddress("127.0.0.1", stack.mqtt_port, "meter", stack.passwords()["meter"])
    bus = MqttBus(account, "test-meter")
    stack.container("influxdb").pause()
    async with running(bus):
        await bus.connected.wait()
        for second in range(HOUR):
            reading = sample(began + timedelta(seconds=second), float(second))
            assert await bus.publish(Outbound(topic, wire.write_sealed(topics.reading("grid"), reading), qos=1))
    stack.container("influxdb").unpause()
    query = (
        "SELECT count(power_w), sum(power_w) FROM meter WHERE meter = 'grid'"
        f" AND time >= '{began:%Y-%m-%dT%H:%M:%SZ}' AND time < '{began + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}'"
    )
    wanted = [HOUR, sum(range(HOUR))]
    wait_until(lambda: [row[1:] for row in stack.influxql(query)] == [wanted], 120, "the whole hour, once")


def sample(at: datetime, power_w: float) -> Reading:
    phase = PhaseSample(current_a=1, guard_a=1)
    return Reading(
        meter="grid",
        role=MeterRole.GRID,
        stamp=Stamp(session="an-hour-ago", at_s=power_w),
        measured_at=at,
        interval_s=1,
        valid_for_s=5,
        resolution_a=0,
        phases=(phase, phase, phase),
        power_w=power_w,
    )


def charging(stack: Stack) -> int:
    """How many cars draw current."""
    return sum(max(car["drawn_a"]) >= 5 for car in stack.truth()["chargers"].values())


def ours_as(stack: Stack) -> list[float]:
    """What the cars alone have put above the limit, per line, A s."""
    return [values["ours_as"] for values in stack.truth()["excess"]["connection"].values()]
