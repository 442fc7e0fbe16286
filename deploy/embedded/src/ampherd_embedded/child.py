"""One child process that is kept running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import IO, Final

import structlog
from ampherd_core.backoff import Backoff
from ampherd_core.service import EXIT_CONFIG

from ampherd_embedded.program import Program, tied_to_parent

_STEADY_S: Final = 10.0
"""A child that ran so long had started well: its next failure is a first one."""

_CANNOT_START: Final = 127
"""What a shell gives for a command that it cannot run."""

log = structlog.get_logger()


class Child:
    """Keeps one program running: starts it again with a growing delay, and waits for an edit after EX_CONFIG."""

    def __init__(self, program: Program, log_file: Path | None = None) -> None:
        self.program = program
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[asyncio.subprocess.Process] | None = None
        self._policy_edited = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def start(self) -> None:
        """Start it, and again whenever it ends."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.program.name}")

    def policy_edited(self) -> None:
        """A person changed the policy: what could not run with the last one may try again."""
        self._policy_edited.set()

    async def stop(self, grace_s: float) -> None:
        """Tell it to stop and wait `grace_s`; then end it and all that it started."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = await self._started()
        if process is None or process.returncode is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        _signal_group(process.pid, signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            log.warning("child_killed", child=self.program.name, after_s=grace_s)
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()

    async def _started(self) -> asyncio.subprocess.Process | None:
        """The newest process, also when its start was still under way."""
        if self._starting is not None:
            with contextlib.suppress(OSError):
                self._process = await self._starting
        return self._process

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while True:
            self._policy_edited.clear()
            started_s = loop.time()
            code = await self._run_once()
            if code == EXIT_CONFIG:
                log.error("child_refuses_policy", child=self.program.name)
                await self._policy_edited.wait()
                continue
            if loop.time() - started_s >= _STEADY_S:
                backoff = Backoff()
            backoff = backoff.after_failure()
            (log.warning if backoff.failures == 1 else log.debug)(
                "child_ended", child=self.program.name, exit_code=code, restart_s=backoff.delay_s
            )
            await asyncio.sleep(backoff.delay_s)

    async def _run_once(self) -> int:
        with contextlib.ExitStack() as stack:
            output: IO[bytes] | None = stack.enter_context(self._log_file.open("ab")) if self._log_file else None
            try:
                self._starting = asyncio.create_task(self._spawn(output), name=f"start-{self.program.name}")
                # Shielded: a process that is just being started when we are told to stop must not be lost sight of.
                self._process = await asyncio.shield(self._starting)
            except OSError as err:
                log.error("child_cannot_start", child=self.program.name, error=str(err))  # noqa: TRY400 - no bug of ours
                return _CANNOT_START
        return await self._process.wait()

    async def _spawn(self, output: IO[bytes] | None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.program.command,
            env={**os.environ, **self.program.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A group of its own keeps Ctrl-C at a terminal from ending the broker before the agents.
            process_group=0,
            preexec_fn=tied_to_parent(signal.SIGTERM),
        )


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
