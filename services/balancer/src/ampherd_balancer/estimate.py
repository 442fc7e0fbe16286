"""The house: what a metered node carries beside the chargers below it, as an interval.

Meter and wallboxes are read at different moments and a car moves in between, so grid minus drawn is not a number.
The low end is certain: it decides cuts, so that a car on its way down is not cut twice. The high end may be true:
it decides what can be promised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from ampherd_core.phases import ZERO, Phases, add, most, subtract

from ampherd_balancer.traces import Peak, Spans

REFRESH_S: Final = 1.0
SLOWEST_REFRESH_S: Final = 2.0
SENDING_S: Final = 0.2
"""A sample shows what was drawn up to this long before it arrived: a P1 meter, slow ones too, refreshes once a second
and then sends; a Sensorbox is polled every two."""

UNHEARD_S: Final = 5.0
"""A car may stop while its agent is not heard, for three seconds and a little: that is no room for others. So long
the highest that the rest may have been counts, too: its lowest says little while another car is in doubt."""

COMES_BACK_A: Final = 1.0
"""A load that comes back is at least so much; whole amps alone make less."""

EXPECTED_S: Final = 600.0
"""A load that came back is expected again for so long: ovens come every two minutes, dryers every five."""

LONGER: Final = 1.25
"""Its pauses are not all alike."""

AHEAD_S: Final = 1.5
"""A wallbox may report this long after the meter what both saw: agents speak at least once a second."""


class Interval(NamedTuple):
    """The rest of a node: at least `low`, at most `high`, and `likely` the most of the last while (A per line).

    While a car moves, `high` leaps up for a moment; what is to be shared among cars must not leap with it. `lasting` is
    the most of a longer while: a car that had to stop comes back when that leaves room.
    """

    low: Phases
    likely: Phases
    high: Phases
    lasting: Phases

    def plus(self, load: Phases) -> Interval:
        """With a load that stands in none of the measurements."""
        if load == ZERO:
            return self
        return Interval(*(add(side, load) for side in self))


class House:
    """The load beside the chargers of one metered node (the connection, or a circuit with a meter).

    Feed it the meter's guard currents.
    """

    def __init__(self, hold_s: float, return_after_s: float) -> None:
        self._back_s = REFRESH_S + SENDING_S
        self._open: deque[tuple[float, Phases]] = deque()
        self._hold_s, self._unheard_s = hold_s, REFRESH_S + UNHEARD_S
        self._settled = Peak(hold_s)
        self._lasting = Peak(return_after_s)
        self._highs = Peak(self._unheard_s)
        self._pause_s, self._came_back_s = 0.0, float("-inf")
        self._latest: tuple[float, Phases] | None = None

    def hold_for(self, hold_s: float, return_after_s: float) -> None:
        """Reckon with the most of this long from now on; the second for who had to stop."""
        self._hold_s = hold_s
        self._lasting.window_s = return_after_s
        self._settled.window_s = self._held_s

    def note(self, at_s: float, load: Phases, interval_s: float) -> None:
        """One sample of the node's meter, guard current per line (A); the meter's period tells how old it may be."""
        self._back_s = SENDING_S + min(max(interval_s, REFRESH_S), SLOWEST_REFRESH_S)
        self._unheard_s = interval_s + UNHEARD_S
        self._settled.window_s = max(self._held_s, self._expects_s(at_s))
        self._highs.window_s = self._unheard_s
        self._latest = (at_s, load)
        self._open.append((at_s, load))

    @property
    def _held_s(self) -> float:
        """How long every load is remembered, s."""
        return max(self._hold_s, self._unheard_s)

    @property
    def load(self) -> Phases | None:
        """The newest sample."""
        return self._latest[1] if self._latest else None

    @property
    def since_s(self) -> float:
        """Since when the newest sample may have shown what was drawn."""
        return self._latest[0] - self._back_s if self._latest is not None else float("-inf")

    def beside(self, drawn: Sequence[Spans], now_s: float) -> tuple[Phases, Phases] | None:
        """What the node took beside `drawn` by its newest sample, at least and at most (A per line); None without."""
        if self._latest is None:
            return None
        return _rest(self._latest[1], drawn, self.since_s, now_s)

    def interval(self, drawn: Sequence[Spans], unseen: Phases, now_s: float) -> Interval:
        """What the rest of the node takes (A per line).

        `drawn` are the chargers that are heard; `unseen` is the most that the silent ones may draw.
        """
        if self._latest is None:
            return Interval(ZERO, ZERO, ZERO, ZERO)
        while self._open and self._open[0][0] < now_s - AHEAD_S:
            at_s, load = self._open.popleft()
            low, high = _rest(load, drawn, at_s - self._back_s, at_s + AHEAD_S)
            settled = subtract(low, unseen)
            self._notice_comeback(settled, at_s)
            self._settled.note(at_s, settled)
            self._lasting.note(at_s, settled)
            self._highs.note(at_s, high)
        low, high = _rest(self._latest[1], drawn, self.since_s, now_s)
        likely = low
        if (peak := self._settled.most(now_s)) is not None:
            likely, high = most(low, add(peak, unseen)), most(high, peak)
        if (peak := self._highs.most(now_s)) is not None:
            high = most(high, peak)
        lasting = likely
        if (peak := self._lasting.most(now_s)) is not None:
            lasting = most(likely, add(peak, unseen))
        return Interval(subtract(low, unseen), likely, high, lasting)

    def _notice_comeback(self, settled: Phases, at_s: float) -> None:
        """What cars get in a load's pause is taken back at its end: once one was seen, pauses are waited out."""
        for place, amps in enumerate(settled):
            before_s = self._lasting.last_s(place, amps - COMES_BACK_A, at_s)
            if before_s is not None and at_s - before_s > self._held_s:
                known_s = self._pause_s if at_s - self._came_back_s < EXPECTED_S else 0.0
                self._pause_s, self._came_back_s = max(known_s, at_s - before_s), at_s

    def _expects_s(self, now_s: float) -> float:
        """How long a load's pause may last, s; 0 where none has come back lately."""
        if now_s - self._came_back_s >= EXPECTED_S:
            return 0.0
        return min(LONGER * self._pause_s, self._lasting.window_s)


def _rest(load: Phases, drawn: Sequence[Spans], start_s: float, stop_s: float) -> tuple[Phases, Phases]:
    low = high = load
    for trace in drawn:
        least, most = trace.span(start_s, stop_s)
        low, high = subtract(low, most), subtract(high, least)
    return low, high
