"""The safe path to the target: fall at once, rise when what others may still draw leaves room."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ampherd_core.policy import Timings

from ampherd_balancer.allocate import Limit

_EPSILON_A: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Position:
    """Where one charger stands: what it is granted, what it is booked at, and where it should go (A per phase).

    `ceiling_a` is the most that the limits allow it right now (the cut); `changed_s` is when its grant last changed.
    """

    id: str
    granted_a: float
    booked_a: float
    target_a: float
    ceiling_a: float
    min_a: float
    step_a: float
    changed_s: float
    is_settled: bool
    is_idle: bool = False


def transition(
    positions: Sequence[Position], limits: Sequence[Limit], timings: Timings, now_s: float, *, may_raise: bool
) -> Mapping[str, float]:
    """The offer to grant each charger now (A per phase).

    Lowering happens in this very call; raising waits until the bookings of all others leave room, so current moves
    from one charger to another only after the first has confirmed. Offers stay 0 or at least the minimum.
    """
    offers = {position.id: min(position.granted_a, position.ceiling_a) for position in positions}
    if not may_raise:
        return offers
    wants_more = [p for p in positions if p.target_a > offers[p.id] + _EPSILON_A and not _is_cut(p)]
    for position in positions:
        excess_a = offers[position.id] - position.target_a
        if excess_a >= timings.deadband_a and _is_awaited(position, wants_more, limits):
            offers[position.id] = position.target_a
    booked = {position.id: position.booked_a for position in positions}
    for position in sorted(wants_more, key=lambda p: (offers[p.id], p.id)):
        if position.target_a > offers[position.id]:
            offers[position.id] = _raised(position, offers[position.id], booked, limits, timings, now_s)
            booked[position.id] = max(booked[position.id], offers[position.id])
    return offers


def _is_cut(position: Position) -> bool:
    return position.ceiling_a < position.granted_a - _EPSILON_A


def _is_awaited(position: Position, wants_more: Sequence[Position], limits: Sequence[Limit]) -> bool:
    """Whether somebody who shares a limit with this charger waits for its current.

    A car that charges gives up its place only to one that is to start: the room that a target sees may be short for a
    moment.
    """
    shared = [limit.weights for limit in limits if limit.weights.get(position.id)]
    may_stop = position.is_idle or position.target_a > 0
    rivals = [other for other in wants_more if other.granted_a == 0 or may_stop]
    return any(weights.get(other.id) for other in rivals for weights in shared)


def _raised(
    position: Position,
    offer_a: float,
    booked: Mapping[str, float],
    limits: Sequence[Limit],
    timings: Timings,
    now_s: float,
) -> float:
    if not position.is_settled or now_s - position.changed_s < timings.rise_every_s:
        return offer_a
    room_a = min(
        (_room_a(position.id, limit, booked) for limit in limits if limit.weights.get(position.id)), default=0.0
    )
    start_a = position.min_a if offer_a == 0 else offer_a + timings.rise_step_a
    raised_a = floor_to(min(position.target_a, start_a, room_a), position.step_a)
    if raised_a < position.min_a - _EPSILON_A:
        return offer_a
    is_worth_it = raised_a - offer_a >= timings.deadband_a - _EPSILON_A or raised_a >= position.target_a - _EPSILON_A
    return raised_a if raised_a > offer_a and is_worth_it else offer_a


def _room_a(charger_id: str, limit: Limit, booked: Mapping[str, float]) -> float:
    others = sum(weight * booked[other] for other, weight in limit.weights.items() if other != charger_id)
    return (limit.room_a - others) / limit.weights[charger_id]


def ceil_to(amps: float, step_a: float) -> float:
    """`amps` rounded up to what the wallbox can signal."""
    return round(math.ceil(amps / step_a - _EPSILON_A) * step_a, 3) if step_a > 0 else amps


def floor_to(amps: float, step_a: float) -> float:
    """`amps` rounded down to what the wallbox can signal."""
    return int(amps / step_a + _EPSILON_A) * step_a if step_a > 0 else amps
