"""The compose deployment, run for real: compose.yaml with stand-ins for what it pulls."""

from __future__ import annotations

import functools
import json
import os
import shutil
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from ampherd_embedded.program import free_port
from docker.models.containers import Container
from docker.models.networks import Network

from tests.support.engine import BASE, engine, run
from tests.support.wait import wait_until

RUNS = (
    *("rights", "mosquitto", "redis", "influxdb", "meter", "balancer"),
    *("agent-1", "agent-2", "agent-3", "agent-4", "api", "simulator"),
)
"""Every long-running service but grafana, whose image only a registry gives."""

USER = "1000:1000"
_HEALTHY_WITHIN_S = 90.0
_FRESH_S = 4.0
_END = "-- the whole answer"


class Stack:
    """All containers of a deployment, under a project name of its own."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.http_port, self.mqtt_port = free_port(), free_port()
        self.project = f"ampherd-test-{uuid.uuid4().hex[:8]}"
        self._engine = engine()

    def up(self) -> None:
        """Build, start, and wait until all are healthy."""
        here = Path(__file__).resolve().parents[1] / "compose"
        for name in ("site.yaml", "scenario.yaml"):
            shutil.copy(here / name, self.config)
        for path in (self.config, *self.config.iterdir()):
            os.chown(path, 1000, 1000)
        self.compose("up", "-d", "--build", *RUNS)
        for name in RUNS:
            wait_until(lambda name=name: self.health(name) == "healthy", _HEALTHY_WITHIN_S, f"{name} is healthy")  # type: ignore[misc]

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        self.compose("--profile", "demo", "down", "-v", "--remove-orphans", "-t", "3")

    def compose(self, *arguments: str) -> str:
        """Run docker-compose on this project."""
        files = ("-f", "compose.yaml", "-f", "tests/compose/compose.test.yaml")
        return run(
            ["docker-compose", "-p", self.project, *files, *arguments],
            AMPHERD_CONFIG=str(self.config),
            AMPHERD_BASE=BASE,
            AMPHERD_HTTP_PORT=str(self.http_port),
            AMPHERD_MQTT_PORT=str(self.mqtt_port),
            # The builder that needs no plug-in, on old engines and new ones.
            DOCKER_BUILDKIT="0",
            COMPOSE_DOCKER_CLI_BUILD="0",
        )

    def container(self, name: str) -> Container:
        """The container of that service, as it is now."""
        label = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={name}"]
        return self._engine.containers.list(all=True, filters={"label": label})[0]

    def health(self, name: str) -> str:
        """What the container's health check says."""
        return str(self.container(name).attrs["State"].get("Health", {}).get("Status"))

    def shell(self, name: str, command: str) -> tuple[int, str]:
        """Run a shell command in a container: its exit code and output; what a busy engine lost is asked for again."""
        for _ in range(3):
            result = self.container(name).exec_run(["sh", "-c", f"({command}); code=$?; echo '{_END}'; exit $code"])
            output = result.output.decode()
            if f"{_END}\n" in output:
                return result.exit_code, output.replace(f"{_END}\n", "")
        raise AssertionError(f"{name}: no whole answer to {command!r}, but {output!r}")

    def state(self) -> dict[str, Any]:
        """What the API says of the site."""
        token = self.token
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/api/state", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            document: dict[str, Any] = json.load(response)
        return document

    @functools.cached_property
    def token(self) -> str:
        """A token that may look, made as an owner would."""
        code, token = self.shell("api", "python -m ampherd_api.token new test --scope read")
        assert code == 0, token
        return token.strip()

    def count(self, event: str) -> int:
        """How often the simulator wrote that kind of event: telegram_sent, modbus_write, truth."""
        return int(self.said(f'grep -c \'"event":"{event}"\' /tmp/truth.jsonl'))

    def said(self, script: str) -> str:
        """What a shell in the simulator says; asked again when a busy engine drops the answer."""

        def answer() -> str:
            return self.shell("simulator", script)[1].strip()

        return wait_until(answer, 10, f"an answer to {script}")

    def truth(self) -> dict[str, Any]:
        """What really flows, a second ago at most."""
        script = 'tail -n 200 /tmp/truth.jsonl | grep \'"event":"truth"\' | tail -n 1'
        document: dict[str, Any] = json.loads(self.said(script))
        return document

    def command(self, document: dict[str, object]) -> None:
        """Tell the simulator to do something."""
        script = (
            "import socket,sys; s=socket.create_connection(('127.0.0.1',2009),5);"
            "s.sendall(sys.argv[1].encode()+b'\\n'); print(s.recv(4096).decode())"
        )
        result = self.container("simulator").exec_run(["python", "-c", script, json.dumps(document)])
        assert result.exit_code == 0, result.output

    def is_well(self) -> bool:
        """Whether the api answers, and meter and wallboxes were heard in the last seconds."""
        try:
            state = self.state()
            ages = [view["state_age_s"] for view in (*state["chargers"].values(), state["site"])]
            return bool(state["site"]["state"]["is_grid_fresh"] and max(ages) < _FRESH_S)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def edit_policy(self, text: str) -> None:
        """Put another policy in place, as an editor does."""
        fresh = self.config / "site.new"
        fresh.write_text(text)
        fresh.replace(self.config / "site.yaml")

    def cut_off(self, name: str) -> None:
        """Take the container off the bus's network."""
        self._bus().disconnect(self.container(name))

    def reconnect(self, name: str) -> None:
        """Put it back, under its old name."""
        self._bus().connect(self.container(name), aliases=[name])

    def influxql(self, query: str) -> list[list[Any]]:
        """The rows that InfluxDB answers."""
        parameters = urllib.parse.urlencode({"db": "ampherd", "q": query})
        _, text = self.shell("influxdb", f"curl -fsS 'http://127.0.0.1:8086/query?{parameters}'")
        series = json.loads(text)["results"][0].get("series", [])
        return [row for one in series for row in one["values"]]

    def passwords(self) -> dict[str, str]:
        """All passwords, as only the setup container can read them."""
        script = "print(open('/secrets/setup/passwords.json').read())"
        text = self.compose("run", "--rm", "-T", "setup", "python", "-c", script)
        document: dict[str, str] = json.loads(text[text.index("{") :])
        return document

    def _bus(self) -> Network:
        return self._engine.networks.get(f"{self.project}_bus")
