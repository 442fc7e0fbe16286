"""The judge of schedules: the least shortage and the least cost as a mixed-integer programme, solved by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence

import highspy
from ampherd_balancer.planner import Order, Slot

NEVER = 1e4
"""A kilowatt-hour that is missing costs this much: more than any price of a test."""


def optimum(orders: Sequence[Order], slots: Sequence[Slot], *, gap: float = 1e-4) -> tuple[float, float]:
    """The shortage (Wh) and the cost beside it; each car charges at 0 or at its minimum at least, slot by slot.

    Where there is sun it costs no more than what is bought.
    """
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.silent()
    model.setOptionValue("mip_rel_gap", gap)
    model.setOptionValue("time_limit", 20.0)
    short = [model.addVariable(lb=0, obj=NEVER) for _ in orders]
    gains: list[list[tuple[float, highspy.highs.highs_var]]] = [[] for _ in orders]
    for slot in slots:
        amps, kwhs = {}, []
        for place, order in enumerate(orders):
            if order.by < slot.end:
                continue
            kwh = order.watts_per_amp * slot.hours / 1000
            current = model.addVariable(lb=0, ub=order.max_a, obj=kwh * (slot.price or 0.0))
            is_on = model.addBinary()
            model.addConstr(current >= order.min_a * is_on)
            model.addConstr(current <= order.max_a * is_on)
            amps[order.charger] = current
            gains[place].append((kwh, current))
            kwhs.append(kwh * current)
        if slot.sun_w and kwhs:
            saved = slot.sun_price - (slot.price or 0.0)
            on_sun = model.addVariable(lb=0, ub=slot.sun_w * slot.hours / 1000, obj=min(0.0, saved))
            model.addConstr(on_sun <= sum(kwhs))
        for limit in slot.limits:
            members = [(limit.weights[charger], a) for charger, a in amps.items() if limit.weights.get(charger)]
            if members:
                model.addConstr(sum(weight * a for weight, a in members) <= max(0.0, limit.room_a))
    for order, shortage, gained in zip(orders, short, gains, strict=True):
        model.addConstr(sum((kwh * a for kwh, a in gained), shortage * 1.0) == order.energy_wh / 1000)
    model.run()
    values = model.getSolution().col_value
    missing_kwh = sum(values[shortage.index] for shortage in short)
    return missing_kwh * 1000, model.getInfo().objective_function_value - NEVER * missing_kwh
