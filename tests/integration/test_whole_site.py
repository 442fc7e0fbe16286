"""The whole loop as processes: telegrams go in, wallboxes get their current, people see why, history is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.history import readings_at_s
from tests.support.sites import WholeSite, whole_site
from tests.support.wait import wait_for

CAR = {"lag_s": 1, "is_away": True, "battery_wh": 1e9}
FOUR_BOXES = {
    "left": {"driver": "edgetech", "car": CAR},
    "right": {"driver": "edgetech", "lines": ["L2", "L3", "L1"], "car": CAR | {"lag_s": 3}},
    "garage": {"driver": "smartevse-v2-legacy", "lines": ["L3", "L1", "L2"], "car": CAR},
    "guest": {"driver": "smartevse-v2-legacy", "lines": ["L2"], "car": CAR | {"phases": 1}},
}
CAR_LAG_S = 3.0
SPEED = float(os.environ.get("AMPHERD_REPLAY_SPEED", "5"))
RECORDED = 566
"""Telegrams of the recording; it begins when the meter service listens."""

MERGED = 0.0 if SPEED == 1 else 0.03
"""Played fast on a busy machine, a few telegrams arrive together, and only the newest of them is news."""

SEEN_AND_TOLD_S = 3.0
"""A meter's second, the next telegram, and a little for a busy machine."""


async def decisions(site: WholeSite) -> dict[str, dict[str, object]]:
    answer = await site.api.get("/api/state")
    chargers = answer.raise_for_status().json()["chargers"]
    return {charger: view["decision"] for charger, view in chargers.items()}


@pytest.mark.timeout(180)
async def test_four_cars_share_and_the_page_says_why(tmp_path: Path) -> None:
    scenario = {"rating_a": 35, "house": {"constant_a": [1, 2, 1]}, "chargers": FOUR_BOXES}
    async with whole_site(tmp_path, scenario) as site:
        await site.plug_in_all()
        await site.charging(4)

        async def is_shared() -> bool:
            truth = await site.truth()
            return bool(29 <= max(truth["grid_a"]) <= 34.5)

        await wait_for(is_shared, 60, "the cars take up what the house leaves")
        why = await decisions(site)
        assert all(decision["reason"] for decision in why.values())
        assert any("connection" in str(decision["limited_by"]) for decision in why.values())
        assert max((await site.our_excess()).values()) <= CAR_LAG_S + SEEN_AND_TOLD_S


@pytest.mark.timeout(180)
async def test_a_load_on_one_phase_is_answered_in_the_telegram_that_shows_it(tmp_path: Path) -> None:
    scenario = {"rating_a": 40, "house": {"constant_a": [1, 2, 1]}, "chargers": FOUR_BOXES}
    async with whole_site(tmp_path, scenario, policy={"timings": {"hold_s": 5, "return_after_s": 5}}) as site:
        await site.plug_in_all()
        await site.charging(4)

        async def is_full() -> bool:
            return bool(max((await site.truth())["grid_a"]) >= 35)

        await wait_for(is_full, 60, "the connection is well used")
        site.read_log()
        known = len(site.telegrams)
        before = len(site.writes)
        await site.command(do="step", line="L2", current_a=15, for_s=20)

        def has_answered() -> bool:
            site.read_log()
            return len(site.writes) > before

        await wait_for(has_answered, 10, "a setpoint is written")
        write_s = site.writes[before]["boot_s"]
        seen_by = [telegram for telegram in site.telegrams[known:] if telegram["boot_s"] <= write_s]
        assert len(seen_by) <= 1, "the first telegram that shows the load is the one that is acted on"

        async def is_within() -> bool:
            return bool(max((await site.truth())["grid_a"]) <= 40)

        await wait_for(is_within, CAR_LAG_S + SEEN_AND_TOLD_S + 2, "the phase is back under its limit")

        async def is_back() -> bool:
            return bool(max((await site.truth())["grid_a"]) >= 35)

        await wait_for(is_back, 60, "the cars come back up")
        assert max((await site.our_excess()).values()) <= CAR_LAG_S + SEEN_AND_TOLD_S


@pytest.mark.timeout(900)
async def test_a_recorded_evening_of_real_telegrams(tmp_path: Path, shared: Path) -> None:
    """566 real telegrams with the cars' current added to each: no phase over its limit, every reading in history."""
    stream = shared / "data/telegrams/streams/nielsbasjes-iskra-am550-1hz-9min.raw"
    scenario = {
        "rating_a": 25,
        "speed": SPEED,
        "house": {"recording": str(shared / "data/days/house3p_nl_1s.csv.gz")},
        "p1": {"replay": str(stream), "replay_adds_chargers": True},
        "chargers": FOUR_BOXES,
    }
    async with whole_site(tmp_path, scenario) as site:
        await site.plug_in_all()
        await site.charging(2, deadline_s=90)

        def is_over() -> bool:
            site.read_log()
            return len(site.telegrams) >= RECORDED

        await wait_for(is_over, 600 / SPEED + 60, "the recording is over")
        excess = await site.our_excess()
        assert max(excess.values()) / SPEED <= CAR_LAG_S + SEEN_AND_TOLD_S, excess

        async def are_recorded() -> bool:
            counters = (await site.api.get("/api/meters/grid")).raise_for_status().json()["status"]["counters"]
            stored = readings_at_s(site.history_file, "grid")
            told = int(counters["ok"])
            is_heard = told + int(counters.get("late", 0)) >= RECORDED and told >= RECORDED * (1 - MERGED)
            return len(stored) == len(set(stored)) >= told and is_heard

        await wait_for(are_recorded, 60, "every reading is in history, once")
