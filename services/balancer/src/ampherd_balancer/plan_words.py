"""What will be done about a plan, as a document and as a sentence that a person understands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ampherd_core.plans import PlannedPart, PlanState

from ampherd_balancer import foreseen
from ampherd_balancer.account import Account
from ampherd_balancer.brief import Aim
from ampherd_balancer.desk import Desk
from ampherd_balancer.planner import Outlook, Schedule, Shortfall

_SHOWN: Final = 3
"""A sentence names so many stretches of charging; the rest are in the table."""

_TOLD_WH: Final = 50.0
"""Less than a tenth of a kilowatt-hour of sun is not told."""

_RESTING: Final = {
    "none": "No plan.",
    "off": "Switched off: the plan waits until another mode is chosen.",
    "no-car": "No car is plugged in; its charging is laid out as soon as one is.",
    "soc-unknown": "Nobody told the car's state of charge since it came; set it, or plan by energy.",
    "later": "Due in more than two days: its charging is laid out then.",
    "below-minimum": "The most that is allowed is less than the car needs.",
    "done": "The car has got what it was to get.",
}


def plan_state(desk: Desk, aim: Aim, schedule: Schedule, account: Account, at: datetime) -> PlanState:
    """The state of one charger's plan after a schedule was laid."""
    zone = ZoneInfo(desk.policy.site.timezone)
    outlook = schedule.outlooks.get(desk.id) if aim.order is not None else None
    unit = desk.policy.tariff.unit
    state = PlanState(
        charger=desk.id,
        at=at,
        plan=aim.plan,
        due=aim.due,
        wanted_wh=_wh(aim.wanted_wh) if aim.wanted_wh is not None else None,
        charged_wh=_wh(account.charged_wh),
        is_estimated=account.is_estimated,
        is_met=True if aim.code == "done" else None,
        code=aim.code,
        reason=_RESTING.get(aim.code, ""),
        unit=unit,
    )
    if outlook is None or aim.order is None or aim.due is None:
        return state
    parts = _parts(schedule, desk.id, aim.order.watts_per_amp)
    return state.model_copy(
        update={
            "is_met": outlook.is_met,
            "missing_wh": _wh(outlook.missing_wh),
            "ready_at": outlook.ready_at,
            "cost": round(outlook.cost, 3) if outlook.unpriced_wh < outlook.planned_wh else None,
            "unpriced_wh": _wh(outlook.unpriced_wh),
            "sun_wh": _wh(outlook.sun_wh),
            "code": "met" if outlook.shortfall is None else f"short-of-{outlook.shortfall}",
            "reason": _sentence(desk, aim, outlook, parts, zone) + _estimate(account),
            "parts": parts,
        }
    )


def _parts(schedule: Schedule, charger: str, watts_per_amp: float) -> tuple[PlannedPart, ...]:
    """When this charger charges; what follows on the same current is one."""
    found: list[PlannedPart] = []
    for part in schedule.parts:
        offer_a = round(part.amps.get(charger, 0.0), 2)
        if not offer_a:
            continue
        if found and found[-1].end == part.start and found[-1].offer_a == offer_a:
            found[-1] = found[-1].model_copy(update={"end": part.end})
        else:
            power_w = round(offer_a * watts_per_amp)
            found.append(PlannedPart(start=part.start, end=part.end, offer_a=offer_a, power_w=power_w))
    return tuple(found)


def _sentence(desk: Desk, aim: Aim, outlook: Outlook, parts: Sequence[PlannedPart], zone: ZoneInfo) -> str:
    due = _day_and_time(aim.due, zone) if aim.due is not None else ""
    if outlook.shortfall is None:
        cost = _cost(outlook, desk.policy.tariff.unit)
        sun = f"; {_kwh(outlook.sun_wh)} of it on the usual sun" if outlook.sun_wh >= _TOLD_WH else ""
        return f"Charges {_times(parts, zone)}: {outlook.planned_wh / 1000:.1f} kWh by {due}{cost}{sun}."
    wanted_wh = outlook.planned_wh + outlook.missing_wh
    some = f"Only {outlook.planned_wh / 1000:.1f} of {wanted_wh / 1000:.1f} kWh by {due}"
    return f"{some}, {_kwh(outlook.missing_wh)} short: {_why(outlook)} It charges with all it can get."


def _why(outlook: Outlook) -> str:
    most = f"{outlook.most_wh / 1000:.1f} kWh"
    match outlook.shortfall:
        case Shortfall.TIME:
            return "even at its full current there is too little time."
        case Shortfall.ROOM:
            return f"beside what the house usually takes, {_place(outlook.limited_by)} leaves {most}."
    return f"other cars are due, too; alone it could get {most}."


def _place(code: str) -> str:
    outside = foreseen.place(code)
    if outside is not None:
        return outside
    node, _, line = code.rpartition("-")
    return f"{line.upper()} of the {node}" if node == "connection" else f"{line.upper()} of circuit {node}"


def _cost(outlook: Outlook, unit: str) -> str:
    if outlook.unpriced_wh >= outlook.planned_wh:
        return "; no price is known, so as early as can be"
    unpriced = f", and {_kwh(outlook.unpriced_wh)} where no price is known" if outlook.unpriced_wh > 0 else ""
    return f" for {outlook.cost:.2f} {unit}{unpriced}"


def _estimate(account: Account) -> str:
    return " What was charged is an estimate: this wallbox measures no energy." if account.is_estimated else ""


def _times(parts: Sequence[PlannedPart], zone: ZoneInfo) -> str:
    spans: list[tuple[datetime, datetime]] = []
    for part in parts:
        if spans and spans[-1][1] == part.start:
            spans[-1] = spans[-1][0], part.end
        else:
            spans.append((part.start, part.end))
    named = [f"{_time(start, zone)} to {_time(end, zone)}" for start, end in spans[:_SHOWN]]
    return ", ".join(named) + (f" and {len(spans) - _SHOWN} times more" if len(spans) > _SHOWN else "")


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}"


def _day_and_time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %H:%M}"


def _kwh(energy_wh: float) -> str:
    return f"{energy_wh / 1000:.1f} kWh"


def _wh(energy_wh: float) -> float:
    return round(max(0.0, energy_wh), 1)
