"""Why a charger gets what it gets, as a code and as a sentence that a person understands."""

from __future__ import annotations

from ampherd_core.messages import LinkHealth, Mode
from ampherd_core.policy import CONNECTION

from ampherd_balancer.allocate import OWN_MAXIMUM
from ampherd_balancer.core import Balancer, Outcome
from ampherd_balancer.debut import newcomers
from ampherd_balancer.desk import Desk
from ampherd_balancer.explain_sun import explain_sun
from ampherd_balancer.harvest import CODE as SUN
from ampherd_balancer.reason import Reason

__all__ = ["Reason", "explain"]


def explain(balancer: Balancer, outcome: Outcome, desk: Desk, now_s: float) -> Reason:
    """The reason for what `desk` is granted after `outcome`; the first that applies, the gravest first."""
    return (
        _out_of_reach(desk, now_s)
        or _out_of_order(outcome, balancer, desk)
        or _by_choice(desk)
        or _switching(desk)
        or explain_sun(balancer, desk, now_s)
        or _by_plan(desk)
        or _idle(desk)
        or _waiting(balancer, outcome, desk, now_s)
        or _charging(balancer, outcome, desk, now_s)
    )


def _out_of_reach(desk: Desk, now_s: float) -> Reason | None:
    if desk.state is None:
        return Reason(
            "never-heard", f"Its agent has not been heard yet; {desk.booked_a(now_s):g} A stay reserved for it."
        )
    if not desk.is_fresh(now_s):
        return Reason("agent-silent", f"Its agent is silent; {desk.booked_a(now_s):g} A stay reserved for it.")
    if desk.state.link is not LinkHealth.OK:
        return Reason("link-lost", f"The wallbox does not answer; {desk.booked_a(now_s):g} A stay reserved for it.")
    return None


def _out_of_order(outcome: Outcome, balancer: Balancer, desk: Desk) -> Reason | None:
    fallback = f"at its fallback of {desk.charger.fallback_a:g} A"
    if not outcome.situation.is_grid_fresh:
        return Reason("grid-stale", f"The grid meter is silent, so the charger stands {fallback}.")
    for circuit in balancer.policy.circuits_above(desk.id):
        if circuit in outcome.situation.stale_nodes:
            return Reason(
                "circuit-stale", f"The meter of circuit {circuit} is silent, so the charger stands {fallback}."
            )
    if desk.id in outcome.situation.doubted:
        return Reason(
            "wiring-doubted",
            "Standing still for a look: a line is over its limit by current that no car should put there. Check "
            "`lines` (the phase rotation) of each charger and of the meter in the policy.",
        )
    if desk.state is not None and desk.state.error:
        return Reason("wallbox-error", desk.state.error[:300])
    return None


def _by_choice(desk: Desk) -> Reason | None:
    if desk.mode is Mode.OFF:
        return Reason("off", "Switched off.")
    if desk.ceiling_a < desk.min_a:
        return Reason("below-minimum", f"At most {desk.ceiling_a:g} A are allowed, and its car needs {desk.min_a:g} A.")
    if not desk.is_connected:
        return Reason("no-car", "No car is plugged in.")
    return None


def _by_plan(desk: Desk) -> Reason | None:
    if not desk.waits_for_plan or desk.granted_a > 0:
        return None
    next_s = desk.agenda.next_in_s
    if next_s is None:
        return Reason("plan-done", "Its plan has no more to charge; drop the plan to charge more.")
    return Reason("plan-waits", f"Waits by its plan: charges in {_span(next_s)}.")


