"""Random process faults with four cars charging; `make faults` plays a hundred rounds of the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rounds import Fault, Kind, doubled_or_lost, play, random_faults, site_with_four_cars
from tests.support.wait import wait_for

ROUNDS = 3
SEED = 7
BOTH = Fault(Kind.FROZEN, ("balancer", "store"), 16.0, "L2")
"""Longer than a lease: the fallback comes, and the old leader wakes with its old ideas."""


@pytest.mark.timeout(600)
async def test_random_faults_leave_no_excess_and_no_gap(tmp_path: Path) -> None:
    async with site_with_four_cars(tmp_path) as site:
        outcomes = [await play(site, fault) for fault in (*random_faults(ROUNDS, SEED), BOTH)]
        assert [what for outcome in outcomes for what in outcome.faults] == []
        await wait_for(lambda: doubled_or_lost(site, outcomes) == [], 20, "history is whole")
