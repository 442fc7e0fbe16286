"""Days with sun: cars that follow the surplus, told in virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
from ampherd_balancer.report import site_state
from ampherd_balancer.settings import Wishes
from ampherd_core.messages import MeterRole, Mode, PhaseSample
from ampherd_core.phases import LINES, Line
from ampherd_core.policy import Policy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.bench import AT, Bench, Car, House, policy_of

VOLTAGE_V = 230.0
ONE = ["L1"]
WIDE = {"rating_a": 63, "margin_a": 0}

Watts = Callable[[float], float]


def roof(surplus_w: Watts) -> House:
    """A house with that surplus, spread over the three lines as an inverter does."""

    def house(t: float) -> tuple[float, float, float]:
        amps = -surplus_w(t) / VOLTAGE_V / 3
        return amps, amps, amps

    return house


def spells(*changes: tuple[float, float]) -> Watts:
    """A surplus (W) that changes at the given seconds."""
    return lambda t: next((watts for since_s, watts in reversed(changes) if t >= since_s), 0.0)


def site(chargers: Mapping[str, Mapping[str, object]], **solar: object) -> Policy:
    sunny = {car: {"mode": "solar", "max_a": 32, **fields} for car, fields in chargers.items()}
    return policy_of(sunny, connection=WIDE, solar=solar)


def one_car(surplus_w: Watts, lines: list[str] = ONE, step_a: float = 0.1, **solar: object) -> Bench:
    return Bench(site({"a": {"lines": lines}}, **solar), [Car("a", lag_s=2, step_a=step_a)], roof(surplus_w))


def starts(car: Car) -> list[float]:
    """When its offer rose from nothing, s."""
    offers = [(0.0, 0.0), *car.changes]
    return [at_s for (_, before_a), (at_s, after_a) in pairwise(offers) if before_a == 0 < after_a]


def grid_w(bench: Bench) -> float:
    return sum(bench.grid_now) * VOLTAGE_V


def imported_wh(bench: Bench, seconds: float) -> float:
    """What the mains gave in the last `seconds`, phases netted, Wh."""
    return sum(max(0.0, sum(load)) * VOLTAGE_V for load in bench.grid[-round(seconds) :]) / 3600


class TestOneCar:
    """Morning, clouds and evening."""

    def test_waits_for_sun_and_says_how_much_is_missing(self) -> None:
        bench = one_car(lambda _t: 600).run(600)
        assert bench.offers() == {"a": 0}
        assert bench.reason("a").code == "waiting-sun"
        assert bench.reason("a").sentence == "Waiting for sun: 600 W of the 1,380 W that it needs."

    def test_without_an_allowance_it_waits_for_all_that_it_needs(self) -> None:
        bench = one_car(lambda _t: 1300, import_allowance_wh=0).run(600)
        assert bench.offers() == {"a": 0}
        assert bench.reason("a").sentence == "Waiting for sun: 1,300 W of the 1,380 W that it needs."

    def test_a_morning_starts_it_a_little_before_the_sun_suffices(self) -> None:
        bench = one_car(lambda t: 600 + t / 2)
        bench.run_until(lambda: bench.offers()["a"] > 0, 1200)
        assert 750 < 600 + bench.t / 2 < 900
        bench.run(3000)
        assert len(starts(bench.cars["a"])) == 1
        assert imported_wh(bench, 4000) < 200

    def test_a_gloomy_day_is_given_up_after_one_allowance(self) -> None:
        bench = one_car(lambda _t: 1000).run(5 * 3600)
        assert bench.offers() == {"a": 0}
        assert len(starts(bench.cars["a"])) == 1
        assert imported_wh(bench, 5 * 3600) < 220

    def test_starts_when_the_sun_has_lasted_and_takes_what_it_gives(self) -> None:
        bench = one_car(spells((0, 600), (300, 3000))).run(330)
        assert bench.offers() == {"a": 0}, "sun of half a minute starts nobody"
        bench.run(120)
        assert -150 <= grid_w(bench) <= 20, "the surplus goes into the car"
        assert bench.reason("a").code == "solar"
        assert len(starts(bench.cars["a"])) == 1

    def test_the_site_says_that_the_sun_limits(self) -> None:
        bench = one_car(lambda _t: 3000).run(600)
        assert site_state(bench.balancer, bench.outcome, bench.now_s, AT).limited_by == "The sun limits."

    def test_follows_clouds_down_at_once_and_up_when_they_have_passed(self) -> None:
        bench = one_car(spells((0, 5000), (300, 2500), (420, 5000))).run(299)
        assert grid_w(bench) > -200
        bench.run(14)
        assert grid_w(bench) < 50, "no longer than it takes to be sure"
        bench.run(105)
        assert grid_w(bench) < 50
        bench.run(90)
        assert grid_w(bench) > -200
        assert len(starts(bench.cars["a"])) == 1

    def test_is_held_at_its_minimum_through_a_passing_cloud(self) -> None:
        bench = one_car(spells((0, 3000), (1200, 200), (1500, 3000)), import_allowance_wh=300).run(1400)
        assert bench.offers() == {"a": 6}
        assert bench.reason("a").code == "held"
        assert "Wh of 300 left" in bench.reason("a").sentence
        bench.run(300)
        assert bench.offers()["a"] > 12
        assert len(starts(bench.cars["a"])) == 1

    @pytest.mark.parametrize("lines", [["L1"], ["L1", "L2", "L3"]])
    def test_three_phases_are_held_as_long_as_one(self, lines: list[str]) -> None:
        """200 Wh for each phase are the minimum of 1,380 W for 522 s."""
        bench = Bench(site({"a": {"lines": lines}}), [Car("a", lag_s=2)], roof(spells((0, 9000), (1200, 0))))
        bench.run(1200).run_until(lambda: bench.offers()["a"] == 0, 900)
        assert bench.t - 1200 == pytest.approx(522, abs=20)

    def test_stops_when_the_allowance_is_used_up_and_buys_no_more(self) -> None:
        bench = one_car(spells((0, 3000), (1200, -500)), import_allowance_wh=100, stop_after_s=7200)
        bench.run(1200)
        bench.run_until(lambda: bench.offers()["a"] == 0, 600)
        # 500 W of the house itself run on meanwhile; what follows is the meter's and the car's lag.
        house_wh = 500 * (bench.t - 1200) / 3600
        assert imported_wh(bench, bench.t - 1200) - house_wh == pytest.approx(100, abs=25)

    def test_evening_ends_it_once(self) -> None:
        def evening(t: float) -> float:
            return 4000 - t

        bench = one_car(evening).run(6000)
        assert bench.offers() == {"a": 0}
        assert len(starts(bench.cars["a"])) == 1
        assert imported_wh(bench, 6000) < 300 + max(0, 6000 - 4000) ** 2 / 2 / 3600

    def test_a_broken_sky_starts_it_at_most_every_quarter_of_an_hour(self) -> None:
        bench = one_car(lambda t: 3000 if t % 900 < 300 else -200, import_allowance_wh=0).run(4 * 3600)
        began = starts(bench.cars["a"])
        assert len(began) > 3
        assert min(after - before for before, after in pairwise(began)) >= 900

    def test_a_car_that_started_charges_for_its_least_time(self) -> None:
        bench = one_car(spells((0, 3000), (120, -500)), import_allowance_wh=0).run(120)
        began_s = starts(bench.cars["a"])[0]
        bench.run_until(lambda: bench.offers()["a"] == 0, 900)
        assert bench.now_s - began_s == pytest.approx(600, abs=3)
        assert bench.reason("a").code == "resting"

    def test_switching_to_sun_does_not_open_the_contactor_while_it_shines(self) -> None:
        bench = one_car(lambda _t: 3000)
        bench.balancer.desks["a"].wishes = Wishes(mode=Mode.FAST)
        bench.run(400)
        assert bench.offers() == {"a": 32}
        bench.balancer.desks["a"].wishes = Wishes(mode=Mode.SOLAR)
        bench.run(300)
        assert -200 < grid_w(bench) < 20
        assert len(starts(bench.cars["a"])) == 1

    def test_switching_to_sun_at_night_stops_it_soon(self) -> None:
        bench = one_car(lambda _t: -400)
        bench.balancer.desks["a"].wishes = Wishes(mode=Mode.FAST)
        bench.run(400)
        bench.balancer.desks["a"].wishes = Wishes(mode=Mode.SOLAR)
        bench.run(700)
        assert bench.offers() == {"a": 0}

    @pytest.mark.parametrize(("sun_share", "offer_a"), [(0.5, 9), (0.7, 8), (1.0, 8)])
    def test_whole_amps_on_three_phases_buy_for_their_last_step_what_the_policy_says(
        self, sun_share: float, offer_a: float
    ) -> None:
        """8.7 A of sun."""
        bench = one_car(lambda _t: 6000, lines=list(LINES), step_a=1.0, sun_share=sun_share).run(400)
        assert bench.offers() == {"a": offer_a}
        settled = len(bench.cars["a"].changes)
        bench.run(1200)
        assert len(bench.cars["a"].changes) == settled

    def test_a_silent_grid_meter_ends_it(self) -> None:
        bench = one_car(lambda _t: 5000).run(300)
        bench.is_meter_on = False
        bench.run(8)
        assert bench.offers() == {"a": 0}
        assert bench.reason("a").code == "grid-stale"


class TestCalm:
    """Setpoints settle."""

    @pytest.mark.parametrize("period_s", [10, 20, 28])
    @pytest.mark.parametrize("step_a", [0.1, 1.0])
    def test_a_load_that_cycles_moves_nobody(self, period_s: float, step_a: float) -> None:
        bench = one_car(lambda t: 5000 - (1800 if t % period_s < period_s * 0.4 else 0), step_a=step_a).run(400)
        settled = len(bench.cars["a"].changes)
        bench.run(1200)
        assert len(bench.cars["a"].changes) == settled

    @settings(max_examples=15, deadline=None)
    @given(
        level_w=st.floats(1500, 9000),
        noise_w=st.floats(0, 80),
        lag_s=st.sampled_from([0.0, 2.0, 5.0]),
        step_a=st.sampled_from([0.1, 1.0]),
        lines=st.sampled_from([["L1"], ["L1", "L2"], ["L1", "L2", "L3"]]),
    )
    def test_settles_under_steady_sun(
        self, level_w: float, noise_w: float, lag_s: float, step_a: float, lines: list[str]
    ) -> None:
        bench = Bench(
            site({"a": {"lines": lines}}),
            [Car("a", lag_s=lag_s, step_a=step_a)],
            roof(lambda t: level_w + noise_w * math.sin(t * 1.7)),
        ).run(500)
        settled = len(bench.cars["a"].changes)
        bench.run(300)
        assert len(bench.cars["a"].changes) - settled <= 1, bench.cars["a"].changes[-5:]

    @settings(max_examples=10, deadline=None)
    @given(
        seed=st.randoms(use_true_random=False),
        allowance_wh=st.sampled_from([0.0, 100.0, 300.0]),
        lines=st.sampled_from([["L1"], ["L1", "L2", "L3"]]),
    )
    def test_buys_no_more_than_the_allowance_except_in_its_least_time(
        self, seed: object, allowance_wh: float, lines: list[str]
    ) -> None:
        levels = [seed.uniform(-500, 7000) for _ in range(24)]  # type: ignore[attr-defined]
        bench = Bench(
            site({"a": {"lines": lines}}, import_allowance_wh=allowance_wh),
            [Car("a", lag_s=2)],
            roof(lambda t: levels[int(t // 300) % len(levels)]),
        )
        car = bench.cars["a"]
        spent_wh = least_wh = gained_wh = 0.0
        for _ in range(3000):
            bench.run(1)
            took_w = car.drawn_a * VOLTAGE_V * len(lines)
            surplus_w = levels[int(bench.t // 300) % len(levels)]
            bought_w = min(took_w, max(0.0, took_w - surplus_w))
            is_fresh = starts(car) != [] and bench.now_s - starts(car)[-1] <= 600 + 5
            if is_fresh:
                least_wh += bought_w / 3600
            else:
                spent_wh += bought_w / 3600
            gained_wh += max(0.0, surplus_w - 6 * VOLTAGE_V * len(lines)) / 3600 if took_w else 0.0
        falls = sum(1 for before, after in pairwise(levels * 2) if after < before)
        # Each fall of the surplus is seen after a few seconds, in which at most the whole car is bought.
        assert spent_wh <= allowance_wh * len(lines) + gained_wh + falls * 7000 * 12 / 3600


class TestTogether:
    """More than one car."""

    def test_equals_share_the_surplus(self) -> None:
        bench = Bench(
            site({car: {"lines": ONE} for car in "ab"}),
            [Car(car, lag_s=2) for car in "ab"],
            roof(lambda _t: 4600),
        ).run(600)
        assert bench.offers()["a"] == pytest.approx(10, abs=0.5)
        assert bench.offers()["b"] == pytest.approx(10, abs=0.5)

    def test_priority_is_filled_first(self) -> None:
        bench = Bench(
            site({"low": {"lines": ONE}, "high": {"lines": ["L2"], "priority": 1, "max_a": 12}}),
            [Car("low", lag_s=2), Car("high", lag_s=2)],
            roof(lambda _t: 5000),
        ).run(600)
        assert bench.offers()["high"] == 12
        assert bench.offers()["low"] == pytest.approx(5000 / 230 - 12, abs=0.6)

    def test_priority_takes_the_only_place_once_the_other_has_had_its_least_time(self) -> None:
        high = Car("high", lag_s=2, is_connected=False)
        bench = Bench(
            site({"low": {"lines": ONE}, "high": {"lines": ["L2"], "priority": 1}}),
            [Car("low", lag_s=2), high],
            roof(lambda _t: 2000),
        ).run(300)
        assert bench.offers()["low"] > 8
        high.plug(is_connected=True)
        bench.run(200)
        assert bench.offers()["high"] == 0, "a start is not broken off"
        bench.run(500)
        assert bench.offers()["low"] == 0
        assert bench.offers()["high"] > 8
        bench.run(3600)
        assert [len(starts(car)) for car in bench.cars.values()] == [1, 1]

    def test_equals_take_long_turns_where_the_sun_suffices_for_one(self) -> None:
        bench = Bench(
            site({car: {"lines": ONE} for car in "ab"}),
            [Car(car, lag_s=2) for car in "ab"],
            roof(lambda _t: 2200),
            step_s=2,
        ).run(8 * 3600)
        served_ah = [car.served_ah for car in bench.cars.values()]
        assert min(served_ah) > 0.4 * sum(served_ah)
        assert max(len(starts(car)) for car in bench.cars.values()) <= 3

    def test_a_second_car_waits_for_the_whole_of_its_minimum(self) -> None:
        """The allowance starts the first car early; where one charges nothing would be gained by a second."""
        bench = Bench(
            site({car: {"lines": ONE} for car in "ab"}),
            [Car(car, lag_s=2) for car in "ab"],
            roof(lambda _t: 2600),
        ).run(1200)
        assert sorted(bench.offers().values()) == [0, pytest.approx(11, abs=0.5)]

    def test_a_minimum_beside_a_fast_car(self) -> None:
        bench = Bench(
            site({"sun": {"lines": ONE, "mode": "min_solar"}, "fast": {"lines": ["L2"], "mode": "fast", "max_a": 10}}),
            [Car("sun", lag_s=2), Car("fast", lag_s=2)],
            roof(spells((0, -300), (300, 5000), (900, -300))),
        ).run(200)
        assert bench.offers() == {"sun": 6, "fast": 10}, "night: the minimum, and fast as ever"
        bench.run(500)
        assert bench.offers()["sun"] == pytest.approx((5000 - 2300) / 230, abs=0.6), "what the fast car leaves"
        bench.run(600)
        assert bench.offers() == {"sun": 6, "fast": 10}
        assert [len(starts(car)) for car in bench.cars.values()] == [1, 1]

    def test_a_wire_comes_before_the_sun(self) -> None:
        policy = policy_of(
            {car: {"lines": ONE, "mode": "solar", "max_a": 32} for car in "ab"},
            connection={"rating_a": 16, "margin_a": 0},
        )
        bench = Bench(policy, [Car(car, lag_s=2) for car in "ab"], lambda _t: (0.0, -20.0, -20.0)).run(600)
        assert sum(bench.offers().values()) == pytest.approx(16, abs=0.3)
        assert bench.reason("a").code == "connection-l1"

    def test_an_idle_car_takes_nobodys_sun(self) -> None:
        full = Car("full", lag_s=2, is_hungry=False)
        bench = Bench(
            site({"full": {"lines": ONE, "priority": 1}, "b": {"lines": ["L2"]}}),
            [full, Car("b", lag_s=2)],
            roof(lambda _t: 2000),
        ).run(1200)
        assert bench.offers()["b"] > 8


class TestPhases:
    """What counts as surplus where phases are not netted."""

    EXPORT_ON_L2 = staticmethod(lambda _t: (2.0, -14.0, 1.0))

    def test_netted_by_default(self) -> None:
        bench = Bench(site({"a": {"lines": ONE}}), [Car("a", lag_s=2)], self.EXPORT_ON_L2).run(400)
        assert bench.offers()["a"] == pytest.approx(11, abs=0.5)

    def test_per_phase_a_car_gets_what_its_own_phase_exports(self) -> None:
        policy = site({"a": {"lines": ONE}, "b": {"lines": ["L2"]}}, accounting="per-phase")
        bench = Bench(policy, [Car("a", lag_s=2), Car("b", lag_s=2)], self.EXPORT_ON_L2).run(400)
        assert bench.offers()["a"] == 0
        assert bench.offers()["b"] == pytest.approx(14, abs=0.5)
        assert bench.grid_now[Line.L2.place] <= 0.05
        assert bench.reason("b").code == "solar-l2"


class TestFeeds:
    """Batteries and roofs."""

    def bench(self, role: str, house_w: Watts, side_w: Callable[[float], float | None], **solar: object) -> Bench:
        policy = policy_of(
            {"a": {"lines": ONE, "mode": "solar", "max_a": 32}},
            connection=WIDE,
            solar=solar,
            meters={
                "grid": {"role": "grid", "driver": "dsmr", "source": "tcp://localhost:1"},
                role: {"role": role, "driver": "dsmr", "source": "tcp://localhost:2"},
            },
        )
        bench = Bench(policy, [Car("a", lag_s=2)], roof(house_w))
        bench.sides[role] = side_w
        return bench

    def test_a_battery_gives_way_by_default(self) -> None:
        """The battery takes 3 kW of the 4 kW of sun: cars come first, so all 4 kW start the car."""
        bench = self.bench("battery", lambda _t: 1000, lambda _t: 3000).run(120)
        assert bench.offers()["a"] >= 6

    def test_a_battery_that_comes_first_keeps_what_it_takes(self) -> None:
        bench = self.bench("battery", lambda _t: 600, lambda _t: 3000, battery={"first_until_percent": 100}).run(300)
        assert bench.offers()["a"] == 0
        assert "600 W" in bench.reason("a").sentence

    def test_a_battery_comes_first_until_it_is_full_enough(self) -> None:
        bench = self.bench("battery", lambda _t: 600, lambda _t: 3000, battery={"first_until_percent": 60})
        bench.soc_percent = 55
        assert bench.run(300).offers()["a"] == 0
        bench.soc_percent = 60
        assert bench.run(120).offers()["a"] >= 6

    @pytest.mark.parametrize("until_percent", [0, 100])
    def test_no_battery_is_emptied_into_a_car(self, until_percent: float) -> None:
        """It gives 2.5 kW, so the mains seem to have 500 W to spare; the sun has not."""
        battery = {"first_until_percent": until_percent}
        bench = self.bench("battery", lambda _t: 2000, lambda _t: -2500, battery=battery).run(300)
        assert bench.offers()["a"] == 0

    def test_a_silent_battery_meter_means_no_surplus(self) -> None:
        bench = self.bench("battery", lambda _t: 4000, lambda t: 0.0 if t < 200 else None).run(190)
        assert bench.offers()["a"] > 12
        bench.run(120)
        assert bench.offers()["a"] <= 6

    def test_generation_alone_decides_where_the_policy_says_so(self) -> None:
        bench = self.bench("solar", lambda _t: -1000, lambda _t: -3000, feed="generation").run(300)
        assert bench.offers()["a"] == pytest.approx(3000 / 230, abs=0.5)

    def test_a_roof_with_clamps_alone_shows_its_power(self) -> None:
        """Clamps tell currents; the page wants watts."""
        bench = self.bench("solar", lambda _t: 0, lambda _t: None, feed="generation").run(5)
        sample = PhaseSample(current_a=-4, guard_a=-4)
        clamps = bench.reading().model_copy(
            update={"meter": "solar", "role": MeterRole.SOLAR, "phases": (sample,) * 3, "power_w": None}
        )
        bench.balancer.hear_reading(clamps, bench.now_s)
        assert site_state(bench.balancer, bench.outcome, bench.now_s, AT).solar_w == pytest.approx(-2760)

    def test_a_silent_solar_meter_means_no_generation(self) -> None:
        bench = self.bench("solar", lambda _t: 500, lambda t: -3000 if t < 300 else None, feed="generation").run(290)
        assert bench.offers()["a"] > 12
        bench.run(1200)
        assert bench.offers()["a"] == 0

    def test_by_the_grid_a_silent_solar_meter_does_not_matter(self) -> None:
        bench = self.bench("solar", lambda _t: 3000, lambda _t: None).run(300)
        assert bench.offers()["a"] == pytest.approx(13, abs=0.6)
