"""How a SmartEVSE master finds its set-point and shares it: whole tenths of an amp, cut towards zero as C does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MIN_DA: Final = 60
SET_MOST_DA: Final = 800
NO_CURRENT_MOST: Final = 2
"""One more cycle in a row without room for the minimum of all, and all are stopped."""

STOP_S: Final = 600.0
START_DA: Final = 40
"""Export that lets the first car start, all phases together."""

IMPORT_DA: Final = 0


@dataclass(frozen=True, slots=True)
class Mains:
    """What the mains meter shows, in 0.1 A: the worst phase, and the sum of all."""

    worst_da: int
    sum_da: int


@dataclass(slots=True)
class Balance:
    """The master's set-point; `set_da` begins at the fuse and is the sum over all cars that charge.

    `most_da` is CAPACITY, the most over all phases together, as firmware 3.5 keeps it; None is off.
    """

    limit_da: int
    set_da: int
    phases: int = 3
    most_da: int | None = None
    no_current: int = 0
    sun_gone_s: float | None = None

    def cycle(self, mains: Mains, shares_da: Sequence[int], now_s: float, *, is_join: bool, is_solar: bool) -> bool:
        """One cycle of two seconds (3.2, steps 3 to 8); True where all must stop."""
        baseload_da = mains.worst_da - sum(shares_da)
        room_da = self.limit_da - mains.worst_da
        if self.most_da is not None:
            room_da = min(room_da, int((self.most_da - mains.sum_da) / 3))
        if is_join and not is_solar:
            self.set_da = min(self.limit_da - baseload_da, room_da + sum(shares_da))
        elif not is_join:
            self._correct(room_da, is_solar=is_solar)
        if is_solar and shares_da and room_da > 0:
            self.set_da += _sunny_change_da(mains.sum_da - IMPORT_DA, room_da)
        self.set_da = max(min(self.set_da, self.limit_da - baseload_da, self.limit_da), 0)
        self._hold_minimum(mains, len(shares_da), baseload_da, now_s, is_solar=is_solar)
        is_dark = self.sun_gone_s is not None and now_s - self.sun_gone_s >= STOP_S
        return self.no_current > NO_CURRENT_MOST or mains.worst_da > 2 * self.limit_da or is_dark

    def _correct(self, room_da: int, *, is_solar: bool) -> None:
        if room_da <= 0:
            self.set_da += room_da
        elif not is_solar:
            self.set_da += room_da // 4
        self.set_da = max(0, min(self.set_da, SET_MOST_DA))

    def _hold_minimum(self, mains: Mains, active: int, baseload_da: int, now_s: float, *, is_solar: bool) -> None:
        least_da = active * MIN_DA
        if self.set_da >= least_da:
            self.no_current, self.sun_gone_s = 0, None
            return
        self.set_da = least_da
        is_above_cap = self.most_da is not None and mains.sum_da > self.most_da
        if is_above_cap or least_da > min(self.limit_da - baseload_da, self.limit_da):
            self.no_current += 1
        is_sunless = mains.sum_da > max(IMPORT_DA, least_da * self.phases - START_DA)
        if not (is_solar and is_sunless):
            self.sun_gone_s = None
        elif self.sun_gone_s is None:
            self.sun_gone_s = now_s


def shares_da(set_da: int, most_da: Sequence[int]) -> list[int]:
    """The set-point over the cars: a cap below the average is met first, the rest share alike (3.2, step 9)."""
    left_da = min(set_da, sum(most_da))
    shares: dict[int, int] = {}
    while True:
        waiting = [place for place in range(len(most_da)) if place not in shares]
        full = [place for place in waiting if most_da[place] * len(waiting) <= left_da]
        if not full:
            break
        for place in full:
            shares[place] = most_da[place]
            left_da -= most_da[place]
    for behind, place in enumerate(waiting):
        shares[place] = left_da // (len(waiting) - behind)
        left_da -= shares[place]
    return [shares[place] for place in range(len(most_da))]


def _sunny_change_da(import_da: int, room_da: int) -> int:
    """Up by 0.1 or 0.5 A on export, down by up to half the import (3.2, step 5)."""
    if import_da < 0:
        return 5 if import_da < -10 and room_da > 10 else 1
    if import_da > 20:
        return -(import_da // 2)
    if import_da > 10:
        return -5
    return -1 if import_da > 3 else 0
