"""What is to be planned, frozen: which cars are to get how much by when, and what the coming slots cost and leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ampherd_core.messages import Mode
from ampherd_core.phases import Phases
from ampherd_core.plans import LONGEST_AHEAD_H, Plan
from ampherd_core.policy import CONNECTION, Policy

from ampherd_balancer.account import Account
from ampherd_balancer.allocate import Limit
from ampherd_balancer.core import Balancer
from ampherd_balancer.desk import Desk
from ampherd_balancer.foreseen import Foreseen
from ampherd_balancer.planner import MET_WITHIN_WH, Order, Schedule, Slot, cuts, plan
from ampherd_balancer.power import watts_per_amp
from ampherd_balancer.site import bounds
from ampherd_balancer.tariff import Prices, price_at
from ampherd_balancer.transition import floor_to
from ampherd_balancer.usual import UsualLoads
from ampherd_balancer.usual_sun import UsualSun

EARLY: Final = timedelta(minutes=10)
"""Plans aim to be ready this much before their time, where that can be."""

SLACK: Final = timedelta(hours=1)
"""So long a plan must be able to wait for a car to follow the sun: what a cloud takes is then made up for later."""

REGAINED: Final = timedelta(minutes=90)
"""Once it could not, it must be able to wait for so long: what runs is not given up for a little slack."""

TAKEN: Final = 0.96
"""A car takes 0.3 to 1 A less than it is offered."""

CHARGED: Final = 0.9
"""What reaches the battery of what a car takes: on-board chargers lose about a tenth."""

AHEAD: Final = timedelta(hours=LONGEST_AHEAD_H)


class Aim(NamedTuple):
    """One charger's plan as it stands: what is due, how much is still to charge, or the code of why nothing is laid."""

    plan: Plan | None
    due: datetime | None
    wanted_wh: float | None
    code: str
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """All that a schedule depends on; the same `key` needs no other schedule. `had_slack` tells of the one before."""

    at: datetime
    key: tuple[object, ...]
    aims: Mapping[str, Aim]
    slots: Sequence[Slot]
    had_slack: bool = True


def lay(brief: Brief) -> Schedule:
    """The schedule: ready a little early, or where that is too early by the time itself.

    It takes a while: no decision may wait for it.
    """
    orders = [aim.order for aim in brief.aims.values() if aim.order is not None]
    early = plan([_early(order, brief.at) for order in orders], brief.slots)
    if not early.is_met:
        return plan(orders, brief.slots)
    if not early.is_sunny:
        return early
    wait = SLACK if brief.had_slack else REGAINED
    later = plan(orders, [slot for slot in brief.slots if slot.start >= brief.at + wait])
    return replace(early, has_slack=later.is_met)


def aim(desk: Desk, account: Account, wish: Plan | None, at: datetime) -> Aim:
    """What is to be done for one charger now."""
    if wish is None or account.due is None:
        return Aim(wish, None, None, "none")
    missing_wh = wanted_wh(wish, account, desk.charger.battery_kwh)
    obstacle = _obstacle(desk, account.due, missing_wh, at)
    if obstacle is not None or missing_wh is None:
        return Aim(wish, account.due, missing_wh, obstacle or "none")
    order = Order(
        charger=desk.id,
        energy_wh=missing_wh,
        by=account.due,
        min_a=desk.min_a,
        max_a=desk.usable_a,
        watts_per_amp=watts_per_amp(desk.policy.connection, desk.lines_on(3)) * TAKEN,
        priority=desk.priority,
        now_a=desk.granted_a,
    )
    return Aim(wish, account.due, missing_wh, "open", order)


def _obstacle(desk: Desk, due: datetime, missing_wh: float | None, at: datetime) -> str | None:
    """Why there is nothing to lay out, as a code; the first that applies."""
    obstacles = {
        "off": desk.chosen_mode is Mode.OFF,
        "soc-unknown": missing_wh is None,
        "done": missing_wh is not None and missing_wh <= MET_WITHIN_WH,
        "no-car": not desk.is_connected,
        "later": due > at + AHEAD,
        "below-minimum": desk.ceiling_a < desk.min_a,
    }
    return next((code for code, applies in obstacles.items() if applies), None)


