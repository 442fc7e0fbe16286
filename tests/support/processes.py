"""Servers as child processes of a test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from pathlib import Path

import psutil
from ampherd_embedded.program import Program, answers, tied_to_parent

from tests.support.wait import wait_until

RUN_MARK = "AMPHERD_TEST_RUN"
"""Every process that a test starts inherits this variable, so that one left behind is found."""

_STARTS_WITHIN_S = 15.0
_STOPS_WITHIN_S = 5.0


class Server:
    """A program that a test may stop, start again, kill and freeze."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None, f"{self.program.name} does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.program.command,
                env={**os.environ, **self.program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=tied_to_parent(signal.SIGKILL),  # noqa: PLW1509 - it calls prctl and nothing else
            )
        wait_until(self._is_up, _STARTS_WITHIN_S, f"{self.program.name} listens; its log is {self.log}")

    def stop(self) -> None:
        """End it, by force when it does not obey; nothing happens when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """It stays connected and does nothing any more."""
        os.kill(self.pid, signal.SIGSTOP)
        # Not before: `waitid` returns once every thread of it has stopped.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """It goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def _is_up(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self.program.name} ended with {code}: {self.log.read_text(errors='replace')[-2000:]}"
        return all(answers(address) for address in self.program.listens_on)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def mark_run() -> str:
    """Mark this session's processes; gives the mark."""
    return os.environ.setdefault(RUN_MARK, uuid.uuid4().hex)


def left_behind(mark: str) -> list[psutil.Process]:
    """The processes with that mark, and this one's descendants, that still run; this one and its ancestors aside."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    # A Redis writes its title over its environment, and with it the mark.
    descendants = {process.pid for process in psutil.Process().children(recursive=True)}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            is_ours = process.pid in descendants or process.environ().get(RUN_MARK) == mark
            if is_ours and process.pid not in own and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
