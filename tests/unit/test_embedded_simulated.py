"""The policy that `ampherd demo` writes for a simulated house, and that this house is a show at any time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import subtract
from ampherd_core.policy import Policy
from ampherd_core.policy_file import load_policy
from ampherd_core.policy_solar import SolarFeed
from ampherd_embedded.simulated import Ports, as_yaml, at_its_hour, policy_of
from ampherd_simulator.scenario import Scenario, load_scenario
from ampherd_simulator.world import World

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
FIRST_MINUTES_S = 300


@pytest.fixture
def demo() -> Scenario:
    return load_scenario(Path(str(files("ampherd_simulator") / "scenarios" / "demo.yaml")))


def policy_for(scenario: Scenario) -> Policy:
    chargers = {name: f"tcp://127.0.0.1:{part.line.port}" for name, part in scenario.chargers.items()}  # type: ignore[union-attr]
    return policy_of(scenario, Ports(chargers=chargers, p1="tcp://127.0.0.1:2001", roof="tcp://127.0.0.1:5025"))


@pytest.mark.parametrize("hour", range(24))
def test_it_is_noon_in_the_demo_whenever_it_starts(demo: Scenario, hour: int) -> None:
    now = MIDNIGHT + timedelta(hours=hour, minutes=37)
    there = at_its_hour(demo, now)
    assert f"{now.astimezone(ZoneInfo(there.timezone)):%H:%M}" == "12:37"
    assert policy_for(there).site.timezone == there.timezone


def test_without_an_hour_a_house_keeps_its_time_zone(demo: Scenario) -> None:
    unmoved = demo.model_copy(update={"hour": None})
    assert at_its_hour(unmoved, MIDNIGHT).timezone == "Europe/Amsterdam"


def test_the_demo_shows_the_sun_and_a_plan_beside_two_fast_cars(demo: Scenario, tmp_path: Path) -> None:
    written = tmp_path / "site.yaml"
    written.write_text(as_yaml(policy_for(demo)), encoding="utf-8")
    policy = load_policy(written)
    assert policy == policy_for(demo)
    assert policy.solar.feed is SolarFeed.GENERATION
    assert len(policy.tariff.windows) == 2
    assert {name: charger.mode for name, charger in policy.chargers.items() if charger.mode is not Mode.FAST} == {
        "carport-right": Mode.SOLAR
    }
    assert [name for name, charger in policy.chargers.items() if charger.plan is not None] == ["garage"]


@pytest.mark.parametrize("starts_at", ["2026-11-21T02:40:00Z", "2026-06-21T17:05:00Z"])
def test_within_minutes_four_cars_share_the_connection_and_one_follows_the_sun(demo: Scenario, starts_at: str) -> None:
    there = demo.model_copy(update={"starts_at": datetime.fromisoformat(starts_at)})
    world = World(policy_for(there), there)
    charging: set[int] = set()
    loads_a: set[float] = set()

    def watch(world: World) -> None:
        charging.add(sum(max(car.load_a) > 1 for car in world.site.chargers.values()))
        loads_a.add(round(max(subtract(world.site.house_a, world.site.solar_a)), 1))

    report = world.run(FIRST_MINUTES_S, watch=watch)
    assert max(charging) == 4
    assert report.chargers["carport-right"].energy_wh > 0
    assert max(loads_a) - min(loads_a) > 1
