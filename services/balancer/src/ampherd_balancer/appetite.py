"""What a car can use: the lines it takes, the most it seems to want, and whether it wants anything at all."""

from __future__ import annotations

from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import LINES, Line, Phases
from ampherd_core.policy import Timings

USED_ABOVE_A: Final = 1.0
"""A phase that carries more is in use (evcc and SmartEVSE draw the line there too)."""

SURE_ABOVE_A: Final = 4.0
"""A car that draws this much on one line shows by the others which lines it leaves."""

SURE_AFTER_S: Final = 15.0
"""How long it must show it: three-phase cars start their phases one after the other."""

UNUSED_A: Final = 1.5
"""Cars draw 0.3 to 1 A less than offered; more than this is left unused."""

SPARE_A: Final = 1.0
"""Stays offered above what such a car draws, so that it shows when it wants more."""

SELDOM_S: Final = 3600.0
"""A car that goes on taking nothing is asked half as often each time, but once an hour."""


class Appetite:
    """One car's habits since it was plugged in; feed it every fresh state.

    `lines` are the site lines that it uses, all wired ones until it has shown which; `cap_a` is the most that it makes
    use of, None while that is not known; it `is_idle` once it was offered current for a while and took none: full, or
    waiting for its own timer. Where nothing is left to offer it, it `is_asked` now and then.
    """

    def __init__(self, lines: tuple[Line, ...], timings: Timings) -> None:
        self._wired = lines
        self._in_order = tuple([line for line in LINES if line in lines])
        self.timings = timings
        self.forget()

    def forget(self) -> None:
        """Another car may come: every wired line may be used, and as much as the wallbox allows."""
        self.lines = self._wired
        self._fewer_since_s: float | None = None
        self._unused_since_s: float | None = None
        self._most_drawn_a = 0.0
        self._idle_since_s: float | None = None
        self.cap_a: float | None = None
        self.is_idle = self.is_asked = False
        self._ask_after_s = self.timings.probe_every_s
        self._probe_s = float("-inf")
        self._is_known = False

    def heard(
        self, iec_state: IecState, offer_a: float, drawn: Phases | None, now_s: float, *, is_on_one_phase: bool = False
    ) -> None:
        """One fresh state: what the wallbox offers and what the car draws per line (None without a meter).

        On one phase of a wallbox that has more a car cannot show which lines it would use.
        """
        if not iec_state.is_connected:
            if self._is_known:
                self.forget()
            return
        self._is_known = True
        drawn_a = max(drawn) if drawn is not None else None
        self._note_idle(iec_state, offer_a, drawn_a, now_s)
        if drawn is None or drawn_a is None or not iec_state.is_charging:
            self._fewer_since_s = self._unused_since_s = None
            return
        self._note_lines(drawn, 0.0 if is_on_one_phase else drawn_a, now_s)
        self._note_unused(offer_a, drawn_a, now_s)

    def rewired(self) -> None:
        """It charges on another count of phases from now on: what it takes of each shows anew."""
        self.cap_a = self._unused_since_s = None

    def _note_idle(self, iec_state: IecState, offer_a: float, drawn_a: float | None, now_s: float) -> None:
        takes = iec_state.is_charging and (drawn_a is None or drawn_a > USED_ABOVE_A)
        if takes:
            self.is_idle, self.is_asked, self._idle_since_s = False, False, None
            self._ask_after_s = self.timings.probe_every_s
        elif offer_a <= 0:
            self._idle_since_s = None
            if self.is_idle and now_s - self._probe_s >= self._ask_after_s:
                self.is_idle, self.is_asked = False, True
                self._ask_after_s = max(self._ask_after_s, min(2 * self._ask_after_s, SELDOM_S))
        elif self._idle_since_s is None:
            self._idle_since_s = now_s
        elif not self.is_idle and now_s - self._idle_since_s >= self.timings.reclaim_after_s:
            self.is_idle, self.is_asked, self._probe_s = True, False, now_s

    def _note_lines(self, drawn: Phases, drawn_a: float, now_s: float) -> None:
        used = tuple([line for line in self._in_order if drawn[line.place] > USED_ABOVE_A])
        if used == self.lines:
            self._fewer_since_s = None
            return
        if not set(used) <= set(self.lines):
            self.lines = tuple(line for line in LINES if line in self.lines or line in used)
        if drawn_a < SURE_ABOVE_A or len(used) >= len(self.lines):
            self._fewer_since_s = None
        elif self._fewer_since_s is None:
            self._fewer_since_s = now_s
        elif now_s - self._fewer_since_s >= SURE_AFTER_S:
            self.lines, self._fewer_since_s = used, None

    def _note_unused(self, offer_a: float, drawn_a: float, now_s: float) -> None:
        if self.cap_a is not None and (
            drawn_a > offer_a - SPARE_A / 2 or now_s - self._probe_s >= self.timings.probe_every_s
        ):
            self.cap_a, self._unused_since_s = None, None
        if drawn_a >= offer_a - UNUSED_A:
            self._unused_since_s = None
        elif self._unused_since_s is None:
            self._unused_since_s, self._most_drawn_a = now_s, drawn_a
        else:
            self._most_drawn_a = max(self._most_drawn_a, drawn_a)
            if now_s - self._unused_since_s >= self.timings.reclaim_after_s:
                self.cap_a, self._probe_s = self._most_drawn_a + SPARE_A, now_s
                self._unused_since_s = None
