"""Real Redis servers for tests."""

from __future__ import annotations

from pathlib import Path

from ampherd_embedded import valkey

from tests.support.needs import needs_program
from tests.support.processes import Server

KINDS = ("valkey", "redis-server")


class StoreServer(Server):
    """A Redis on a Unix socket of its own; what it holds outlives `stop` and `start`."""

    def __init__(self, directory: Path, executable: str | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        socket = valkey.socket_path(directory)
        super().__init__(valkey.program(directory, socket, executable), directory / "store.log")
        self.url = valkey.redis_url(socket)


def new_store(kind: str, directory: Path) -> StoreServer:
    """A server of that kind, not yet started; skips the test where the machine lacks it."""
    return StoreServer(directory, needs_program("redis-server") if kind == "redis-server" else None)
