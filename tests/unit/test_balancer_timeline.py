"""Stories of a home, told in virtual time. The bench holds every step of each to the invariants."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from ampherd_balancer.settings import Wishes
from ampherd_core.messages import Mode
from ampherd_core.phases import LINES, Line, Phases
from ampherd_core.policy import Policy

from tests.support.bench import Bench, Car, House, flat, policy_of, steps

FOUR = "abcd"
WIDE: Mapping[str, object] = {"rating_a": 50, "margin_a": 0}
"""Room for four cars at their minimum even beside a large house."""


def site(ids: str = "abcd", **timings: float) -> Policy:
    return policy_of({car: {"max_a": 16} for car in ids}, timings=timings)


def four_wide(**timings: float) -> Policy:
    return policy_of({car: {"max_a": 16} for car in FOUR}, connection=WIDE, timings=timings)


def cars(lag_s: float = 2.0, ids: str = FOUR) -> list[Car]:
    return [Car(car, lag_s=lag_s) for car in ids]


def total(bench: Bench) -> float:
    return sum(car.offer_a for car in bench.cars.values())


def starts(car: Car) -> int:
    offers = [0.0, *(offer_a for _, offer_a in car.changes)]
    return sum(1 for before_a, after_a in pairwise(offers) if before_a == 0 < after_a)


class TestStep:
    """+15 A on L2 while four cars charge."""

    HOUSE: House = staticmethod(steps((0, (2, 2, 2)), (200, (2, 17, 2)), (400, (2, 2, 2))))

    @pytest.mark.parametrize("lag_s", [0, 3, 6])
    @pytest.mark.parametrize("whole_amps", [False, True])
    @pytest.mark.parametrize("meter_every_s", [1, 2, 5, 10])
    def test_cuts_once_by_the_excess_and_comes_back(self, lag_s: float, whole_amps: bool, meter_every_s: float) -> None:
        bench = Bench(four_wide(), cars(lag_s), self.HOUSE, whole_amps=whole_amps, meter_every_s=meter_every_s).run(198)
        before_a = total(bench)
        rounding_a = (1 if whole_amps else 0) + 4 * 0.1
        assert before_a >= 48 - rounding_a, "the cars share all that the house leaves"

        bench.run(meter_every_s + 2)
        assert 33 - rounding_a - 0.01 <= total(bench) <= 33 + 0.01, (
            "the excess is cut in the first telegram that shows it"
        )
        cut = bench.offers()
        bench.run(200 - meter_every_s - 1)
        assert bench.offers() == cut, "no second cut while the first takes effect, and none after it"

        bench.run(120)
        assert total(bench) >= 48 - rounding_a, "back up after the load has ended"
        for car in bench.cars.values():
            after = [offer_a for t, offer_a in car.changes if t > bench.began_s + 200 + meter_every_s + 1]
            assert after == sorted(after), "back up without hunting"
            assert len(after) <= 4
        assert min(offer_a for car in bench.cars.values() for _, offer_a in car.changes) >= 6, "no car was stopped"

    def test_stops_only_as_many_as_must_be(self) -> None:
        house = steps((0, (1, 1, 1)), (100, (1, 16, 1)))
        bench = Bench(site(), cars(3), house).run(99)
        assert set(bench.offers().values()) == {6.0}
        bench.run(16)
        assert sorted(bench.offers().values()) == [0, 0, 0, 9], "one can go on, and gets what is left"

    def test_spares_the_cars_on_other_lines(self) -> None:
        policy = policy_of({car: {"lines": [line], "max_a": 16} for car, line in zip("abc", LINES, strict=True)})
        bench = Bench(policy, cars(3, "abc"), steps((0, (5, 5, 5)), (100, (5, 20, 5)))).run(110)
        assert bench.offers() == {"a": 16, "b": 0, "c": 16}

    def test_more_than_twice_the_limit_stops_all_at_once(self) -> None:
        bench = Bench(four_wide(), cars(3), steps((0, (0, 0, 0)), (100, (0, 70, 0)))).run(99)
        assert total(bench) > 40
        bench.run(1)
        assert total(bench) == 0

    def test_a_load_that_cycles_starts_and_stops_nobody(self) -> None:
        def stove(t: float) -> Phases:
            return (2, 12, 2) if t % 20 < 8 else (2, 2, 2)

        bench = Bench(site("ab"), cars(4, "ab"), stove).run(60)
        settled = [len(car.changes) for car in bench.cars.values()]
        bench.run(1200)
        assert [len(car.changes) for car in bench.cars.values()] == settled, "offers stand still under the peak"

    @pytest.mark.parametrize(("on_s", "off_s"), [(60, 45), (240, 60)])
    def test_no_raise_into_the_pauses_of_a_load_that_comes_back(self, on_s: float, off_s: float) -> None:
        def oven(t: float) -> Phases:
            return (2, 2, 13) if 100 <= t < 1900 and (t - 100) % (on_s + off_s) < on_s else (2, 2, 2)

        bench = Bench(site("a"), cars(3, "a"), oven).run(1900)
        raises = [at_s for at_s, offer_a in bench.cars["a"].changes if at_s > bench.began_s + 100 and offer_a == 16]
        assert len(raises) == 1, "nobody can know the first pause"
        back_s = bench.run_until(lambda: bench.offers()["a"] == 16, 120)
        assert back_s <= 1.5 * off_s

    @pytest.mark.parametrize("lag_s", [0, 3, 6])
    @pytest.mark.parametrize("meter_every_s", [1, 2, 5, 10])
    @pytest.mark.parametrize("whole_amps", [False, True])
    def test_no_limit_cycle(self, lag_s: float, meter_every_s: float, whole_amps: bool) -> None:
        bench = Bench(
            site("abc"), cars(lag_s, "abc"), flat(4.3, 4.3, 4.3), meter_every_s=meter_every_s, whole_amps=whole_amps
        ).run(150)
        settled = [len(car.changes) for car in bench.cars.values()]
        bench.run(600)
        assert [len(car.changes) for car in bench.cars.values()] == settled
        assert total(bench) >= 20.7 - (1.4 if whole_amps else 0.4)


class TestShares:
    """Room for two minimums, four cars."""

    @pytest.mark.timeout(400)
    @pytest.mark.parametrize(("needs_8", "hours"), [("", 24), ("c", 6)])
    def test_a_day_is_shared_fairly(self, needs_8: str, hours: int) -> None:
        policy = policy_of({car: {"max_a": 16, "min_a": 8 if car == needs_8 else 6} for car in FOUR})
        bench = Bench(
            policy,
            [Car(car, lag_s=3, needs_a=policy.chargers[car].min_a) for car in FOUR],
            flat(10, 10, 10),
            step_s=2,
        ).run(3600)
        assert all(car.served_ah > 0 for car in bench.cars.values()), "every car has charged within an hour"
        bench.run((hours - 1) * 3600)
        shares_ah = [car.served_ah for car in bench.cars.values()]
        one_turn_ah = 9 * 900 / 3600
        if not needs_8:
            assert max(shares_ah) - min(shares_ah) < one_turn_ah
        assert min(shares_ah) > hours * 15 / 4 * 0.85, "nobody starves"
        assert max(starts(car) for car in bench.cars.values()) <= hours * 2 + 1, "two starts an hour at most"

    def test_a_turn_is_not_broken_off_for_another(self) -> None:
        bench = Bench(site(), cars(), steps((0, (1, 1, 1)), (200, (1, 16, 1)))).run(890)
        charging = [car for car in bench.cars.values() if car.offer_a > 0]
        assert len(charging) == 1
        assert starts(charging[0]) == 1

    def test_the_car_whose_turn_begins_waits_until_the_other_has_stopped(self) -> None:
        bench = Bench(site("ab"), cars(5, "ab"), flat(18, 18, 18))
        for _ in range(3600):
            bench.run(1)
            assert sum(car.drawn_a for car in bench.cars.values()) <= 7.01
        assert all(car.served_ah > 2 for car in bench.cars.values())

    def test_priority_goes_first_and_may_not_interrupt_a_start(self) -> None:
        policy = policy_of(
            {"low": {"priority": 5}, "high": {"priority": 1}}, connection={"rating_a": 16, "margin_a": 0}
        )
        low, high = Car("low"), Car("high", is_connected=False)
        bench = Bench(policy, [low, high], flat(8, 8, 8)).run(60)
        assert bench.offers() == {"low": 8, "high": 0}
        high.plug(is_connected=True)
        bench.run(120)
        assert bench.offers() == {"low": 8, "high": 0}, "a car that started charges for its least time"
        bench.run(200)
        assert bench.offers() == {"low": 0, "high": 8}
        bench.run(3600)
        assert bench.offers() == {"low": 0, "high": 8}, "priority takes no turns"

    def test_priority_fills_its_car_first(self) -> None:
        policy = policy_of({"low": {}, "high": {"priority": 1}})
        bench = Bench(policy, [Car("low"), Car("high")], flat(3, 3, 3)).run(120)
        assert bench.offers() == {"low": 6, "high": 16}


class TestMeter:
    """A meter that is silent, late or half there."""

    @pytest.mark.parametrize(("fallback_a", "house_max_a"), [(0, None), (6, 10)])
    def test_a_silent_grid_meter_brings_every_charger_to_its_fallback(
        self, fallback_a: float, house_max_a: float | None
    ) -> None:
        connection = {"rating_a": 25, "margin_a": 0, "house_max_a": house_max_a}
        policy = policy_of({car: {"fallback_a": fallback_a} for car in "ab"}, connection=connection)
        bench = Bench(policy, cars(2, "ab"), flat(1, 1, 1)).run(60)
        assert total(bench) == 24
        bench.is_meter_on = False
        bench.run(8)
        assert set(bench.offers().values()) == {fallback_a}
        assert bench.reason("a").code == "grid-stale"
        bench.is_meter_on = True
        bench.run(200)
        assert total(bench) == 24, "back by itself"

    def test_the_same_telegram_again_is_no_news(self) -> None:
        bench = Bench(site("ab"), cars(2, "ab"), flat(1, 1, 1)).run(60)
        reading = bench.reading()
        assert bench.balancer.hear_reading(reading, bench.now_s) is False


class TestUsers:
    """What people set, plug and unplug."""

    def test_off_is_off_at_once_and_the_others_take_over(self) -> None:
        bench = Bench(site("ab"), cars(2, "ab"), flat(5, 5, 5)).run(60)
        bench.balancer.desks["a"].wishes = Wishes(mode=Mode.OFF)
        bench.run(1)
        assert bench.offers()["a"] == 0
        assert bench.reason("a").code == "off"
        bench.run(60)
        assert bench.offers() == {"a": 0, "b": 16}

    def test_a_users_maximum_is_kept(self) -> None:
        bench = Bench(site("ab"), cars(2, "ab"), flat(5, 5, 5)).run(60)
        bench.balancer.desks["a"].wishes = Wishes(max_a=7)
        bench.run(1)
        assert bench.offers()["a"] == 7
        bench.run(60)
        assert bench.offers() == {"a": 7, "b": 13}

    def test_a_cable_limits_too(self) -> None:
        bench = Bench(site("ab"), [Car("a", told_max_a=8), Car("b")], flat(5, 5, 5)).run(60)
        assert bench.offers() == {"a": 8, "b": 12}

    def test_plugging_in_shares_and_unplugging_gives_back(self) -> None:
        late = Car("b", lag_s=2, is_connected=False)
        bench = Bench(site("ab"), [Car("a", lag_s=2), late], flat(5, 5, 5)).run(60)
        assert bench.offers() == {"a": 16, "b": 0}
        late.plug(is_connected=True)
        bench.run(30)
        assert bench.offers() == {"a": 10, "b": 10}
        assert [offer_a for _, offer_a in bench.cars["a"].changes][-2:] == [16, 10], "room is made in one step"
        late.plug(is_connected=False)
        bench.run(60)
        assert bench.offers() == {"a": 16, "b": 0}

    def test_an_empty_wallbox_that_must_stand_ready_gets_its_minimum_last(self) -> None:
        empty = Car("b", is_connected=False, needs_standby=True)
        bench = Bench(site("ab"), [Car("a"), empty], flat(5, 5, 5)).run(60)
        assert bench.offers() == {"a": 14, "b": 6}
        bench.house = flat(14, 14, 14)
        bench.run(60)
        assert bench.offers() == {"a": 11, "b": 0}, "a car that charges comes before a wallbox that waits"


class TestLines:
    """Rotated, one-phase and two-phase cars."""

    def test_one_phase_cars_on_different_lines_do_not_share(self) -> None:
        policy = policy_of({car: {"lines": [line]} for car, line in zip("abc", LINES, strict=True)})
        bench = Bench(policy, cars(2, "abc"), flat(5, 12, 0)).run(60)
        assert bench.offers() == {"a": 16, "b": 13, "c": 16}

    def test_one_phase_cars_on_three_phase_wallboxes_show_their_line(self) -> None:
        policy = policy_of({"a": {"lines": ["L1", "L2", "L3"]}, "b": {"lines": ["L2", "L3", "L1"]}})
        bench = Bench(policy, [Car("a", uses=(Line.L1,)), Car("b", uses=(Line.L2,))], flat(5, 5, 5)).run(120)
        assert bench.offers() == {"a": 16, "b": 16}

    def test_a_one_phase_connection(self) -> None:
        connection = {"phases": 1, "rating_a": 25, "margin_a": 0}
        policy = policy_of({car: {"lines": ["L1"]} for car in "ab"}, connection=connection)
        bench = Bench(policy, cars(2, "ab"), flat(5, 0, 0)).run(60)
        assert bench.offers() == {"a": 10, "b": 10}

    def test_without_neutral_a_one_phase_wallbox_loads_two_lines(self) -> None:
        connection = {"rating_a": 25, "margin_a": 0, "wiring": "delta"}
        lines = {"a": ["L1", "L2"], "b": ["L2", "L3"]}
        policy = policy_of({car: {"lines": on} for car, on in lines.items()}, connection=connection)
        bench = Bench(policy, cars(2, "ab"), flat(1, 5, 1)).run(60)
        assert bench.offers() == {"a": 10, "b": 10}


class TestCircuits:
    """A garage with a breaker of its own."""

    @staticmethod
    def garage(**circuit: object) -> Policy:
        meters = {
            "grid": {"role": "grid", "driver": "dsmr", "source": "tcp://localhost:1"},
            "garage": {"role": "circuit", "driver": "sensorbox", "source": "tcp://localhost:2"},
        }
        return policy_of(
            {"a": {"circuit": "garage"}, "b": {"circuit": "garage"}, "c": {}},
            connection=WIDE,
            circuits={"garage": {"limit_a": 20, **circuit}},
            meters=meters,
        )

    def test_without_a_meter_its_reserve_is_kept_free(self) -> None:
        bench = Bench(self.garage(reserve_a=4), cars(2, "abc"), flat(5, 5, 5)).run(90)
        assert bench.offers() == {"a": 8, "b": 8, "c": 16}

    def test_with_a_meter_what_it_shows_counts(self) -> None:
        bench = Bench(self.garage(meter="garage"), cars(2, "abc"), flat(5, 5, 5))
        bench.circuits["garage"] = steps((0, (2, 2, 2)), (100, (2, 7, 2)))
        bench.run(99)
        assert bench.offers() == {"a": 9, "b": 9, "c": 16}
        bench.run(2)
        assert bench.offers() == {"a": 6.5, "b": 6.5, "c": 16}

    def test_a_silent_circuit_meter_stops_its_chargers_only(self) -> None:
        bench = Bench(self.garage(meter="garage"), cars(2, "abc"), flat(5, 5, 5))
        bench.circuits["garage"] = flat(2, 2, 2)
        bench.run(60)
        del bench.circuits["garage"]
        bench.run(10)
        assert bench.offers() == {"a": 0, "b": 0, "c": 16}
        assert bench.reason("a").code == "circuit-stale"


class TestAppetite:
    """Cars that take less than they are offered."""

    def test_what_a_car_leaves_unused_goes_to_the_others_until_it_wants_more(self) -> None:
        modest = Car("a", lag_s=2, most_a=7)
        bench = Bench(site("ab"), [modest, Car("b", lag_s=2)], flat(5, 5, 5)).run(60)
        assert bench.offers() == {"a": 10, "b": 10}
        bench.run(60)
        assert bench.offers() == {"a": 8, "b": 12}
        modest.most_a = 16
        bench.run(700)
        assert bench.offers() == {"a": 10, "b": 10}, "it was offered more, and took it"

    def test_a_full_car_keeps_its_minimum_while_nobody_else_can_use_it(self) -> None:
        full = Car("a", is_hungry=False)
        bench = Bench(site("ab"), [full, Car("b")], steps((0, (2, 2, 2)), (150, (5, 5, 5)))).run(149)
        assert bench.offers() == {"a": 6, "b": 16}
        bench.run(30)
        assert bench.offers() == {"a": 0, "b": 16}
        assert bench.reason("a").code == "car-idle"

    def test_a_full_car_is_asked_now_and_then_and_more_seldom(self) -> None:
        full, other = Car("a", is_hungry=False), Car("b")
        Bench(site("ab"), [full, other], flat(5, 5, 5)).run(2 * 3600)
        asked = [at_s for at_s, offer_a in full.changes if offer_a == 6]
        waited_s = [then - before for before, then in pairwise(asked)]
        assert waited_s == pytest.approx([665, 1265, 2465], abs=10), "10, 20 and 40 min after the minute of each"
        assert starts(other) == 1
        assert other.served_ah > 0.97 * 2 * 16

    def test_a_full_car_that_wants_more_is_served_once_it_was_asked(self) -> None:
        full = Car("a", is_hungry=False)
        bench = Bench(site("ab"), [full, Car("b")], flat(5, 5, 5)).run(300)
        assert bench.offers()["a"] == 0
        full.is_hungry = True
        bench.run(700)
        assert bench.offers() == {"a": 10, "b": 10}

    def test_a_full_car_gives_its_place_to_one_that_is_hungry(self) -> None:
        full = Car("a", is_hungry=False)
        bench = Bench(site("ab"), [full, Car("b")], flat(15, 15, 15)).run(300)
        assert bench.offers() == {"a": 0, "b": 10}

    def test_chargers_without_a_meter_count_at_their_offer(self) -> None:
        unmetered = [Car(car, lag_s=3, is_metered=False) for car in "ab"]
        bench = Bench(site("ab"), unmetered, steps((0, (5, 5, 5)), (200, (9, 9, 9)))).run(199)
        assert bench.offers() == {"a": 10, "b": 10}
        bench.run(30)
        assert bench.offers() == {"a": 8, "b": 8}


def test_a_raise_that_was_not_obeyed_is_not_made_up_for_in_a_cut() -> None:
    """B still stands at 6 of its 10 A. Of the 16 A that are left it gets 8 only when A has come down to 8, too."""
    policy = policy_of({car: {"max_a": 16} for car in "ab"}, connection={"rating_a": 40, "margin_a": 0})
    a, b = Car("a", lag_s=3), Car("b", step_a=1.0)
    bench = Bench(policy, [a, b], steps((0, (2, 2, 2)), (14, (24, 2, 2)))).run(9)
    b.is_deaf = True
    assert bench.run(4).offers() == {"a": 10, "b": 6}
    b.is_deaf = False
    bench.run_until(lambda: b.offer_a == 8, within_s=20)
    assert a.drawn_a == 8


def test_a_raise_that_an_agent_may_have_missed_is_not_said_again_while_nobody_hears_it() -> None:
    """At 10 s it is told 10 A, and all but readings are lost; from 14 s on the house leaves 8, and it hears again."""
    a = Car("a")
    bench = Bench(site("a"), [a], steps((0, (2, 2, 2)), (14, (17, 2, 2)))).run(9)
    bench.post = lambda kind: [0.0] if kind == "reading" else []
    bench.run(5)
    bench.post = lambda kind: [] if kind == "state" else [0.0]
    assert bench.run(4).offers() == {"a": 6}


def test_a_minimum_between_whole_amps_is_the_next_one() -> None:
    """A Zoe's owner writes 6.5 A, and the wallbox can only say 6 or 7."""
    policy = policy_of({"a": {"max_a": 16, "min_a": 6.5}})
    assert Bench(policy, [Car("a", step_a=1.0)], flat(18, 18, 18)).run(30).offers() == {"a": 7}
    assert Bench(policy, [Car("a", step_a=1.0)], flat(18.2, 18.2, 18.2)).run(30).offers() == {"a": 0}


