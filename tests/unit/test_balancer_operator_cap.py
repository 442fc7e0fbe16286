"""The network operator's cap (Germany, §14a): what all cars may draw from the grid while it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from ampherd_balancer.operator_cap import Operator, Signal, least_w
from ampherd_core.policy_limits import OperatorCap

from tests.support.bench import Bench, Car, House, flat, policy_of, steps

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
RULE = OperatorCap()
AS_THE_RULES = Signal()


def site(cars: str = "abcd", house: House | None = None, lag_s: float = 3, **fields: object) -> Bench:
    policy = policy_of(
        {car: {"max_a": 16} for car in cars},
        connection={"rating_a": 63, "margin_a": 0},
        limits={"operator": fields},
    )
    return Bench(policy, [Car(car, lag_s=lag_s) for car in cars], house or flat(1, 1, 1))


def dim(bench: Bench, signal: Signal | None = AS_THE_RULES) -> Bench:
    bench.balancer.outside.operator.take(signal, bench.now_s)
    return bench


def cars_w(bench: Bench, voltage_v: float = 230) -> float:
    return sum(sum(car.drawn) for car in bench.cars.values()) * voltage_v


@pytest.mark.parametrize(
    ("devices", "power_w"), [(1, 4200), (2, 7560), (3, 10_500), (4, 13_020), (9, 19_320), (20, 40_110)]
)
def test_what_devices_keep_together(devices: int, power_w: float) -> None:
    assert least_w(4200, devices) == pytest.approx(power_w)


class TestDimming:
    def test_all_cars_come_under_it_within_seconds(self) -> None:
        bench = site().run(120)
        assert cars_w(bench) > 40_000
        dim(bench).run(8)
        assert 0 < cars_w(bench) <= 13_020
        dim(bench, None).run(900)
        assert cars_w(bench) > 40_000

    def test_three_of_four_charge_and_take_turns(self) -> None:
        bench = dim(site().run(120))
        bench.run(2 * 3600)
        assert sum(car.drawn_a > 0 for car in bench.cars.values()) == 3
        shares_ah = [car.served_ah for car in bench.cars.values()]
        assert min(shares_ah) > 0.6 * max(shares_ah)
        starts = [
            [at_s for (_, before_a), (at_s, offer_a) in pairwise([(0.0, 0.0), *car.changes]) if offer_a > 0 == before_a]
            for car in bench.cars.values()
        ]
        for times in starts:
            assert all(later - earlier >= 899 for earlier, later in pairwise(times))

    @pytest.mark.parametrize(("voltage_v", "charging"), [(None, 1), (230, 1), (230.9, 1), (235, 0), (253, 0)])
    def test_one_car_on_three_phases_fits_only_below_233_volts(self, voltage_v: float | None, charging: int) -> None:
        bench = site("a")
        bench.voltage_v = voltage_v
        dim(bench).run(60)
        assert sum(car.drawn_a > 0 for car in bench.cars.values()) == charging
        assert cars_w(bench, voltage_v or 230) <= 4200

    def test_a_voltage_at_the_edge_does_not_make_a_contactor_chatter(self) -> None:
        bench = dim(site("a"))
        for second in range(1800):
            bench.voltage_v = 232.5 + (second // 7) % 3
            bench.run(1)
        assert sum(1 for _, offer_a in bench.cars["a"].changes if offer_a > 0) <= 2

    @pytest.mark.parametrize("voltage_v", [0.0, 1.0, 999.0])
    def test_a_voltage_that_no_home_has_is_not_believed(self, voltage_v: float) -> None:
        bench = site("a")
        bench.voltage_v = voltage_v
        dim(bench).run(60)
        assert bench.offers() == {"a": 6.0}

    def test_the_house_may_take_what_it_likes(self) -> None:
        assert cars_w(dim(site("a", flat(20, 20, 20))).run(60)) == pytest.approx(4140)

    def test_the_sun_comes_on_top(self) -> None:
        bench = dim(site("a", steps((0, (-10.0, -10.0, -10.0)), (120, (1.0, 1.0, 1.0))))).run(110)
        assert cars_w(bench) == pytest.approx(4200 + 6900, rel=0.05)
        bench.run(20)
        assert cars_w(bench) <= 4200

    @pytest.mark.parametrize(("power_w", "most_w"), [(0, 0), (3000, 0), (8000, 8000)])
    def test_a_value_in_watts(self, power_w: float, most_w: float) -> None:
        bench = dim(site(), Signal(power_w)).run(300)
        assert most_w * 0.9 <= cars_w(bench) <= most_w

    def test_it_says_so(self) -> None:
        bench = dim(site("a")).run(60)
        assert bench.reason("a").code == "operator"
        assert bench.reason("a").sentence == "The network operator allows 4,200 W for charging."

    def test_without_the_rule_a_signal_does_nothing(self) -> None:
        bench = Bench(policy_of({"a": {}}), [Car("a")], flat())
        assert dim(bench).run(60).offers() == {"a": 16.0}


class TestSignal:
    def test_ends_by_itself(self) -> None:
        operator = Operator()
        operator.take(Signal(for_s=600), 1000)
        assert operator.power_w(RULE, 1, 1599) == 4200
        assert operator.power_w(RULE, 1, 1600) is None

    @pytest.mark.parametrize(("away_s", "power_w"), [(100, 5000), (700, None)])
    def test_outlives_a_restart_but_not_its_end(self, away_s: float, power_w: float | None) -> None:
        before, after = Operator(), Operator()
        before.take(Signal(5000, for_s=600), 1000)
        after.recall(before.remember(1000, NOON), 50, NOON + timedelta(seconds=away_s))
        assert after.power_w(RULE, 1, 50) == power_w

    def test_without_an_end_it_stays(self) -> None:
        before, after = Operator(), Operator()
        before.take(Signal(), 1000)
        after.recall(before.remember(1000, NOON), 50, NOON + timedelta(days=99))
        assert after.power_w(RULE, 2, 50) == 7560

    def test_none_is_remembered_as_none(self) -> None:
        before, after = Operator(), Operator()
        before.take(Signal(), 1000)
        before.take(None, 1001)
        after.recall(before.remember(1002, NOON), 50, NOON)
        assert after.power_w(RULE, 2, 50) is None

    @pytest.mark.parametrize("document", [b"", b"[]", b"\xff", b'{"power_w": NaN}', b'{"power_w": -5}', b"[" * 9999])
    def test_nonsense_is_ignored(self, document: bytes) -> None:
        operator = Operator()
        operator.recall(document, 50, NOON)
        assert operator.power_w(RULE, 2, 50) is None
