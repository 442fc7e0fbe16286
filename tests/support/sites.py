"""A whole site as processes for a test: simulator, broker, store and every service, judged by the simulator's truth."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from ampherd_core.policy import Policy
from ampherd_embedded.broker import BrokerKind
from ampherd_embedded.demo import SimulatedSite
from ampherd_embedded.program import Program
from ampherd_embedded.stack import Options, Running, running
from ampherd_simulator.scenario import load_scenario

from tests.support.wait import wait_for

Json = dict[str, Any]

STARTS_WITHIN_S = 90.0
FRESH_S = 3.0
CHARGING_WITHIN_S = 120.0
"""A SmartEVSE v2 is looked at every twelve seconds, and a wait for room may take several of those."""


@dataclass
class WholeSite:
    """A running site. `api` is its REST client with the write token."""

    running: Running
    api: httpx.AsyncClient
    truth_file: Path
    policy_file: Path
    control: tuple[str, int]
    _offset: int = 0
    truths: list[Json] = field(default_factory=list)
    writes: list[Json] = field(default_factory=list)
    telegrams: list[Json] = field(default_factory=list)

    async def command(self, **command: object) -> Json:
        """One line to the simulator's control socket."""
        reader, writer = await asyncio.open_connection(*self.control)
        writer.write(json.dumps(command).encode() + b"\n")
        answer: Json = json.loads(await reader.readline())
        writer.close()
        assert answer["ok"], answer
        return answer

    async def truth(self) -> Json:
        """What really happens now."""
        return await self.command(do="truth")

    def read_log(self) -> None:
        """Take in what the truth file has gained."""
        into = {"truth": self.truths, "modbus_write": self.writes, "telegram_sent": self.telegrams}
        with self.truth_file.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                event = json.loads(line)
                into[event["event"]].append(event)

    @property
    def history_file(self) -> Path:
        """Where the site's api keeps history."""
        return self.policy_file.parent / "history.db"

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a service's process; gives its id."""
        pid = self.running.supervisor.pids[name]
        os.kill(pid, number)
        return pid

    async def is_well(self, fresh_s: float = FRESH_S) -> bool:
        """Whether the page answers, and balancer, meter and wallboxes were heard in the last `fresh_s` seconds."""
        try:
            state = (await self.api.get("/api/state")).raise_for_status().json()
            ages = [view["state_age_s"] for view in (*state["chargers"].values(), state["site"])]
            return bool(state["site"]["state"]["is_grid_fresh"] and max(ages) < fresh_s)
        except (httpx.HTTPError, KeyError, TypeError):
            return False

    async def plug_in_all(self) -> None:
        """Once all services are well, the cars come home."""
        await wait_for(self.is_well, STARTS_WITHIN_S, "all services are well")
        for charger in (await self.truth())["chargers"]:
            await self.command(do="plug", charger=charger)

    async def charging(self, count: int, deadline_s: float = CHARGING_WITHIN_S) -> Json:
        """Wait until so many cars draw current; gives the truth."""

        async def are_charging() -> Json | None:
            truth = await self.truth()
            drawing = [c for c in truth["chargers"].values() if max(c["drawn_a"]) >= 5]
            return truth if len(drawing) >= count else None

        result = await wait_for(are_charging, deadline_s, f"{count} cars charge")
        assert result is not None
        return result

    async def until(self, at_s: float, deadline_s: float = 60.0) -> None:
        """Wait for a moment of the scenario."""

        async def has_come() -> bool:
            return bool((await self.truth())["at_s"] >= at_s)

        await wait_for(has_come, deadline_s, f"second {at_s:.0f} of the scenario")

    async def our_excess(self) -> dict[str, float]:
        """The longest run over a limit by our doing, s, by feeder and line."""
        truth = await self.truth()
        return {
            f"{feeder} {line}": values["our_longest_s"]
            for feeder, lines in truth["excess"].items()
            for line, values in lines.items()
        }


@contextlib.asynccontextmanager
async def whole_site(
    directory: Path,
    scenario: Mapping[str, object],
    *,
    policy: Mapping[str, object] | None = None,
    broker: BrokerKind = BrokerKind.IOTCORE,
) -> AsyncIterator[WholeSite]:
    """Run a scenario (as in its YAML) with every service; `policy` replaces whole sections of the site's policy."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - a test may wait for its disk
    scenario_file = directory / "scenario.yaml"
    scenario_file.write_text(yaml.safe_dump(dict(scenario)), encoding="utf-8")
    data_dir = directory / "data"
    data_dir.mkdir()
    simulated = SimulatedSite(load_scenario(scenario_file), data_dir / "ports.json", data_dir / "site.yaml")
    truth_file = data_dir / "truth.jsonl"

    async def prepare() -> None:
        await simulated.write_policy()
        if policy:
            document = yaml.safe_load(simulated.site.read_text(encoding="utf-8")) | dict(policy)
            Policy.model_validate(document)
            simulated.site.write_text(yaml.safe_dump(document), encoding="utf-8")

    options = Options(site=simulated.site, data_dir=data_dir, http_port=0, broker=broker, quiet=True, renews_link=True)
    ports_file = simulated.ports_file
    arguments = (str(scenario_file), "--ports-file", str(ports_file), "--truth", str(truth_file))
    command = (sys.executable, "-m", "ampherd_simulator", *arguments)
    ground = (Program(name="simulator", command=command, writes=ports_file),)
    async with asyncio.timeout(STARTS_WITHIN_S) as limit, running(options, ground, prepare) as site:
        limit.reschedule(None)
        ports = json.loads(simulated.ports_file.read_text(encoding="utf-8"))
        host, _, port = ports["control"].rpartition(":")
        headers = {"Authorization": f"Bearer {site.token}"}
        async with httpx.AsyncClient(base_url=site.page, headers=headers, timeout=5) as api:
            yield WholeSite(site, api, truth_file, simulated.site, (host, int(port)))
