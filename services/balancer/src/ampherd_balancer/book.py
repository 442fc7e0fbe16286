"""What one charger is booked at: the most that its wallbox may let a car draw, whatever was lost or is late.

Only a confirmed lower offer frees current, and only once the car has followed it. Silence frees nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import ChargerState, Grant, GrantId, LinkHealth
from ampherd_core.units import CAR_REACTION_S, overdraw_limit_a

SILENT_AFTER_S: Final = 3.0
"""An agent speaks at least once a second; after three misses its wallbox may be anywhere."""

NOISE_A: Final = 0.2
"""Two meters that see the same current differ by less; what a car draws above its offer counts from here on."""


@dataclass(slots=True)
class _Release:
    """A confirmed lower offer that the car has yet to follow: `held_a` stays booked until it is seen to draw less."""

    held_a: float
    until_s: float
    is_sure_from_s: float


class Book:
    """The ledger of one charger. `most_a` is what its wallbox may offer when nothing is known of it."""

    def __init__(self, *, fallback_a: float, most_a: float, car_lag_s: float) -> None:
        self.fallback_a = fallback_a
        self.most_a = most_a
        self.car_lag_s = car_lag_s
        self.confirmed_a: float | None = None
        self.applied: GrantId | None = None
        self._outstanding: list[Grant] = []
        self._release: _Release | None = None
        self._raised_s = float("-inf")
        self.drawn_a = 0.0
        self._pending_a = 0.0
        self._pending_least_a = math.inf
        self.is_metered = False

    def granted(self, grant: Grant) -> None:
        """A grant was sent: from now on the agent may act on it, and it stands for the one that it repeats."""
        if self._outstanding and _is_repeat(self._outstanding[-1], grant):
            self._outstanding[-1] = grant
        else:
            self._outstanding.append(grant)

    def heard(self, state: ChargerState, drawn_a: float | None, now_s: float) -> None:
        """A fresh state; `drawn_a` is the most on any line, None where nothing measures it."""
        overtaken_a = self._drop_overtaken(state) if self._outstanding else 0.0
        self._pending_a = state.pending_a or 0.0
        self._pending_least_a = state.pending_least_a if state.pending_least_a is not None else math.inf
        self.is_metered = drawn_a is not None
        self.drawn_a = drawn_a or 0.0
        if state.applied is not None and state.link is LinkHealth.OK:
            self.applied = state.applied
        if state.offer_a is None or state.link is not LinkHealth.OK:
            return
        before = self.confirmed_a
        if overtaken_a > max(state.offer_a, before or 0.0):
            # It may have stood for a moment that no state told of, and the car may be on its way up to it.
            self._raised_s = now_s
            self._lowered(overtaken_a, now_s)
        elif before is None or state.offer_a > before:
            self._raised_s = now_s
        elif state.offer_a < before:
            self._lowered(before, now_s)
        self.confirmed_a = state.offer_a

    def _drop_overtaken(self, state: ChargerState) -> float:
        """Forget the grants that cannot be acted on any more; the highest of them, A."""
        overtaken_a, kept = 0.0, []
        for grant in self._outstanding:
            if _may_act(grant, state):
                kept.append(grant)
            else:
                overtaken_a = max(overtaken_a, grant.offer_a)
        self._outstanding = kept
        return overtaken_a

    def _lowered(self, before_a: float, now_s: float) -> None:
        held_a = max([before_a, self.drawn_a] + ([self._release.held_a] if self._release else []))
        self._release = _Release(
            held_a=held_a,
            until_s=now_s + max(CAR_REACTION_S, self.car_lag_s),
            # A raise just before may still be on its way into the car: what it draws now proves nothing yet.
            is_sure_from_s=self._raised_s + max(CAR_REACTION_S, self.car_lag_s),
        )

    @property
    def offered_a(self) -> float:
        """The most that the wallbox may offer now, A: confirmed, ordered and not taken yet, or granted."""
        return max([self.confirmed_a or 0.0, self._pending_a, *[grant.offer_a for grant in self._outstanding]])

    @property
    def may_be_on_three(self) -> bool:
        """Whether a grant of three phases may yet be acted on."""
        return any(grant.phases == 3 for grant in self._outstanding)

    @property
    def surely_offered_a(self) -> float:
        """The least that the wallbox may offer now by its agent's own orders, A; a grant may lower it yet."""
        return min(self.confirmed_a or 0.0, self._pending_least_a)

    def booked_a(self, now_s: float, *, is_reachable: bool) -> float:
        """The commitment, A per phase, on every line that the charger uses."""
        if self.confirmed_a is None:
            return self.most_a
        booked_a = max(self.offered_a, self.fallback_a, self._held_a(now_s), self.overdrawn_a(now_s))
        return booked_a if is_reachable else max(booked_a, self.most_a)

    def overdrawn_a(self, now_s: float) -> float:
        """What the car draws above its offer, and above what it may still be following down from; else 0."""
        if self.confirmed_a is None:
            return 0.0
        is_following = self._release is not None and now_s < self._release.until_s
        held_a = self._release.held_a if self._release is not None and is_following else 0.0
        return self.drawn_a if self.drawn_a > max(self.confirmed_a, held_a) + NOISE_A else 0.0

    def is_settled(self, offer_a: float, step_a: float) -> bool:
        """Whether the wallbox confirmed `offer_a` to its own step, the car keeps to it, and no higher grant is open."""
        if self.confirmed_a is None or abs(self.confirmed_a - offer_a) >= step_a + 1e-6:
            return False
        if self.drawn_a > overdraw_limit_a(self.confirmed_a):
            return False
        return all(grant.offer_a <= offer_a for grant in self._outstanding)

    def _held_a(self, now_s: float) -> float:
        release = self._release
        if release is None or now_s >= release.until_s:
            self._release = None
            return 0.0
        is_sure = self.is_metered and now_s >= release.is_sure_from_s
        return min(release.held_a, self.drawn_a) if is_sure else release.held_a


def _is_repeat(before: Grant, grant: Grant) -> bool:
    """Whether `grant` says the same as the one before, and the agent may act on it for at least as long."""
    if (grant.offer_a, grant.phases) != (before.offer_a, before.phases) or grant.echo.session != before.echo.session:
        return False
    return grant.echo.at_s + grant.lease_s >= before.echo.at_s + before.lease_s


def _may_act(grant: Grant, state: ChargerState) -> bool:
    if grant.echo.session != state.stamp.session:
        return False
    if state.applied is not None and state.applied.is_newer_than(grant.id):
        return False
    return state.stamp.at_s <= grant.echo.at_s + grant.lease_s
