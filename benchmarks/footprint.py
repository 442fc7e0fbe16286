"""What the whole stack costs at 1 Hz with four charging cars: CPU share and resident memory of all its processes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import psutil

from benchmarks.figures import Figure
from tests.support.sites import WholeSite, whole_site

SETTLE_S: Final = 40.0
GOAL_CPU: Final = 0.08
GOAL_BYTES: Final = 400e6

SCENARIO: Final = {
    "rating_a": 63,
    "house": {"base_a": 1.0, "liveliness": 2},
    "chargers": {
        f"box-{place}": {"driver": "edgetech", "car": {"battery_wh": 1e9, "is_away": True}} for place in range(1, 5)
    },
}


async def measure(seconds: float) -> AsyncIterator[Figure]:
    """Over `seconds` of real time, after four cars have begun to charge."""
    with tempfile.TemporaryDirectory(prefix="ampherd-bench-") as name:
        async with whole_site(Path(name), SCENARIO) as site:
            await site.plug_in_all()
            await site.charging(4)
            await asyncio.sleep(SETTLE_S)
            processes = _processes(site)
            before, began = _cpu_s(processes), time.monotonic()
            await asyncio.sleep(seconds)
            elapsed_s = time.monotonic() - began
            after = _cpu_s(processes)
            share = sum(after[name] - before[name] for name in processes) / elapsed_s
            resident = {name: process.memory_info().rss for name, process in processes.items()}
            shared_once = sum(process.memory_full_info().pss for process in processes.values())
    yield Figure("CPU of the whole stack, share of one core", f"{share:.1%}", "<= 8 %", share <= GOAL_CPU)
    is_met = shared_once <= GOAL_BYTES
    yield Figure("resident memory, shared pages counted once (PSS)", f"{shared_once / 1e6:.0f} MB", "<= 400 MB", is_met)
    yield Figure("  sum of the resident sets, shared pages counted each time", f"{sum(resident.values()) / 1e6:.0f} MB")
    for name in sorted(processes):
        cpu = (after[name] - before[name]) / elapsed_s
        yield Figure(f"    {name}", f"{cpu:6.2%}  {resident[name] / 1e6:5.0f} MB")


def _processes(site: WholeSite) -> dict[str, psutil.Process]:
    return {name: psutil.Process(pid) for name, pid in site.running.supervisor.pids.items() if name != "simulator"}


def _cpu_s(processes: dict[str, psutil.Process]) -> dict[str, float]:
    times = {name: process.cpu_times() for name, process in processes.items()}
    return {name: used.user + used.system for name, used in times.items()}
