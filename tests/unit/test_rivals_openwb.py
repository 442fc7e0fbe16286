"""openWB's stages: the minimum first, the missing part by heads, surplus in steps of 5 A with its delays."""

from __future__ import annotations

import pytest
from ampherd_core.messages import Mode
from ampherd_core.phases import LINES, Line, Phases

from benchmarks.rivals.openwb import OpenWb
from benchmarks.rivals.seen import SeenCharger, Site
from tests.support.rivals import Stage, flat, then


def cars(*lines: tuple[Line, ...], mode: Mode = Mode.FAST) -> list[SeenCharger]:
    return [SeenCharger(name, lines=each, mode=mode) for name, each in zip("abcd", lines, strict=False)]


@pytest.mark.parametrize(
    ("situation", "house", "chargers", "expected"),
    [
        ("room for all", (1, 1, 1), cars(LINES), {"a": 16}),
        ("two share the worst phase", (1, 5, 1), cars(LINES, LINES), {"a": 10, "b": 10}),
        ("a third does not fit, ever", (10, 1, 1), cars(LINES, LINES, LINES), {"a": 7, "b": 7, "c": 0}),
        (
            "two on L1, one alone on L2",
            (5, 5, 5),
            cars((Line.L1,), (Line.L1,), (Line.L2,)),
            {"a": 10, "b": 10, "c": 16},
        ),
        ("house over the fuse", (30, 1, 1), cars(LINES), {"a": 0}),
    ],
)
def test_stages(situation: str, house: Phases, chargers: list[SeenCharger], expected: dict[str, float]) -> None:
    assert Stage(OpenWb(Site()), chargers, flat(*house)).last(100) == expected, situation


def test_a_new_car_gets_the_minimum_first_and_the_rest_ten_seconds_later() -> None:
    offers = {t: offers["a"] for t, offers in Stage(OpenWb(Site()), cars(LINES), flat(1, 1, 1)).run(30)}
    assert (offers[0], offers[9], offers[10]) == (6, 6, 16)


def test_a_step_is_seen_at_the_next_cycle_and_not_before() -> None:
    stage = Stage(OpenWb(Site()), cars(LINES), then((1, 1, 1), 31, (15, 15, 15)))
    offers = {t: offers["a"] for t, offers in stage.run(60)}
    assert (offers[39], offers[40]) == (16, 10)


def test_surplus_of_1500_w_a_phase_for_thirty_seconds_starts_a_car_and_it_rises_in_steps() -> None:
    sunny = cars(LINES, mode=Mode.SOLAR)
    little = Stage(OpenWb(Site()), sunny, flat(-6.4, -6.4, -6.4))
    assert little.last(120) == {"a": 0}, "4.4 kW is less than three times 1.5 kW"
    offers = {t: offers["a"] for t, offers in Stage(OpenWb(Site()), sunny, flat(-15, -15, -15)).run(120)}
    assert next(t for t in offers if offers[t] > 0) == 30
    assert [offers[t] for t in (35, 45, 55)] == [6, 11, 15]


def test_a_minute_of_import_at_the_minimum_stops_it() -> None:
    sunny = cars(LINES, mode=Mode.SOLAR)
    stage = Stage(OpenWb(Site()), sunny, then((-9, -9, -9), 200, (0, 0, 0)))
    offers = {t: offers["a"] for t, offers in stage.run(400)}
    assert offers[211] == 6
    stopped_s = next(t for t in offers if t > 200 and offers[t] == 0)
    assert 260 <= stopped_s <= 280


def test_between_zero_and_230_w_of_import_nothing_moves() -> None:
    sunny = cars((Line.L1,), mode=Mode.SOLAR)
    offers = Stage(OpenWb(Site()), sunny, flat(-9.5, 0, 0)).last(300)
    assert offers == {"a": 10}, "115 W of import, the middle of its range"
