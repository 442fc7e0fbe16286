"""A fixed share of the soak: random homes, random faults, and not one promise broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ampherd_simulator.faults import Kind
from ampherd_simulator.invent import ON_SWITCHES, invent, thinned
from ampherd_simulator.invent_sun import invent_sunny
from ampherd_simulator.layers import Layer
from ampherd_simulator.soak import live
from ampherd_simulator.story import Story
from ampherd_simulator.trial import try_story

SEED = 1
STORIES = 20
BATCHES = 12
SUNNY_STORIES = 12


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_promise_is_broken_in_random_homes(batch: int) -> None:
    figures = live(SEED + batch * STORIES, STORIES)

    assert figures.broken == []
    assert figures.tallies[Layer.OURS].longest_s < 10
    assert figures.hours > 2
    assert sum(figures.faults.values()) > 40
    assert figures.charged_wh > 4_000


def test_no_promise_is_broken_where_phases_are_switched_under_a_changing_sun() -> None:
    for seed in range(SEED, SEED + SUNNY_STORIES):
        assert try_story(invent_sunny(seed)).broken == [], f"sunny seed {seed}"


def test_every_kind_of_fault_has_its_turn() -> None:
    kinds = {fault.kind for seed in range(SEED, SEED + STORIES * BATCHES) for fault in invent(seed).faults}

    assert kinds == set(Kind) - set(ON_SWITCHES)


def test_the_same_seed_gives_the_same_day() -> None:
    one, other = (try_story(invent(7)) for _ in range(2))

    assert one.charged_wh == other.charged_wh
    assert one.tallies == other.tallies
    assert try_story(invent(8)).charged_wh != one.charged_wh


def test_what_the_clock_on_the_wall_says_changes_nothing() -> None:
    story = next(story for story in map(invent, range(200)) if _jumps(story))
    calm = replace(story, faults=tuple(fault for fault in story.faults if fault.kind is not Kind.WALL_CLOCK_JUMPED))

    assert try_story(calm).charged_wh == try_story(story).charged_wh


def _jumps(story: Story) -> bool:
    return any(fault.kind is Kind.WALL_CLOCK_JUMPED for fault in story.faults)


def test_fewer_faults_an_hour_are_some_of_the_same() -> None:
    whole = [invent(SEED + place) for place in range(300)]
    fewer = [thinned(story, 8) for story in whole]
    for few, story in zip(fewer, whole, strict=True):
        assert few.home == story.home
        assert set(few.faults) <= set(story.faults)
    hours = sum(story.until_s for story in fewer) / 3_600
    assert sum(len(story.faults) for story in fewer) / hours == pytest.approx(8, abs=2)
