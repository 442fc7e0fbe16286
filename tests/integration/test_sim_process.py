"""`python -m ampherd_simulator` as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

DEADLINE_S = 30.0
DEMO = Path(str(files("ampherd_simulator") / "scenarios" / "demo.yaml"))


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo scenario on ports that the system chooses, at ten times its pace."""
    scenario = tmp_path / "demo.yaml"
    text = re.sub(r"port: \d+", "port: 0", DEMO.read_text(encoding="utf-8"))
    scenario.write_text("speed: 10\n" + text, encoding="utf-8")
    return scenario


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=DEADLINE_S)


def truths(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in events if event["event"] == "truth"]


def test_the_demo_runs_and_obeys_modbus(demo: Path, tmp_path: Path) -> None:
    ports_file, truth = tmp_path / "ports.json", tmp_path / "truth.jsonl"
    command = [sys.executable, "-m", "ampherd_simulator", str(demo), "--ports-file", str(ports_file)]
    with subprocess.Popen([*command, "--truth", str(truth)], stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_for(ports_file.exists, "the ports file")
            ports = json.loads(ports_file.read_text(encoding="utf-8"))
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == ports

            with connect(ports["p1"]) as p1:
                assert p1.recv(1).startswith(b"/")
            wait_for(lambda: _drawn(truth, "carport-left") > 15, "the car at full current")

            with connect(ports["chargers"]["carport-left"]) as wallbox:
                request = bytes.fromhex("0001 0000 0006 01 06 0201 0808")
                wallbox.sendall(request)
                assert wallbox.recv(64) == request
            wait_for(lambda: 0 < _drawn(truth, "carport-left") < 8, "the car at the new current")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


def _drawn(truth: Path, charger_id: str) -> float:
    seen = truths(truth)
    return float(max(seen[-1]["chargers"][charger_id]["drawn_a"])) if seen else 0.0


def test_a_bad_scenario_ends_with_a_message(tmp_path: Path) -> None:
    scenario = tmp_path / "bad.yaml"
    scenario.write_text("house: {appliances: [sauna]}", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "ampherd_simulator", str(scenario)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 64
    assert "sauna" in done.stderr
    assert "Traceback" not in done.stderr
