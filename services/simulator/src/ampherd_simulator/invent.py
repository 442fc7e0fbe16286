"""Random homes and random misfortune: the same seed gives the same story."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ampherd_core.phases import LINES, Line, Phases
from ampherd_core.policy import CONNECTION, DriverName
from ampherd_core.policy_check import check

from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.faults import BALANCERS, EVERYBODY, METER, MOMENTS, Fault, Kind
from ampherd_simulator.house import Step
from ampherd_simulator.p1 import P1Kind, Rounding
from ampherd_simulator.story import Home, Place, Story

DRIVERS: Final = (DriverName.EDGETECH,) * 3 + (DriverName.SMARTEVSE_V2, DriverName.SMARTEVSE_V2_LEGACY)
WIRINGS: Final = (LINES, LINES, LINES, (Line.L2, Line.L3, Line.L1), LINES[:1], LINES[1:2], (Line.L3,))
GARAGE: Final = "garage"

ON_PROCESSES: Final = (Kind.KILLED, Kind.FROZEN, Kind.CUT_OFF, Kind.MESSAGES_REPLAYED)
ON_MESSAGES: Final = (Kind.MESSAGES_LOST, Kind.MESSAGES_LATE, Kind.MESSAGES_DOUBLED)
ON_CHARGERS: Final = (
    Kind.LINK_SILENT,
    Kind.LINK_LATE,
    Kind.LINK_PREVIOUS,
    Kind.LINK_GARBAGE,
    Kind.WRITES_IGNORED,
    Kind.WALLBOX_REBOOTED,
    Kind.REGISTERS_LOST,
    Kind.CURRENTS_STALE,
    Kind.CAR_GHOST,
    Kind.CAR_OVERDRAWS,
    Kind.CAR_SLOW,
    Kind.CAR_STOPS,
    Kind.CAR_STUBBORN,
    Kind.CAR_GONE,
)
ON_SWITCHES: Final = (Kind.PHASES_STUCK,)
"""Only where phases are switched, which no random home does."""

ON_SITE: Final = tuple(kind for kind in Kind if kind not in {*ON_PROCESSES, *ON_MESSAGES, *ON_CHARGERS, *ON_SWITCHES})

LASTS_S: Final = {
    Kind.FROZEN: (1, 30),
    Kind.HOST_SUSPENDED: (1, 60),
    Kind.HOST_RESTARTED: (5, 60),
    Kind.KILLED: (1, 60),
    Kind.METER_SIGN_WRONG: (2, 20),
    Kind.CAR_OVERDRAWS: (5, 60),
    Kind.CAR_STUBBORN: (5, 60),
}
"""The least and the most that a fault lasts, where it is not `OTHERWISE_S`."""

OTHERWISE_S: Final = (2, 90)

_SPANS_S: Final = (1, 3, 8, 20)
_IN_THE_ACT: Final = (0, 0, 1)
AMOUNTS: Final[Mapping[Kind, Sequence[float]]] = {
    Kind.MESSAGES_LOST: (0.1, 0.3, 0.7),
    Kind.MESSAGES_LATE: _SPANS_S,
    Kind.MESSAGES_DOUBLED: _SPANS_S,
    Kind.MESSAGES_REPLAYED: _SPANS_S,
    Kind.KILLED: _IN_THE_ACT,
    Kind.FROZEN: _IN_THE_ACT,
    Kind.LINK_SILENT: _IN_THE_ACT,
    Kind.WALL_CLOCK_JUMPED: (-3600, -30, 30, 3600),
    Kind.METER_SLOW: (3, 10),
    Kind.CAR_OVERDRAWS: (1.05, 1.3, 2.0),
    Kind.CAR_SLOW: (4, 8, 15),
}
"""What `amount` may be."""

FAULTS_AN_HOUR: Final = 30.0
"""What `invent` comes to: each story has one to nine in its few minutes."""


def invent(seed: int) -> Story:
    """A story that a policy check lets live."""
    chance = random.Random(seed)  # noqa: S311 - repeatable stories, no secret
    while True:
        try:
            home = _home(chance)
            _ = home.policy
        except ScenarioError:
            continue
        break
    until_s = float(chance.choice((240, 360, 600, 900)))
    faults = tuple(_fault(chance, home, until_s) for _ in range(chance.choice((1, 2, 4, 6, 9))))
    step_s = chance.choice((1.0,) * 28 + (0.5, 0.25))
    return Story(_odd(home, seed), tuple(sorted(faults, key=lambda fault: fault.at_s)), until_s, step_s, seed)


def thinned(story: Story, faults_an_hour: float) -> Story:
    """The same home and house with about so many faults, and none that it had not."""
    chance = random.Random(f"thinned {story.seed}")  # noqa: S311 - repeatable stories, no secret
    share = faults_an_hour / FAULTS_AN_HOUR
    return replace(story, faults=tuple(fault for fault in story.faults if chance.random() < share))


def _home(chance: random.Random) -> Home:
    phases = chance.choice((3,) * 6 + (1,))
    rating_a = float(chance.choice((16, 20, 25, 25, 35)))
    circuits_a = ((GARAGE, float(chance.choice((12, 16, 20)))),) if chance.random() < 0.3 else ()
    count = chance.choice((1, 1, 2, 2, 2, 2, 3, 3, 4))
    has_fallback = chance.random() < 0.25
    house_max_a = float(chance.choice((4, 8, 10))) if has_fallback else None
    is_brisk = chance.random() < 0.5
    places = tuple(_place(chance, "abcd"[number], phases, circuits_a, has_fallback) for number in range(count))
    most_a = house_max_a if house_max_a is not None else rating_a * chance.choice((0.6, 0.9, 0.9, 1.1))
    house_a, loads = _loads(chance, phases, most_a)
    return Home(
        places=places,
        rating_a=rating_a,
        margin_a=chance.choice((0.0, 0.5)),
        phases=phases,
        circuits_a=circuits_a,
        meter=chance.choice((P1Kind.DSMR_5, P1Kind.DSMR_5, P1Kind.BELGIAN, P1Kind.DSMR_4)),
        rounding=chance.choice(tuple(Rounding)),
        house_max_a=house_max_a,
        house_a=house_a,
        loads=loads,
        lease_s=float(chance.choice((10, 10, 5, 20))),
        hold_s=float(chance.choice((30, 30, 0, 60))),
        min_on_s=30.0 if is_brisk else 300.0,
        min_off_s=10.0 if is_brisk else 120.0,
        turn_s=60.0 if is_brisk else 900.0,
        has_standby=chance.random() < 0.4,
    )


def _odd(home: Home, seed: int) -> Home:
    """What is seldom even: a house with motors in it, and a car whose minimum is no whole amp.

    Both are drawn from a chance of their own, so that they change nothing else of a story.
    """
    chance = random.Random(f"odd {seed}")  # noqa: S311 - repeatable stories, no secret
    home = replace(home, power_factor=chance.choice((1.0, 1.0, 0.95, 0.85)))
    places = tuple(replace(place, min_a=place.min_a + chance.choice((0.0, 0.0, 0.5))) for place in home.places)
    odder = replace(home, places=tuple(_fits_its_fallback(place) for place in places))
    return odder if not check(odder.draft()) else home


def _fits_its_fallback(place: Place) -> Place:
    return replace(place, fallback_a=place.min_a) if place.fallback_a else place


def _place(
    chance: random.Random, name: str, phases: int, circuits_a: Sequence[tuple[str, float]], has_fallback: bool
) -> Place:
    lines = chance.choice(WIRINGS) if phases == len(LINES) else LINES[:1]
    min_a = float(chance.choice((6, 6, 6, 8)))
    max_a = float(chance.choice((10, 16, 16, 20, 32)))
    return Place(
        id=name,
        driver=chance.choice(DRIVERS),
        lines=lines,
        circuit=GARAGE if circuits_a and chance.random() < 0.6 else CONNECTION,
        min_a=min_a,
        max_a=max_a,
        fallback_a=min_a if has_fallback and chance.random() < 0.7 else 0.0,
        failsafe_a=chance.choice((None, None, 32.0)),
        priority=chance.choice((1, 5, 5)),
        car_phases=chance.choice((3, 3, 2, 1)),
        car_max_a=float(chance.choice((16, 16, 32, 10))),
        car_lag_s=float(chance.choice((0, 1, 1, 3, 5))),
        car_ramp_a_s=float(chance.choice((1, 4, 4, 30))),
        arrives_s=float(chance.randrange(2, 40)),
    )


def _loads(chance: random.Random, phases: int, most_a: float) -> tuple[Phases, tuple[Step, ...]]:
    """The base and the loads on top; together they stay below `most_a` per line."""
    base = [round(chance.uniform(0, most_a / 3), 1) if place < phases else 0.0 for place in range(3)]
    if chance.random() < 0.15:
        base = [amps - 8.0 if place < phases else 0.0 for place, amps in enumerate(base)]
    loads: list[Step] = []
    at_s = 0.0
    for _ in range(chance.randrange(2, 14)):
        at_s += chance.randrange(5, 120)
        line = LINES[chance.randrange(phases)]
        load = Step(line, round(chance.uniform(1, 14), 1), at_s, float(chance.choice((3, 10, 30, 60, 200))))
        under_a = base[line.place] + sum(
            other.current_a for other in loads if other.line is line and other.at_s + other.for_s > at_s
        )
        if under_a + load.current_a <= most_a:
            loads.append(load)
    return (base[0], base[1], base[2]), tuple(loads)


def _fault(chance: random.Random, home: Home, until_s: float) -> Fault:
    kind = chance.choice((*ON_PROCESSES, *ON_PROCESSES, *ON_MESSAGES, *ON_CHARGERS, *ON_SITE))
    least_s, most_s = LASTS_S.get(kind, OTHERWISE_S)
    return Fault(
        kind=kind,
        at_s=round(chance.uniform(20, until_s - 20), 2 if chance.random() < 0.5 else 0),
        for_s=0.0 if kind in MOMENTS else float(chance.randint(least_s, most_s)),
        who=_who(chance, kind, home),
        amount=_amount(chance, kind),
    )


def _who(chance: random.Random, kind: Kind, home: Home) -> str:
    chargers = [place.id for place in home.places]
    balancers = BALANCERS[: 2 if home.has_standby else 1]
    if kind in ON_CHARGERS:
        return chance.choice(chargers)
    if kind in ON_PROCESSES:
        return chance.choice((*chargers, *balancers, *balancers, METER))
    if kind in ON_MESSAGES:
        return chance.choice((EVERYBODY, EVERYBODY, METER, *balancers, *chargers))
    if kind is Kind.STORE_GONE:
        return chance.choice((EVERYBODY, *balancers))
    return EVERYBODY


def _amount(chance: random.Random, kind: Kind) -> float:
    return float(chance.choice(AMOUNTS.get(kind, (0,))))
