"""Every command of docs/api.md runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from ampherd_core.messages import Mode

from tests.page.make_believe import MakeBelieve
from tests.page.running_api import RunningApi, running_site
from tests.support.brokers import BrokerServer
from tests.support.needs import REPOSITORY, lacking

DOCUMENT = REPOSITORY / "docs" / "api.md"


@pytest_asyncio.fixture
async def site(broker: BrokerServer, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[RunningApi, MakeBelieve]]:
    async with running_site(tmp_path, broker.url, redis_url) as pair:
        yield pair


def examples() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


async def test_every_example_runs(site: tuple[RunningApi, MakeBelieve]) -> None:
    api, believe = site
    shell = shutil.which("bash") if shutil.which("curl") else None
    await believe.speak()
    environment = {**os.environ, "AMPHERD": api.url, "READ": api.token("read"), "WRITE": api.token("write")}
    for example in examples():
        process = await asyncio.create_subprocess_exec(
            shell or lacking("curl"),
            "-ec",
            f"set -o pipefail\n{example}",
            cwd=api.site.parent,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, f"{example}\n{output.decode()}"
    asked = [
        ("garage", "mode", "fast"),
        ("garage", "max_current", "13"),
        ("garage", "priority", "1"),
        ("garage", "plan", '{"energy_kwh":20.0,"by":"07:00","weekdays":["mon","tue"]}'),
        ("garage", "plan", "none"),
        ("garage", "soc", "40"),
        ("site", "limit", '{"active":true,"power_w":4200.0,"for_s":7200.0}'),
        ("site", "limit", '{"active":false}'),
    ]
    assert believe.settings == asked
    assert believe.modes["garage"] is Mode.FAST


async def test_every_path_of_the_api_is_documented(site: tuple[RunningApi, MakeBelieve]) -> None:
    api, _ = site
    async with api.client() as stranger:
        paths = json.loads((await stranger.get("/api/openapi.json")).text)["paths"]
    text = DOCUMENT.read_text(encoding="utf-8")
    for path in paths:
        assert re.search(re.sub(r"\\{\w+\\}", r"[^/\\s]+", re.escape(path)), text), path
