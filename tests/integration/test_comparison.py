"""The side-by-side comparison runs for every contender, and nobody who keeps the limits beats the bound."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ampherd_core.phases import Line
from ampherd_simulator.scenario import Scenario

from benchmarks.case import Case, Kind
from benchmarks.comparison import COLUMNS, section
from benchmarks.contenders import COST, FAST, SOLAR
from benchmarks.contest import Contest, best, contenders, in_order, play
from benchmarks.prices import ListedPrices
from benchmarks.scenarios import cases

LASTS_S = 240.0
WH_SLACK = 1.0


def box(*lines: Line, max_a: int = 16) -> dict[str, object]:
    car = {"phases": len(lines), "max_a": max_a, "lag_s": 0, "ramp_up_a_s": 80, "under_a": 0}
    return {"driver": "edgetech", "lines": lines, "max_a": max_a, "is_32a": max_a > 16, "car": car}


CROWDED = Case(
    id="crowded",
    about="two cars beside a house that takes most of L1",
    kind=Kind.CONTENTION,
    scenario=Scenario.model_validate(
        {"chargers": {"a": box(*Line), "b": box(Line.L1)}, "house": {"constant_a": (9, 2, 2)}}
    ),
    lasts_s=LASTS_S,
    quick_s=LASTS_S,
)
SUNNY = replace(
    CROWDED,
    id="sunny",
    kind=Kind.SURPLUS,
    scenario=Scenario.model_validate({"chargers": {"a": box(Line.L1, max_a=32)}, "house": {"constant_a": (-12, 1, 1)}}),
)

CHEAP_LATER = replace(
    CROWDED,
    id="cheap-later",
    kind=Kind.COST,
    scenario=Scenario.model_validate(
        {
            "starts_at": "2026-01-15T18:00:00+01:00",
            "chargers": {
                name: {**box(*Line), "car": {**box(*Line)["car"], "visits": [visit]}}  # type: ignore[dict-item]
                for name, visit in {
                    "long": {"arrives_s": 0, "leaves_s": 7_200, "wants_wh": 6_000},
                    "greedy": {"arrives_s": 900, "leaves_s": 1_800, "wants_wh": 5_000},
                }.items()
            },
            "house": {"constant_a": (2, 2, 2)},
        }
    ),
    tariff=ListedPrices([1_768_496_400.0, 1_768_500_000.0], [0.4, 0.1]),
    lasts_s=7_200,
)


def contest(case: Case) -> Contest:
    entries = tuple(play(case, contender.name, LASTS_S) for contender in contenders(case))
    return Contest(case, LASTS_S, entries, best(case, LASTS_S))


@pytest.mark.parametrize(("case", "rows"), [(CROWDED, FAST), (SUNNY, SOLAR)], ids=["crowded", "sunny"])
def test_every_contender_charges_and_has_its_row(case: Case, rows: tuple[object, ...]) -> None:
    played = contest(case)
    table = [line for line in section(played).splitlines() if line.startswith("|")]

    assert len(table) == 2 + len(rows) + 1, "a head, all contenders, the bound"
    assert {line.count("|") for line in table} == {len(COLUMNS[case.kind]) + 2}
    assert all(entry.account.charged_wh > 0 for entry in played.entries)
    bound_wh = sum(played.best.energy_wh.values())
    for entry in played.entries:
        account = entry.account
        gained_wh = account.surplus_used_wh if case.kind is Kind.SURPLUS else account.charged_wh
        assert account.our_excess_as > 0 or gained_wh <= bound_wh + WH_SLACK, entry.name


def test_the_same_order_with_foresight_shares_whole_amps_among_equals() -> None:
    """Of 25 A the house takes 9, the margin half an ampere and the meter as much: 15 are left, 8 and 7 of them."""
    assert in_order(CROWDED, LASTS_S) == pytest.approx((8 * 3 + 7) * 230 * LASTS_S / 3_600)
    assert in_order(SUNNY, LASTS_S) is None


def test_the_cap_is_a_cap_on_power_for_all_who_can_be_told() -> None:
    """Two cars of 32 A beside a house of 1 kW: whoever is told of 5 kW stays below it, the others do not."""
    capped = replace(
        CROWDED,
        kind=Kind.CAP,
        most_w=5_000,
        scenario=Scenario.model_validate(
            {
                "chargers": {"a": box(Line.L1, max_a=32), "b": box(Line.L2, max_a=32)},
                "house": {"constant_a": (2, 1, 1)},
                "starts_at": "2026-01-01T00:00:00Z",
            }
        ),
    )
    peaks_w = {name: play(capped, name, 1_800).account.peak_quarter_w for name in ("evcc", "openWB", "equal split")}
    assert peaks_w["evcc"] < 6_000
    assert peaks_w["openWB"] <= 5_000
    assert peaks_w["equal split"] > 6_000


def test_with_plans_the_cheap_hour_is_used_and_what_cannot_be_is_told_at_once() -> None:
    """One car can wait for the second hour, the other wants 5 kWh in the quarter of an hour that it stays."""
    row, unplanned = COST[:2]
    planned, at_once = (play(CHEAP_LATER, each.name, CHEAP_LATER.lasts_s) for each in (row, unplanned))
    bound = best(CHEAP_LATER, CHEAP_LATER.lasts_s)

    assert planned.account.plans_met == (1, 2) == bound.plans_met
    assert planned.account.charging_cost == pytest.approx(bound.cost_eur, rel=0.1)
    assert (at_once.account.charging_cost or 0.0) > 1.5 * (planned.account.charging_cost or 0.0)
    first = planned.said[0]
    assert (first.charger, first.at_s <= 902) == ("greedy", True)
    assert "2.4 kWh short" in first.text
    assert first.text in section(Contest(CHEAP_LATER, CHEAP_LATER.lasts_s, (planned,), bound))


def test_whoever_plans_waits_for_the_cheap_hour_and_ours_pays_what_it_foresaw() -> None:
    alone = {"chargers": {"long": CHEAP_LATER.scenario.chargers["long"]}}
    case = replace(CHEAP_LATER, scenario=CHEAP_LATER.scenario.model_copy(update=alone))
    ours, theirs = (play(case, name, case.lasts_s) for name in ("Ampherd", "evcc plan"))

    for entry in (ours, theirs):
        assert entry.account.plans_met == (1, 1), entry.name
        assert entry.account.charging_cost == pytest.approx(0.6, rel=0.05), "6 kWh of 10 ct"
    assert ours.account.charging_cost == pytest.approx(ours.foreseen_eur, rel=0.03)
    assert "By the forecast of Ampherd the optimum was 0.60 EUR" in section(
        Contest(case, case.lasts_s, (ours, theirs), best(case, case.lasts_s))
    )


def test_every_case_has_a_policy_that_fits_its_site() -> None:
    for case in cases():
        for contender in contenders(case):
            policy = case.policy(contender.mode)
            assert set(policy.chargers) == set(case.scenario.chargers), case.id
        assert 0 < case.quick_s <= case.lasts_s
    assert len({case.id for case in cases()}) == len(cases())
