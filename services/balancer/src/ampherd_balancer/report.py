"""The balancer's view for people and programs: `site/state` and each `charger/<c>/decision`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ampherd_core.messages import (
    Breaker,
    Decision,
    LimitState,
    MeterRole,
    OperatorState,
    QuarterState,
    Reading,
    SiteState,
)
from ampherd_core.phases import LINES, ZERO, Phases, add, each, subtract
from ampherd_core.policy import CONNECTION
from ampherd_core.units import MAX_OFFER_A, MAX_PLAUSIBLE_A, MAX_PLAUSIBLE_W

from ampherd_balancer.core import Balancer, Outcome
from ampherd_balancer.explain import explain
from ampherd_balancer.feed import power_of
from ampherd_balancer.harvest import CODE as SUN
from ampherd_balancer.outside import QUARTER


def decisions(balancer: Balancer, outcome: Outcome, now_s: float, at: datetime) -> tuple[Decision, ...]:
    """What each charger gets, and why."""
    found = []
    for desk in balancer.desks.values():
        reason = explain(balancer, outcome, desk, now_s)
        found.append(
            Decision(
                charger=desk.id,
                at=at,
                mode=desk.chosen_mode,
                priority=desk.priority,
                max_a=desk.ceiling_a,
                target_a=round(outcome.target.offers.get(desk.id, 0.0), 2),
                offer_a=desk.granted_a,
                booked_a=round(min(desk.booked_a(now_s), MAX_OFFER_A), 2),
                limited_by=reason.code,
                reason=reason.sentence,
                turn_ends_in_s=balancer.turns.ends_in_s(desk.id, now_s),
            )
        )
    return tuple(found)


def site_state(balancer: Balancer, outcome: Outcome, now_s: float, at: datetime) -> SiteState:
    """The site: phases against their limits, the house, and what limits now."""
    grid = balancer.meters[balancer.policy.grid_meter].reading
    is_fresh = outcome.situation.is_grid_fresh
    drawn = drawn_a(balancer)
    current = _currents(grid) if grid is not None and is_fresh else None
    return SiteState(
        at=at,
        epoch=balancer.epoch,
        is_grid_fresh=is_fresh,
        grid_a=current,
        grid_w=grid.power_w if grid is not None and is_fresh else None,
        house_a=_shown(subtract(current, drawn)) if current is not None else None,
        drawn_a=_shown(drawn),
        solar_w=_side_power(balancer, MeterRole.SOLAR, now_s),
        battery_w=_side_power(balancer, MeterRole.BATTERY, now_s),
        surplus_w=_surplus(balancer) if is_fresh else None,
        sun_cars_w=_clamped(round(balancer.harvest.cars_w, 1), MAX_PLAUSIBLE_W) if is_fresh else None,
        quarter_power_w=grid.quarter_power_w if grid is not None else None,
        quarter=_quarter_state(balancer, outcome),
        operator=_operator_state(balancer, now_s),
        limits=tuple(_limit_states(balancer, outcome)),
        limited_by=_sentence(balancer, outcome, now_s),
        alarms=_alarms(balancer, now_s),
    )


def drawn_a(balancer: Balancer) -> Phases:
    """What all cars draw, as far as is known (A per line)."""
    total = ZERO
    for desk in balancer.desks.values():
        total = add(total, desk.trace.latest)
    return total


def _quarter_state(balancer: Balancer, outcome: Outcome) -> QuarterState | None:
    quarter = balancer.outside.quarter
    room_w = next((cap.likely_room for cap in outcome.situation.caps if cap.code == QUARTER), None)
    if quarter is None or room_w is None:
        return None
    return QuarterState(
        ends_at=quarter.ends_at(),
        used_w=_clamped(quarter.used_w, MAX_PLAUSIBLE_W),
        target_w=_clamped(quarter.target_w, MAX_PLAUSIBLE_W),
        room_w=round(min(max(0.0, room_w), MAX_PLAUSIBLE_W)),
    )


def _operator_state(balancer: Balancer, now_s: float) -> OperatorState | None:
    limit_w = balancer.outside.operator_w(now_s)
    if limit_w is None:
        return None
    return OperatorState(limit_w=limit_w, ends_in_s=balancer.outside.operator.left_s(now_s))


def _limit_states(balancer: Balancer, outcome: Outcome) -> list[LimitState]:
    states = []
    for node in balancer.tree:
        house = balancer.meters[node.meter].house.load if node.meter is not None else None
        load = house if house is not None else _node_load(balancer, node.chargers)
        limit = node.limit_a, node.limit_a, node.limit_a
        states.append(
            LimitState(
                circuit=node.id,
                limit_a=limit,
                load_a=_shown(load),
                other_a=_shown(outcome.situation.others[node.id]),
                headroom_a=_shown(subtract(limit, load)),
                breaker=_breaker(balancer, node.id),
            )
        )
    return states


def _breaker(balancer: Balancer, node_id: str) -> Breaker | None:
    policy = balancer.policy
    return policy.connection.breaker if node_id == CONNECTION else policy.circuits[node_id].breaker


def _node_load(balancer: Balancer, chargers: tuple[str, ...]) -> Phases:
    total = ZERO
    for charger in chargers:
        total = add(total, balancer.desks[charger].trace.latest)
    return total


def _sentence(balancer: Balancer, outcome: Outcome, now_s: float) -> str:
    if not outcome.situation.is_grid_fresh:
        return "The grid meter is silent: every charger stands at its fallback."
    if not outcome.situation.is_fenced:
        return "Taking over: nothing is raised until every wallbox has confirmed."
    waiting = sum(1 for desk in balancer.desks.values() if desk.is_connected and desk.granted_a == 0)
    for cap in outcome.situation.caps:
        if cap.code in outcome.target.limited_by.values() and not cap.code.startswith(SUN):
            return balancer.outside.sentence(cap, now_s)
    codes = {code for code in outcome.target.limited_by.values() if code.startswith(CONNECTION)}
    if codes:
        lines = ", ".join(sorted(code.rpartition("-")[2].upper() for code in codes))
        return f"The connection limits on {lines}." + (f" {waiting} waiting." if waiting else "")
    if any(code.startswith(SUN) for code in outcome.target.limited_by.values()):
        return "The sun limits."
    return "Every car gets what it can take."


def doubts(balancer: Balancer) -> Mapping[str, str]:
    """What was found of wrong wiring, as a sentence for each node."""
    found = {node.id: balancer.meters[node.meter].doubt for node in balancer.tree if node.meter is not None}
    return {
        node_id: f"{_found(balancer, node_id, doubt.place, doubt.seen)}: check `lines` of each charger and of the "
        "meter. Until then all chargers below it count on every line."
        for node_id, doubt in found.items()
        if doubt.place is not None
    }


def _found(balancer: Balancer, node_id: str, place: int, seen: str | None) -> str:
    where = f"{LINES[place]} of {node_id}"
    if seen is None or seen not in balancer.desks:
        return f"{where} was over its limit by cars that the policy has on other lines"
    charger = balancer.desks[seen].charger
    told = " and ".join(charger.lines)
    return f"The car at {charger.name or seen} was seen on {where}, and the policy has it on {told}"


def _alarms(balancer: Balancer, now_s: float) -> tuple[str, ...]:
    alarms = [
        f"{desk.charger.name or desk.id}: {desk.state.error}"[:500]
        for desk in balancer.desks.values()
        if desk.state is not None and desk.state.error
    ]
    alarms += [
        f"{desk.charger.name or desk.id} is out of reach; {desk.booked_a(now_s):g} A stay reserved for it."
        for desk in balancer.desks.values()
        if not desk.is_reachable(now_s)
    ]
    return (*alarms, *doubts(balancer).values())


def _side_power(balancer: Balancer, role: MeterRole, now_s: float) -> float | None:
    """What the meters with that role say, W; old is not zero."""
    readings = [side.reading for side in balancer.sides.values() if side.is_fresh(now_s)]
    voltage_v = balancer.policy.connection.voltage_v
    known = [power_of(reading, voltage_v) for reading in readings if reading is not None and reading.role is role]
    return _clamped(sum(known), MAX_PLAUSIBLE_W) if known else None


def _surplus(balancer: Balancer) -> float | None:
    """What the sun has left for cars in solar modes, W; None before it was seen."""
    pools = balancer.harvest.sun.surplus.now
    return _clamped(round(sum(pools), 1), MAX_PLAUSIBLE_W) if pools is not None else None


def _currents(reading: Reading) -> Phases:
    one, two, three = (sample.current_a if sample is not None else 0.0 for sample in reading.phases)
    return one, two, three


def _shown(quantity: Phases) -> Phases:
    """As the wire carries it: sums and bookings may go beyond what one sensor may plausibly say."""
    return each(lambda amps: round(_clamped(amps, MAX_PLAUSIBLE_A), 2), quantity)


def _clamped(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
