"""Starts, keeps and stops all processes of a site, in their order, and follows the policy's edits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog
from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, PolicyWatch
from ampherd_core.service import POLICY_POLL_S

from ampherd_embedded.child import Child
from ampherd_embedded.program import Program, Stage

_READY_WITHIN_S: Final = 15.0
_READY_POLL_S: Final = 0.02

_GRACE_S: Final = {Stage.AGENT: 3.0, Stage.SERVICE: 1.0, Stage.GROUND: 1.0}
"""Agents get time to write their fallback to a slow bus; all together stays near five seconds."""

log = structlog.get_logger()


class NotReadyError(Exception):
    """A program that others stand on did not come up."""


AgentsOf = Callable[[Policy], Sequence[Program]]


class Supervisor:
    """All processes of a site; leaving its `async with` block stops them all."""

    def __init__(self, agents_of: AgentsOf, log_dir: Path | None = None) -> None:
        self._agents_of = agents_of
        self._log_dir = log_dir
        self._children: dict[str, Child] = {}

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by name."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    async def start(self, programs: Iterable[Program]) -> None:
        """Start them together, and wait until each is ready; raises NotReadyError."""
        started = tuple(programs)
        for program in started:
            self._start(program)
        for program in started:
            await _ready(program)

    async def take(self, policy: Policy) -> None:
        """Have one agent for each charger of the policy, and none for others."""
        wanted = {program.name: program for program in self._agents_of(policy)}
        running = {name for name, child in self._children.items() if child.program.stage is Stage.AGENT}
        for name in wanted.keys() - running:
            self._start(wanted[name])
        leaving = running - wanted.keys()
        await self._stop([self._children[name] for name in leaving])
        for name in leaving:
            del self._children[name]

    async def follow(self, watch: PolicyWatch) -> None:
        """Take up the policy's edits until cancelled; a bad one changes nothing here."""
        while True:
            try:
                policy = watch.poll()
            except PolicyError:
                # The services say what is wrong with it; here it only counts as an edit.
                self._tell_edited()
            else:
                if policy is not None:
                    self._tell_edited()
                    await self.take(policy)
            await asyncio.sleep(POLICY_POLL_S)

    async def stop(self) -> None:
        """Agents first, while the broker still runs; the broker and the store last."""
        for stage in sorted(Stage, reverse=True):
            await self._stop([child for child in self._children.values() if child.program.stage is stage])
        self._children.clear()

    def _start(self, program: Program) -> None:
        log_file = self._log_dir / f"{program.name}.log" if self._log_dir is not None else None
        if program.writes is not None:
            program.writes.unlink(missing_ok=True)
        child = Child(program, log_file)
        self._children[program.name] = child
        child.start()
        log.debug("child_started", child=program.name)

    async def _stop(self, children: Sequence[Child]) -> None:
        await asyncio.gather(*(child.stop(_GRACE_S[child.program.stage]) for child in children))

    def _tell_edited(self) -> None:
        for child in self._children.values():
            child.policy_edited()


async def _ready(program: Program) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while not await asyncio.to_thread(program.is_ready):  # noqa: ASYNC110 - another process has no event of ours
                await asyncio.sleep(_READY_POLL_S)
    except TimeoutError as err:
        raise NotReadyError(f"the {program.name} is not ready after {_READY_WITHIN_S:g} s; see its log") from err
