"""`ampherd demo`: everything on a simulated house."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from ampherd_core.clock import utc_now
from ampherd_core.timezone import zone
from ampherd_simulator.errors import SimulatorError
from ampherd_simulator.scenario import Scenario, load_scenario
from pydantic import ValidationError

from ampherd_embedded import plan
from ampherd_embedded.broker import BrokerKind
from ampherd_embedded.simulated import Ports, as_yaml, at_its_hour, policy_of, with_free_ports
from ampherd_embedded.stack import Options, Running
from ampherd_embedded.start import run, say

_POLL_S: Final = 1.0
_EXIT_FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class SimulatedSite:
    """A scenario, and the files through which its simulator and the services meet."""

    scenario: Scenario
    ports_file: Path
    site: Path

    async def write_policy(self) -> None:
        """Write the policy for the ports that the simulator has now."""
        await asyncio.to_thread(self._write)

    async def follow(self) -> None:
        """A simulator that had to start again has other ports: write the policy anew whenever they change."""
        seen = await asyncio.to_thread(self._ports)
        while True:
            await asyncio.sleep(_POLL_S)
            ports = await asyncio.to_thread(self._ports)
            if ports != seen:
                seen = ports
                await self.write_policy()

    def _ports(self) -> str:
        return self.ports_file.read_text(encoding="utf-8")

    def _write(self) -> None:
        policy = policy_of(self.scenario, Ports.model_validate_json(self._ports()))
        fresh = self.site.with_suffix(".new")
        fresh.write_text(as_yaml(policy), encoding="utf-8")
        fresh.replace(self.site)


def run_demo(
    *, scenario: Path | None, data_dir: Path, http_port: int | None, opens_browser: bool, broker: BrokerKind
) -> int:
    """Run until stopped; gives the exit code."""
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        given = load_scenario(scenario or Path(str(files("ampherd_simulator") / "scenarios" / "demo.yaml")))
    except (SimulatorError, ValidationError) as err:
        print(err, file=sys.stderr)
        return _EXIT_FAILED
    described = at_its_hour(given, utc_now())
    simulated = SimulatedSite(described, data_dir / "ports.json", data_dir / "site.yaml")
    played = data_dir / "scenario.json"
    played.write_text(with_free_ports(described).model_dump_json(indent=2), encoding="utf-8")
    options = Options(
        site=simulated.site, data_dir=data_dir, http_port=http_port, broker=broker, quiet=True, renews_link=True
    )
    say("Ampherd starts on a simulated house …")
    if described.hour is not None:
        there = utc_now().astimezone(zone(described.timezone))
        say(f"It is {there:%H:%M} in that house, whatever the time is here.")
    return run(
        options,
        announce=_announcement(len(simulated.scenario.chargers), options.data_dir, opens_browser),
        ground=(plan.simulator(played, simulated.ports_file),),
        prepare=simulated.write_policy,
        meanwhile=simulated.follow,
    )


def _announcement(cars: int, data_dir: Path, opens_browser: bool) -> Callable[[Running], None]:
    def announce(site: Running) -> None:
        say(f"{cars} cars share the connection with the house. Open {site.link}")
        say(f"Logs are in {data_dir / 'logs'}. Ctrl-C stops everything.")
        if opens_browser:
            webbrowser.open(site.link)

    return announce
