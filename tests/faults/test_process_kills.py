"""Any process dies while cars charge: no phase goes over its limit by our doing, all comes back, history is whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.rounds import site_with_four_cars
from tests.support.history import readings_at_s
from tests.support.sites import WholeSite
from tests.support.wait import wait_for

BLIND_S = 5.0
"""While the meter or the balancer is dead nobody sees the house; after this every charger goes to its fallback."""

REACTION_S = BLIND_S + 4.0
"""Then a car's second, a meter's second, the next telegram, and a busy machine."""

STEADY_S = 6.0

BACK_WITHIN_S = 30.0
LEASE_S = 10.0
METER_GAP_S = 12.0
"""A meter service that starts anew is back within this; what the P1 port said meanwhile nobody heard."""


def victims() -> Iterator[str]:
    yield from ("meter", "balancer", "api", "broker", "store", "agent-left", "agent-garage")


@pytest.mark.timeout(300)
async def test_every_process_may_die_in_turn(tmp_path: Path) -> None:
    async with site_with_four_cars(tmp_path) as site:
        began_s = (await site.truth())["at_s"]
        for victim in victims():
            pid = site.kill(victim)
            await wait_for(partial(is_new, site, victim, pid), BACK_WITHIN_S)
            steady_from_s = (await site.truth())["at_s"] + STEADY_S
            await wait_for(partial(is_well, site, steady_from_s), BACK_WITHIN_S, f"well after {victim} died")
            await site.charging(4, deadline_s=LEASE_S + BACK_WITHIN_S)
        excess = await site.our_excess()
        assert max(excess.values()) <= REACTION_S, excess
        assert began_s < (await site.truth())["at_s"]

        async def is_whole() -> bool:
            times_s = readings_at_s(site.history_file, "grid")
            gaps = [later - earlier for earlier, later in pairwise(times_s)]
            wide = [gap for gap in gaps if gap > 1.5]
            return len(wide) <= 1 and max(wide, default=0) <= METER_GAP_S

        await wait_for(is_whole, 20, "only the meter's own absence shows in history, once")


def is_new(site: WholeSite, name: str, former_pid: int) -> bool:
    """Whether the process was started anew."""
    return site.running.supervisor.pids.get(name) not in {None, former_pid}


async def is_well(site: WholeSite, from_s: float) -> bool:
    """Whether, from that moment of the scenario on, all is well."""
    return (await site.truth())["at_s"] >= from_s and await site.is_well()
