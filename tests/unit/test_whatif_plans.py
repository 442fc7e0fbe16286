"""What counts as a plan of a simulated day, when it is met, and what energy costs by the policy alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ampherd_core.plans import PlanState
from ampherd_core.policy import Policy
from ampherd_core.policy_file import parse_policy
from ampherd_simulator.cars import Car, CarTraits
from ampherd_simulator.scenario import HousePart
from ampherd_simulator.whatif.costs import Costs
from ampherd_simulator.whatif.day import Day
from ampherd_simulator.whatif.plans import Diary, Planned
from ampherd_simulator.whatif.request import RequestError

DUSK = datetime(2026, 6, 1, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUE = DUSK + 10 * HOUR
DAY = Day(DUSK, 24, HousePart(), "house")

SITE = """\
version: 1
site: {timezone: UTC}
connection: {rating_a: 25}
meters: {grid: {role: grid, driver: dsmr, source: "tcp://192.0.2.1:2001"}}
chargers: {garage: {driver: edgetech, link: "tcp://192.0.2.2:502"}}
"""


def policy(tariff: str) -> Policy:
    return parse_policy(f"{SITE}tariff: {tariff}\n".encode())


def state(due: datetime | None, wanted_wh: float | None, code: str = "met") -> PlanState:
    return PlanState(charger="garage", at=DUSK, due=due, wanted_wh=wanted_wh, code=code, reason=code)


class Night:
    """A diary that is told the hours of a night."""

    def __init__(self) -> None:
        self.car = Car(CarTraits(), visits=())
        self.diary = Diary()
        self.car.plug()

    def at(self, hours: float, plan: PlanState | None, *, taken_wh: float) -> None:
        self.car.taken_wh = taken_wh
        self.diary.note(plan, self.car, DUSK + hours * HOUR)

    @property
    def over(self) -> Sequence[Planned]:
        return self.diary.over


def test_a_plan_counts_from_its_beginning_to_its_time() -> None:
    night = Night()
    night.at(0, state(DUE, 5_000), taken_wh=700)
    night.at(9, state(DUE, 0, "done"), taken_wh=5_700)
    night.at(10, state(DUE, 0, "done"), taken_wh=5_700)
    assert [(plan.wanted_wh, plan.charged_wh, plan.is_met) for plan in night.over] == [(5_000, 5_000, True)]


def test_what_is_charged_after_its_time_does_not_count() -> None:
    night = Night()
    night.at(0, state(DUE, 5_000), taken_wh=0)
    night.at(10, state(DUE, 2_000, "short"), taken_wh=3_000)
    night.at(11, state(DUE + 24 * HOUR, 5_000), taken_wh=5_000)
    assert [(plan.missing_wh, plan.is_met) for plan in night.over] == [(2_000, False)]


@pytest.mark.parametrize(("leaves_h", "counts"), [(9.8, 1), (9.0, 0)])
def test_who_leaves_long_before_its_time_gave_it_up(leaves_h: float, counts: int) -> None:
    night = Night()
    night.at(0, state(DUE, 5_000), taken_wh=0)
    night.car.unplug()
    night.at(leaves_h, state(DUE, 2_000), taken_wh=3_000)
    night.at(10, state(DUE, 5_000, "no-car"), taken_wh=3_000)
    assert len(night.over) == counts


def test_a_plan_that_is_dropped_or_changed_is_not_judged() -> None:
    night = Night()
    night.at(0, state(DUE, 5_000), taken_wh=0)
    night.at(1, state(DUE + HOUR, 1_000), taken_wh=500)
    night.at(10, state(DUE + HOUR, 0, "done"), taken_wh=1_500)
    assert night.over == []
    night.at(11, state(DUE + HOUR, 0, "done"), taken_wh=1_500)
    assert [plan.is_met for plan in night.over] == [True]


@pytest.mark.parametrize("code", ["no-car", "off", "later", "soc-unknown", "none"])
def test_a_plan_that_nothing_is_laid_out_for_is_not_judged(code: str) -> None:
    night = Night()
    night.at(0, state(DUE, 5_000, code), taken_wh=0)
    night.at(10, state(DUE, 5_000, code), taken_wh=0)
    assert night.over == []


@pytest.mark.parametrize(
    ("charged_wh", "is_full", "missing_wh"), [(4_960, False, 0), (4_900, False, 100), (1_000, True, 0)]
)
def test_a_plan_is_met_within_50_wh_or_by_a_full_car(charged_wh: float, is_full: bool, missing_wh: float) -> None:
    plan = Planned(DUE, 5_000, charged_wh, is_full)
    assert (plan.missing_wh, plan.is_met) == (missing_wh, missing_wh == 0)


def test_the_policys_tariff_is_what_is_paid(tmp_path: Path) -> None:
    prices = [{"start": "2026-06-01T22:00:00Z", "price": 0.05}]
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    windows = 'price: 0.4, windows: {night: {price: 0.1, start: "21:00", end: "05:00"}}'
    known = policy(f"{{{windows}, list_file: prices.json}}")

    costs = Costs.of_policy(known, tmp_path / "site.yaml", DAY, 0.08)

    assert costs.tariff is not None
    found = [costs.tariff.import_price((DUSK + hours * HOUR).timestamp()) for hours in (0, 1, 2, 3, 10)]
    assert found == [0.4, 0.1, 0.05, 0.1, 0.4]
    assert costs.tariff.export_price(0) == 0.08
    assert costs.price_list(DUSK) == (tmp_path / "prices.json").read_bytes()


def test_a_day_with_an_hour_of_unknown_price_is_not_reckoned_in_money() -> None:
    holey = policy('{windows: {day: {price: 0.3, start: "06:00", end: "05:00"}}}')
    assert Costs.of_policy(holey, Path("site.yaml"), DAY, 0).tariff is None


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text("[1]")
    with pytest.raises(RequestError, match=r"site.yaml: tariff.list_file prices.json: entry 1: .*; mend it, or"):
        Costs.of_policy(policy("{list_file: prices.json}"), tmp_path / "site.yaml", DAY, 0)
