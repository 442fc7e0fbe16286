"""From the last grant to the fallback, on real clocks and for every driver: within the lease and a second."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.sites import WholeSite, whole_site
from tests.support.wait import wait_for

LEASE_S = 10.0
CAR = {"lag_s": 1, "is_away": True, "battery_wh": 1e9}
DRIVERS = ("edgetech", "smartevse-v2", "smartevse-v2-legacy")
SCENARIO = {
    "rating_a": 60,
    "house": {"base_a": 1, "liveliness": 0},
    "chargers": {driver: {"driver": driver, "car": CAR} for driver in DRIVERS},
}


@pytest.mark.timeout(300)
async def test_without_grants_every_charger_falls_back_within_its_lease_and_a_second(tmp_path: Path) -> None:
    async with whole_site(tmp_path, SCENARIO) as site:
        await site.plug_in_all()
        for silenced in ("balancer", "broker", "balancer"):
            await site.charging(len(DRIVERS), deadline_s=90)
            fell_after_s = await fallback_times_s(site, silenced)
            assert set(fell_after_s) == set(DRIVERS)
            assert max(fell_after_s.values()) <= LEASE_S + 1.0, (silenced, fell_after_s)


async def fallback_times_s(site: WholeSite, silenced: str) -> dict[str, float]:
    """Freeze a process until every charger stands at 0 A; when each did, s after the freeze."""
    pid = site.running.supervisor.pids[silenced]
    os.kill(pid, signal.SIGSTOP)
    frozen_s, found = time.monotonic(), dict[str, float]()

    async def have_all_fallen() -> bool:
        for charger, values in (await site.truth())["chargers"].items():
            if values["offer_a"] == 0:
                found.setdefault(charger, round(time.monotonic() - frozen_s, 2))
        return len(found) == len(DRIVERS)

    try:
        await wait_for(have_all_fallen, LEASE_S + 10, f"fallback; fallen so far: {found}")
    finally:
        os.kill(pid, signal.SIGCONT)
    return found
