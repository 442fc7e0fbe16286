"""The cut: what each charger may keep of its grant under the limits as they certainly are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ampherd_balancer.allocate import Car, Limit, allocate, fits
from ampherd_balancer.desk import Desk
from ampherd_balancer.outside import Outside
from ampherd_balancer.situation import Situation

Desks = Mapping[str, Desk]

_EPSILON_A: Final = 1e-6


def cut(desks: Desks, outside: Outside, situation: Situation, now_s: float) -> Mapping[str, float]:
    """The most that each charger may be granted now, in its own steps, A; no more than it has."""
    ceilings = {**dict.fromkeys(situation.commanded, 0.0), **_kept(desks, outside, situation, now_s)}
    for node in situation.overloaded:
        ceilings.update(dict.fromkeys(node.chargers, 0.0))
    if situation.stale_nodes:
        for charger, fallback_a in _fallbacks(desks, situation.stale_nodes).items():
            ceilings[charger] = min(ceilings.get(charger, fallback_a), fallback_a)
    for desk in desks.values():
        ceiling_a = ceilings.setdefault(desk.id, _unraised_a(desk, desk.granted_a))
        if ceiling_a < desk.granted_a:
            ceilings[desk.id] = desk.floored(ceiling_a)
    return ceilings


def _kept(desks: Desks, outside: Outside, situation: Situation, now_s: float) -> Mapping[str, float]:
    """What the chargers that run keep, A."""
    running = [desk for desk in desks.values() if desk.granted_a > 0 and desk.id in situation.wanting]
    kept = {desk.id: min(desk.granted_a, desk.ceiling_a) for desk in running}
    sure = situation.sure if running else ()
    if fits(kept, sure):
        return kept
    tried = _tried(running, situation, kept)
    offers = allocate([_runner(desk, kept[desk.id], now_s, is_tried=desk.id in tried) for desk in running], sure).offers
    _spare(running, outside, situation, kept, offers, now_s)
    offers = {
        **offers,
        **_unfelt(desks, situation, kept, offers, tried),
        **_astray(desks, situation.wires, kept, offers),
    }
    return _withdrawn(desks, situation, offers, now_s)


def _spare(
    running: Sequence[Desk],
    outside: Outside,
    situation: Situation,
    kept: Mapping[str, float],
    offers: Mapping[str, float],
    now_s: float,
) -> None:
    """A car that a cap stops, and no wire, starts no more often than its contactor should."""
    over = [cap for cap in situation.caps if not fits(kept, [cap.sure])]
    if not over or not fits(kept, situation.wires):
        return
    for desk in running:
        if offers[desk.id] == 0:
            desk.spare(outside.rests_until_s(over[0].code, desk.started_s, now_s))


def _tried(running: Sequence[Desk], situation: Situation, kept: Mapping[str, float]) -> frozenset[str]:
    """The cars that nobody measures, on a wire whose excess has outlasted a cut: it may be none of theirs."""
    outlasted = [limit for limit in situation.wires if limit.code in situation.outlasted and not fits(kept, [limit])]
    return frozenset(
        [desk.id for desk in running if not desk.book.is_metered and any(desk.id in each.weights for each in outlasted)]
    )


def _unfelt(
    desks: Desks,
    situation: Situation,
    kept: Mapping[str, float],
    offers: Mapping[str, float],
    tried: frozenset[str],
) -> Mapping[str, float]:
    """Over a wire's limit, a car that nobody measures gets its minimum: it may draw too little to feel less.

    When such a car is stopped, all beside it get theirs until that shows: it may have drawn nothing on that line. One
    after the other would take too long to find who does: where an excess outlasts a cut, all that nobody measures stop.
    """
    unfelt: dict[str, float] = {}
    for limit in [limit for limit in situation.wires if not fits(kept, [limit])]:
        running = [charger for charger in limit.weights if charger in offers]
        unmetered = [charger for charger in running if not desks[charger].book.is_metered]
        stopped = [charger for charger in unmetered if charger in tried or offers[charger] == 0]
        is_one_stopped = any(desks[charger].is_charging for charger in stopped)
        for charger in running if is_one_stopped else unmetered:
            most_a = 0.0 if charger in stopped else desks[charger].min_a
            unfelt[charger] = min(unfelt.get(charger, offers[charger]), most_a)
    return unfelt


def _astray(
    desks: Desks, wires: Sequence[Limit], kept: Mapping[str, float], offers: Mapping[str, float]
) -> Mapping[str, float]:
    """Of cars that may be on any line nobody knows whose current is too much: each goes to its minimum, or stops."""
    over = [limit for limit in wires if not fits(kept, [limit])]
    astray = [desks[charger] for limit in over for charger in limit.weights if charger in kept]
    return {
        desk.id: min(offers[desk.id], desk.min_a) if kept[desk.id] > desk.min_a else 0.0
        for desk in astray
        if desk.is_anywhere
    }


def _withdrawn(desks: Desks, situation: Situation, offers: Mapping[str, float], now_s: float) -> Mapping[str, float]:
    """In a cut, a raise that nobody confirmed is taken back, unless it fits beside what the others may yet draw."""
    booked = {
        charger: max(offers.get(charger, 0.0), desks[charger].booked_a(now_s) - stuck_a)
        for charger, stuck_a in situation.stuck_a.items()
    }
    over = [limit for limit in situation.wires if not fits(booked, [limit])]
    sharing = {charger for limit in over for charger in limit.weights}
    return {
        charger: _unraised_a(desks[charger], offer_a) if charger in sharing else offer_a
        for charger, offer_a in offers.items()
    }


def _unraised_a(desk: Desk, offer_a: float) -> float:
    """The offer without a raise that its wallbox has not confirmed: who is out of reach may never have heard of it."""
    confirmed_a = desk.book.confirmed_a or 0.0
    return confirmed_a if confirmed_a + desk.step_a <= offer_a + _EPSILON_A else offer_a


def _runner(desk: Desk, kept_a: float, now_s: float, *, is_tried: bool) -> Car:
    """A car as the cut sees it. One tried before, or behind a deaf wallbox, gives nothing: all others must at once."""
    gives_none = desk.is_charging and (is_tried or desk.is_deaf(now_s))
    return Car(
        id=desk.id,
        min_a=kept_a if gives_none else min(desk.min_a, kept_a),
        max_a=kept_a,
        priority=desk.precedence,
        rank=-1 if gives_none else 0,
        is_pinned=gives_none or desk.is_pinned(now_s),
        is_standby=not desk.is_charging,
        is_idle=not gives_none and desk.is_idle(now_s),
    )


def _fallbacks(desks: Desks, stale: frozenset[str]) -> Mapping[str, float]:
    below = (desk for desk in desks.values() if not stale.isdisjoint(desk.policy.circuits_above(desk.id)))
    return {desk.id: desk.charger.fallback_a for desk in below}
