"""`ampherd demo` as a user runs it: the page comes up, and whatever ends it leaves nothing running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import is_alive
from tests.support.wait import wait_until

PAGE_WITHIN_S = 120.0
"""Seconds on an idle machine; one that runs other tests beside this one takes its time."""

ENDS_WITHIN_S = 10.0
pytestmark = pytest.mark.timeout(300)

PAGE = re.compile(r"(http://127\.0\.0\.1:\d+/)#token=(\S+)")


class Demo:
    """A running demo, in a process group of its own as at a terminal."""

    def __init__(self, directory: Path) -> None:
        self.output = directory / "output"
        command = [sys.executable, "-c", "from ampherd_embedded.cli import app; app()", "demo", "--http-port", "0"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--data-dir", str(directory / "data")],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def page(self) -> tuple[str, str]:
        """The page's address and the token, once the demo tells them."""
        match = wait_until(self._announced, PAGE_WITHIN_S, "the demo tells its page")
        return match[1], match[2]

    def children(self) -> list[int]:
        """The processes that the demo runs now."""
        return [process.pid for process in psutil.Process(self.process.pid).children(recursive=True)]

    def _announced(self) -> re.Match[str] | None:
        assert self.process.poll() is None, self.output.read_text()
        return PAGE.search(self.output.read_text())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
    running.process.wait(ENDS_WITHIN_S)


def test_the_page_comes_up_and_ctrl_c_leaves_nothing_running(demo: Demo) -> None:
    page, token = demo.page()
    request = urllib.request.Request(f"{page}api/state", headers={"Authorization": f"Bearer {token}"})
    assert urllib.request.urlopen(page, timeout=5).status == 200
    assert urllib.request.urlopen(request, timeout=5).status == 200
    # Broker, store, simulator, meter, balancer, api and an agent for each of the four cars.
    wait_until(lambda: len(demo.children()) == 10)
    children = demo.children()
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(ENDS_WITHIN_S) == 0
    assert [pid for pid in children if is_alive(pid)] == []


def test_a_killed_supervisor_takes_everything_with_it(demo: Demo) -> None:
    demo.page()
    children = demo.children()
    demo.process.kill()
    wait_until(lambda: not [pid for pid in children if is_alive(pid)], ENDS_WITHIN_S, "all children end")


def test_stops_at_once_while_it_starts(demo: Demo, tmp_path: Path) -> None:
    wait_until((tmp_path / "data" / "lock").exists, PAGE_WITHIN_S)
    children = wait_until(demo.children, PAGE_WITHIN_S)
    demo.process.terminate()
    assert demo.process.wait(ENDS_WITHIN_S) == 0
    assert [pid for pid in children if is_alive(pid)] == []
