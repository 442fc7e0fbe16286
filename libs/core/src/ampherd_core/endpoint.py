"""Where a device is reached: a URL of the policy, taken apart and checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit


class Transport(StrEnum):
    """How bytes travel to a device."""

    TCP = "tcp"
    RTU = "rtu"
    RTU_OVER_TCP = "rtu+tcp"
    SERIAL = "serial"
    FILE = "file"


_OPTIONS: Final = {
    Transport.TCP: frozenset[str](),
    Transport.RTU_OVER_TCP: frozenset[str](),
    Transport.RTU: frozenset({"baudrate", "parity", "stopbits"}),
    Transport.SERIAL: frozenset({"baudrate", "parity", "bytesize"}),
    Transport.FILE: frozenset({"speed", "loop"}),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A device's address: `host` and `port` for the TCP kinds, `path` for a serial port or a file."""

    transport: Transport
    host: str = ""
    port: int = 0
    path: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def bus(self) -> str:
        """Names the wire: endpoints with the same name share one line."""
        return self.path or f"{self.host}:{self.port}"


def parse_endpoint(url: str, allowed: frozenset[Transport]) -> Endpoint:
    """Take `url` apart; ValueError says what is wrong and shows a right one."""
    forms = ", ".join(_EXAMPLE[transport] for transport in Transport if transport in allowed)
    parts = urlsplit(url)
    try:
        transport = Transport(parts.scheme)
        port = parts.port
    except ValueError as err:
        raise ValueError(f"{url!r} is no address; write one like {forms}") from err
    options = dict(parse_qsl(parts.query))
    if transport not in allowed or set(options) - _OPTIONS[transport]:
        raise ValueError(f"{url!r} is not understood ({_why(transport, allowed, options)}); write one like {forms}")
    if transport in {Transport.TCP, Transport.RTU_OVER_TCP}:
        if not parts.hostname or not port:
            raise ValueError(f"{url!r} lacks a host or a port; write one like {forms}")
        return Endpoint(transport, host=parts.hostname, port=port, options=options)
    if not parts.path or parts.netloc:
        raise ValueError(f"{url!r} lacks an absolute path (three slashes); write one like {forms}")
    return Endpoint(transport, path=parts.path, options=options)


_EXAMPLE: Final = {
    Transport.TCP: "tcp://192.168.1.20:502",
    Transport.RTU: "rtu:///dev/ttyUSB0?baudrate=9600",
    Transport.RTU_OVER_TCP: "rtu+tcp://192.168.1.20:8899",
    Transport.SERIAL: "serial:///dev/ttyUSB0?baudrate=115200",
    Transport.FILE: "file:///data/telegrams.raw?speed=1",
}


def _why(transport: Transport, allowed: frozenset[Transport], options: dict[str, str]) -> str:
    if transport not in allowed:
        return f"{transport} does not fit here"
    return f"unknown option {', '.join(sorted(set(options) - _OPTIONS[transport]))}"
