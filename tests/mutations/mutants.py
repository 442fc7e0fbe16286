"""Each promise broken on purpose: one line of the product changed, by name, and back again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ampherd_balancer import core, desk, estimate
from ampherd_balancer.book import Book
from ampherd_balancer.core import Balancer
from ampherd_balancer.desk import Desk
from ampherd_balancer.metered import Metered
from ampherd_charger_agent.lease import Lease
from ampherd_charger_agent.orders import Orders
from ampherd_charger_agent.overdraw import Overdraw
from ampherd_charger_agent.phase_switch import PhaseSwitch
from ampherd_charger_agent.safety import SafetyLoop
from ampherd_core import policy_check
from ampherd_core.phases import ZERO
from ampherd_meter import electrics
from ampherd_meter.watch import Watch
from ampherd_simulator.invent import invent
from ampherd_simulator.invent_sun import invent_sunny
from ampherd_simulator.story import Story

LONGER_S = 10.0

Anything = Any
"""A mutation reaches into what no type promises."""


@dataclass(frozen=True)
class Mutant:
    """`owner.name` becomes `make(original)`; `promise` is what that breaks, in stories that `invent` tells."""

    title: str
    promise: int
    owner: Anything
    name: str
    make: Callable[[Anything], Anything]
    invent: Callable[[int], Story] = invent

    @contextmanager
    def at_large(self) -> Iterator[None]:
        """While the block runs the product is wrong."""
        original = self.owner.__dict__.get(self.name)
        if original is None and not (isinstance(self.owner, type) and _sets(self.owner, self.name)):
            raise LookupError(f"{self.title}: there is no {self.name} to break")
        setattr(self.owner, self.name, self.make(original))
        try:
            yield
        finally:
            if original is None:
                delattr(self.owner, self.name)
            else:
                setattr(self.owner, self.name, original)


def _sets(owner: type, name: str) -> bool:
    """Whether its constructor gives it that attribute."""
    constructor: Anything = vars(owner).get("__init__")
    return name in constructor.__code__.co_names


def always(value: object) -> Callable[[Anything], Anything]:
    """Whatever is asked, the answer is `value`."""
    return lambda _original: lambda *_args, **_kwargs: value


def fact(value: object) -> Callable[[Anything], Anything]:
    """The same for an attribute, whatever is written to it."""
    return lambda _original: property(lambda _self: value, lambda _self, _value: None)


def _believes_the_grant(_original: Anything) -> Anything:
    def booked_a(self: Book, now_s: float, *, is_reachable: bool) -> float:
        return self._outstanding[-1].offer_a if self._outstanding else self.confirmed_a or 0.0

    return booked_a


def _books_the_offer(_original: Anything) -> Anything:
    def booked_a(self: Book, now_s: float, *, is_reachable: bool) -> float:
        return self.confirmed_a or 0.0

    return booked_a


def _silence_is_nothing(original: Anything) -> Anything:
    def booked_a(self: Book, now_s: float, *, is_reachable: bool) -> Anything:
        return original(self, now_s, is_reachable=True) if is_reachable else 0.0

    return booked_a


def _silence_is_obedience(original: Anything) -> Anything:
    def booked_a(self: Book, now_s: float, *, is_reachable: bool) -> Anything:
        return original(self, now_s, is_reachable=True)

    return booked_a


def _silence_is_zero(_original: Anything) -> Anything:
    def is_fresh(self: Metered, now_s: float) -> bool:
        if now_s - self.heard_s > self.valid_for_s:
            self.house.note(now_s, ZERO, 1.0)
        return True

    return is_fresh


def _from_arrival(original: Anything) -> Anything:
    def hear(self: Lease, grant: Anything, charger: Anything, lease_s: float, now_s: float) -> Anything:
        stamp = grant.echo.model_copy(update={"at_s": now_s})
        return original(self, grant.model_copy(update={"echo": stamp}), charger, lease_s, now_s)

    return hear


def _takes_the_order_for_the_deed(original: Anything) -> Anything:
    def saw(self: SafetyLoop, snapshot: Anything, now_s: float) -> None:
        order = self._orders._order
        original(self, replace(snapshot, offer_a=order.offer_a) if order is not None else snapshot, now_s)

    return saw


def _cuts_what_is_cut(original: Anything) -> Anything:
    def rest(load: Anything, drawn: Anything, start_s: float, stop_s: float) -> Anything:
        _, high = original(load, drawn, start_s, stop_s)
        return high, high

    return rest


def _lasts_longer(_original: Anything) -> Anything:
    def holds(self: Lease, now_s: float) -> bool:
        return self.grant is not None and now_s < self.ends_s + LONGER_S

    return holds


def _writes_once(_original: Anything) -> Anything:
    def needs(self: Orders, wanted_a: float, seen: Anything, now_s: float) -> bool:
        return self._order is None or self._order.offer_a != wanted_a

    return needs


MUTANTS: Sequence[Mutant] = (
    Mutant("a lower grant frees current before it is confirmed", 1, Book, "booked_a", _believes_the_grant),
    Mutant("only the confirmed offer is booked, not what is granted", 1, Book, "booked_a", _books_the_offer),
    Mutant("silence frees current", 1, Book, "booked_a", _silence_is_nothing),
    Mutant("an unreachable wallbox is booked at its last word", 6, Book, "booked_a", _silence_is_obedience),
    Mutant("current that a car still draws counts as free", 2, Book, "_lowered", always(None)),
    Mutant("a car that draws too much is not booked", 6, Book, "overdrawn_a", always(0.0)),
    Mutant("a lease lasts 10 s longer", 3, Lease, "holds", _lasts_longer),
    Mutant("a lease begins when the grant arrives", 3, Lease, "hear", _from_arrival),
    Mutant("an older epoch is obeyed", 3, Lease, "_is_in_order", always(True)),
    Mutant("a lapsed lease leaves the wallbox as it is", 3, SafetyLoop, "_is_holding", always(True)),
    Mutant("an agent ignores a gap in its own time", 3, SafetyLoop, "_notice_gap", always(None)),
    Mutant("a balancer ignores a gap in its own time", 3, core, "GAP_S", lambda _original: float("inf")),
    Mutant("a cut that is under way is cut again", 4, estimate, "_rest", _cuts_what_is_cut),
    Mutant("a silent meter means 0 A", 5, Metered, "is_fresh", _silence_is_zero),
    Mutant("a stale reading counts as fresh", 5, Metered, "is_fresh", always(True)),
    Mutant("a telegram said again is news", 5, Watch, "is_repeat", always(False)),
    Mutant("what was ordered counts as read back", 6, SafetyLoop, "saw", _takes_the_order_for_the_deed),
    Mutant("a deaf wallbox is called obedient", 6, Orders, "needs", _writes_once),
    Mutant("a car that draws too much is let", 6, Overdraw, "saw", always(False)),
    Mutant("a new leader raises before it has fenced", 7, Balancer, "_is_fenced", always(True)),
    Mutant("a leader stays though a higher epoch is heard", 7, Balancer, "higher_epoch", fact(None)),
    Mutant("a car gets less than its minimum", 8, desk, "ceil_to", always(6.0)),
    Mutant("a contactor does not rest", 8, Desk, "waits_s", always(0.0)),
    Mutant("phases are switched under load", 8, PhaseSwitch, "is_dead", always(True), invent_sunny),
    Mutant("fallbacks that do not fit are let pass", 9, policy_check, "_fallbacks", always(())),
    Mutant("a whole amp is taken at its word", 10, electrics, "_margin_a", always(0.0)),
)
