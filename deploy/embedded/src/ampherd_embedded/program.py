"""A program to run as a child process, and the tie that ends it with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal that the kernel sends to a process when its parent dies."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Stage(IntEnum):
    """Who stands on whom: lower stages start first and stop last."""

    GROUND = 0
    SERVICE = 1
    AGENT = 2


@dataclass(frozen=True, slots=True)
class Program:
    """What to start: `command` and what it adds to the environment.

    It is ready once all of `listens_on` accept connections (`host:port`, or the absolute path of a Unix socket) and
    the file `writes` exists, which is removed before the start.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    listens_on: tuple[str, ...] = ()
    writes: Path | None = None
    stage: Stage = Stage.GROUND

    def is_ready(self) -> bool:
        """Whether others may rely on it."""
        return (self.writes is None or self.writes.exists()) and all(answers(address) for address in self.listens_on)


def tied_to_parent(number: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` that has the kernel send `number` to the child when its parent dies, however it dies."""
    parent = os.getpid()

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def free_port() -> int:
    """A TCP port of the loopback interface that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(address: str) -> bool:
    """Whether something accepts connections there."""
    kind = socket.AF_UNIX if address.startswith("/") else socket.AF_INET
    host, _, port = address.rpartition(":")
    with socket.socket(kind, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(address if kind == socket.AF_UNIX else (host, int(port)))
        except OSError:
            return False
    return True
