"""The parse and the decision alone, in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from ampherd_meter.framer import Framer
from ampherd_meter.telegram import parse_telegram
from ampherd_simulator.p1 import GridSample, P1Meter

from benchmarks.figures import Figure, percentile, spread
from tests.support.bench import Bench, Car, flat, policy_of

ROUNDS: Final = 2_000
WARM_UP_S: Final = 120
TELEGRAM_S: Final = 1e-3
"""So close together that agents need not speak in between."""


def measure() -> Iterator[Figure]:
    """Parse of one telegram, and decisions for four and for 32 chargers, crowded and not."""
    sample = GridSample((12.0, 7.0, 3.0), (2760.0, 1610.0, 690.0), (230.1, 229.8, 231.2), 1e6, 0.0)
    telegram = P1Meter().telegram(sample, datetime(2026, 1, 1, tzinfo=UTC))
    parse = _timed(lambda: _parse(telegram))
    yield Figure("frame, check and parse one DSMR 5 telegram", spread(parse, "ms", 1e3))
    for name, cars, house_a, goal_us in (
        ("decision, 4 chargers, room for all", 4, 0.2, 200),
        ("decision, 4 chargers, two must wait", 4, 10.0, 200),
        ("decision, 32 chargers, room for all", 32, 0.0, 10_000),
        ("decision, 32 chargers, half must wait", 32, 100.0, 10_000),
    ):
        times = _decisions(cars, house_a)
        is_met = percentile(times, 0.5) * 1e6 <= goal_us
        yield Figure(name, spread(times, "us", 1e6), f"p50 <= {goal_us} us", is_met)


def _parse(telegram: bytes) -> None:
    for frame in Framer(Counter()).feed(telegram):
        parse_telegram(frame.text)


def _decisions(cars: int, house_a: float) -> list[float]:
    rating_a = 25 if cars <= 4 else 200
    ids = [f"car-{place}" for place in range(cars)]
    policy = policy_of({car: {} for car in ids}, connection={"rating_a": rating_a, "margin_a": 0})
    bench = Bench(policy, [Car(car) for car in ids], flat(house_a, house_a, house_a)).run(WARM_UP_S)
    times = []
    for step in range(ROUNDS):
        # Each decision has a telegram of its own that shows a little more or less: nothing is the same as before.
        amps = house_a + 0.1 * (step % 7)
        bench.now_s += TELEGRAM_S
        bench.house = flat(amps, amps, amps)
        bench.balancer.hear_reading(bench.reading(), bench.now_s)
        began = time.perf_counter()
        bench.balancer.decide(bench.now_s)
        times.append(time.perf_counter() - began)
    return times


def _timed(work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times
