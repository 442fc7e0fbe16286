"""Random plans for the cars of a story: they wait, charge at what is planned or more, and follow the sun."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ampherd_simulator.story import Place, Story, Stretch

HOMES: Final = 0.5
CARS: Final = 0.6
TAKES_MORE: Final = 0.3
FOLLOWS_SUN: Final = 0.3
WAITS_S: Final = (0, 5, 30, 120)
LASTS_S: Final = (10, 60, 200, 400)


def planned(story: Story) -> Story:
    """The same story, but that some of its cars have plans; in half of all stories none has."""
    chance = random.Random(f"plans {story.seed}")  # noqa: S311 - repeatable stories, no secret
    if chance.random() >= HOMES:
        return story
    places = tuple(
        replace(place, plan=tuple(_plan(chance, place, story.until_s))) if chance.random() < CARS else place
        for place in story.home.places
    )
    return replace(story, home=replace(story.home, places=places))


def _plan(chance: random.Random, place: Place, until_s: float) -> Iterator[Stretch]:
    at_s = float(chance.choice(WAITS_S))
    while at_s < until_s:
        ends_s = at_s + chance.choice(LASTS_S)
        yield Stretch(
            at_s,
            ends_s,
            round(chance.uniform(place.min_a, place.max_a), 1),
            takes_more=chance.random() < TAKES_MORE,
            follows_sun=chance.random() < FOLLOWS_SUN,
        )
        at_s = ends_s + chance.choice(WAITS_S)
