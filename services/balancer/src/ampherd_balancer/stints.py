"""A schedule as one charger's agenda follows it: its parts on the boot clock, and in which of them more is welcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ampherd_core.plans import PlannedPart, PlanState

from ampherd_balancer.agenda import Stint
from ampherd_balancer.brief import Aim
from ampherd_balancer.planner import Slot

_RESTING: Final = frozenset({"off", "soc-unknown", "no-car", "below-minimum"})
_SAME_W: Final = 5.0
"""Planned power is told in whole watts."""

_UNKNOWN: Final = float("inf")
"""Where no price is known is the dearest of all."""


class _Piece(NamedTuple):
    """A part of the schedule within a slot: what a kWh of it costs, one on top of it, and whether the sun gives all."""

    start: datetime
    end: datetime
    amps: float
    price: float
    extra_price: float
    is_on_sun: bool


def stints(
    aim: Aim, state: PlanState, slots: Sequence[Slot], clock_s: Callable[[datetime], float], *, has_slack: bool = False
) -> Sequence[Stint] | None:
    """What the charger does; None where no plan rules.

    While the plan has slack, the charger follows the sun where that is to give all of its energy. One that falls short
    charges all the time with all it can get, and comes first only in its own parts.
    """
    if aim.due is None or aim.code in _RESTING:
        return None
    pieces = _pieces(state, slots)
    found: list[Stint] = []
    dearest = float("-inf")
    for piece in reversed(pieces):
        takes_more = not found or piece.extra_price <= dearest
        stint = Stint(clock_s(piece.start), clock_s(piece.end), piece.amps, takes_more)
        found.append(stint._replace(follows_sun=has_slack and piece.is_on_sun))
        dearest = max(dearest, piece.price)
    found.reverse()
    if state.is_met is False and aim.order is not None:
        found = [stint._replace(takes_more=True) for stint in found]
        found.append(Stint(float("-inf"), clock_s(aim.due), aim.order.max_a, is_extra=True))
    return found


def _pieces(state: PlanState, slots: Sequence[Slot]) -> Sequence[_Piece]:
    found = []
    for part in state.parts:
        for slot in slots:
            start, end = max(part.start, slot.start), min(part.end, slot.end)
            if start < end:
                found.append(_piece(part, slot, start, end))
    return found


def _piece(part: PlannedPart, slot: Slot, start: datetime, end: datetime) -> _Piece:
    bought = _UNKNOWN if slot.price is None else slot.price
    is_sun_left = slot.sun_w > part.power_w + _SAME_W
    on_sun = slot.sun_share(part.power_w - _SAME_W)
    price = slot.sun_price if on_sun == 1 else on_sun * slot.sun_price + (1 - on_sun) * bought
    return _Piece(start, end, part.offer_a, price, slot.sun_price if is_sun_left else bought, on_sun == 1)
