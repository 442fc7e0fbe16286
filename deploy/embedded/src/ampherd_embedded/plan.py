"""What runs on a site without Docker: every service as a program, with what its environment tells it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ampherd_embedded.program import Program, Stage


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the services find each other; `http_port` 0 lets the system choose.

    `seal_key_file` is None where the user's own environment names a key.
    """

    site: Path
    mqtt_url: str
    redis_url: str
    history_url: str
    state_dir: Path
    http_host: str
    http_port: int
    seal_key_file: Path | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that every service reads."""
        return {
            "AMPHERD_SITE": str(self.site),
            "AMPHERD_MQTT_URL": self.mqtt_url,
            "AMPHERD_REDIS_URL": self.redis_url,
            "AMPHERD_HISTORY_URL": self.history_url,
            "AMPHERD_STATE_DIR": str(self.state_dir),
            "AMPHERD_HTTP_HOST": self.http_host,
            "AMPHERD_HTTP_PORT": str(self.http_port),
        }

    @property
    def trusted_environment(self) -> Mapping[str, str]:
        """The same for those that others believe: they hold the key of the seal."""
        key = {"AMPHERD_SEAL_KEY_FILE": str(self.seal_key_file)} if self.seal_key_file is not None else {}
        return {**self.environment, **key}


def services(surroundings: Surroundings) -> tuple[Program, ...]:
    """The services that every site has once."""
    return (
        _service("api", surroundings.environment),
        _service("balancer", surroundings.trusted_environment),
        _service("meter", surroundings.trusted_environment),
    )


def agents(surroundings: Surroundings, chargers: Iterable[str]) -> tuple[Program, ...]:
    """One agent for each charger."""
    return tuple(
        Program(
            name=f"agent-{charger}",
            command=_python("ampherd_charger_agent"),
            environment={**surroundings.trusted_environment, "AMPHERD_CHARGER": charger},
            stage=Stage.AGENT,
        )
        for charger in chargers
    )


def simulator(scenario: Path, ports_file: Path) -> Program:
    """The house, cars and wallboxes of a scenario; it writes the ports that it got to `ports_file`."""
    command = (*_python("ampherd_simulator"), str(scenario), "--ports-file", str(ports_file))
    return Program(name="simulator", command=command, writes=ports_file)


def _service(name: str, environment: Mapping[str, str]) -> Program:
    return Program(name=name, command=_python(f"ampherd_{name}"), environment=environment, stage=Stage.SERVICE)


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)
