"""From a long story in which a promise breaks to the shortest one that still breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from ampherd_core.phases import ZERO

from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.faults import MOMENTS, Fault
from ampherd_simulator.story import Home, Story
from ampherd_simulator.trial import try_story

MOST_TRIES: Final = 400
SHORTEST_S: Final = 1.0

Fails: TypeAlias = Callable[[Story], bool]


def breaks(promise: int) -> Fails:
    """Whether a story breaks that promise."""

    def fails(story: Story) -> bool:
        return any(violation.promise == promise for violation in try_story(story).broken)

    return fails


def shrink(story: Story, fails: Fails, tries: int = MOST_TRIES) -> Story:
    """Try simpler stories as long as one still fails; `story` itself must."""
    left = tries
    is_smaller = True
    while is_smaller and left > 0:
        is_smaller = False
        for simpler in _simpler(story):
            left -= 1
            if _still(simpler, fails):
                story, is_smaller = simpler, True
                break
            if left <= 0:
                break
    return story


def _still(story: Story, fails: Fails) -> bool:
    try:
        return fails(story)
    except ScenarioError:
        return False


def _simpler(story: Story) -> Iterator[Story]:
    """The boldest first."""
    yield from _shorter(story)
    for number in range(len(story.faults)):
        yield replace(story, faults=story.faults[:number] + story.faults[number + 1 :])
    for home in _simpler_homes(story.home):
        names = {place.id for place in home.places}
        gone = {place.id for place in story.home.places} - names
        yield replace(story, home=home, faults=tuple(fault for fault in story.faults if fault.who not in gone))
    if story.step_s != 1.0:
        yield replace(story, step_s=1.0)
    for number, fault in enumerate(story.faults):
        for milder in _milder(fault):
            yield replace(story, faults=(*story.faults[:number], milder, *story.faults[number + 1 :]))


def _shorter(story: Story) -> Iterator[Story]:
    for share in (0.5, 0.75, 0.9, 0.97):
        until_s = round(story.until_s * share)
        if until_s < story.until_s:
            yield replace(story, until_s=float(until_s))


def _simpler_homes(home: Home) -> Iterator[Home]:
    for number in range(len(home.places) if len(home.places) > 1 else 0):
        yield replace(home, places=home.places[:number] + home.places[number + 1 :])
    for number, place in enumerate(home.places):
        if place.plan:
            planless = replace(place, plan=())
            yield replace(home, places=(*home.places[:number], planless, *home.places[number + 1 :]))
    for number in range(len(home.loads)):
        yield replace(home, loads=home.loads[:number] + home.loads[number + 1 :])
    plain = Home(places=home.places)
    for name in (
        "has_standby",
        "circuits_a",
        "meter",
        "rounding",
        "power_factor",
        "margin_a",
        "hold_s",
        "lease_s",
        "min_on_s",
    ):
        if getattr(home, name) != getattr(plain, name):
            yield replace(home, **{name: getattr(plain, name)})
    if home.house_a != ZERO:
        yield replace(home, house_a=ZERO)
        yield replace(
            home, house_a=(float(round(home.house_a[0])), float(round(home.house_a[1])), float(round(home.house_a[2])))
        )


def _milder(fault: Fault) -> Iterator[Fault]:
    if fault.at_s != round(fault.at_s):
        yield replace(fault, at_s=float(round(fault.at_s)))
    if fault.kind not in MOMENTS and fault.for_s > 2 * SHORTEST_S:
        yield replace(fault, for_s=float(round(fault.for_s / 2)))
        yield replace(fault, for_s=fault.for_s - 1)
    if fault.amount > 2:
        yield replace(fault, amount=fault.amount / 2)
