"""`python -m ampherd_simulator scenario.yaml`: a site with real sockets, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from importlib.resources import files
from pathlib import Path

from ampherd_simulator.errors import SimulatorError
from ampherd_simulator.live import LiveSite
from ampherd_simulator.scenario import Scenario, load_scenario

EXIT_USAGE = 64
"""sysexits.h EX_USAGE."""


def main() -> None:
    """Read the command line, then run."""
    arguments = _parser().parse_args()
    try:
        scenario = load_scenario(_find(arguments.scenario))
        if arguments.speed is not None:
            scenario = Scenario.model_validate(scenario.model_dump() | {"speed": arguments.speed})
        asyncio.run(_run(scenario, arguments.ports_file, arguments.truth))
    except (SimulatorError, ValueError, OSError) as err:
        print(f"ampherd_simulator: {err}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ampherd_simulator", description="A house, cars and wallboxes on sockets.")
    parser.add_argument("scenario", help="a YAML or JSON file, or the name of a shipped scenario such as `demo`")
    parser.add_argument("--ports-file", type=Path, help="write the ports as one JSON line here, too")
    parser.add_argument("--truth", type=Path, help="write what really happens here, as JSON lines")
    parser.add_argument("--speed", type=float, help="scenario seconds a second; replaces the scenario's own")
    return parser


def _find(name: str) -> Path:
    path = Path(name)
    shipped = Path(str(files("ampherd_simulator") / "scenarios" / f"{name}.yaml"))
    return shipped if not path.exists() and shipped.exists() else path


async def _run(scenario: Scenario, ports_file: Path | None, truth_path: Path | None) -> None:
    with contextlib.ExitStack() as stack:
        truth = stack.enter_context(truth_path.open("w", encoding="utf-8")) if truth_path else None
        live = LiveSite(scenario, truth)
        ready, stop = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        running = asyncio.create_task(live.run(ready), name="site")
        announcing = asyncio.create_task(_announce(live, ready, ports_file), name="announce")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (announcing, running):
            task.cancel()
        results = await asyncio.gather(running, announcing, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _announce(live: LiveSite, ready: asyncio.Event, ports_file: Path | None) -> None:
    """One JSON line with every address; the file appears whole or not at all."""
    await ready.wait()
    line = json.dumps(live.ports)
    if ports_file is not None:
        unfinished = ports_file.with_suffix(".unfinished")
        unfinished.write_text(line + "\n", encoding="utf-8")
        unfinished.replace(ports_file)
    print(line, flush=True)


if __name__ == "__main__":
    main()
