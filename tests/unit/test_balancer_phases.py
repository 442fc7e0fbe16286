"""A charger on one phase or three through a day with sun: real balancer, real agent, a wallbox twin; virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

import pytest
from ampherd_balancer.explain import explain
from ampherd_balancer.settings import Wishes
from ampherd_core.messages import Mode
from ampherd_core.phases import LINES, Line
from ampherd_simulator.faults import Fault, Kind
from ampherd_simulator.house import Step
from ampherd_simulator.layers import Layer
from ampherd_simulator.story import FOR_EVER_S, Home, Place, Story
from ampherd_simulator.trial import Trial
from ampherd_simulator.wallboxes.edgetech import Edgetech

VOLTAGE_V = 230.0
LITTLE_A, ENOUGH_A = -4.0, -8.0
"""Per phase: 2.8 kW hold one minimum of 1.4 kW, 5.5 kW hold three."""


def suns(*changes: tuple[float, float]) -> tuple[float, tuple[Step, ...]]:
    """What the house takes on each line (A) from each second on: the base, and the steps upon it."""
    base_a = before_a = changes[0][1]
    steps = []
    for at_s, amps in changes[1:]:
        steps += [Step(line, amps - before_a, at_s, FOR_EVER_S) for line in LINES]
        before_a = amps
    return base_a, tuple(steps)


@dataclass
class Day:
    """One garage `a` that may switch; what happened is kept as it was seen."""

    sun: tuple[float, tuple[Step, ...]]
    mode: Mode = Mode.SOLAR
    car_phases: int = 3
    others: Sequence[Place] = ()
    faults: Sequence[Fault] = ()
    rating_a: float = 25.0
    switches: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        base_a, steps = self.sun
        place = Place("a", mode=self.mode, switches_phases=True, car_phases=self.car_phases)
        home = Home(
            places=(place, *self.others), house_a=(base_a,) * 3, loads=steps, rating_a=self.rating_a, min_on_s=60
        )
        self.trial = Trial(Story(home, tuple(self.faults)))
        self.world = self.trial.world
        wallbox = self.world.site.chargers["a"].wallbox
        assert isinstance(wallbox, Edgetech)
        self.wallbox = wallbox

    def run(self, until_s: float) -> Day:
        while self.world.now_s < until_s:
            before = self.wallbox.set_phases
            self.world.run(self.world.now_s + 1.0)
            self.trial.judge.watch()
            self.trial.promises.watch()
            if self.wallbox.set_phases != before:
                self.switches.append((self.world.now_s, self.wallbox.set_phases))
        assert self.trial.promises.broken == []
        assert self.trial.judge.tallies[Layer.OURS].worst_a < 1
        return self

    def run_until(self, condition: Callable[[], bool], within_s: float) -> None:
        until_s = self.world.now_s + within_s
        while not condition():
            assert self.world.now_s < until_s, self.sentence()
            self.run(self.world.now_s + 1)

    def wish(self, mode: Mode) -> None:
        assert self.world.balancer is not None
        self.world.balancer.desks["a"].wishes = Wishes(mode=mode)

    def sentence(self) -> str:
        """Why the charger gets what it gets."""
        core = self.world.balancer
        assert core is not None
        return explain(core, core.decide(self.now_s), core.desks["a"], self.now_s).sentence

    @property
    def now_s(self) -> float:
        """On the balancer's clock."""
        return next(iter(self.world.balancers.values())).clock_s(self.world.now_s)

    @property
    def drawn_w(self) -> float:
        return sum(self.world.site.chargers["a"].load_a) * VOLTAGE_V

    @property
    def grid_w(self) -> float:
        return sum(self.world.site.grid_a) * VOLTAGE_V


def test_little_sun_is_used_on_one_phase() -> None:
    day = Day(suns((0, LITTLE_A))).run(1200)

    assert [phases for _, phases in day.switches] == [1]
    assert day.world.site.chargers["a"].load_a[1:] == (0, 0)
    assert day.drawn_w == pytest.approx(2760, abs=300)


def test_much_sun_is_used_on_three_and_never_switched() -> None:
    day = Day(suns((0, ENOUGH_A))).run(2400)

    assert day.switches == []
    assert day.drawn_w == pytest.approx(5520, abs=700)


def test_the_day_goes_on_with_less_sun_and_back() -> None:
    day = Day(suns((0, ENOUGH_A), (1800, LITTLE_A), (4200, ENOUGH_A)))
    day.run(1801)
    day.run_until(lambda: day.sentence() == "Switching to one phase, to go on with less sun.", 600)
    day.run(4200)
    assert day.drawn_w == pytest.approx(2760, abs=300)
    day.run_until(lambda: day.sentence() == "Switching to three phases, to use more sun.", 600)
    day.run(5400)

    assert [phases for _, phases in day.switches] == [1, 3]
    assert day.drawn_w == pytest.approx(5520, abs=700)
    assert day.wallbox.switched_under_load == 0


