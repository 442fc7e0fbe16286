"""The compose deployment: a telegram becomes a Modbus write and a point, and no container has needless rights."""

from __future__ import annotations

from pathlib import Path

import aiomqtt
import pytest
from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound, running

from tests.support.compose import RUNS, USER, Stack
from tests.support.wait import wait_for, wait_until

pytestmark = [pytest.mark.needs("docker"), pytest.mark.timeout(900)]

OURS = ("meter", "balancer", "agent-1", "agent-2", "agent-3", "agent-4", "api", "simulator")
LIMIT_A = 24.5


def test_a_telegram_becomes_a_modbus_write_and_a_point(stack: Stack) -> None:
    def offers() -> dict[str, float]:
        return {name: car["offer_a"] for name, car in stack.truth()["chargers"].items()}

    wait_until(lambda: all(offer >= 6 for offer in offers().values()), 60, "all three cars get current")
    before = stack.count("modbus_write")
    stack.command({"do": "step", "line": "L2", "current_a": 9, "for_s": 20})
    wait_until(lambda: stack.count("modbus_write") > before, 10, "the step is answered by Modbus writes")
    wait_until(lambda: max(stack.truth()["grid_a"]) <= LIMIT_A, 15, "the load is below the limit again")

    # A telegram a second: ten of them within the last ten seconds and what the way takes.
    query = "SELECT count(current_l2_a) FROM meter WHERE time > now() - 12s"
    wait_until(lambda: [rows for rows in stack.influxql(query) if rows[1] >= 10], 30, "every telegram is a point")
    assert stack.influxql("SELECT max(offer_a) FROM charger WHERE charger = 'left'")[0][1] >= 6


def test_the_page_and_its_state_answer(stack: Stack) -> None:
    state = wait_until(lambda: stack.state() if stack.state()["is_bus_connected"] else None, 20)
    assert set(state["chargers"]) == {"left", "right", "garage"}


def test_a_slot_without_a_charger_idles_and_says_so(stack: Stack) -> None:
    assert b"the policy has no charger number 4" in stack.container("agent-4").logs()
    assert stack.health("agent-4") == "healthy"


@pytest.mark.parametrize("name", RUNS)
def test_a_container_has_no_more_rights_than_it_needs(stack: Stack, name: str) -> None:
    host = stack.container(name).attrs["HostConfig"]
    assert stack.container(name).attrs["Config"]["User"] == USER
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert not host["Devices"]
    assert host["NetworkMode"] == "none" if name == "rights" else host["NetworkMode"].startswith(stack.project)
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    code, _ = stack.shell(name, "touch /written")
    assert code != 0
    assert stack.shell(name, "id -u")[1].strip() == "1000"
    assert stack.shell(name, "grep CapEff /proc/self/status")[1].split()[1] == "0" * 16


def test_only_the_api_may_write_the_policy(stack: Stack) -> None:
    writers = [name for name in OURS if stack.shell(name, "touch /etc/ampherd/site.yaml")[0] == 0]
    assert writers == ["api"]


def test_each_service_sees_its_own_secrets_only(stack: Stack) -> None:
    seen = {name: sorted(stack.shell(name, "ls /secrets 2>/dev/null")[1].split()) for name in OURS}
    assert seen["meter"] == seen["agent-1"] == ["mqtt-url", "seal-key"]
    assert seen["balancer"] == ["mqtt-url", "redis-url", "seal-key"]
    assert "seal-key" not in seen["api"]
    assert seen["simulator"] == []
    urls = {
        stack.shell(name, "cat /secrets/mqtt-url")[1] for name in ("meter", "balancer", "agent-1", "agent-2", "api")
    }
    assert len(urls) == 5


def test_no_image_log_or_environment_holds_a_secret(stack: Stack) -> None:
    told = [*stack.passwords().values(), stack.token]
    for name in RUNS:
        container = stack.container(name)
        image = container.image
        assert image is not None
        shown = f"{container.logs().decode(errors='replace')} {container.attrs} {image.attrs} {image.history()}"
        assert not [secret for secret in told if secret in shown], name


def test_redis_and_influxdb_reach_nothing_and_nobody_else_reaches_them(stack: Stack) -> None:
    script = "import socket; socket.create_connection(('{}', {}), 2)"
    for host, port in (("redis", 6379), ("influxdb", 8086)):
        assert stack.shell("api", f'python -c "{script.format(host, port)}"')[0] == 0
        assert stack.shell("meter", f'python -c "{script.format(host, port)}"')[0] != 0
        assert not stack.container(host).attrs["HostConfig"]["PortBindings"]


def test_passwords_are_made_once(stack: Stack) -> None:
    before = stack.passwords()
    stack.compose("up", "-d", "setup")
    assert stack.passwords() == before
    assert len(set(before.values())) == len(before)


async def test_a_guest_may_look_and_ask_and_never_grant(stack: Stack) -> None:
    passwords = stack.passwords()
    heard: list[Inbound] = []

    def client(account: str, password: str, listens_to: tuple[str, ...] = ()) -> MqttBus:
        address = BrokerAddress("127.0.0.1", stack.mqtt_port, account, password)
        return MqttBus(address, f"test-{account}", filters=listens_to, listener=heard.append)

    guest = client("guest", passwords["guest"], ("ampherd/test/#",))
    meter = client("meter", passwords["meter"])
    async with running(guest), running(meter):
        await wait_for(lambda: {"ampherd/test/charger/left/grant"} <= {message.topic for message in heard}, 15)
        await guest.publish(Outbound("ampherd/test/charger/forged/grant", b"{}", qos=1))
        await guest.publish(Outbound("ampherd/test/charger/forged/state", b"{}", qos=1))
        await guest.publish(Outbound("ampherd/test/meter/forged/reading", b"{}", qos=1))
        await meter.publish(Outbound("ampherd/test/charger/forged/grant", b"{}", qos=1))
        await guest.publish(Outbound("ampherd/test/charger/forged/mode/set", b"off", qos=1))
        await wait_for(lambda: any(message.topic.endswith("/mode/set") for message in heard), 5)
        assert {message.topic for message in heard if "forged" in message.topic} == {
            "ampherd/test/charger/forged/mode/set"
        }


@pytest.mark.parametrize("account", [{}, {"username": "guest", "password": "wrong"}])
async def test_strangers_are_turned_away(stack: Stack, account: dict[str, str]) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori[sz]ed|Bad user name"):
        async with aiomqtt.Client("127.0.0.1", stack.mqtt_port, **account):  # type: ignore[arg-type]
            pass


def test_an_edit_of_the_policy_is_taken_up_in_the_containers(stack: Stack) -> None:
    site = Path(stack.config, "site.yaml").read_text()
    stack.edit_policy(site + '  fourth: {driver: edgetech, link: "tcp://simulator:5021", unit: 9}\n')
    wait_until(lambda: "fourth" in stack.state()["chargers"], 10, "the api knows the new charger")
    wait_until(lambda: b'"charger": "fourth"' in stack.container("agent-4").logs(tail=50), 10, "slot 4 has work")
    wait_until(
        lambda: "state" in stack.state()["chargers"]["fourth"], 20, "and the broker lets it speak for its charger"
    )
    stack.edit_policy(site)
    wait_until(lambda: "fourth" not in stack.state()["chargers"], 10, "and forgets it")
