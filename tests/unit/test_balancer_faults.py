"""Random homes, cars and posts: the bench holds the balancer to its invariants at every step."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ampherd_core.phases import LINES, Phases
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.bench import Bench, Car, House, Kind, policy_of

RUN_S = 90

SLOW = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass
class BadPost:
    """Loses, delays (and so reorders) and doubles messages."""

    seed: int
    lost: float
    doubled: float
    slowest_s: float

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def __call__(self, _kind: Kind) -> Sequence[float]:
        if self._random.random() < self.lost:
            return ()
        count = 2 if self._random.random() < self.doubled else 1
        return [self._random.choice([0.0, 0.0, self._random.uniform(0, self.slowest_s)]) for _ in range(count)]


@dataclass(frozen=True)
class Stepwise:
    """A house that changes at some seconds."""

    changes: Sequence[tuple[int, Phases]]

    def __call__(self, t: float) -> Phases:
        return next((load for since_s, load in sorted(self.changes, reverse=True) if t >= since_s), (1.0, 1.0, 1.0))


loads = st.tuples(*[st.integers(-100, 240).map(lambda tenths: tenths / 10)] * 3)
houses = st.lists(st.tuples(st.integers(5, RUN_S), loads), max_size=6).map(Stepwise)
some_lines = st.sampled_from([LINES, LINES[:1], LINES[1:2], (LINES[2], LINES[0], LINES[1])])
wallboxes = st.fixed_dictionaries(
    {
        "min_a": st.sampled_from([6, 6.5, 8]),
        "max_a": st.sampled_from([10, 16, 32]),
        "lines": some_lines,
        "priority": st.sampled_from([1, 5]),
    }
)
habits = st.fixed_dictionaries(
    {
        "lag_s": st.sampled_from([0.0, 1.0, 3.0, 6.0]),
        "most_a": st.sampled_from([7.0, 13.0, 32.0]),
        "is_hungry": st.sampled_from([True, True, True, False]),
        "step_a": st.sampled_from([0.1, 1.0]),
    }
)
chargers = st.lists(st.tuples(wallboxes, habits), min_size=1, max_size=4)


def bench_of(
    sites: Sequence[tuple[Mapping[str, object], Mapping[str, object]]], house: House, **options: object
) -> Bench:
    policy = policy_of({"abcd"[place]: wallbox for place, (wallbox, _) in enumerate(sites)})
    cars = [Car("abcd"[place], **habit) for place, (_, habit) in enumerate(sites)]  # type: ignore[arg-type]
    return Bench(policy, cars, house, **options)  # type: ignore[arg-type]


@SLOW
@given(chargers, houses, st.sampled_from([1.0, 2.0, 5.0, 10.0]), st.booleans())
def test_every_promise_is_kept_in_any_home(
    sites: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
    house: House,
    meter_every_s: float,
    whole_amps: bool,
) -> None:
    bench_of(sites, house, meter_every_s=meter_every_s, whole_amps=whole_amps).run(RUN_S)


@SLOW
@given(
    chargers,
    houses,
    st.builds(
        BadPost,
        seed=st.integers(0, 2**16),
        lost=st.sampled_from([0.0, 0.1, 0.5]),
        doubled=st.sampled_from([0.0, 0.3]),
        slowest_s=st.sampled_from([0.5, 4.0, 20.0]),
    ),
    st.sampled_from([0.0, 1.5, 8.0]),
)
def test_nothing_is_oversold_whatever_the_post_does(
    sites: Sequence[tuple[Mapping[str, object], Mapping[str, object]]], house: House, post: BadPost, confirm_s: float
) -> None:
    bench = bench_of(sites, house, post=post)
    bench.checks_overload = False
    for car in bench.cars.values():
        car.confirm_s = confirm_s
    bench.run(RUN_S)


@SLOW
@given(
    chargers,
    houses,
    st.lists(
        st.tuples(
            st.integers(10, RUN_S),
            st.integers(0, 3),
            st.sampled_from(["is_silent", "is_link_lost", "is_deaf", "restart", "plug"]),
        ),
        max_size=8,
    ),
)
def test_nothing_is_oversold_whatever_fails(
    sites: Sequence[tuple[Mapping[str, object], Mapping[str, object]]],
    house: House,
    faults: Sequence[tuple[int, int, str]],
) -> None:
    bench = bench_of(sites, house)
    bench.checks_overload = False
    cars = list(bench.cars.values())
    for second in range(RUN_S):
        for at_s, which, fault in faults:
            car = cars[which % len(cars)]
            if at_s != second:
                continue
            if fault == "restart":
                car.restart(f"at-{second}")
            elif fault == "plug":
                car.plug(is_connected=not car.is_connected)
            else:
                setattr(car, fault, not getattr(car, fault))
        bench.run(1)
