"""Nights in virtual time: real balancer, agents and plans against simulated wallboxes, cars and a house."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ampherd_balancer.settings import Wishes
from ampherd_core.messages import Event, Mode
from ampherd_core.plans import PlanState
from ampherd_core.policy import DriverName, Policy
from ampherd_core.policy_file import load_policy
from ampherd_core.policy_limits import Limits
from ampherd_simulator.mirror import mirror
from ampherd_simulator.scenario import CarPart, HousePart, StepPart
from ampherd_simulator.virtual_planner import VirtualPlanner
from ampherd_simulator.world import World

ROOT = Path(__file__).parents[2]
DUSK = datetime(2026, 11, 21, 21, 0, tzinfo=UTC)
"""22:00 on the clocks of the site."""

HOUR_S = 3600.0
PRICES = (0.30, 0.28, 0.12, 0.10, 0.11, 0.25, 0.30, 0.40)
"""By the hour from dusk on."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The example with wallboxes that measure and take orders fast."""
    example = load_policy(ROOT / "site.example.yaml")
    chargers = {
        name: charger.model_copy(update={"driver": DriverName.EDGETECH}) for name, charger in example.chargers.items()
    }
    return example.model_copy(update={"chargers": chargers})


@dataclass
class Night:
    """A world whose balancer plans, and what was charged when."""

    world: World
    planner: VirtualPlanner
    by_hour_wh: dict[str, list[float]] = field(default_factory=dict)

    def set(self, charger: str, **value: object) -> None:
        self.planner.set(charger, "plan", json.dumps(value).encode())

    @property
    def states(self) -> dict[str, PlanState]:
        return self.planner.states

    @property
    def events(self) -> list[Event]:
        return self.planner.events

    def until(self, hours: float) -> Night:
        self.world.run(hours * HOUR_S, watch=self._watch)
        return self

    def charged_kwh(self, charger: str) -> float:
        return sum(self.by_hour_wh.get(charger, [])) / 1000

    def _watch(self, world: World) -> None:
        self.planner.watch(world)
        for charger, desk in world.balancer.desks.items() if world.balancer is not None else ():
            hours = self.by_hour_wh.setdefault(charger, [0.0] * 12)
            hours[int(world.now_s // HOUR_S)] += sum(desk.trace.latest) * 230 / 3600


def night(policy: Policy, *steps: StepPart, **away: bool) -> Night:
    house = HousePart(constant_a=(2, 2, 2), steps=steps)
    cars = {
        name: CarPart(
            phases=3, battery_wh=80_000, soc=0.2, arrives_s=60, is_away=away.get(name.replace("-", "_"), False)
        )
        for name in policy.chargers
    }
    scenario = mirror(policy, house=house, cars=cars).model_copy(update={"starts_at": DUSK})
    world = World(policy, scenario, seed=1)
    found = Night(world, VirtualPlanner(world))
    prices = [
        {"start": (DUSK + timedelta(hours=hour)).isoformat(), "price": price} for hour, price in enumerate(PRICES)
    ]
    found.planner.hear_prices(json.dumps(prices).encode())
    return found


ALONE = {"garage": True, "carport_right": True, "guest": True}


def test_one_car_charges_in_the_cheapest_hours_and_is_ready_in_time(policy: Policy) -> None:
    site = night(policy, **ALONE)
    site.set("carport-left", energy_kwh=20, by="06:00")
    site.until(0.1)
    state = site.states["carport-left"]
    assert state.is_met
    assert state.reason.startswith("Charges 01:00 to 02:")
    site.until(1.9)
    assert site.charged_kwh("carport-left") < 0.3
    site.until(5)
    assert site.charged_kwh("carport-left") == pytest.approx(20, abs=0.4)
    assert sum(site.by_hour_wh["carport-left"][3:5]) / 1000 == pytest.approx(20, abs=0.4)
    assert site.states["carport-left"].code == "done"
    assert site.events == []


def test_three_cars_share_the_cheap_hours_and_all_are_ready(policy: Policy) -> None:
    site = night(policy, guest=True)
    wanted_kwh = {"garage": 14, "carport-left": 10, "carport-right": 6}
    for charger, energy_kwh in wanted_kwh.items():
        site.set(charger, energy_kwh=energy_kwh, by="03:30")
    site.until(5.5)
    for charger, energy_kwh in wanted_kwh.items():
        assert site.charged_kwh(charger) == pytest.approx(energy_kwh, abs=0.4)
    assert site.events == []


def test_what_wallboxes_of_whole_amps_cannot_signal_is_not_planned(policy: Policy) -> None:
    half_an_amp = policy.connection.model_copy(update={"margin_a": 0.5})
    site = night(policy.model_copy(update={"connection": half_an_amp}), guest=True)
    for charger in ("garage", "carport-left", "carport-right"):
        site.set(charger, energy_kwh=30, by="05:00")
    site.until(0.1)
    planned_a = [part.offer_a for state in site.states.values() for part in state.parts]
    assert planned_a
    assert [amps for amps in planned_a if amps % 1] == []


def test_a_house_that_takes_more_than_usual_is_caught_up_with(policy: Policy) -> None:
    """The heat pump is on in the cheapest hours: what they do not give is charged right after."""
    heat = [StepPart(line=line, current_a=14, at_s=2 * HOUR_S, for_s=1.5 * HOUR_S) for line in policy.connection.lines]
    site = night(policy, *heat, **ALONE)
    site.set("carport-left", energy_kwh=25, by="04:00")
    site.until(6)
    assert site.charged_kwh("carport-left") == pytest.approx(25, abs=0.5)


def test_a_plan_keeps_out_of_a_power_window_that_is_still_to_come(policy: Policy) -> None:
    """The two cheapest hours are capped at 3 kW for the whole site: what follows them is the next best."""
    window = {"power_w": 3_000, "start": "00:00", "end": "02:00"}
    limits = Limits.model_validate({"windows": {"night": window}})
    site = night(policy.model_copy(update={"limits": limits}), **ALONE)
    site.set("carport-left", energy_kwh=20, by="06:00")
    site.until(0.05)
    assert site.states["carport-left"].reason.startswith("Charges 02:00 to 03:")


def sunny_night(policy: Policy, *steps: StepPart) -> Night:
    """The days before, the sun gave 9 kW from five to seven hours after dusk; feeding in earns next to nothing."""
    earns = policy.tariff.model_copy(update={"export_price": 0.02})
    site = night(policy.model_copy(update={"tariff": earns}), *steps, **ALONE)
    zone = ZoneInfo(policy.site.timezone)
    for step in range(12 * 360):
        ago_s = 24 * HOUR_S - 10 * step
        at = DUSK - timedelta(seconds=ago_s)
        beside_w = -9_000.0 if 5 <= step / 360 < 7 else 500.0
        site.planner.planning.sun.note(beside_w, at.astimezone(zone), -ago_s)
    site.set("carport-left", energy_kwh=14, by="06:00")
    return site


def sun(policy: Policy, amps: float, from_h: float, for_h: float) -> list[StepPart]:
    return [
        StepPart(line=line, current_a=-amps, at_s=from_h * HOUR_S, for_s=for_h * HOUR_S)
        for line in policy.connection.lines
    ]


@pytest.mark.parametrize(
    ("amps", "by_hour_kwh"),
    [
        pytest.param(15, [0, 0, 0, 0, 0, 8, 6, 0], id="the sun comes"),
        pytest.param(18, [0, 0, 0, 0, 0, 10, 4, 0], id="it gives more than usual"),
        pytest.param(0, [0, 0, 0, 0, 0, 8.2, 5.8, 0], id="it does not come"),
    ],
)
def test_a_plan_waits_for_the_usual_sun_and_is_met_without_it(
    policy: Policy, amps: float, by_hour_kwh: list[float]
) -> None:
    """The cheapest hours of the night are left alone. While there is an hour to spare it takes what the sun gives."""
    site = sunny_night(policy, *(sun(policy, amps, 5, 2) if amps else ()))
    site.until(0.05)
    reason = site.states["carport-left"].reason
    assert reason.startswith("Charges 03:00 to 04:37: 14.0 kWh by ")
    assert reason.endswith("; 14.0 kWh of it on the usual sun.")
    site.until(7.95)
    assert [wh / 1000 for wh in site.by_hour_wh["carport-left"][:8]] == pytest.approx(by_hour_kwh, abs=1.2)
    assert site.charged_kwh("carport-left") == pytest.approx(14, abs=0.4)
    assert site.events == []


def test_while_its_plan_waits_a_car_in_a_solar_mode_takes_all_the_sun(policy: Policy) -> None:
    site = night(policy, *sun(policy, 15, 0.1, 1), **ALONE)
    core = site.world.balancer
    assert core is not None
    core.desks["carport-left"].wishes = Wishes(mode=Mode.SOLAR)
    site.set("carport-left", energy_kwh=20, by="06:00")
    site.until(1)
    assert site.states["carport-left"].reason.startswith("Charges 0")
    assert site.charged_kwh("carport-left") > 6


def test_what_cannot_be_met_is_told_at_once_and_charged_as_far_as_it_goes(policy: Policy) -> None:
    site = night(policy, **ALONE)
    site.set("carport-left", energy_kwh=60, by="01:00")
    site.until(0.1)
    assert [event.code for event in site.events] == ["plan-short"]
    state = site.states["carport-left"]
    assert state.is_met is False
    assert 25_000 < state.missing_wh < 40_000
    assert "too little time" in state.reason
    site.until(0.5)
    assert site.charged_kwh("carport-left") > 2.5
    site.until(3.1)
    assert [event.code for event in site.events] == ["plan-short", "plan-missed"]


def test_a_car_that_comes_late_is_planned_when_it_comes(policy: Policy) -> None:
    site = night(policy, **ALONE)
    site.set("carport-left", energy_kwh=5, by="06:00")
    site.until(0.005)
    assert site.states["carport-left"].code == "no-car"
    site.until(0.1)
    assert site.states["carport-left"].code == "met"


def test_off_is_off_and_a_dropped_plan_leaves_the_mode(policy: Policy) -> None:
    site = night(policy, **ALONE)
    site.set("carport-left", energy_kwh=20, by="06:00")
    site.until(0.5)
    assert site.charged_kwh("carport-left") < 0.3
    site.planner.set("carport-left", "plan", b"none")
    site.until(1)
    assert site.charged_kwh("carport-left") > 2.5
