"""Programs that some tests need and a machine may lack.

Such a test is skipped and listed at the end. AMPHERD_REQUIRE_ALL=1 makes the skip a failure, but for the names
in AMPHERD_WITHOUT (separated by commas).
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

SKIP_PREFIX = "needs "

_EXECUTABLES = {
    "mosquitto": ("mosquitto",),
    "redis-server": ("redis-server",),
    "influxdb": ("influxd",),
    "nginx": ("nginx",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "node-red": ("node-red",),
    "spin": ("spin",),
}

_PATH = os.pathsep.join(
    (os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", str(REPOSITORY / "tests/external/node_modules/.bin"))
)


def find_program(name: str) -> str | None:
    """The program's path, or None where this machine lacks it."""
    return next((path for exe in _EXECUTABLES[name] if (path := shutil.which(exe, path=_PATH))), None)


def needs_program(name: str) -> str:
    """The program's path; skips the test, or fails it where all programs are required."""
    return find_program(name) or lacking(name)


def needs_library(name: str) -> str:
    """The path of a library to preload; skips the test, or fails it where all are required."""
    found = next((str(path) for path in sorted(Path("/usr/lib").glob(f"**/lib{name}.so.1"))), None)
    return found or lacking(f"lib{name}")


def needs_docker() -> None:
    """Skip (or fail) unless a Docker engine answers, or one can be started here by this user."""
    if not (engine_answers() or engine_can_start()):
        lacking("docker")


@functools.cache
def engine_answers() -> bool:
    """Whether a Docker engine answers now."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def engine_can_start() -> bool:
    """Whether the test's own scripts may start an engine: asked for by AMPHERD_START_ENGINE=1."""
    has_programs = shutil.which("dockerd", path=_PATH) is not None and os.geteuid() == 0
    return has_programs and os.environ.get("AMPHERD_START_ENGINE") == "1"


def lacking(name: str) -> NoReturn:
    """Skip the test for want of `name`, or fail it."""
    excused = os.environ.get("AMPHERD_WITHOUT", "").split(",")
    if os.environ.get("AMPHERD_REQUIRE_ALL") == "1" and name not in excused:
        pytest.fail(f"{SKIP_PREFIX}{name}, and AMPHERD_REQUIRE_ALL=1 allows no skip", pytrace=False)
    pytest.skip(f"{SKIP_PREFIX}{name}")