def test_switches_are_ten_minutes_apart_however_the_sun_jumps() -> None:
    weather = [(240.0 * hop, LITTLE_A if hop % 2 else ENOUGH_A) for hop in range(30)]
    day = Day(suns(*weather)).run(7200)

    at_s = [second for second, _ in day.switches]
    assert all(later - earlier >= 600 for earlier, later in pairwise(at_s))


def test_a_car_that_uses_one_line_is_never_switched() -> None:
    day = Day(suns((0, ENOUGH_A), (1200, LITTLE_A), (3000, ENOUGH_A)), car_phases=1).run(4800)

    assert day.switches == []
    assert day.drawn_w > 0


def test_fast_uses_three() -> None:
    day = Day(suns((0, LITTLE_A))).run(1200)

    day.wish(Mode.FAST)
    day.run_until(lambda: day.sentence() == "Switching to three phases, to charge faster.", 700)
    day.run(2400)

    assert [phases for _, phases in day.switches] == [1, 3]
    assert min(day.world.site.chargers["a"].load_a) > 14


def test_a_wallbox_that_ignores_the_switch_is_used_as_it_is() -> None:
    deaf = Fault(Kind.WRITES_IGNORED, 500, 400, "a")
    day = Day(suns((0, LITTLE_A)), faults=(deaf,)).run(650)
    assert day.wallbox.set_phases == 3

    day.run(900)
    assert "does not switch" not in day.sentence()
    day.run(2400)

    assert [phases for _, phases in day.switches] == [1], "it is tried again later"


def test_one_phase_leaves_the_other_lines_to_other_cars() -> None:
    """A fast car may have what the garage does not use; three phases wait until the garage lets go."""
    fast = Place("b", lines=(Line.L2,), car_phases=1, car_max_a=32, max_a=32)
    day = Day(suns((0, LITTLE_A)), others=(fast,), rating_a=16).run(1200)

    assert day.wallbox.set_phases == 1
    assert day.world.site.chargers["b"].load_a[1] > 16


def test_the_lines_are_reserved_from_the_moment_that_three_are_granted() -> None:
    day = Day(suns((0, LITTLE_A))).run(1200)
    core = day.world.balancer
    assert core is not None
    desk, booked = core.desks["a"], []

    day.wish(Mode.FAST)
    while desk.phases.wish != 3:
        booked.append(desk.lines)
        day.run(day.world.now_s + 1)

    assert set(booked) == {(Line.L1,)}
    assert (desk.lines, day.wallbox.set_phases) == (LINES, 1)


def test_a_wallbox_that_lies_about_its_phases_is_booked_where_it_draws() -> None:
    stuck = Fault(Kind.PHASES_STUCK, 1, 3600, "a")
    day = Day(suns((0, LITTLE_A)), faults=(stuck,)).run(600)
    core = day.world.balancer
    assert core is not None

    day.run_until(lambda: min(day.world.site.chargers["a"].load_a) > 1, 600)
    day.run(day.world.now_s + 3)

    assert (day.wallbox.set_phases, day.wallbox.terminals) == (1, 3)
    assert core.desks["a"].lines == LINES


def test_a_wallbox_that_restarts_on_three_phases_is_booked_on_them_and_switched_again() -> None:
    day = Day(suns((0, LITTLE_A)), faults=(Fault(Kind.WALLBOX_REBOOTED, 1500, who="a"),)).run(1520)

    core = day.world.balancer
    assert core is not None
    assert (day.wallbox.set_phases, core.desks["a"].lines) == (3, LINES)
    day.run(3000)
    assert [phases for _, phases in day.switches] == [1, 3, 1]


DUSK = suns((0, ENOUGH_A), (700, LITTLE_A))


@cache
def second_of_the_stop() -> float:
    """When a car is stopped for the switch, on a day without faults."""
    day = Day(DUSK).run(700)
    day.run_until(lambda: "Switching to one phase" in day.sentence(), 600)
    return day.world.now_s


@pytest.mark.parametrize("after_s", [2, 11])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.KILLED, 0, 5, "a"),
        Fault(Kind.FROZEN, 0, 8, "a"),
        Fault(Kind.KILLED, 0, 20, "balancer-1"),
        Fault(Kind.BROKER_GONE, 0, 20),
        Fault(Kind.LINK_SILENT, 0, 12, "a"),
        Fault(Kind.WRITES_IGNORED, 0, 20, "a"),
        Fault(Kind.WALLBOX_REBOOTED, 0, who="a"),
        Fault(Kind.METER_SILENT, 0, 30),
    ],
    ids=lambda fault: fault.tell(),
)
def test_misfortune_in_the_middle_of_a_switch(fault: Fault, after_s: float) -> None:
    """No promise is broken, no current is switched, and the car charges again."""
    stops_s = second_of_the_stop()

    day = Day(DUSK, faults=(replace(fault, at_s=stops_s + after_s),)).run(stops_s + 1200)

    assert day.wallbox.switched_under_load == 0
    assert day.drawn_w > 0
