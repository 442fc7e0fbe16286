"""Every situation has its sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ampherd_balancer.core import Balancer
from ampherd_balancer.settings import Wishes
from ampherd_core.messages import Mode

from tests.support.bench import Bench, Car, flat, policy_of, steps

Story = Callable[[], Bench]


def pair(house_a: float = 5.0, *cars: Car) -> Bench:
    return Bench(policy_of({"a": {}, "b": {}}), cars or (Car("a"), Car("b")), flat(house_a, house_a, house_a))


def silenced(flag: str) -> Bench:
    bench = pair().run(60)
    setattr(bench.cars["a"], flag, True)
    return bench.run(10)


def wishing(wishes: Wishes) -> Bench:
    bench = pair().run(60)
    bench.balancer.desks["a"].wishes = wishes
    return bench.run(2)


def meter_off() -> Bench:
    bench = pair().run(60)
    bench.is_meter_on = False
    return bench.run(10)


def resting() -> Bench:
    house = steps((0, (5, 5, 5)), (60, (22, 22, 22)), (70, (5, 5, 5)))
    return Bench(policy_of({"a": {}}), [Car("a")], house).run(90)


def taken_over() -> Bench:
    bench = pair(22).run(60)
    bench.cars["b"].confirm_s = 8
    bench.balancer = Balancer(bench.policy, epoch=2, now_s=bench.now_s)
    return bench.run(2)


def unconfirmed() -> Bench:
    """Granted its maximum, but the wallbox still offers less."""
    bench = pair(5, Car("a", confirm_s=8), Car("b", is_connected=False)).run(1)
    while bench.balancer.desks["a"].granted_a < 16:
        bench.run(1)
    return bench


@pytest.mark.parametrize(
    ("code", "sentence", "story"),
    [
        ("never-heard", "16 A stay reserved", lambda: pair(5, Car("a", is_silent=True), Car("b")).run(5)),
        ("agent-silent", "16 A stay reserved", lambda: silenced("is_silent")),
        ("link-lost", "does not answer", lambda: silenced("is_link_lost")),
        ("grid-stale", "at its fallback of 0 A", meter_off),
        ("off", "Switched off", lambda: wishing(Wishes(mode=Mode.OFF))),
        ("below-minimum", "its car needs 6 A", lambda: pair(5, Car("a", told_max_a=5), Car("b")).run(5)),
        ("no-car", "No car is plugged in", lambda: pair(5, Car("a", is_connected=False), Car("b")).run(5)),
        ("resting", "to spare its contactor", resting),
        ("taking-over", "every wallbox has confirmed", taken_over),
        ("waiting-turn", "L1 of the connection has no room for 6 A more", lambda: pair(22).run(60)),
        ("car-idle", "6 A stand ready", lambda: pair(2, Car("a", is_hungry=False), Car("b")).run(120)),
        ("car-idle", "others have its current", lambda: pair(5, Car("a", is_hungry=False), Car("b")).run(120)),
        ("rising", "On its way up to 10.0 A", lambda: pair().run(8)),
        ("rising", "On its way up to 16.0 A", unconfirmed),
        ("connection-l1", "shared with the house and one other car", lambda: pair().run(60)),
        ("car-takes-less", "only 8.0 A are kept for it", lambda: pair(5, Car("a", most_a=7), Car("b")).run(120)),
        ("own-maximum", "at its maximum of 16 A", lambda: pair(5, Car("a"), Car("b", is_connected=False)).run(60)),
    ],
)  # fmt: skip
def test_the_sentence_fits_the_situation(code: str, sentence: str, story: Story) -> None:
    reason = story().reason("a")
    assert reason.code == code
    assert sentence in reason.sentence