def write(
    core: Balancer, aims: Mapping[str, Aim], prices: Prices, usual: UsualLoads, sun: UsualSun, at: datetime
) -> Brief:
    """The brief for the aims of all chargers at that time (UTC)."""
    orders = [aim.order for aim in aims.values() if aim.order is not None]
    ahead = [order._replace(by=order.by - EARLY) for order in orders] + orders
    zone = ZoneInfo(core.policy.site.timezone)
    used = {desk.id: desk.lines_on(3) for desk in core.desks.values()}
    walls = bounds(core.policy, core.tree, used)
    steps_a = {order.charger: core.desks[order.charger].step_a for order in orders}
    caps = Foreseen(core.policy.limits.windows, _peak_w(core), {order.charger: order.watts_per_amp for order in orders})
    slots = []
    for start, end in cuts(at, ahead):
        local = start.astimezone(zone)
        others = {node.id: usual.high(node.id, local) or _known(usual, node.id, node.reserve_a) for node in core.tree}
        house_w = sum(others[CONNECTION]) * core.policy.connection.voltage_v
        limits = [_in_steps(bound.beside(others[bound.node_id]), steps_a) for bound in walls]
        limits += caps.limits(local, end.astimezone(zone), house_w)
        price, sun_price = price_at(core.policy.tariff, prices, local), core.policy.tariff.export_price
        sun_w = sun.expected_w(local, start - at) if sun_price is not None else 0.0
        slots.append(Slot(start, end, price, limits, sun_w, sun_price or 0.0))
    return Brief(at, key(core, aims, prices, at), aims, slots)


def _in_steps(wall: Limit, steps_a: Mapping[str, float]) -> Limit:
    """What offers in the steps of the wallboxes can make use of: whole amps leave the rest of one."""
    step_a = min([steps_a[charger] for charger in wall.weights if charger in steps_a], default=0.0)
    return wall._replace(room_a=floor_to(max(0.0, wall.room_a), step_a))


def _peak_w(core: Balancer) -> float | None:
    """What a quarter-hour may cost nothing more than, W."""
    quarter = core.outside.quarter
    return quarter.target_w if quarter is not None else None


def _known(usual: UsualLoads, node: str, reserve_a: float) -> Phases:
    """Of a quarter-hour that was never seen: what the node took lately, or what its policy reserves."""
    return usual.lately(node) or (reserve_a, reserve_a, reserve_a)


def key(core: Balancer, aims: Mapping[str, Aim], prices: Prices, at: datetime) -> tuple[object, ...]:
    """All that a new schedule must be laid for: the quarter-hour too, so that reality never runs far ahead."""
    quarter = int(at.timestamp() // 900)
    orders = [
        (
            charger,
            aim.code,
            aim.due,
            aim.plan,
            aim.order and (aim.order._replace(energy_wh=0.0, now_a=0.0), core.desks[charger].lines_on(3)),
        )
        for charger, aim in aims.items()
    ]
    return quarter, tuple(orders), prices, id(core.policy), _peak_w(core)


def wanted_wh(wish: Plan, account: Account, battery_kwh: float | None) -> float | None:
    """What is still to charge, Wh; None where the car's state of charge is not known."""
    if wish.energy_kwh is not None:
        return max(0.0, wish.energy_kwh * 1000 - account.charged_wh)
    if wish.soc_percent is None or battery_kwh is None or account.soc is None:
        return None
    missing_wh = (wish.soc_percent - account.soc.percent) / 100 * battery_kwh * 1000 / CHARGED
    return max(0.0, missing_wh - account.since_soc_wh)


def _early(order: Order, at: datetime) -> Order:
    by = order.by - EARLY
    return order._replace(by=by) if by > at else order


def local_now(policy: Policy, at: datetime) -> datetime:
    """The time in the site's zone."""
    return at.astimezone(UTC).astimezone(ZoneInfo(policy.site.timezone))