def test_what_whole_amps_leave_over_goes_to_one_after_the_other() -> None:
    bench = Bench(site("abc"), [Car(car, step_a=1.0) for car in "abc"], flat(5, 5, 5)).run(300)
    assert sorted(bench.offers().values()) == [6, 7, 7]
    settled = bench.offers()
    bench.run(300)
    assert bench.offers() == settled


class TestContactors:
    """A contactor rests, and a start is worth something."""

    def test_a_stopped_car_rests(self) -> None:
        bench = Bench(site("a"), cars(1, "a"), steps((0, (5, 5, 5)), (100, (22, 22, 22)), (110, (5, 5, 5)))).run(101)
        assert bench.offers() == {"a": 0}
        bench.run(115)
        assert bench.offers() == {"a": 0}
        assert bench.reason("a").code == "resting"
        bench.run(30)
        assert bench.offers()["a"] > 0

    def test_a_stopped_car_waits_for_an_oven_that_cycles_each_minute_and_a_half(self) -> None:
        oven = steps(
            (0, (5, 5, 5)), *((100 + 105 * n + on * 60, (5 if on else 22,) * 3) for n in range(6) for on in (0, 1))
        )
        bench = Bench(site("a"), cars(1, "a"), oven).run(400)
        assert bench.reason("a").code == "waiting-calm"
        bench.run(800)
        assert bench.offers()["a"] > 0
        assert starts(bench.cars["a"]) == 2, "once in the beginning, and once when the oven is off"

    def test_turns_change_together_and_once_in_a_turn(self) -> None:
        bench = Bench(four_wide(), cars(2), flat(*[50 - 20] * 3)).run(4 * 3600)
        swaps = [at_s for car in bench.cars.values() for at_s, offer_a in car.changes if offer_a == 0]
        assert 12 <= len(swaps) <= 4 * 4, "three fit of four: a swap costs a contactor, and a quarter-hour has one"

    def test_a_car_goes_down_to_its_minimum_before_it_stops(self) -> None:
        house = steps(*((60 + 2 * place, (float(place),) * 3) for place in range(26)))
        bench = Bench(site("a"), cars(0, "a"), house).run(200)
        falling = [offer_a for t, offer_a in bench.cars["a"].changes if t > bench.began_s + 60]
        assert falling == sorted(falling, reverse=True)
        assert falling[-2:] == [6, 0]
