"""Random homes under a changing sun, whose wallboxes switch between one phase and three, and random misfortune."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from ampherd_core.messages import Mode
from ampherd_core.phases import LINES
from ampherd_core.policy import DriverName

from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.faults import Fault, Kind
from ampherd_simulator.house import Step
from ampherd_simulator.invent import invent
from ampherd_simulator.story import Home, Place, Story

MODES: Final = (Mode.SOLAR, Mode.SOLAR, Mode.MIN_SOLAR, Mode.FAST)
SUNS_A: Final = (1, 3, 5, 8, 12)
"""What the roof gives per phase; 6 A hold a three-phase minimum."""

UNTIL_S: Final = 1500.0
CLOUD_EVERY_S: Final = (120, 600)
BRISK: Final = (("start_after_s", 10.0), ("min_on_s", 60.0), ("min_off_s", 30.0), ("rise_after_s", 5.0))


def invent_sunny(seed: int) -> Story:
    """The story of that seed with a sun, for longer; at least one wallbox switches its phases."""
    story, chance = invent(seed), random.Random(f"sun {seed}")  # noqa: S311
    places = tuple(_place(chance, place, must_switch=place is story.home.places[0]) for place in story.home.places)
    sun = _sun(chance)
    home = replace(
        story.home,
        places=places,
        phases=3,
        loads=(*story.home.loads, *sun),
        switch_every_s=300.0,
        solar=BRISK,
    )
    if not _is_possible(home):
        return invent_sunny(seed + 1_000_003)
    faults = [*story.faults, *_faults(chance, places)]
    return Story(home, tuple(sorted(faults, key=lambda fault: fault.at_s)), UNTIL_S, story.step_s, seed)


def _place(chance: random.Random, place: Place, *, must_switch: bool) -> Place:
    place = replace(place, mode=chance.choice(MODES))
    if must_switch:
        place = replace(place, driver=DriverName.EDGETECH, lines=LINES, mode=Mode.SOLAR)
    switches = place.driver is DriverName.EDGETECH and len(place.lines) == len(LINES)
    return replace(place, switches_phases=switches and (must_switch or chance.random() < 0.5))


def _sun(chance: random.Random) -> tuple[Step, ...]:
    """One sun after another, the same on each line as an inverter feeds in."""
    steps: list[Step] = []
    at_s = 0.0
    while at_s < UNTIL_S:
        for_s = float(chance.randrange(*CLOUD_EVERY_S))
        sun_a = float(chance.choice(SUNS_A))
        steps += [Step(line, -sun_a, at_s, for_s) for line in LINES]
        at_s += for_s
    return tuple(steps)


def _faults(chance: random.Random, places: tuple[Place, ...]) -> list[Fault]:
    """What goes wrong with a switch itself."""
    switching = [place.id for place in places if place.switches_phases]
    if chance.random() < 0.7:
        return []
    kind = chance.choice((Kind.PHASES_STUCK, Kind.WALLBOX_REBOOTED, Kind.WRITES_IGNORED))
    for_s = 0.0 if kind is Kind.WALLBOX_REBOOTED else float(chance.randrange(30, 400))
    return [Fault(kind, float(chance.randrange(280, 1200)), for_s, chance.choice(switching))]


def _is_possible(home: Home) -> bool:
    try:
        _ = home.policy
    except ScenarioError:
        return False
    return True
