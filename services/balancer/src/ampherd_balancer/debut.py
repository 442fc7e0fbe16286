"""A first start: a car that was never seen on its lines begins alone, at its minimum, until the meter shows it there.

So wrong `lines` in the policy are found before there is anything to cut. It takes a charger that loads some of the
lines and measures its current; of two that start together nobody could say which is which. Where the house moves too
much to tell, a car goes on after a while as if it had been seen: `doubt` still watches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ampherd_core.phases import Phases, subtract
from ampherd_core.policy import Wiring

from ampherd_balancer.desk import Desk
from ampherd_balancer.doubt import MATCHES_A
from ampherd_balancer.estimate import House

Desks = Mapping[str, Desk]

PATIENCE_S: Final = 30.0
"""A car starts within ten seconds, and the slowest meter tells of it after ten more."""

TELLING_A: Final = 5.0
"""A car that takes less does not stand out from the house."""

_AT_REST_A: Final = 1.0


class _Debut(NamedTuple):
    """Who began, when, and what the site took without it just before: at least and at most (A per line)."""

    charger: str
    since_s: float
    least: Phases
    most: Phases


class Sighting(NamedTuple):
    """A charger whose car was seen on the line at `place`, where the policy does not have it."""

    charger: str
    place: int


class Debuts:
    """`look` at every decision while the grid meter is fresh; after a gap begin with new ones."""

    def __init__(self) -> None:
        self._newcomers: Sequence[str] = ()
        self._before: tuple[Phases, Phases] | None = None
        self._debut: _Debut | None = None

    def look(self, desks: Desks, house: House, now_s: float) -> Sighting | None:
        """A car that is seen now where it should not be; None as long as all is well."""
        if self._debut is None:
            self._await(desks, house, now_s)
        return self._follow(self._debut, desks, house, now_s) if self._debut is not None else None

    @property
    def shown(self) -> str | None:
        """The charger whose car is being seen now."""
        return self._debut.charger if self._debut is not None else None

    def restrained(self, goals: Mapping[str, float], desks: Desks) -> Mapping[str, float]:
        """The goals (A); while a car is being seen its own is its minimum, and nobody else begins."""
        if self._debut is None:
            return goals
        shown = self._debut.charger
        held = dict.fromkeys(newcomers(desks), 0.0) | {shown: min(goals[shown], desks[shown].min_a)}
        return {**goals, **held}

    def _await(self, desks: Desks, house: House, now_s: float) -> None:
        begun = [charger for charger in self._newcomers if charger in desks and desks[charger].granted_a > 0]
        if begun and self._before is not None:
            self._debut = _Debut(begun[0], now_s, *self._before)
        self._newcomers = newcomers(desks)
        if self._newcomers:
            self._before = house.beside([desk.counted_trace for desk in desks.values()], now_s)

    def _follow(self, debut: _Debut, desks: Desks, house: House, now_s: float) -> Sighting | None:
        desk = desks.get(debut.charger)
        if desk is None or desk.granted_a == 0:
            self._debut = None
            return None
        carries = _carries(debut, desk, desks, house, now_s)
        own = [carries[line.place] for line in desk.lines]
        if all(own) or now_s - debut.since_s >= PATIENCE_S:
            desk.is_seen = True
            self._debut = None
        elif True in carries and own.count(False) == len(own):
            self._debut = None
            return Sighting(desk.id, carries.index(True))
        return None


def one_by_one(offers: Mapping[str, float], desks: Desks) -> Mapping[str, float]:
    """The offers (A) with no more than one car that was never seen and begins."""
    beginners = [charger for charger in newcomers(desks) if offers[charger] > 0]
    return {**offers, **dict.fromkeys(beginners[1:], 0.0)} if len(beginners) > 1 else offers


def newcomers(desks: Desks) -> Sequence[str]:
    """Those whose next start is their first here, and one that the meter can tell."""
    return [desk.id for desk in desks.values() if not desk.is_seen and desk.granted_a == 0 and _can_be_told(desk)]


def _can_be_told(desk: Desk) -> bool:
    connection = desk.policy.connection
    return (
        len(desk.counted_lines) < len(connection.lines)
        and connection.wiring is not Wiring.DELTA
        and desk.is_connected
        and desk.book.is_metered
        and max(desk.trace.latest) <= _AT_REST_A
    )


def _carries(debut: _Debut, desk: Desk, desks: Desks, house: House, now_s: float) -> Sequence[bool | None]:
    """Of each line whether it carries the car, by what the site takes more than before; None where nobody can say."""
    rest = house.beside([each.counted_trace for each in desks.values() if each is not desk], now_s)
    drawn_a = max(desk.trace.span(house.since_s, now_s)[0])
    if rest is None or drawn_a < TELLING_A:
        return (None, None, None)
    least, most = subtract(rest[0], debut.most), subtract(rest[1], debut.least)
    return [_is_risen(*rise, drawn_a) for rise in zip(least, most, strict=True)]


def _is_risen(least_a: float, most_a: float, drawn_a: float) -> bool | None:
    if drawn_a - MATCHES_A <= least_a and most_a <= drawn_a + MATCHES_A:
        return True
    return False if max(-least_a, most_a) <= MATCHES_A else None
