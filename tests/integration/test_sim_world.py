"""Virtual time: real balancer and agents against simulated wallboxes, cars and a house, as timelines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ampherd_core.messages import MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.policy import DriverName, Policy
from ampherd_core.policy_file import load_policy
from ampherd_core.policy_limits import QuarterPeak
from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.mirror import mirror
from ampherd_simulator.report import Report
from ampherd_simulator.scenario import CarPart, HousePart, StepPart
from ampherd_simulator.world import DAWN, World

ROOT = Path(__file__).parents[2]
CHARGING = ["carport-left", "carport-right", "guest"]
QUIET = (2.0, 2.0, 2.0)
LEASE_S = 10.0
CONTROL_S = 4.0
"""From a load to the cars that feel it, without their lag: the meter's second, the decision, a SmartEVSE's cycle."""


@pytest.fixture(scope="module")
def example() -> Policy:
    """The example that a new user starts from: 25 A with 1 A margin, four chargers, three kinds of wallbox."""
    return load_policy(ROOT / "site.example.yaml")


@pytest.fixture(scope="module")
def policy(example: Policy) -> Policy:
    """The example with a wallbox in the garage that measures."""
    garage = example.chargers["garage"].model_copy(update={"driver": DriverName.EDGETECH})
    return example.model_copy(update={"chargers": {**example.chargers, "garage": garage}})


def cars(**changed: object) -> Mapping[str, CarPart]:
    """Three cars that fit at their minimum even where each is taken for three-phase; the garage is empty."""
    kinds = {"carport-left": 3, "carport-right": 2, "garage": 1, "guest": 1}
    return {
        name: CarPart.model_validate(
            {"phases": phases, "battery_wh": 200_000, "arrives_s": 60, "is_away": name == "garage", **changed}
        )
        for name, phases in kinds.items()
    }


def world(policy: Policy, *steps: StepPart, loss: float = 0.0, **car: object) -> World:
    house = HousePart(constant_a=QUIET, steps=steps)
    return World(policy, mirror(policy, house=house, cars=cars(**car)), seed=1, loss=loss)


def offers(world: World) -> dict[str, float]:
    return {charger_id: charger.wallbox.offer_a for charger_id, charger in world.site.chargers.items()}


def drawn(world: World) -> dict[str, float]:
    return {charger_id: max(charger.load_a) for charger_id, charger in world.site.chargers.items()}


def stops_of(report: Report) -> dict[str, int]:
    return {charger_id: charger.stops for charger_id, charger in report.chargers.items()}


def history(world: World, until_s: float, what: Callable[[World], float]) -> dict[float, float]:
    seen: dict[float, float] = {}
    world.run(until_s, watch=lambda now: seen.update({now.now_s: what(now)}))
    return seen


def test_cars_that_fit_charge_together_and_no_line_is_over(policy: Policy) -> None:
    it = world(policy)

    report = it.run(900)

    assert [charger_id for charger_id, current_a in drawn(it).items() if current_a > 5] == CHARGING
    assert max(it.site.grid_a) > 18
    assert report.our_excess_as == 0
    assert {report.chargers[charger_id].starts for charger_id in CHARGING} == {1}


def test_wallboxes_that_do_not_measure_cost_current_but_no_limit(example: Policy) -> None:
    report = world(example, is_away=False).run(3_600)

    assert report.our_longest_s <= 1 + CONTROL_S
    assert min(charger.energy_wh for charger in report.chargers.values()) > 100


def test_the_same_seed_gives_the_same_day(policy: Policy) -> None:
    one, other = (World(policy, mirror(policy, cars=cars()), seed=5, loss=0.05).run(1_200) for _ in range(2))
    third = World(policy, mirror(policy, cars=cars()), seed=6, loss=0.05).run(1_200)

    assert one == other
    assert one != third


@pytest.mark.parametrize("lag_s", [0, 3, 6])
def test_a_load_on_one_line_takes_its_current_from_the_cars_there(policy: Policy, lag_s: float) -> None:
    step = StepPart.model_validate({"line": "L2", "current_a": 2.5, "at_s": 900, "for_s": 300})
    it = world(policy, step, lag_s=lag_s)
    stops = stops_of(it.run(899))
    before = drawn(it)

    report = it.run(1_190)

    assert report.excess["connection"][1].our_longest_s <= lag_s + CONTROL_S
    assert sum(drawn(it).values()) < sum(before.values())
    assert stops_of(report) == stops


def test_a_silent_meter_brings_every_charger_to_its_fallback(policy: Policy) -> None:
    it = world(policy)
    it.run(600)
    it.meter.faults.is_silent = True

    seen = history(it, 640, lambda now: sum(offers(now).values()))

    assert seen[602] > 0
    assert seen[640] == 0
    it.meter.faults.is_silent = False
    it.run(1_200)
    assert max(it.site.grid_a) > 15


def test_a_dead_balancer_is_outlived_by_a_lease_and_a_new_one_takes_over(policy: Policy) -> None:
    it = world(policy)
    it.run(600)
    it.stop_balancer()

    seen = history(it, 640, lambda now: sum(offers(now).values()))
    assert seen[605] > 0
    assert seen[600 + LEASE_S + 10] == 0

    it.start_balancer()
    report = it.run(1_800)
    assert max(it.site.grid_a) > 15
    assert report.our_excess_as == 0


def test_a_new_balancer_goes_on_with_the_quarter_that_the_one_before_it_counted(policy: Policy) -> None:
    limits = policy.limits.model_copy(update={"quarter_peak": QuarterPeak()})
    it = world(policy.model_copy(update={"limits": limits}))
    it.run(300)
    before_w = used_w(it)
    it.stop_balancer()
    it.start_balancer()

    it.run(320)
    assert before_w < used_w(it) < 1.2 * before_w


def used_w(world: World) -> float:
    assert world.balancer is not None
    assert world.balancer.outside.quarter is not None
    return world.balancer.outside.quarter.used_w


def test_a_deaf_wallbox_keeps_its_current_and_the_others_make_room(policy: Policy) -> None:
    it = world(policy, StepPart.model_validate({"line": "L1", "current_a": 10, "at_s": 700}))
    it.run(600)
    held_a = offers(it)["carport-left"]
    it.site.chargers["carport-left"].faults.is_silent = True

    report = it.run(1_200)

    assert offers(it)["carport-left"] == held_a
    assert report.our_longest_s <= 1 + CONTROL_S


def test_a_reboot_to_full_current_is_caught(policy: Policy) -> None:
    it = world(policy)
    it.run(600)
    it.site.chargers["carport-left"].faults.reboots_at_s = 610

    report = it.run(900)

    assert it.site.chargers["carport-left"].wallbox.offer_a < 16
    assert report.our_longest_s <= 1 + CONTROL_S


def test_a_killed_agent_leaves_its_wallbox_as_it_is_and_a_new_one_takes_it_up(policy: Policy) -> None:
    it = world(policy)
    it.run(600)
    it.stop_agent("guest")
    it.run(660)
    it.start_agent("guest")

    report = it.run(1_800)

    assert report.our_excess_as == 0
    assert drawn(it)["guest"] > 5


def test_lost_messages_cost_current_but_no_limit(policy: Policy) -> None:
    it = world(policy, loss=0.2)

    report = it.run(1_800)

    assert report.our_longest_s <= 1 + CONTROL_S
    assert report.chargers["carport-left"].energy_wh > 300


def test_no_action_register_is_read_and_no_setting_written(policy: Policy) -> None:
    it = world(policy)
    it.run(600)

    boxes = [charger.wallbox for charger in it.site.chargers.values()]
    assert not any(getattr(box, "actions", None) for box in boxes)
    assert not any(box.configuration.eeprom_writes for box in boxes if hasattr(box, "configuration"))


def test_a_scenario_without_the_policys_chargers_is_refused(policy: Policy) -> None:
    scenario = mirror(policy).model_copy(update={"chargers": {}})

    with pytest.raises(ScenarioError, match="carport-left"):
        World(policy, scenario)


def test_the_meters_text_can_be_written_and_read_too(policy: Policy) -> None:
    heard: list[bytes] = []

    def read_telegram(telegram: bytes, now_s: float) -> Reading | None:
        heard.append(telegram)
        said = dict(re.findall(rb"1-0:(\d+)\.7\.0\((\d+)\*A\)", telegram))
        if len(said) < 3:
            return None
        amps = [float(said[code]) for code in (b"31", b"51", b"71")]
        one, two, three = (PhaseSample(current_a=value, guard_a=value + 1) for value in amps)
        return Reading(
            meter="grid",
            role=MeterRole.GRID,
            stamp=Stamp(session="text", at_s=now_s),
            measured_at=DAWN,
            interval_s=1,
            valid_for_s=5,
            resolution_a=1,
            phases=(one, two, three),
        )

    house = HousePart(constant_a=QUIET)
    it = World(policy, mirror(policy, house=house, cars=cars()), seed=1, read_telegram=read_telegram)
    it.run(600)
    assert len(heard) == 600
    assert max(it.site.grid_a) > 18

    it.meter.faults.is_half_missing = True
    it.run(640)
    assert sum(offers(it).values()) == 0
