"""A Docker engine for tests, and images made here, where no registry can be reached."""

from __future__ import annotations

import functools
import os
import subprocess

import docker
from docker import DockerClient

from tests.support.needs import REPOSITORY, needs_docker
from tests.support.processes import RUN_MARK

BASE = "ampherd-test/python:bookworm"
STAND_INS = ("mosquitto", "redis", "influxdb")
_SCRIPTS = REPOSITORY / "tests" / "compose"


def image(name: str) -> str:
    """The image that stands in for an upstream one."""
    return f"ampherd-test/{name}:bookworm"


@functools.cache
def engine() -> DockerClient:
    """An engine that answers, with the base image and the stand-ins built; skips the test where there can be none."""
    needs_docker()
    run([str(_SCRIPTS / "engine.sh"), "start"])
    run([str(_SCRIPTS / "base-image.sh"), BASE])
    client = docker.from_env(timeout=300)
    for name in STAND_INS:
        client.images.build(path=str(_SCRIPTS / "stand-ins"), target=name, tag=image(name), rm=True)
    return client


def run(command: list[str], timeout_s: float = 900.0, **environment: str) -> str:
    """Run a program of the deployment, and give its output; AssertionError with its errors when it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != RUN_MARK}
    paths = {"PATH": f"/usr/bin:{os.environ.get('PATH', '')}"}
    result = subprocess.run(
        command,
        env=inherited | paths | environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout[-2000:]}{result.stderr[-4000:]}"
    return result.stdout