def _span(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _switching(desk: Desk) -> Reason | None:
    if not desk.phases.is_switching:
        return None
    if desk.phases.wish == 1:
        return Reason("switching-phases", "Switching to one phase, to go on with less sun.")
    gain = "to use more sun" if desk.follows_sun else "to charge faster"
    return Reason("switching-phases", f"Switching to three phases, {gain}.")


def _idle(desk: Desk) -> Reason | None:
    if not desk.appetite.is_idle:
        return None
    if desk.granted_a == 0:
        return Reason("car-idle", "The car takes nothing, so others have its current; it is asked again now and then.")
    return Reason("car-idle", f"The car takes nothing; {desk.granted_a:g} A stand ready for it.")


def _waiting(balancer: Balancer, outcome: Outcome, desk: Desk, now_s: float) -> Reason | None:
    if desk.granted_a > 0:
        return None
    rest_s = desk.waits_s(now_s)
    if rest_s > 0:
        return Reason("resting", f"Stopped a moment ago; it may start again in {rest_s:.0f} s, to spare its contactor.")
    if not outcome.situation.is_fenced:
        return Reason("taking-over", "Waiting until every wallbox has confirmed the balancer.")
    if outcome.target.offers.get(desk.id, 0.0) > 0:
        return _behind(balancer, desk) or Reason("starting", "Starts as soon as the others have made room.")
    if desk.is_stopped and desk.id not in outcome.target.offers:
        calm_s = balancer.policy.timings.return_after_s
        return Reason("waiting-calm", f"Comes back when the house has left it room for {calm_s:g} s.")
    code = outcome.target.limited_by.get(desk.id, CONNECTION)
    no_room = f"Waiting for its turn: {_place(code)} has no room for {desk.min_a:g} A more."
    return _from_outside(balancer, outcome, code, now_s) or Reason("waiting-turn", no_room)


def _behind(balancer: Balancer, desk: Desk) -> Reason | None:
    shown = balancer.debuts.shown
    if shown is None or desk.id not in newcomers(balancer.desks):
        return None
    before = balancer.policy.chargers[shown].name or shown
    return Reason("first-start", f"Starts when the meter has shown the car at {before} on its line: one at a time.")


def _charging(balancer: Balancer, outcome: Outcome, desk: Desk, now_s: float) -> Reason:
    target_a = outcome.target.offers.get(desk.id, 0.0)
    if target_a == 0:
        return Reason("turn-over", "Its turn is over; another car comes next.")
    if balancer.debuts.shown == desk.id:
        lines = " and ".join(desk.lines)
        return Reason("first-start", f"Its first start: {desk.min_a:g} A until the meter has shown it on {lines}.")
    standing_a = min(desk.granted_a, desk.book.confirmed_a or 0.0)
    if target_a - standing_a > balancer.policy.timings.deadband_a:
        return Reason("rising", f"On its way up to {target_a:.1f} A.")
    code = outcome.target.limited_by.get(desk.id, OWN_MAXIMUM)
    if code != OWN_MAXIMUM:
        return _limited(balancer, outcome, desk, now_s)
    if desk.useful_a < desk.ceiling_a:
        return Reason(
            "car-takes-less", f"The car takes less than offered, so only {desk.useful_a:.1f} A are kept for it."
        )
    return Reason(OWN_MAXIMUM, f"Charging at its maximum of {desk.ceiling_a:g} A.")


def _limited(balancer: Balancer, outcome: Outcome, desk: Desk, now_s: float) -> Reason:
    code = outcome.target.limited_by[desk.id]
    if code.startswith(SUN):
        return Reason(code, f"Follows the sun, shared with {_others(balancer, desk)}.")
    shared = f"Limited by {_place(code)}, shared with the house and {_others(balancer, desk)}."
    return _from_outside(balancer, outcome, code, now_s) or Reason(code, shared)


def _from_outside(balancer: Balancer, outcome: Outcome, code: str, now_s: float) -> Reason | None:
    caps = [cap for cap in outcome.situation.caps if cap.code == code and not code.startswith(SUN)]
    return Reason(code, balancer.outside.sentence(caps[0], now_s)) if caps else None


def _others(balancer: Balancer, desk: Desk) -> str:
    count = sum(1 for other in balancer.desks.values() if other is not desk and other.granted_a > 0)
    return {0: "no other car", 1: "one other car"}.get(count, f"{count} other cars")


def _place(code: str) -> str:
    if code.startswith(SUN):
        return "the sun"
    node, _, line = code.rpartition("-")
    if line not in {"l1", "l2", "l3"}:
        return "the connection"
    return f"{line.upper()} of the connection" if node == CONNECTION else f"{line.upper()} of circuit {node}"
