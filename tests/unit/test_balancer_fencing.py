"""Agents that are not heard, wallboxes that do not obey, and leaders that change, in virtual time."""

from __future__ import annotations

from ampherd_balancer.core import Balancer
from ampherd_core.policy import Policy

from tests.support.bench import Bench, Car, flat, policy_of, steps


def site(ids: str = "abcd") -> Policy:
    return policy_of({car: {"max_a": 16} for car in ids})


def cars(lag_s: float = 2.0, ids: str = "abcd") -> list[Car]:
    return [Car(car, lag_s=lag_s) for car in ids]


class TestSilence:
    """Agents that are not heard, wallboxes that do not answer or do not obey."""

    def test_silence_frees_nothing(self) -> None:
        bench = Bench(site("ab"), cars(2, "ab"), flat(5, 5, 5)).run(60)
        assert bench.offers() == {"a": 10, "b": 10}
        bench.cars["a"].is_silent = True
        bench.run(600)
        assert bench.offers() == {"a": 10, "b": 10}, "the dead agent's wallbox may hold its offer for ever"
        assert bench.reason("a").code == "agent-silent"

    def test_what_comes_back_is_served_again(self) -> None:
        bench = Bench(site("ab"), cars(2, "ab"), flat(5, 5, 5)).run(60)
        car = bench.cars["a"]
        car.is_silent = True
        bench.run(60)
        car.is_silent = False
        car.restart("two")
        bench.run(200)
        assert bench.offers() == {"a": 10, "b": 10}

    def test_a_lost_wallbox_is_booked_at_its_most(self) -> None:
        bench = Bench(site("ab"), cars(2, "ab"), flat(12, 12, 12)).run(60)
        assert sum(bench.offers().values()) == 13
        bench.cars["a"].is_link_lost = True
        bench.run(30)
        assert bench.reason("a").code == "link-lost"
        assert bench.balancer.desks["a"].booked_a(bench.now_s) == 16

    def test_others_make_room_for_a_wallbox_that_ignores_its_grants(self) -> None:
        house = steps((0, (2, 2, 2)), (100, (9, 9, 9)))
        bench = Bench(site("ab"), cars(2, "ab"), house).run(60)
        assert bench.offers() == {"a": 11.5, "b": 11.5}
        bench.cars["a"].is_deaf = True
        bench.run(80)
        assert bench.offers() == {"a": 11.5, "b": 0}
        assert max(bench.grid_now) <= 25

    def test_a_car_that_ignores_a_lower_offer_is_reckoned_with(self) -> None:
        house = steps((0, (2, 2, 2)), (100, (9, 9, 9)))
        bench = Bench(site("ab"), cars(2, "ab"), house).run(60)
        bench.cars["a"].is_stubborn = True
        bench.run(80)
        assert max(bench.grid_now) <= 25
        assert bench.offers()["b"] == 0


class TestFencing:
    """A new leader takes over while cars charge."""

    @staticmethod
    def charging() -> Bench:
        return Bench(site(), cars(2), flat(0, 0, 0)).run(60)

    def test_no_offer_changes_and_nothing_rises_until_all_confirm(self) -> None:
        bench = self.charging()
        before = bench.offers()
        bench.cars["d"].confirm_s = 8
        bench.house = flat(0, 0, 0)
        bench.balancer = Balancer(bench.policy, epoch=2, now_s=bench.now_s)
        for _ in range(8):
            bench.run(1)
            assert bench.offers() == before
            assert not bench.outcome.situation.is_fenced
        bench.run_until(lambda: bench.outcome.situation.is_fenced, within_s=5)
        bench.run(60)
        assert bench.offers() == before

    def test_a_silent_charger_is_booked_at_its_most(self) -> None:
        bench = self.charging()
        before = bench.offers()
        bench.cars["d"].is_silent = True
        bench.balancer = Balancer(bench.policy, epoch=2, now_s=bench.now_s)
        bench.run(60)
        assert bench.balancer.desks["d"].booked_a(bench.now_s) == 16
        assert bench.reason("d").code == "never-heard"
        assert bench.offers() == before

    def test_the_old_leader_yields_to_a_higher_epoch(self) -> None:
        bench = self.charging()
        old = bench.balancer
        bench.balancer = Balancer(bench.policy, epoch=2, now_s=bench.now_s)
        bench.run(1)
        old.hear_grant(bench.outcome.grants[0])
        outcome = old.decide(bench.now_s)
        assert outcome.must_yield
        assert not outcome.grants

    def test_the_old_leader_yields_when_an_agent_confirms_a_higher_epoch(self) -> None:
        bench = self.charging()
        old = bench.balancer
        bench.balancer = Balancer(bench.policy, epoch=2, now_s=bench.now_s)
        bench.run(1)
        old.hear_state(bench.cars["a"].state(bench.now_s + 0.5), bench.now_s + 0.5)
        assert old.decide(bench.now_s + 0.5).must_yield

    def test_a_balancer_that_was_frozen_yields(self) -> None:
        bench = self.charging()
        outcome = bench.balancer.decide(bench.now_s + 3.5)
        assert outcome.must_yield
        assert not outcome.grants

    def test_an_agent_that_restarts_goes_on_from_where_its_wallbox_stands(self) -> None:
        bench = self.charging()
        before = bench.offers()
        bench.cars["a"].restart("two")
        bench.run(30)
        stopped = {car for car, offer_a in bench.offers().items() if offer_a == 0}
        assert stopped <= {"a"}
        bench.run(150)
        assert bench.offers() == before
