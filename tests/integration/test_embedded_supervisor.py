"""The supervisor with programs made for the test: what starts, what starts again, what stops and in which order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, PolicyWatch, load_policy
from ampherd_embedded.program import Program, Stage
from ampherd_embedded.supervisor import NotReadyError, Supervisor

from tests.support.processes import is_alive
from tests.support.wait import wait_for

PROLOGUE = """
import os, signal, sys, time
diary, name = sys.argv[1:3]
def note(what):
    with open(diary, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def leave(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("started")
"""
STAYS = PROLOGUE + "while True: time.sleep(60)\n"
DEAF = PROLOGUE + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnote('deaf')\nwhile True: time.sleep(60)\n"
REFUSES_POLICY = PROLOGUE + "sys.exit(78)\n"
HAS_A_CHILD = (
    PROLOGUE
    + "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nnote(f'child={child.pid}')\nchild.wait()\n"
)

POLICY = """
version: 1
connection: {rating_a: 25}
meters: {grid: {role: grid, driver: dsmr, source: 'tcp://127.0.0.1:2001'}}
chargers:
"""
CHARGER = "  {name}: {{driver: edgetech, link: 'tcp://127.0.0.1:{port}'}}\n"


class Diary:
    """What the programs wrote of themselves, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def program(self, name: str, script: str, stage: Stage = Stage.SERVICE) -> Program:
        return Program(name=name, command=(sys.executable, "-c", script, str(self.path), name), stage=stage)

    def lines(self, what: str) -> list[str]:
        text = self.path.read_text() if self.path.exists() else ""
        return [line for line in text.splitlines() if f" {what}" in line]

    def names(self, what: str) -> list[str]:
        return [line.split()[0] for line in self.lines(what)]

    def pids(self) -> list[int]:
        return [int(line.split()[2]) for line in self.lines("started")]


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def supervisor(diary: Diary) -> Supervisor:
    def agents(policy: Policy) -> Sequence[Program]:
        return [diary.program(f"agent-{charger}", STAYS, Stage.AGENT) for charger in policy.chargers]

    return Supervisor(agents)


async def test_stops_agents_first_and_the_broker_last(supervisor: Supervisor, diary: Diary) -> None:
    stages = {"broker": Stage.GROUND, "meter": Stage.SERVICE, "agent": Stage.AGENT}
    async with supervisor:
        await supervisor.start(diary.program(name, STAYS, stage) for name, stage in stages.items())
        await wait_for(lambda: len(diary.lines("started")) == 3)
    assert diary.names("stopped") == ["agent", "meter", "broker"]


async def test_starts_a_killed_program_again(supervisor: Supervisor, diary: Diary) -> None:
    async with supervisor:
        await supervisor.start([diary.program("meter", STAYS)])
        await wait_for(diary.pids)
        os.kill(diary.pids()[0], signal.SIGKILL)
        await wait_for(lambda: len(diary.pids()) == 2)
        assert supervisor.pids == {"meter": diary.pids()[1]}


async def test_ends_a_program_that_will_not_stop_within_five_seconds(supervisor: Supervisor, diary: Diary) -> None:
    async with supervisor:
        await supervisor.start(diary.program(stage.name, DEAF, stage) for stage in Stage)
        await wait_for(lambda: len(diary.lines("deaf")) == 3)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 6
    assert not [pid for pid in diary.pids() if is_alive(pid)]


async def test_ends_what_a_program_started(supervisor: Supervisor, diary: Diary) -> None:
    async with supervisor:
        await supervisor.start([diary.program("meter", HAS_A_CHILD)])
        await wait_for(lambda: diary.lines("child="))
        grandchild = int(diary.lines("child=")[0].split("child=")[1].split()[0])
    await wait_for(lambda: not is_alive(grandchild))


async def test_a_refused_policy_is_tried_again_only_after_an_edit(
    supervisor: Supervisor, diary: Diary, tmp_path: Path
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(POLICY.replace("chargers:", "chargers: {}"))
    watch = PolicyWatch(site)
    watch.poll()
    async with supervisor:
        follower = asyncio.create_task(supervisor.follow(watch))
        await supervisor.start([diary.program("meter", REFUSES_POLICY), diary.program("other", PROLOGUE)])
        # Another program that ends at once has started three times: time enough for the first, had it been restarted.
        await wait_for(lambda: diary.names("started").count("other") >= 3)
        assert diary.names("started").count("meter") == 1
        site.write_text(site.read_text() + "# edited\n")
        await wait_for(lambda: diary.names("started").count("meter") == 2)
        follower.cancel()


async def test_agents_follow_the_policy(supervisor: Supervisor, diary: Diary, tmp_path: Path) -> None:
    def write(*names: str) -> None:
        site.write_text(POLICY + "".join(CHARGER.format(name=name, port=5000 + len(name)) for name in names))

    site = tmp_path / "site.yaml"
    write("left", "garage")
    watch = PolicyWatch(site)
    watch.poll()
    async with supervisor:
        await supervisor.take(load_policy(site))
        await wait_for(lambda: len(diary.pids()) == 2)
        follower = asyncio.create_task(supervisor.follow(watch))
        write("garage", "carport")
        await wait_for(lambda: diary.names("stopped") == ["agent-left"])
        await wait_for(lambda: sorted(supervisor.pids) == ["agent-carport", "agent-garage"])
        garage = supervisor.pids["agent-garage"]
        site.write_text("chargers: [")
        await wait_for(lambda: is_bad(watch))
        write("garage")
        await wait_for(lambda: supervisor.pids == {"agent-garage": garage})
        follower.cancel()


def is_bad(watch: PolicyWatch) -> bool:
    """Whether the watch has seen the broken file: then it reports nothing new."""
    try:
        return watch.poll() is None
    except PolicyError:
        return True


async def test_says_what_is_not_ready(
    supervisor: Supervisor, diary: Diary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ampherd_embedded.supervisor._READY_WITHIN_S", 0.3)
    silent = Program(
        name="broker", command=(sys.executable, "-c", STAYS, str(diary.path), "broker"), listens_on=("127.0.0.1:1",)
    )
    with pytest.raises(NotReadyError, match="the broker is not ready"):
        async with supervisor:
            await supervisor.start([silent])
    await wait_for(lambda: not [pid for pid in diary.pids() if is_alive(pid)])
