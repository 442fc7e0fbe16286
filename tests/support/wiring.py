"""Three one-phase cars whose policy may have them on other lines than they are on."""

from __future__ import annotations

from collections.abc import Sequence

from ampherd_balancer.report import site_state
from ampherd_core.phases import LINES, Line

from tests.support.bench import AT, Bench, Car, House, policy_of

ONE_EACH = {"a": (Line.L1,), "b": (Line.L2,), "c": (Line.L3,)}


def wired_bench(
    house: House,
    wired: Sequence[Line] = LINES,
    *,
    lag_s: float = 3.0,
    every_s: float = 1.0,
    whole_amps: bool = True,
    is_metered: bool = True,
) -> Bench:
    """The policy has them on L1, L2 and L3; `wired` is where they really are."""
    policy = policy_of({car: {"lines": list(lines), "max_a": 32} for car, lines in ONE_EACH.items()})
    cars = [
        Car(car, lag_s=lag_s, wired=(line,), is_metered=is_metered) for car, line in zip(ONE_EACH, wired, strict=True)
    ]
    bench = Bench(policy, cars, house, whole_amps=whole_amps, meter_every_s=every_s)
    bench.checks_overload = bench.checks_promises = False
    return bench


def alarms(bench: Bench) -> tuple[str, ...]:
    """What the site's state warns of."""
    return site_state(bench.balancer, bench.outcome, bench.now_s, AT).alarms


def mend_policy(bench: Bench) -> None:
    """Its user edits the policy: now it has each car where it is."""
    mended = policy_of({car.id: {"lines": list(car.wired or LINES), "max_a": 32} for car in bench.cars.values()})
    for car in bench.cars.values():
        car.lines = car.wired or LINES
    bench.policy = mended
    bench.balancer.take_policy(mended, bench.now_s)
