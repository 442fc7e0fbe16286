"""What wallboxes of whole amps and cars with a minimum can take of a moment's room, whoever decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from ampherd_core.phases import LINES, Line, Phases
from ampherd_core.units import MIN_OFFER_A

TENTH_A: Final = 0.1
"""Cars draw whole tenths of an ampere here, so that a room's hundredths are of no use."""

_ZERO: Final = 1e-6


class Taker(NamedTuple):
    """A car on its wallbox: offered a whole number of amps up to `max_a`, it draws `under_a` less."""

    lines: tuple[Line, ...]
    max_a: float
    under_a: float = 0.0


_Group: TypeAlias = tuple[frozenset[int], tuple[float, ...]]
"""Cars on the same lines (their places), and all that they can draw together, A, the most first."""


def most_a(room_a: Phases, takers: Iterable[Taker]) -> float:
    """The most that they can draw together at one moment, A over all phases; each takes nothing or at least 6 A."""
    tenths = tuple([int(amps / TENTH_A + _ZERO) for amps in room_a])
    return _most_a(tenths, tuple(sorted(takers)))


@cache
def _most_a(tenths: tuple[int, ...], takers: tuple[Taker, ...]) -> float:
    room_a = {place: tenth * TENTH_A for place, tenth in enumerate(tenths)}
    alike: dict[tuple[Line, ...], list[Taker]] = {}
    for taker in takers:
        alike.setdefault(tuple([line for line in LINES if line in taker.lines]), []).append(taker)
    groups = [(frozenset(line.place for line in lines), _sums(tuple(group))) for lines, group in alike.items()]
    return _fill(room_a, groups)


def _fill(room_a: Mapping[int, float], groups: Sequence[_Group]) -> float:
    """The best choice of a sum for each group."""
    if not groups:
        return 0.0
    (places, sums), rest = groups[0], groups[1:]
    fitting = [amps for amps in sums if amps <= min(room_a[place] for place in places) + _ZERO]
    if not any(places & others for others, _ in rest):
        fitting = fitting[:1]
    return max(
        amps * len(places) + _fill({place: room - amps * (place in places) for place, room in room_a.items()}, rest)
        for amps in fitting
    )


@cache
def _sums(takers: tuple[Taker, ...]) -> tuple[float, ...]:
    """All that cars on the same lines can draw together, A, the most first."""
    sums = {0}
    for taker in takers:
        under = round(taker.under_a / TENTH_A)
        offers = range(int(MIN_OFFER_A), int(taker.max_a) + 1)
        steps = [0, *(max(0, round(offer / TENTH_A) - under) for offer in offers)]
        sums = {total + step for total in sums for step in steps}
    return tuple([total * TENTH_A for total in sorted(sums, reverse=True)])
