"""WARP's outline: filtered limits, 94 % of an excess and half of the room, rotation on the quarter-hour."""

from __future__ import annotations

from collections import Counter

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import LINES, Line

from benchmarks.rivals.seen import SeenCharger, Site
from benchmarks.rivals.warp import Warp
from benchmarks.rivals.warp_limits import Limits
from tests.support.rivals import Stage, flat, seen, then

ONE = Site(limit_a=25, phases=1)


@pytest.mark.parametrize(
    ("grid_a", "allocated_a", "raw_a"),
    [(15.0, 10.0, 15.0), (29.0, 10.0, 6.25), (26.0, 10.0, 9.0625), (5.0, 0.0, 12.5), (10.0, 0.0, 12.5)],
)
def test_the_limit_moves_by_part_of_the_error(grid_a: float, allocated_a: float, raw_a: float) -> None:
    limits = Limits(ONE)
    limits.hear(seen(0, (grid_a, 0, 0)))
    limits.settle((allocated_a, 0, 0), 0.0, 0)
    assert limits.raw[0] == pytest.approx(raw_a)


def test_a_spike_above_a_fifth_over_the_fuse_is_urgent() -> None:
    limits = Limits(ONE)
    limits.hear(seen(0, (29.9, 0, 0)))
    assert not limits.is_urgent()
    limits.hear(seen(1, (30.1, 0, 0)))
    assert limits.is_urgent()


def test_one_car_rises_to_what_the_fuse_leaves() -> None:
    stage = Stage(Warp(Site()), [SeenCharger("a", max_a=32)], flat(5, 5, 5))
    offers = {t: offers["a"] for t, offers in stage.run(200)}
    assert offers[0] > 0
    assert offers[199] == pytest.approx(20, abs=0.3)
    assert max(offers.values()) <= 20.0


def test_an_ordinary_step_waits_for_the_next_run_and_an_urgent_one_five_seconds_at_most() -> None:
    cars = [SeenCharger("a", max_a=32)]
    slow = {t: each["a"] for t, each in Stage(Warp(Site()), cars, then((5,) * 3, 202, (9,) * 3)).run(240)}
    fast = {t: each["a"] for t, each in Stage(Warp(Site()), cars, then((5,) * 3, 202, (16,) * 3)).run(240)}
    assert next(t for t in slow if t >= 202 and slow[t] < slow[201]) == 210
    assert next(t for t in fast if t >= 202 and fast[t] < fast[201]) == 205


def test_cars_that_do_not_all_fit_take_turns_by_the_quarter_hour() -> None:
    cars = [SeenCharger(name, lines=(Line.L1,)) for name in "abc"]
    stage = Stage(Warp(ONE), cars, flat(10, 0, 0))
    served: Counter[str] = Counter()
    for _, offers in stage.run(4 * 3_600):
        on = [name for name, offer_a in offers.items() if offer_a > 0]
        assert len(on) <= 2
        served.update(on)
    assert min(served.values()) > 0.6 * max(served.values())


def test_what_a_car_does_not_take_goes_to_others_after_a_minute() -> None:
    cars = [SeenCharger("a"), SeenCharger("b", max_a=32)]
    stage = Stage(Warp(Site(limit_a=25)), cars, flat(0, 0, 0))
    shared = stage.last(300)
    assert shared["a"] == pytest.approx(shared["b"], abs=0.5)


def test_surplus_is_followed_and_a_short_cloud_does_not_stop_it() -> None:
    sunny = [SeenCharger("a", lines=LINES, mode=Mode.SOLAR)]
    house = lambda t: (1.0,) * 3 if 600 <= t < 700 else (-9.0,) * 3  # noqa: E731
    offers = {t: offers["a"] for t, offers in Stage(Warp(Site()), sunny, house).run(1_200)}
    assert offers[599] == pytest.approx(9, abs=0.5)
    assert min(offers[t] for t in range(620, 700)) == 6.0
    assert offers[1_199] == pytest.approx(9, abs=0.5)


def test_four_minutes_without_surplus_stop_a_car() -> None:
    sunny = [SeenCharger("a", mode=Mode.SOLAR)]
    stage = Stage(Warp(Site()), sunny, then((-9,) * 3, 600, (1,) * 3))
    offers = {t: offers["a"] for t, offers in stage.run(1_200)}
    stopped_s = next(t for t in offers if t > 600 and offers[t] == 0)
    assert 240 <= stopped_s - 600 <= 280
