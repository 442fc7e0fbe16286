"""Why the sun lets a car charge or wait, as a sentence."""

from __future__ import annotations

from ampherd_core.messages import Mode

from ampherd_balancer.core import Balancer
from ampherd_balancer.desk import Desk
from ampherd_balancer.reason import Reason
from ampherd_balancer.sun import Place, Sun


def explain_sun(balancer: Balancer, desk: Desk, now_s: float) -> Reason | None:
    """The sun's reason, where the sun decides; None where something else does."""
    sun = balancer.harvest.sun
    place = sun.places.get(desk.id)
    if desk.mode is not Mode.SOLAR or place is None:
        return None
    if not place.is_allowed:
        return _waiting(sun, desk, place, now_s)
    if desk.granted_a > 0 and place.is_short and not desk.appetite.is_idle:
        return _held(sun, desk, now_s)
    return None


def _waiting(sun: Sun, desk: Desk, place: Place, now_s: float) -> Reason:
    rests_s = sun.rests_s(desk.id, now_s)
    if rests_s > 0:
        return Reason("resting", f"Stopped for lack of sun; it may start again in {rests_s:.0f} s.")
    if not place.is_lit:
        has_w, needs_w = max(place.has_w, 0.0), place.needs_w
        return Reason("waiting-sun", f"Waiting for sun: {has_w:,.0f} W of the {needs_w:,.0f} W that it needs.")
    lasts_s = max(sun.solar.start_after_s - place.lit_s, 0.0)
    return Reason("waiting-sun", f"Sun enough: starts once {place.has_w:,.0f} W have lasted {lasts_s:.0f} s more.")


def _held(sun: Sun, desk: Desk, now_s: float) -> Reason:
    if sun.is_kept_on(desk.id, now_s):
        return Reason("held", "Held at its minimum: it started a moment ago, to spare its contactor.")
    text = f"Held at its minimum through a cloud; {sun.allowance_wh:.0f} Wh of {sun.whole_wh:.0f} left."
    return Reason("held", text)
