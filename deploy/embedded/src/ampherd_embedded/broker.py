"""The broker of a site without Docker: iotcore inside the virtual environment, or a Mosquitto of the machine.

Both listen on the loopback interface only and need no password: who may run programs here may speak on the bus.
"""

from __future__ import annotations

import getpass
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from ampherd_embedded.program import Program


class BrokerKind(StrEnum):
    """Which broker to run."""

    IOTCORE = "iotcore"
    MOSQUITTO = "mosquitto"


class BrokerMissingError(Exception):
    """The broker that was asked for is not on this machine."""


class Broker(Protocol):
    """A broker that can be started as a child."""

    @property
    def url(self) -> str:
        """Where our services speak MQTT 5."""
        ...

    @property
    def guest_url(self) -> str:
        """Where guests speak MQTT 3.1.1."""
        ...

    def program(self, directory: Path) -> Program:
        """Write its configuration below `directory`, and say how to start it."""
        ...


_IOTCORE_TOML: Final = """\
id = 0

[router]
id = 0
max_connections = 500
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 4

[v5.1]
name = "services"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {max_payload}
max_inflight_count = 200
dynamic_filters = true

[v4.1]
name = "guests"
listen = "127.0.0.1:{guest_port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 10000
max_payload_size = {max_payload}
max_inflight_count = 200
dynamic_filters = true
"""

_MOSQUITTO_CONF: Final = """\
user {user}
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 10000
max_packet_size {max_payload}
persistence true
persistence_location {directory}/
autosave_interval 60
log_dest stderr
log_type error
log_type warning
"""

_WIRE_MAX_BYTES: Final = 256 * 1024
"""Four times what a service reads, so that an oversized payload is refused by us and not by a torn connection."""


@dataclass(frozen=True, slots=True)
class Iotcore:
    """The broker that comes with Ampherd. It speaks MQTT 5 and 3.1.1 on two ports; retained messages live in memory."""

    port: int
    guest_port: int

    @property
    def url(self) -> str:
        """Where our services speak MQTT 5, without what would throw guests of 3.1.1 out."""
        return f"mqtt://127.0.0.1:{self.port}?expiry=no"

    @property
    def guest_url(self) -> str:
        """Where guests speak MQTT 3.1.1."""
        return f"mqtt://127.0.0.1:{self.guest_port}"

    def program(self, directory: Path) -> Program:
        """Write its configuration below `directory`, and say how to start it."""
        config = directory / "iotcore.toml"
        # Without a file it would listen on every interface.
        config.write_text(
            _IOTCORE_TOML.format(port=self.port, guest_port=self.guest_port, max_payload=_WIRE_MAX_BYTES),
            encoding="utf-8",
        )
        return Program(
            name="broker",
            command=(sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "CRITICAL"),
            listens_on=(f"127.0.0.1:{self.port}", f"127.0.0.1:{self.guest_port}"),
        )


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """A Mosquitto of the machine, with a configuration of our own; one port for both versions of MQTT."""

    port: int
    executable: str

    @property
    def url(self) -> str:
        """Where our services speak MQTT 5."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def guest_url(self) -> str:
        """Where guests speak MQTT 3.1.1."""
        return self.url

    def program(self, directory: Path) -> Program:
        """Write its configuration below `directory`, and say how to start it."""
        config = directory / "mosquitto.conf"
        config.write_text(
            _MOSQUITTO_CONF.format(
                user=getpass.getuser(), port=self.port, max_payload=_WIRE_MAX_BYTES, directory=directory.resolve()
            ),
            encoding="utf-8",
        )
        return Program(
            name="broker",
            command=(self.executable, "-c", str(config)),
            listens_on=(f"127.0.0.1:{self.port}",),
        )


def find_mosquitto() -> str | None:
    """The machine's Mosquitto; distributions put it where a user's PATH may not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


def choose(kind: BrokerKind, port: int, guest_port: int) -> Broker:
    """The broker of that kind; raises BrokerMissingError."""
    if kind is BrokerKind.IOTCORE:
        return Iotcore(port, guest_port)
    executable = find_mosquitto()
    if executable is None:
        raise BrokerMissingError("there is no mosquitto on the PATH; install it, or use --broker iotcore")
    return Mosquitto(port, executable)
