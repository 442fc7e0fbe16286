"""From a scenario to the things that it describes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ampherd_core.phases import LINES
from ampherd_core.policy import DriverName, Wiring

from ampherd_simulator.cars import Car, CarTraits, Visit
from ampherd_simulator.charger import AnyWallbox, SimulatedCharger
from ampherd_simulator.house import ConstantHouse, House, RecordedHouse, Step, SteppedHouse
from ampherd_simulator.household import APPLIANCES, Household
from ampherd_simulator.metering import GridSensor
from ampherd_simulator.p1 import P1Meter
from ampherd_simulator.p1_feed import P1Feed, ReplayFeed, split_telegrams
from ampherd_simulator.recording import read_generation, read_recording
from ampherd_simulator.scenario import CarPart, ChargerPart, P1Part, Scenario, StepPart
from ampherd_simulator.site import SimulatedSite
from ampherd_simulator.sun import MadeUpSun, Solar, SunnyHouse
from ampherd_simulator.wallboxes.edgetech import Edgetech, EdgetechTraits
from ampherd_simulator.wallboxes.smartevse_v2 import SmartEvseV2
from ampherd_simulator.wallboxes.smartevse_v2_legacy import SmartEvseV2Legacy


def build_site(scenario: Scenario, starts_at: datetime) -> SimulatedSite:
    """The house, the chargers and their wiring; `starts_at` (aware) is the time at scenario second 0."""
    chargers = [build_charger(charger_id, part, scenario) for charger_id, part in scenario.chargers.items()]
    sun = build_sun(scenario, starts_at)
    return SimulatedSite(
        build_house(scenario, starts_at, sun),
        chargers,
        scenario.rating_a,
        sun=sun,
        circuits_a={circuit_id: circuit.limit_a for circuit_id, circuit in scenario.circuits.items()},
        voltage_v=scenario.voltage_v,
    )


def build_house(scenario: Scenario, starts_at: datetime, sun: House | None) -> SteppedHouse:
    """The house, under this sun, with the scenario's steps on top."""
    house = _bare_house(scenario, starts_at)
    steps = [build_step(step) for step in scenario.house.steps]
    return SteppedHouse(house if sun is None else SunnyHouse(house, sun), steps)


def build_sun(scenario: Scenario, starts_at: datetime) -> House | None:
    """What the inverter feeds in, made up or recorded; None without one."""
    made_up, recorded = scenario.house.solar, scenario.house.inverter
    if made_up is not None:
        solar = Solar(made_up.peak_a, made_up.lines, made_up.cloudiness)
        return MadeUpSun(scenario.seed, solar, _time_of_day_s(scenario, starts_at))
    if recorded is not None:
        timeline = read_generation(
            recorded.recording,
            recorded.columns,
            lines=recorded.lines,
            scale=recorded.scale,
            voltage_v=scenario.voltage_v,
        )
        return RecordedHouse(timeline, recorded.offset_s, recorded.for_s)
    return None


def build_step(part: StepPart) -> Step:
    """A step; without an end it lasts for ever."""
    return Step(part.line, part.current_a, part.at_s, math.inf if part.for_s is None else part.for_s)


def build_charger(charger_id: str, part: ChargerPart, scenario: Scenario) -> SimulatedCharger:
    """A wallbox and its car, wired to the site."""
    return SimulatedCharger(
        charger_id,
        build_wallbox(part, scenario.voltage_v),
        build_car(part.car, scenario.voltage_v),
        lines=part.lines,
        circuits=scenario.circuits_above(part.circuit),
        is_delta=scenario.wiring is Wiring.DELTA,
    )


def build_wallbox(part: ChargerPart, voltage_v: float) -> AnyWallbox:
    """The register model of the part's driver."""
    if part.driver is DriverName.SMARTEVSE_V2:
        return SmartEvseV2(part.unit, part.max_a)
    if part.driver is DriverName.SMARTEVSE_V2_LEGACY:
        return SmartEvseV2Legacy(part.unit, part.max_a)
    traits = EdgetechTraits(part.is_32a, part.max_a, part.is_fresh_from_factory, voltage_v)
    return Edgetech(part.unit, traits)


def build_car(part: CarPart, voltage_v: float) -> Car:
    """A car with its plans."""
    traits = CarTraits(
        phases=part.phases,
        max_a=part.max_a,
        min_a=part.min_a,
        lag_s=part.lag_s,
        ramp_up_a_s=part.ramp_up_a_s,
        ramp_down_a_s=math.inf if part.ramp_down_a_s is None else part.ramp_down_a_s,
        under_a=part.under_a,
        overdraw_factor=part.overdraw_factor,
        is_stubborn=part.is_stubborn,
        battery_wh=part.battery_wh,
        taper_from=part.taper_from,
        sleeps_after=part.sleeps_after,
    )
    return Car(traits, visits=() if part.is_away else _visits(part), soc=part.soc, voltage_v=voltage_v)


def _visits(part: CarPart) -> Sequence[Visit]:
    if not part.visits:
        return [Visit(part.arrives_s, math.inf if part.leaves_s is None else part.leaves_s)]
    return [
        Visit(visit.arrives_s, math.inf if visit.leaves_s is None else visit.leaves_s, visit.wants_wh)
        for visit in part.visits
    ]


def build_feed(part: P1Part, sensor: GridSensor, timezone: str) -> P1Feed | ReplayFeed:
    """The meter's telegrams, or the recorded ones."""
    meter = P1Meter(part.kind, part.rounding)
    if part.replay is None:
        return P1Feed(meter, sensor, timezone)
    telegrams = split_telegrams(part.replay.read_bytes())
    load = sensor.charger_load if part.replay_adds_chargers else None
    return ReplayFeed(telegrams, period_s=meter.period_s, is_looped=part.replay_loop, load=load)


def _bare_house(scenario: Scenario, starts_at: datetime) -> House:
    part = scenario.house
    if part.constant_a is not None:
        return ConstantHouse(part.constant_a)
    if part.recording is not None:
        return RecordedHouse(read_recording(part.recording, part.line), part.offset_s, part.for_s)
    return Household(
        scenario.seed,
        tuple(APPLIANCES[name] for name in part.appliances),
        LINES[: part.phases],
        base_a=part.base_a,
        liveliness=part.liveliness,
        begins_at_s=_time_of_day_s(scenario, starts_at),
    )


def _time_of_day_s(scenario: Scenario, at: datetime) -> float:
    if scenario.hour is not None:
        return scenario.hour * 3_600
    local = at.astimezone(ZoneInfo(scenario.timezone))
    return local.hour * 3_600 + local.minute * 60 + local.second
