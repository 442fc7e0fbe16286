"""Short memories of measured values, asked for the least and the most of a span."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Protocol

from ampherd_core.phases import LINES, ZERO, Line, Phases, on_lines


class Spans(Protocol):
    """What flows of one load, as far as it is known."""

    def span(self, start_s: float, stop_s: float) -> tuple[Phases, Phases]:
        """The least and the most per line that held at any moment of [start_s, stop_s]."""
        ...


class Trace:
    """A value per line that holds until the next, and may still hold `lag_s` after it; remembers `horizon_s`.

    What is only guessed is noted with the least and the most that it may be.
    """

    __slots__ = ("_horizon_s", "_items", "_newest_s", "lag_s", "latest")

    def __init__(self, horizon_s: float, lag_s: float = 0.0) -> None:
        self._horizon_s = horizon_s
        self.lag_s = lag_s
        self.latest: Phases = ZERO
        self._newest_s = float("-inf")
        self._items: deque[tuple[float, Phases, Phases]] = deque()

    def note(self, at_s: float, value: Phases, bounds: tuple[Phases, Phases] | None = None) -> None:
        """Remember a value, or what it is at least and at most; out of order, it counts from the newest time on."""
        least, most = bounds if bounds is not None else (value, value)
        self.latest = value
        items = self._items
        at_s = self._newest_s = max(at_s, self._newest_s)
        if not items or items[-1][1] != least or items[-1][2] != most:
            items.append((at_s, least, most))
        while len(items) > 1 and items[1][0] < at_s - self._horizon_s:
            items.popleft()

    def doubt(self, at_s: float) -> None:
        """From then on, until the next value, nobody sees whether it goes down: at most what it was, at least none."""
        if self._items:
            self.note(at_s, self.latest, (ZERO, self._items[-1][2]))

    def span(self, start_s: float, stop_s: float) -> tuple[Phases, Phases]:
        """The least and the most per line that held at any moment of [start_s, stop_s]; zero before the first note."""
        start_s -= self.lag_s
        if self._items and self._items[-1][0] <= start_s:
            return self._items[-1][1:]
        low = high = None
        for at_s, least, most in reversed(self._items):
            if at_s > stop_s:
                continue
            if low is None or high is None:
                low, high = least, most
            else:
                low = min(low[0], least[0]), min(low[1], least[1]), min(low[2], least[2])
                high = max(high[0], most[0]), max(high[1], most[1]), max(high[2], most[2])
            if at_s <= start_s:
                return low, high
        if low is None or high is None:
            return self.latest, self.latest
        return low, high


class Spread:
    """A trace of which nobody knows on which line it flows: it counts on each of `lines`."""

    __slots__ = ("_lines", "_trace")

    def __init__(self, trace: Trace, lines: tuple[Line, ...]) -> None:
        self._trace = trace
        self._lines = lines

    def span(self, start_s: float, stop_s: float) -> tuple[Phases, Phases]:
        """The least and the most of its fullest line, on all of them."""
        least, most = self._trace.span(start_s, stop_s)
        return on_lines(self._lines, max(least)), on_lines(self._lines, max(most))


class Spent:
    """A trace that on `lines` has come down to `most_a`, as far as anybody may still hope."""

    __slots__ = ("_caps", "_trace")

    def __init__(self, trace: Spans, lines: Collection[Line], most_a: float) -> None:
        self._trace = trace
        self._caps = [most_a if line in lines else float("inf") for line in LINES]

    def span(self, start_s: float, stop_s: float) -> tuple[Phases, Phases]:
        """The least and the most, no more than that on those lines."""
        least, most = self._trace.span(start_s, stop_s)
        return self._capped(least), self._capped(most)

    def _capped(self, load: Phases) -> Phases:
        one, two, three = map(min, load, self._caps)
        return one, two, three


class Peak:
    """The most per line of a sliding window."""

    __slots__ = ("_queues", "window_s")

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._queues: tuple[deque[tuple[float, float]], ...] = (deque(), deque(), deque())

    def note(self, at_s: float, value: Phases) -> None:
        """Add a value."""
        for queue, amount in zip(self._queues, value, strict=True):
            while queue and queue[-1][1] <= amount:
                queue.pop()
            queue.append((at_s, amount))

    def last_s(self, place: int, least: float, now_s: float) -> float | None:
        """When a line's value was at least that for the last time in the window, or None."""
        at_s = next((at_s for at_s, amount in reversed(self._queues[place]) if amount >= least), None)
        return at_s if at_s is not None and at_s >= now_s - self.window_s else None

    def most(self, now_s: float) -> Phases | None:
        """The most of the window's values, or None when it holds none."""
        for queue in self._queues:
            while queue and queue[0][0] < now_s - self.window_s:
                queue.popleft()
        if not self._queues[0]:
            return None
        one, two, three = self._queues
        return one[0][1], two[0][1], three[0][1]
