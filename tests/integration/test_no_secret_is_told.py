"""A site that logs all it can, with secrets that are known here: none of them shows anywhere."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from ampherd_embedded import valkey

from tests.support.guarded_broker import GuardedBroker
from tests.support.needs import REPOSITORY
from tests.support.processes import Server
from tests.support.sites import WholeSite, whole_site
from tests.support.wait import wait_for

CAR = {"lag_s": 1, "is_away": True, "battery_wh": 1e9}
SCENARIO = {"rating_a": 25, "chargers": {"left": {"driver": "edgetech", "car": CAR}}}
ANSWERS = (
    "/api/state",
    "/api/policy",
    "/api/events",
    "/api/session",
    "/api/openapi.json",
    "/api/health/ready",
    "/metrics",
)

LOOKS_SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{40}"
    rb"|\$7\$\d+\$[A-Za-z0-9+/]{16}"
    rb"|://[a-z-]+:[A-Za-z0-9_-]{20,}@"
    rb"|AMPHERD_[A-Z_]*(?:KEY|TOKEN|PASSWORD)=[A-Za-z0-9_-]{20,}"
)
"""A private key, a password's hash, a password in an address, a key in an environment."""


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GuardedBroker, dict[str, str]]]:
    """A broker, a store and an InfluxDB with passwords, and what they are."""
    told = {name: secrets.token_hex(20) for name in ("mqtt", "redis", "seal", "influx")}
    broker = GuardedBroker(tmp_path / "broker")
    broker.passwords["everyone"] = told["mqtt"]
    broker.write_accounts()
    (tmp_path / "broker" / "acl").write_text("user everyone\ntopic readwrite #\n")
    program = valkey.program(tmp_path, valkey.socket_path(tmp_path))
    protected = type(program)(
        program.name, (*program.command, "--requirepass", told["redis"]), listens_on=program.listens_on
    )
    store = Server(protected, tmp_path / "store.log")
    for name, value in {
        "MQTT_URL": f"mqtt://everyone:{told['mqtt']}@127.0.0.1:{broker.port}",
        "REDIS_URL": f"unix://:{told['redis']}@{program.listens_on[0]}",
        "SEAL_KEY": told["seal"],
        # Nobody listens there: what fails says most.
        "HISTORY_URL": "influxdb+http://127.0.0.1:9/?org=home&bucket=home",
        "INFLUX_TOKEN": told["influx"],
        "LOG_LEVEL": "DEBUG",
    }.items():
        monkeypatch.setenv(f"AMPHERD_{name}", value)
    broker.start()
    store.start()
    yield broker, told
    store.stop()
    broker.stop()


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(180)
async def test_logs_metrics_and_answers_hold_no_secret(
    known: tuple[GuardedBroker, dict[str, str]], tmp_path: Path
) -> None:
    broker, told = known
    async with whole_site(tmp_path / "site", SCENARIO) as site:
        await site.plug_in_all()
        await site.charging(1)
        told["token"] = site.running.token
        told["session key"] = (tmp_path / "site/data/state/session-key").read_text().strip()
        broker.stop()
        broker.start()
        await wait_for(site.is_well, 60, "all services are back")
        shown = await answers(site)
        for pid in site.running.supervisor.pids.values():
            shown[f"the command line of process {pid}"] = " ".join(psutil.Process(pid).cmdline())
    logs = list((tmp_path / "site/data/logs").iterdir())
    assert len(logs) >= 5
    shown |= {path.name: path.read_text(errors="replace") for path in logs}
    assert any("debug" in text for text in shown.values()), "they really say all they can"
    found = [(what, name) for what, secret in told.items() for name, text in shown.items() if secret in text]
    assert found == []


async def answers(site: WholeSite) -> dict[str, str]:
    """What the API says to whoever may ask everything, and to strangers with a token or a cookie of their own."""
    shown = {path: (await site.api.get(path)).text for path in ANSWERS}
    async with httpx.AsyncClient(base_url=site.running.page) as stranger:
        shown["a wrong token"] = (await stranger.post("/api/session", json={"token": "x" * 32})).text
        shown["no JSON"] = (await stranger.post("/api/session", content=site.running.token)).text
        shown["too much"] = (await stranger.post("/api/session", json={"token": site.running.token * 9})).text
    return shown


def test_the_repository_holds_no_secret() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no repository here")
    files = [REPOSITORY / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    assert len(files) > 300
    found = [str(path) for path in files if path.is_file() and LOOKS_SECRET.search(path.read_bytes())]
    assert found == []
