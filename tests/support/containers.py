"""Single services in containers, with the same handles as those that run as child processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from ampherd_embedded.program import free_port
from testcontainers.core.container import DockerContainer

from tests.support.engine import engine, image
from tests.support.wait import wait_until

# It watches for containers left behind, and comes from a registry; tests remove their own.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

_STARTS_WITHIN_S = 20.0


class ContainerServer:
    """A server in a container, on a port of the machine that it keeps over a restart."""

    probe: ClassVar[str]
    """A command in the container that succeeds once the server answers; its port is open before that."""

    def __init__(self, name: str, inner_port: int, command: str, mounts: dict[Path, str] | None = None) -> None:
        engine()
        self.port = free_port()
        self._container = DockerContainer(image(name)).with_bind_ports(inner_port, self.port).with_command(command)
        for source, target in (mounts or {}).items():
            self._container = self._container.with_volume_mapping(str(source), target, "ro")
        self._is_created = False

    def start(self) -> None:
        """Start it and wait until it listens."""
        if self._is_created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._is_created = True
        wait_until(self._answers, _STARTS_WITHIN_S, "the server in the container answers")

    def stop(self) -> None:
        """End it; what it holds stays until `remove`."""
        self._container.get_wrapped_container().stop(timeout=5)

    def kill(self) -> None:
        """End it as a crash would."""
        self._container.get_wrapped_container().kill()

    def freeze(self) -> None:
        """It stays connected and does nothing any more."""
        self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        """It goes on."""
        self._container.get_wrapped_container().unpause()

    def remove(self) -> None:
        """Gone, with what it held."""
        if self._is_created:
            self._container.stop()

    def _answers(self) -> bool:
        return bool(self._container.get_wrapped_container().exec_run(self.probe).exit_code == 0)


class ContainerBroker(ContainerServer):
    """Mosquitto in a container, without accounts."""

    probe = "mosquitto_sub -t $SYS/broker/uptime -C 1 -W 3"

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "mosquitto.conf"
        config.write_text(
            "listener 1883\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 10000\n"
            "max_packet_size 262144\n"
        )
        super().__init__("mosquitto", 1883, "mosquitto -c /mosquitto.conf", {config: "/mosquitto.conf"})
        self.url = self.url_with_expiry = self.url_v311 = f"mqtt://127.0.0.1:{self.port}"
        self.port_v311 = self.port


class ContainerStore(ContainerServer):
    """Redis in a container."""

    probe = "redis-cli ping"

    def __init__(self) -> None:
        command = "redis-server --appendonly yes --save '' --protected-mode no --dir /tmp"
        super().__init__("redis", 6379, command)
        self.url = f"redis://127.0.0.1:{self.port}/0"


class ContainerInflux(ContainerServer):
    """InfluxDB in a container, with a database of that name."""

    probe = "influx ping"

    def __init__(self, bucket: str) -> None:
        super().__init__("influxdb", 8086, "start.sh")
        self._container = self._container.with_env("DOCKER_INFLUXDB_INIT_BUCKET", bucket)
        self.url = f"http://127.0.0.1:{self.port}"
