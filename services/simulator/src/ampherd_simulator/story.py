"""A story as data: a home, its cars and loads, and what goes wrong; to run, to tell to a person, to keep as a test."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final

from ampherd_core.messages import MeterRole, Mode
from ampherd_core.phases import LINES, ZERO, Line, Phases
from ampherd_core.policy import CONNECTION, DriverName, Policy
from ampherd_core.policy_check import check

from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.faults import Fault
from ampherd_simulator.house import Step
from ampherd_simulator.mirror import mirror
from ampherd_simulator.p1 import P1Kind, Rounding
from ampherd_simulator.scenario import CarPart, HousePart, P1Part, Scenario, StepPart

FOR_EVER_S: Final = math.inf
GRID: Final = "grid"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a car's plan: what the balancer's agenda calls a stint, on the story's own clock."""

    start_s: float
    end_s: float
    amps: float
    takes_more: bool = False
    follows_sun: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A wallbox and its car. `failsafe_a` is what it offers after a reboot; an empty `plan` is none."""

    id: str
    driver: DriverName = DriverName.EDGETECH
    lines: tuple[Line, ...] = LINES
    circuit: str = CONNECTION
    min_a: float = 6.0
    max_a: float = 16.0
    fallback_a: float = 0.0
    failsafe_a: float | None = None
    priority: int = 5
    mode: Mode = Mode.FAST
    switches_phases: bool = False
    car_phases: int = 3
    car_max_a: float = 16.0
    car_lag_s: float = 1.0
    car_ramp_a_s: float = 4.0
    arrives_s: float = 5.0
    plan: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Home:
    """A connection and what stands behind it; `circuits_a` are limits, `house_a` is the load beside `loads`."""

    places: tuple[Place, ...]
    rating_a: float = 25.0
    margin_a: float = 0.0
    phases: int = 3
    circuits_a: tuple[tuple[str, float], ...] = ()
    meter: P1Kind = P1Kind.DSMR_5
    rounding: Rounding = Rounding.ROUND
    house_max_a: float | None = None
    house_a: Phases = ZERO
    loads: tuple[Step, ...] = ()
    power_factor: float = 1.0
    lease_s: float = 10.0
    hold_s: float = 30.0
    min_on_s: float = 300.0
    min_off_s: float = 120.0
    turn_s: float = 900.0
    switch_every_s: float = 600.0
    solar: tuple[tuple[str, float], ...] = ()
    has_standby: bool = False

    @cached_property
    def policy(self) -> Policy:
        """The policy that a user would have written; ScenarioError when it would be refused."""
        policy = self.draft()
        if findings := check(policy):
            raise ScenarioError(f"no policy: {findings[0]}")
        return policy

    def draft(self) -> Policy:
        """The same, unchecked."""
        return Policy.model_validate(
            {
                "version": 1,
                "connection": {
                    "rating_a": self.rating_a,
                    "margin_a": self.margin_a,
                    "phases": self.phases,
                    "house_max_a": self.house_max_a,
                },
                "circuits": {name: {"limit_a": limit_a} for name, limit_a in self.circuits_a},
                "meters": {
                    GRID: {
                        "role": MeterRole.GRID,
                        "driver": "dsmr",
                        "source": "tcp://localhost:1",
                        "lines": LINES[: self.phases] if self.phases < len(LINES) else LINES,
                    }
                },
                "chargers": {place.id: _charger(place, number) for number, place in enumerate(self.places)},
                "timings": {
                    "lease_s": self.lease_s,
                    "hold_s": self.hold_s,
                    "min_on_s": self.min_on_s,
                    "min_off_s": self.min_off_s,
                    "turn_s": self.turn_s,
                    "switch_every_s": self.switch_every_s,
                },
                "solar": dict(self.solar),
            }
        )

    def scenario(self, seed: int) -> Scenario:
        """The true home behind the policy."""
        steps = tuple(_step(load) for load in self.loads)
        house = HousePart(constant_a=self.house_a, steps=steps, power_factor=self.power_factor)
        scenario = mirror(self.policy, house=house, cars={place.id: _car(place) for place in self.places})
        return scenario.model_copy(update={"p1": P1Part(kind=self.meter, rounding=self.rounding), "seed": seed})


@dataclass(frozen=True)
class Story:
    """A home and what goes wrong in it, until `until_s`, in steps of `step_s`."""

    home: Home
    faults: tuple[Fault, ...] = ()
    until_s: float = 300.0
    step_s: float = 1.0
    seed: int = 0

    def tell(self) -> str:
        """The story for a person."""
        return "\n".join([*_setting(self.home), *_events(self), f"{self.until_s:7.1f} s  the end"])

    def as_python(self) -> str:
        """The story as an expression for a test."""
        return _python(self, 0)


def _charger(place: Place, number: int) -> dict[str, object]:
    return {
        "driver": place.driver,
        "link": f"tcp://localhost:{1000 + number}",
        "lines": place.lines,
        "circuit": place.circuit,
        "min_a": place.min_a,
        "max_a": place.max_a,
        "fallback_a": place.fallback_a,
        "failsafe_a": place.failsafe_a,
        "priority": place.priority,
        "mode": place.mode,
        "switches_phases": place.switches_phases,
    }


def _car(place: Place) -> CarPart:
    return CarPart.model_validate(
        {
            "phases": place.car_phases,
            "max_a": place.car_max_a,
            "min_a": place.min_a,
            "lag_s": place.car_lag_s,
            "ramp_up_a_s": place.car_ramp_a_s,
            "battery_wh": 500_000,
            "arrives_s": place.arrives_s,
        }
    )


def _step(load: Step) -> StepPart:
    for_s = None if math.isinf(load.for_s) else load.for_s
    return StepPart(line=load.line, current_a=load.current_a, at_s=load.at_s, for_s=for_s)


def _setting(home: Home) -> Iterator[str]:
    limit = f"{home.phases} x {home.rating_a:g} A" + (f" less {home.margin_a:g} A" if home.margin_a else "")
    house = "/".join(f"{amps:g}" for amps in home.house_a[: home.phases])
    yield f"A home of {limit} with a {home.meter} meter; the house takes {house} A."
    for name, limit_a in home.circuits_a:
        yield f"Circuit {name} bears {limit_a:g} A."
    for place in home.places:
        where = "" if place.circuit == CONNECTION else f" on {place.circuit}"
        fallback = f", fallback {place.fallback_a:g} A" if place.fallback_a else ""
        how = "" if place.mode is Mode.FAST else f", mode {place.mode}"
        how += ", on one phase or three" if place.switches_phases else ""
        yield (
            f"Wallbox {place.id} ({place.driver}) on {'/'.join(place.lines)}{where}: {place.min_a:g} to "
            f"{place.max_a:g} A{fallback}{how}; its car takes {place.car_max_a:g} A on {place.car_phases} phases."
        )
    if home.has_standby:
        yield "A second balancer stands by."


def _events(story: Story) -> Iterator[str]:
    events = [(place.arrives_s, f"car {place.id} arrives") for place in story.home.places]
    events += [(stretch.start_s, _planned(place, stretch)) for place in story.home.places for stretch in place.plan]
    for load in story.home.loads:
        lasting = "" if math.isinf(load.for_s) else f" for {load.for_s:g} s"
        events.append((load.at_s, f"the house takes {load.current_a:+g} A on {load.line}{lasting}"))
    events += [(fault.at_s, fault.tell()) for fault in story.faults]
    for at_s, text in sorted(events):
        yield f"{at_s:7.1f} s  {text}"


def _planned(place: Place, stretch: Stretch) -> str:
    more = " and more" if stretch.takes_more else ""
    how = "follows the sun" if stretch.follows_sun else f"charges at {stretch.amps:g} A{more}"
    return f"by its plan {place.id} {how} until {stretch.end_s:g} s"


def _python(value: Any, depth: int) -> str:
    """A literal; what has its default is left out."""
    if is_dataclass(value) and not isinstance(value, type):
        given = [
            f"{field.name}={_python(getattr(value, field.name), depth + 1)}"
            for field in fields(value)
            if field.default is MISSING or getattr(value, field.name) != field.default
        ]
        return f"{type(value).__name__}({', '.join(given)})"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        if value and is_dataclass(value[0]):
            pad = "\n" + "    " * (depth + 1)
            return f"({pad}" + "".join(f"{_python(item, depth + 1)},{pad}" for item in value)[:-4] + ")"
        return "(" + "".join(f"{_python(item, depth)}, " for item in value).rstrip() + ")" if value else "()"
    return repr(value)
