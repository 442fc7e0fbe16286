"""Where a device is reached: a URL of the policy, taken apart and checked once."""

from __future__ import annotations

import re
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
    MQTT = "mqtt"
    MQTTS = "mqtts"
    BUS = "bus"


_BAUD_RATES: Final = tuple(map(str, (300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)))
_OPTIONS: Final[dict[Transport, dict[str, tuple[str, ...]]]] = {
    Transport.TCP: {},
    Transport.RTU_OVER_TCP: {},
    Transport.RTU: {"baudrate": _BAUD_RATES, "parity": ("N", "E", "O"), "stopbits": ("1", "2")},
    Transport.SERIAL: {"baudrate": _BAUD_RATES, "parity": ("N", "E", "O"), "bytesize": ("7", "8")},
    Transport.FILE: {"speed": (), "loop": ("0", "1", "false", "true")},
    Transport.MQTT: {},
    Transport.MQTTS: {},
}
"""What may follow the `?`, and the values it takes; none listed: a number from 0."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A device's address: `host` and `port` for the TCP kinds, `path` for a serial port or a file.

    `bus` is Ampherd's own broker, and needs neither.
    """

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
    try:
        return _parse(url, allowed)
    except _WrongError as err:
        forms = ", ".join(_EXAMPLE[transport] for transport in Transport if transport in allowed)
        raise ValueError(f"{url!r} {err}; write one like {forms}") from err


class _WrongError(Exception):
    """What is wrong with an address."""


_EXAMPLE: Final = {
    Transport.TCP: "tcp://192.168.1.20:502",
    Transport.RTU: "rtu:///dev/ttyUSB0?baudrate=9600",
    Transport.RTU_OVER_TCP: "rtu+tcp://192.168.1.20:8899",
    Transport.SERIAL: "serial:///dev/ttyUSB0?baudrate=115200",
    Transport.FILE: "file:///data/telegrams.raw?speed=1",
    Transport.MQTT: "mqtt://192.168.1.30:1883",
    Transport.MQTTS: "mqtts://192.168.1.30:8883",
    Transport.BUS: "bus",
}


_NETWORKED: Final = frozenset({Transport.TCP, Transport.RTU_OVER_TCP, Transport.MQTT, Transport.MQTTS})


def _parse(url: str, allowed: frozenset[Transport]) -> Endpoint:
    if url == Transport.BUS and Transport.BUS in allowed:
        return Endpoint(Transport.BUS)
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _WrongError("has spaces or control characters")
    try:
        parts = urlsplit(url)
        transport = Transport(parts.scheme)
        port = parts.port
    except ValueError as err:
        raise _WrongError("is no address") from err
    if transport not in allowed or transport is Transport.BUS:
        raise _WrongError(f"is not understood: {transport} does not fit here")
    options = _options(transport, parts.query)
    if transport not in _NETWORKED:
        if not parts.path.startswith("/") or parts.path == "/" or parts.netloc or parts.fragment:
            raise _WrongError("lacks an absolute path (three slashes)")
        return Endpoint(transport, path=parts.path, options=options)
    if not parts.hostname or not port:
        raise _WrongError("lacks a host or a port")
    if "@" in parts.netloc or parts.path not in {"", "/"} or parts.fragment:
        raise _WrongError("has more than a host and a port")
    return Endpoint(transport, host=parts.hostname, port=port, options=options)


def _options(transport: Transport, query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        choices = _OPTIONS[transport].get(name)
        if choices is None:
            raise _WrongError(f"is not understood: unknown option {name}")
        if name in found:
            raise _WrongError(f"is not understood: {name} stands twice")
        if choices and value not in choices:
            raise _WrongError(f"is not understood: {name} is one of {', '.join(choices)}")
        if not choices and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
            raise _WrongError(f"is not understood: {name} is a number from 0")
        found[name] = value
    return found
