"""Bugs that the soak found, each kept as the short story that showed it."""

from __future__ import annotations

import pytest
from ampherd_core.phases import Line
from ampherd_core.policy import DriverName
from ampherd_simulator.faults import METER, Fault, Kind
from ampherd_simulator.house import Step
from ampherd_simulator.layers import Layer
from ampherd_simulator.p1 import P1Kind, Rounding
from ampherd_simulator.story import Home, Place, Story
from ampherd_simulator.trial import try_story

L1, L2, L3 = (Line.L1,), (Line.L2,), (Line.L3,)
WOUND = (Line.L2, Line.L3, Line.L1)

STORIES = {
    "a car without a meter that leaves its share of a cut unused": Story(
        home=Home(
            places=(
                Place("a", driver=DriverName.SMARTEVSE_V2_LEGACY, lines=L2, max_a=32, car_phases=1, arrives_s=4),
                Place("b", driver=DriverName.SMARTEVSE_V2, lines=L2, car_phases=1, car_max_a=10, arrives_s=30),
            ),
            rating_a=35,
            meter=P1Kind.BELGIAN,
            house_a=(5.8, 4.2, 6.4),
            loads=(Step(Line.L2, 11.9, 121),),
        ),
        until_s=180,
    ),
    "a lonely car without a meter that draws less than its offer": Story(
        home=Home(
            places=(
                Place("a", min_a=8, max_a=32, car_phases=1, arrives_s=4),
                Place("b", driver=DriverName.SMARTEVSE_V2_LEGACY, lines=L3, max_a=20, car_phases=1, car_max_a=10),
            ),
            meter=P1Kind.BELGIAN,
            house_a=(0.8, 5.0, 6.2),
            loads=(Step(Line.L3, 13.1, 221),),
        ),
        until_s=270,
    ),
    "a car that stops while nobody hears of it leaves no room": Story(
        home=Home(
            places=(Place("a", car_phases=2, arrives_s=14), Place("b", car_phases=2, arrives_s=14)),
            rating_a=16,
            meter=P1Kind.BELGIAN,
            house_a=(-3.9, -2.8, -5.8),
            hold_s=0,
        ),
        faults=(Fault(Kind.CUT_OFF, 61.3, 10, "b"), Fault(Kind.CAR_STOPS, 61.6, 2, "b")),
        until_s=90,
        step_s=0.25,
    ),
    "a car that stopped while the word of it was under way": Story(
        home=Home(
            places=(
                Place("a", driver=DriverName.SMARTEVSE_V2, min_a=8, car_phases=2, car_lag_s=3, arrives_s=25),
                Place("b", lines=WOUND, min_a=8, max_a=20, car_max_a=32, car_ramp_a_s=1, arrives_s=3),
                Place("c", lines=L1, max_a=20, car_phases=2, car_max_a=32, car_ramp_a_s=30, arrives_s=35),
            ),
            meter=P1Kind.BELGIAN,
            house_a=(2, 2, 1),
            lease_s=5,
            min_off_s=10,
            turn_s=60,
        ),
        faults=(
            Fault(Kind.KILLED, 178.71, 34.0, "a"),
            Fault(Kind.MESSAGES_LATE, 344.0, 59.0, "balancer-1", 3.0),
        ),
        until_s=393,
        seed=101167,
    ),
    "a car that took nothing while its wallbox was lost": Story(
        home=Home(
            places=(Place("b", lines=L1, car_max_a=10, car_lag_s=0, arrives_s=33),),
            rating_a=16,
            meter=P1Kind.DSMR_4,
            house_a=(3, 4, 3),
        ),
        faults=(Fault(Kind.WALLBOX_REBOOTED, 58, who="b"), Fault(Kind.CUT_OFF, 68.78, 23, METER)),
        until_s=81,
    ),
    "a car without a meter that fell back, and is looked at only later": Story(
        home=Home(
            places=(
                Place("a", lines=L3, arrives_s=4),
                Place(
                    "b",
                    driver=DriverName.SMARTEVSE_V2_LEGACY,
                    lines=L3,
                    max_a=32,
                    priority=1,
                    car_ramp_a_s=1,
                    arrives_s=10,
                ),
            ),
            hold_s=0,
        ),
        faults=(Fault(Kind.MESSAGES_LATE, 44.0, 85.0, "b", 8.0),),
        until_s=75,
        seed=101187,
    ),
    "a car without a meter that draws too much while it is lowered": Story(
        home=Home(
            places=(
                Place(
                    "a",
                    driver=DriverName.SMARTEVSE_V2,
                    lines=L1,
                    min_a=8,
                    max_a=10,
                    failsafe_a=32,
                    priority=1,
                    car_ramp_a_s=30,
                    arrives_s=23,
                ),
                Place("b", max_a=32, car_max_a=10, arrives_s=2),
            ),
            meter=P1Kind.DSMR_4,
            house_a=(-3.3, -5.5, -6),
            hold_s=0,
            min_off_s=10,
            turn_s=60,
        ),
        faults=(Fault(Kind.CAR_OVERDRAWS, 73, 6, "a", 2),),
        until_s=79,
    ),
    "an agent that froze between its order and the write to a slow wallbox": Story(
        home=Home(
            places=(
                Place(
                    "a",
                    driver=DriverName.SMARTEVSE_V2_LEGACY,
                    fallback_a=6,
                    failsafe_a=32,
                    car_lag_s=0,
                    car_ramp_a_s=30,
                    arrives_s=32,
                ),
                Place("b", driver=DriverName.SMARTEVSE_V2, lines=L3, min_a=8, priority=1, car_phases=1, arrives_s=17),
            ),
            house_max_a=8,
        ),
        faults=(Fault(Kind.FROZEN, 37, 12, "a", 1),),
        until_s=57,
    ),
    "a car that draws too much where nothing measures it": Story(
        home=Home(
            places=(
                Place("a", lines=WOUND, circuit="garage", max_a=32, car_phases=2, car_lag_s=5, arrives_s=14),
                Place(
                    "b",
                    driver=DriverName.SMARTEVSE_V2,
                    lines=WOUND,
                    circuit="garage",
                    min_a=8,
                    max_a=32,
                    priority=1,
                    car_lag_s=5,
                    car_ramp_a_s=1,
                    arrives_s=6,
                ),
            ),
            rating_a=35,
            circuits_a=(("garage", 20),),
        ),
        faults=(Fault(Kind.CAR_OVERDRAWS, 37, 42, "b", 2),),
        until_s=71,
    ),
    "a leader that hears late what its forerunner's agents gave up": Story(
        home=Home(
            places=(
                Place(
                    "a", driver=DriverName.SMARTEVSE_V2_LEGACY, max_a=20, car_max_a=10, car_ramp_a_s=30, arrives_s=10
                ),
                Place(
                    "b",
                    driver=DriverName.SMARTEVSE_V2,
                    lines=L2,
                    max_a=20,
                    car_max_a=32,
                    car_lag_s=3,
                    car_ramp_a_s=1,
                    arrives_s=20,
                ),
            ),
            house_a=(2, 4, 4),
            loads=(Step(Line.L3, 13.3, 692, 30),),
            lease_s=5,
            has_standby=True,
        ),
        faults=(
            Fault(Kind.MESSAGES_LATE, 793.0, 61.0, "balancer-2", 1.0),
            Fault(Kind.KILLED, 805.0, 20.0, "balancer-1", 1.0),
        ),
        until_s=822,
        seed=190,
    ),
    "a house that fell while every message was late": Story(
        home=Home(
            places=(Place("a", min_a=8, priority=1, car_lag_s=3, arrives_s=4),),
            loads=(Step(Line.L3, 13.9, 119, 30),),
            hold_s=0,
        ),
        faults=(Fault(Kind.MESSAGES_LATE, 138.0, 32.0, amount=1.0),),
        until_s=159,
        seed=110006,
    ),
    "a cut that waited for a car without a meter that takes nothing on that line": Story(
        home=Home(
            places=(
                Place("a", lines=L3, max_a=20, car_max_a=32, car_lag_s=5, car_ramp_a_s=1, arrives_s=7),
                Place("b", min_a=8, max_a=10, priority=1, car_max_a=32, car_lag_s=0, arrives_s=2),
                Place(
                    "c",
                    driver=DriverName.SMARTEVSE_V2,
                    min_a=6.5,
                    max_a=10,
                    car_phases=2,
                    car_max_a=10,
                    car_lag_s=5,
                    arrives_s=34,
                ),
            ),
            rating_a=35,
            margin_a=0.5,
            rounding=Rounding.CUT,
            house_a=(0.6, 2.7, 6.9),
            loads=(Step(Line.L3, 13.5, 120),),
        ),
        until_s=170,
        seed=302865,
    ),
    "a leader that nobody heard until its fence was long over": Story(
        home=Home(
            places=(
                Place("a", lines=L3, priority=1, car_phases=2, car_lag_s=3, arrives_s=4),
                Place("c", driver=DriverName.SMARTEVSE_V2_LEGACY, lines=L1, car_max_a=32, car_lag_s=5, arrives_s=9),
            ),
            rating_a=20,
            margin_a=0.5,
            house_a=(3.7, 4.4, 1.7),
            lease_s=20,
            min_on_s=30,
            min_off_s=10,
            turn_s=60,
        ),
        faults=(
            Fault(Kind.CUT_OFF, 40, 76, "balancer-1"),
            Fault(Kind.FROZEN, 45, 23, "balancer-1"),
            Fault(Kind.CUT_OFF, 116.45, 59, "c"),
        ),
        until_s=130,
        seed=300806,
    ),
    "an idle SmartEVSE that acknowledges a lower current and ignores it": Story(
        home=Home(
            places=(
                Place("a", driver=DriverName.SMARTEVSE_V2, lines=L1, min_a=6.5, max_a=20, car_lag_s=0, arrives_s=13),
            ),
            rating_a=16,
            margin_a=0.5,
            phases=1,
            rounding=Rounding.CUT,
            house_a=(3.3, 0, 0),
            loads=(Step(Line.L1, 5, 59),),
            power_factor=0.85,
        ),
        faults=(Fault(Kind.WRITES_IGNORED, 57, 40, "a"), Fault(Kind.CAR_STOPS, 61, 30, "a")),
        until_s=110,
        seed=304241,
    ),
    "a turn that ended for a room that only the memory of a load made short": Story(
        home=Home(
            places=(
                Place("a", lines=L1, max_a=32, car_phases=2, car_lag_s=5, car_ramp_a_s=30, arrives_s=14),
                Place("b", lines=L1, min_a=8, car_phases=2, car_max_a=10, car_lag_s=3, arrives_s=39),
            ),
            rating_a=20,
            phases=1,
            loads=(Step(Line.L1, 10.7, 33, 10), Step(Line.L1, 8.4, 148, 30)),
            min_on_s=30,
            min_off_s=10,
            turn_s=60,
        ),
        until_s=274,
        seed=303988,
    ),
    "a grant that lapsed to a higher fallback before it was named": Story(
        home=Home(
            places=(
                Place("a", lines=L2, max_a=20, priority=1, car_max_a=10, car_lag_s=0, arrives_s=10),
                Place("b", fallback_a=6, priority=1, car_phases=1, car_lag_s=5, arrives_s=9),
            ),
            rating_a=16,
            house_max_a=4,
            house_a=(0, 1, 1),
            loads=(Step(Line.L2, 2.7, 85, 30),),
            min_off_s=10,
            turn_s=60,
            has_standby=True,
        ),
        faults=(Fault(Kind.HOST_SUSPENDED, 52, 59), Fault(Kind.MESSAGES_LOST, 178.24, 32, "balancer-2", 0.7)),
        until_s=202,
        seed=500105,
    ),
    "a car that was stopped for one of higher priority that only the memory of a load kept waiting": Story(
        home=Home(
            places=(
                Place("a", max_a=10, car_max_a=10, arrives_s=17),
                Place("b", lines=L1, max_a=32, priority=1, car_max_a=10, car_lag_s=3, arrives_s=23),
            ),
            house_a=(1.9, 4, 1.7),
            loads=(Step(Line.L1, 9, 185, 10), Step(Line.L1, 10.5, 293, 10)),
            power_factor=0.95,
            hold_s=60,
        ),
        until_s=420,
        seed=604785,
    ),
    "a load of the house that ended during the look, and passed for wrong lines": Story(
        home=Home(
            places=(
                Place("a", priority=1, car_phases=1, car_max_a=32, car_lag_s=5, car_ramp_a_s=30, arrives_s=25),
                Place("b", lines=L3, priority=1, car_lag_s=3, car_ramp_a_s=1, arrives_s=20),
            ),
            rating_a=16,
            margin_a=0.5,
            house_a=(1.7, 5.8, 0.6),
            loads=(Step(Line.L2, 11.1, 190, 10), Step(Line.L1, 6.3, 455, 200)),
            lease_s=20,
            hold_s=0,
            min_on_s=30,
            min_off_s=10,
            turn_s=60,
        ),
        until_s=460,
        seed=606497,
    ),
    "an agent that froze in the act after its fault's time": Story(
        home=Home(
            places=(Place("b", lines=L3, max_a=10, car_lag_s=0, arrives_s=12),),
            rating_a=20,
            house_a=(4, 5, 4),
            loads=(Step(Line.L3, 10.4, 50, 200),),
            min_off_s=10,
            turn_s=60,
        ),
        faults=(Fault(Kind.FROZEN, 20.7, 29, "b", 1),),
        until_s=73,
        seed=606247,
    ),
    "a car that ignored lower offers, and came back with the last one that it had followed": Story(
        home=Home(
            places=(Place("a", lines=L2, car_lag_s=3, arrives_s=31),),
            rating_a=20,
            house_a=(3.1, 5, 2.1),
            loads=(Step(Line.L2, 5.2, 349, 200),),
            lease_s=20,
            hold_s=0,
        ),
        faults=(Fault(Kind.CAR_STUBBORN, 340, 21, "a"),),
        until_s=485,
        seed=603407,
    ),
    "readings said once more just before the site moves on": Story(
        home=Home(
            places=(
                Place("a", lines=L1, min_a=8, max_a=20, failsafe_a=32, car_phases=1, car_ramp_a_s=1, arrives_s=14),
                Place(
                    "b",
                    lines=L1,
                    min_a=8,
                    max_a=20,
                    failsafe_a=32,
                    priority=1,
                    car_max_a=32,
                    car_lag_s=5,
                    car_ramp_a_s=30,
                    arrives_s=12,
                ),
                Place("c", lines=L1, priority=1, car_lag_s=0, car_ramp_a_s=30, arrives_s=26),
                Place("d", lines=L1, failsafe_a=32, priority=1, car_phases=2, car_ramp_a_s=30, arrives_s=26),
            ),
            rating_a=20,
            phases=1,
            rounding=Rounding.CUT,
            house_a=(0.3, 0, 0),
            loads=(Step(Line.L1, 7.5, 190, 200),),
            power_factor=0.85,
            lease_s=5,
            hold_s=0,
            min_on_s=30,
            min_off_s=10,
            turn_s=60,
        ),
        faults=(
            Fault(Kind.BROKER_GONE, 34, 42),
            Fault(Kind.CUT_OFF, 128, 44, "a"),
            Fault(Kind.MESSAGES_REPLAYED, 196, 0, "balancer-1", 3),
        ),
        until_s=198,
        seed=700224,
    ),
    "three cars without a meter, of which the last to be stopped is the one that takes too much": Story(
        home=Home(
            places=(
                Place(
                    "a",
                    driver=DriverName.SMARTEVSE_V2,
                    car_phases=1,
                    car_max_a=32,
                    car_lag_s=5,
                    car_ramp_a_s=1,
                    arrives_s=7,
                ),
                Place(
                    "b",
                    driver=DriverName.SMARTEVSE_V2,
                    lines=WOUND,
                    priority=1,
                    car_phases=2,
                    car_max_a=10,
                    car_lag_s=0,
                    car_ramp_a_s=1,
                    arrives_s=15,
                ),
                Place(
                    "c",
                    driver=DriverName.SMARTEVSE_V2_LEGACY,
                    min_a=8,
                    max_a=20,
                    car_phases=1,
                    car_max_a=10,
                    arrives_s=33,
                ),
            ),
            rating_a=35,
            meter=P1Kind.DSMR_4,
            house_a=(1.8, 0.6, 10.2),
            loads=(Step(Line.L1, 8.2, 65, 140), Step(Line.L3, 10.7, 124, 100), Step(Line.L3, 9.5, 154, 60)),
        ),
        until_s=212,
        seed=801170,
    ),
    "a car that nobody measures is stopped for a line that another loads": Story(
        home=Home(
            places=(
                Place("a", lines=L3, max_a=20, car_phases=1, car_max_a=32, car_lag_s=3, arrives_s=33),
                Place("b", driver=DriverName.SMARTEVSE_V2, car_phases=1, car_max_a=32, car_lag_s=0, arrives_s=3),
            ),
            rating_a=20,
            margin_a=0.5,
            rounding=Rounding.CUT,
            house_a=(3.2, 5, 1.7),
            loads=(Step(Line.L3, 13.5, 79, 60),),
            power_factor=0.95,
            hold_s=0,
        ),
        until_s=140,
        seed=927711,
    ),
    "a stop for another line hides that a measured car is too much for this one": Story(
        home=Home(
            places=(
                Place("a", lines=L3, min_a=8, car_lag_s=5, arrives_s=17),
                Place("b", driver=DriverName.SMARTEVSE_V2, car_phases=2),
            ),
            rating_a=20,
            margin_a=0.5,
            house_a=(5.3, 2.9, 4),
            loads=(Step(Line.L3, 4.7, 51, 200), Step(Line.L3, 4.4, 83, 60), Step(Line.L1, 10.6, 97, 3)),
        ),
        until_s=120,
        seed=1032056,
    ),
    "a leader that decides on a reading a moment before it hears that the car of it has gone": Story(
        home=Home(
            places=(Place("a", driver=DriverName.SMARTEVSE_V2, car_max_a=10, car_lag_s=3, arrives_s=31),),
            rating_a=16,
            meter=P1Kind.BELGIAN,
            house_a=(3.1, 4.6, 2.8),
            loads=(Step(Line.L2, 8.6, 65, 10), Step(Line.L1, 9.9, 132, 10)),
        ),
        faults=(Fault(Kind.MESSAGES_LATE, 313.0, 52.0, amount=1.0), Fault(Kind.CAR_GONE, 330.0, 25.0, "a")),
        until_s=360,
        seed=1012869,
    ),
    "a leader that decides on a reading a moment before it hears that a wallbox does not answer": Story(
        home=Home(
            places=(Place("a"), Place("b")),
            house_a=(7.2, 1.9, 4.6),
            power_factor=0.95,
            hold_s=0.0,
            min_off_s=10.0,
            turn_s=60.0,
        ),
        faults=(Fault(Kind.MESSAGES_LATE, 164.0, 90.0, "meter", 20.0), Fault(Kind.WALLBOX_REBOOTED, 208.3, 0.0, "a")),
        until_s=212,
        seed=1124071,
    ),
    "a leader that takes for silent whom it hears only by what comes late": Story(
        home=Home(
            places=(
                Place("a", max_a=10, failsafe_a=32, car_phases=2, car_max_a=10, car_ramp_a_s=1, arrives_s=25),
                Place("b", max_a=10, car_phases=1, car_lag_s=5),
            ),
            margin_a=0.5,
            meter=P1Kind.DSMR_4,
            house_a=(4, 1.8, 6.1),
            power_factor=0.95,
            hold_s=0,
        ),
        faults=(
            Fault(Kind.HOST_RESTARTED, 64.66, 30),
            Fault(Kind.HOST_SUSPENDED, 115.26, 45),
            Fault(Kind.MESSAGES_LATE, 141.59, 84, "balancer-1", 20),
        ),
        until_s=174,
        step_s=0.25,
        seed=820250,
    ),
    "a lease that lapses while the wallbox ignores what it is told": Story(
        home=Home(
            places=(
                Place("b", lines=L1, min_a=8, failsafe_a=32, priority=1, car_phases=1, car_ramp_a_s=1, arrives_s=35),
            ),
            rating_a=16,
            margin_a=0.5,
            house_a=(0.7, 2.5, 1.1),
            lease_s=5,
        ),
        faults=(Fault(Kind.WRITES_IGNORED, 43.68, 31, "b"), Fault(Kind.CUT_OFF, 65.92, 40, "b")),
        until_s=79.5,
        step_s=0.25,
        seed=827753,
    ),
    "a deaf wallbox, whose car was asked again and again while another could have made room": Story(
        home=Home(
            places=(
                Place("a", lines=L1, max_a=10, failsafe_a=32, car_max_a=10, car_ramp_a_s=30, arrives_s=3),
                Place("b", lines=L1, min_a=8, priority=1, car_phases=2, car_max_a=32, arrives_s=17),
            ),
            margin_a=0.5,
            phases=1,
            meter=P1Kind.BELGIAN,
            house_a=(0.4, 0, 0),
            loads=(Step(Line.L1, 4.9, 132, 200),),
            power_factor=0.85,
            lease_s=5,
            hold_s=0,
        ),
        faults=(Fault(Kind.WRITES_IGNORED, 87, 76, "b"),),
        until_s=153,
        step_s=0.25,
        seed=828290,
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_no_promise_is_broken(name: str) -> None:
    verdict = try_story(STORIES[name])

    assert verdict.broken == []
    assert verdict.tallies[Layer.OURS].worst_a < 1
