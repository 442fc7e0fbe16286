"""The files of the compose deployment that can be judged without an engine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ampherd_core.policy_file import load_policy
from ampherd_embedded.simulated import Ports, policy_of
from ampherd_simulator.scenario import load_scenario

from tests.support.needs import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SETUP: dict[str, Any] = runpy.run_path(str(REPOSITORY / "deploy/docker/setup.py"), run_name="setup")
HEALTHY: dict[str, Any] = runpy.run_path(str(REPOSITORY / "deploy/docker/healthy.py"), run_name="healthy")
RIGHTS: dict[str, Any] = runpy.run_path(str(REPOSITORY / "deploy/docker/rights.py"), run_name="rights")
AGENTS = ("agent-1", "agent-2", "agent-3", "agent-4")
CONTAINERS = {name: s for name, s in COMPOSE["services"].items() if name != "setup"}
LONG_RUNNING = [name for name, service in COMPOSE["services"].items() if service.get("restart") != "no"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_is_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "${AMPHERD_UID:-1000}:${AMPHERD_GID:-1000}"
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["healthcheck"]["test"]
    assert not {"privileged", "devices", "pid", "ipc", "cap_add"} & set(service)
    assert service.get("network_mode", "none") == "none"


def test_images_are_pinned() -> None:
    images = {service["image"] for service in COMPOSE["services"].values()}
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image in images), images


def test_devices_of_the_example_go_to_one_service_each() -> None:
    override = yaml.safe_load((REPOSITORY / "compose.override.example.yaml").read_text())
    devices = [device for service in override["services"].values() for device in service["devices"]]
    assert len(devices) == len(set(devices)) == len(override["services"])


def test_only_the_balancer_may_grant_and_nobody_may_write_everything() -> None:
    blocks = {
        block.split()[1]: block for block in RIGHTS["access_list"](["left", "right"], ["guest"], {}).split("\n\n")
    }
    assert set(blocks) == set(SETUP["accounts"](SETUP["complete"]({}, AGENTS)))
    assert [name for name, block in blocks.items() if "/grant" in block] == ["balancer"]
    assert [name for name, block in blocks.items() if "write ampherd/+/charger/left/state" in block] == ["agent-1"]
    assert [name for name, block in blocks.items() if "write ampherd/+/charger/right/state" in block] == ["agent-2"]
    assert [name for name, block in blocks.items() if "write ampherd/+/meter/" in block] == ["meter"]
    assert not [name for name, block in blocks.items() if re.search(r"write (ampherd/)?#|/\+/state", block)]


def test_every_slot_has_secrets_of_its_own() -> None:
    mounted = {name: [v.split(":")[0] for v in s["volumes"] if ":/secrets:" in v] for name, s in CONTAINERS.items()}
    volumes = [volume for found in mounted.values() for volume in found]
    assert len(volumes) == len(set(volumes)), "no two containers share a secret"
    assert {f"secrets-{name}" for name in AGENTS} <= set(volumes)
    assert {volume.split(":")[0] for volume in COMPOSE["services"]["setup"]["volumes"]} >= set(volumes)


def test_passwords_that_exist_are_kept_and_others_are_made() -> None:
    first = SETUP["complete"]({"guest": "kept"}, AGENTS)
    assert first["guest"] == "kept"
    assert SETUP["complete"](first, AGENTS) == first
    assert len(set(first.values())) == len(first)
    assert all(len(password) >= 32 for name, password in first.items() if name != "guest")


def test_a_further_guest_is_welcomed_and_forgotten() -> None:
    first = SETUP["complete"]({}, AGENTS)
    welcomed = SETUP["welcome"](first, "evcc")
    assert SETUP["guests"](welcomed) == ("guest", "evcc")
    assert f"MQTT: evcc {welcomed['evcc']}" in SETUP["show"](welcomed)
    assert "evcc:$7$" in SETUP["mosquitto_passwords"](welcomed)
    assert SETUP["without"](welcomed, "evcc") == first


@pytest.mark.parametrize("name", ["balancer", "agent-9", "seal", "guest", "Evcc", "a b", "a:b", "", "x" * 33])
def test_no_guest_takes_the_name_of_a_service(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a guest's name"):
        SETUP["welcome"](SETUP["complete"]({}, AGENTS), name)


@pytest.mark.parametrize("name", ["balancer", "agent-1", "seal", "guest", "nobody"])
def test_only_further_guests_are_forgotten(name: str) -> None:
    with pytest.raises(ValueError, match="there is no guest"):
        SETUP["without"](SETUP["complete"]({}, AGENTS), name)


def test_mosquitto_can_check_a_password() -> None:
    _, kind, rounds, salt, digest = SETUP["mosquitto_hash"]("secret", b"twelve bytes").split("$")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(rounds))
    assert (kind, base64.b64decode(digest)) == ("7", expected)


def test_no_file_holds_the_password_of_another_service() -> None:
    passwords = SETUP["complete"]({}, AGENTS)
    files = SETUP["files"](passwords)

    def holders(name: str) -> set[str]:
        return {path.split("/")[0] for path, text in files.items() if passwords[name] in text}

    for name in ("meter", "balancer", "api", *AGENTS):
        assert holders(name) == {name}
    assert holders("seal") == {"meter", "balancer", *AGENTS}


@pytest.mark.parametrize(("touched_s", "is_healthy"), [(0, True), (9, True), (11, False)])
def test_a_heartbeat_ages(tmp_path: Path, touched_s: float, is_healthy: bool) -> None:
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    age_s = HEALTHY["age_s"](heartbeat, heartbeat.stat().st_mtime + touched_s)
    assert (age_s <= HEALTHY["_TOO_OLD_S"]) is is_healthy
    assert HEALTHY["age_s"](tmp_path / "absent", 0) == float("inf")


def test_the_demo_profile_fits_its_scenario() -> None:
    scenario = load_scenario(REPOSITORY / "deploy/demo/scenario.yaml")
    chargers = {name: f"tcp://simulator:{part.line.port}" for name, part in scenario.chargers.items()}  # type: ignore[union-attr]
    ports = Ports(chargers=chargers, p1="tcp://simulator:2001")
    assert load_policy(REPOSITORY / "deploy/demo/site.yaml") == policy_of(scenario, ports)
    assert scenario.host == "0.0.0.0"


def test_the_secrets_of_a_start_are_json_that_the_next_one_reads() -> None:
    passwords = SETUP["complete"]({}, AGENTS)
    assert SETUP["complete"](json.loads(json.dumps(passwords)), AGENTS) == passwords
