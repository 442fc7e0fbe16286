"""What surrounds the processes fails: the disk of the history is full, the broker restarts, the wall clock jumps."""

from __future__ import annotations

import resource
import signal
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from ampherd_embedded.broker import BrokerKind

from tests.support.history import readings_at_s
from tests.support.needs import needs_library, needs_program
from tests.support.sites import WholeSite, whole_site
from tests.support.wait import wait_for

CAR = {"lag_s": 1, "is_away": True, "battery_wh": 1e9}
SCENARIO = {
    "rating_a": 30,
    "house": {"base_a": 1, "liveliness": 0},
    "chargers": {
        "left": {"driver": "edgetech", "car": CAR},
        "garage": {"driver": "smartevse-v2-legacy", "lines": ["L3", "L1", "L2"], "car": CAR},
    },
}
FULL_FOR_S = 20.0
HOUR_S = 3600.0


@pytest.mark.timeout(240)
async def test_a_full_disk_stops_no_car_and_loses_no_reading(tmp_path: Path) -> None:
    async with whole_site(tmp_path, SCENARIO) as site:
        await site.plug_in_all()
        await site.charging(2)
        database = site.history_file
        await wait_for(lambda: len(readings_at_s(database, "grid")) >= 5, 30, "the first readings are stored")
        api = psutil.Process(site.running.supervisor.pids["api"])
        # No file of this process may grow beyond its size now: every further write fails, as on a full disk.
        api.rlimit(psutil.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        full_since_s = (await site.truth())["at_s"]
        await site.until(full_since_s + FULL_FOR_S)
        assert api.is_running()
        await site.charging(2, deadline_s=1)
        stored = len(readings_at_s(database, "grid"))
        api.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await wait_for(lambda: len(readings_at_s(database, "grid")) >= stored + FULL_FOR_S, 60, "all is stored at last")
        assert gaps_s(database) == []
        assert max((await site.our_excess()).values()) == 0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", list(BrokerKind))
async def test_a_restarted_broker_interrupts_no_car(tmp_path: Path, kind: BrokerKind) -> None:
    """iotcore forgets what was retained, Mosquitto keeps it on its disk: neither may matter."""
    if kind is BrokerKind.MOSQUITTO:
        needs_program("mosquitto")
    async with whole_site(tmp_path, SCENARIO, broker=kind) as site:
        await site.plug_in_all()
        before = (await site.charging(2))["chargers"]
        site.kill("broker", signal.SIGTERM)
        killed_s = (await site.truth())["at_s"]
        await site.until(killed_s + 5)
        await wait_for(site.is_well, 15, "all is well again")
        after = (await site.charging(2, deadline_s=1))["chargers"]
        assert {c: v["interruptions"] for c, v in after.items()} == {c: v["interruptions"] for c, v in before.items()}
        await wait_for(lambda: gaps_s(site.history_file) == [], 20, "history is whole")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
async def test_a_jump_of_the_wall_clock_changes_no_grant(
    tmp_path: Path, jump_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0", encoding="ascii")
    monkeypatch.setenv("LD_PRELOAD", needs_library("faketime"))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
    monkeypatch.setenv("FAKETIME_CACHE_DURATION", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    async with whole_site(tmp_path, SCENARIO) as site:
        await site.plug_in_all()
        before = (await site.charging(2))["chargers"]
        jumped_at_s = (await site.truth())["at_s"]
        fresh = clock.with_suffix(".new")
        fresh.write_text(f"{jump_s:+.0f}", encoding="ascii")
        fresh.replace(clock)
        seen_at = time.time()

        async def is_shown() -> bool:
            state = (await site.api.get("/api/state")).json()["site"]["state"]
            return abs(parsed(state["at"]) - seen_at - jump_s) < HOUR_S / 2

        await wait_for(is_shown, 10, "the services live in the other hour")
        await site.until(jumped_at_s + 15)
        await wait_for(site.is_well, 15, "all is well")
        after = (await site.charging(2, deadline_s=1))["chargers"]
        assert {c: v["interruptions"] for c, v in after.items()} == {c: v["interruptions"] for c, v in before.items()}
        assert max((await site.our_excess()).values()) == 0


def gaps_s(database: Path) -> list[float]:
    """Pauses in the grid meter's readings, of which one comes each second, and readings that stand there twice, s."""
    times_s = readings_at_s(database, "grid")
    return [later_s - at_s for at_s, later_s in pairwise(times_s) if not 0 < later_s - at_s < 1.9]


def parsed(at: str) -> float:
    """A time of the api, s since 1970."""
    return datetime.fromisoformat(at).timestamp()


async def until(site: WholeSite, at_s: float) -> None:
    """Wait for a moment of the scenario."""

    async def has_come() -> bool:
        return bool((await site.truth())["at_s"] >= at_s)

    await wait_for(has_come, 60, f"second {at_s:.0f} of the scenario")
