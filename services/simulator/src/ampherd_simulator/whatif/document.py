"""The report for programs: a JSON document with units in its names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ampherd_core.phases import LINES

from ampherd_simulator.account import Account, CarAccount, LineExcess, VisitAccount
from ampherd_simulator.whatif.day import Day
from ampherd_simulator.whatif.plans import Planned
from ampherd_simulator.whatif.study import Study

Json = str | float | bool | None | list["Json"] | dict[str, "Json"]


def as_json(day: Day, studies: Sequence[Study]) -> str:
    """Everything that the other reports show, unrounded."""
    document: Json = {
        "day": {"house": day.name, "starts_at": day.starts_at.isoformat(), "hours": day.hours},
        "policies": [_study(study) for study in studies],
    }
    return json.dumps(document, indent=2) + "\n"


def _study(study: Study) -> Json:
    served, named = study.account.plans_met
    met, due = study.plans_met
    return {
        "name": study.name,
        **_plain(study.account),
        "surplus_used_share": study.account.surplus_used_share,
        "fairness": study.account.fairness,
        "wishes_met": served,
        "wishes": named,
        "plans_met": met,
        "plans": due,
        "limits": {limit_id: _limit(lines) for limit_id, lines in study.account.limits.items()},
        "cars": {
            charger_id: _car(car, study.plans.get(charger_id, ())) for charger_id, car in study.account.cars.items()
        },
        "over_policy_limit": {
            str(layer): {"total_as": tally.total_as, "worst_a": tally.worst_a, "longest_over_1a_s": tally.longest_s}
            for layer, tally in study.layers.items()
        },
    }


def _plain(account: Account) -> dict[str, Json]:
    return {name: value for name, value in _fields(account).items() if name not in {"limits", "cars"}}


def _limit(lines: Sequence[LineExcess]) -> Json:
    return {str(line): {**_fields(found), "house_as": found.house_as} for line, found in zip(LINES, lines, strict=True)}


def _car(car: CarAccount, plans: Sequence[Planned]) -> Json:
    visits: list[Json] = [{**_fields(visit), "is_met": visit.is_met} for visit in car.visits]
    return {**_fields(car), "served": car.served, "visits": visits, "plans": [_plan(plan) for plan in plans]}


def _plan(plan: Planned) -> Json:
    return {
        "due": plan.due.isoformat(),
        "wanted_wh": plan.wanted_wh,
        "charged_wh": plan.charged_wh,
        "missing_wh": plan.missing_wh,
        "is_met": plan.is_met,
    }


def _fields(record: Account | CarAccount | LineExcess | VisitAccount) -> Mapping[str, Json]:
    return asdict(record)
