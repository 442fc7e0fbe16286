"""How fresh a meter is: judged by when its samples arrive, never by their values or their clock."""

from __future__ import annotations

from collections import deque
from statistics import median_low
from typing import Final

from ampherd_meter.sample import Sample

FAST_VALID_S: Final = 5.0
"""A meter of 1 or 2 s that is silent so long has missed two to five samples: fall back."""

SLOW_VALID_S: Final = 25.0
"""A meter of 10 s may lose one telegram, not two."""

_VALID_INTERVALS: Final = 2.5
"""Between those two: two and a half periods."""

FROZEN_WITHOUT_CLOCK_S: Final = 300.0
"""Old meters give no clock and steps of 10 W: a quiet house repeats itself, but not for so long."""

_GAPS: Final = 9
"""The median of so many gaps (of an even number the lower) follows a meter's period; no single stall moves it."""

_LOST_RATIO: Final = 1.5
"""A gap this many times the period has lost a sample."""


class Watch:
    """The age, the period and the repeats of one meter's samples; every `now_s` is on the boot clock."""

    def __init__(self, stale_after_s: float | None) -> None:
        self._stale_after_s = stale_after_s
        self._gaps_s: deque[float] = deque(maxlen=_GAPS)
        self._nominal_s: float | None = None
        self._fresh_s: float | None = None
        self._content: str | None = None
        self._changed_s = 0.0

    @property
    def has_sample(self) -> bool:
        """Whether there ever was a fresh sample."""
        return self._fresh_s is not None

    @property
    def interval_s(self) -> float | None:
        """The period as observed; before that, as the meter's standard promises; None where nothing is known."""
        return round(median_low(self._gaps_s), 3) if self._gaps_s else self._nominal_s

    @property
    def valid_for_s(self) -> float:
        """The age from which a sample is stale, s; a link that thins out a fast meter does not lengthen it."""
        if self._stale_after_s is not None:
            return self._stale_after_s
        periods = [period for period in (self.interval_s, self._nominal_s) if period is not None]
        return min(max(_VALID_INTERVALS * min(periods, default=0.0), FAST_VALID_S), SLOW_VALID_S)

    def is_fresh(self, now_s: float) -> bool:
        """Whether the newest sample is younger than `valid_for_s`."""
        return self._fresh_s is not None and now_s - self._fresh_s < self.valid_for_s

    def is_repeat(self, sample: Sample, now_s: float) -> bool:
        """Whether this is the last sample again, word for word; call it once for each that arrives."""
        if sample.content is None:
            return False
        if sample.content != self._content:
            self._content, self._changed_s = sample.content, now_s
            return False
        return sample.has_clock or now_s - self._changed_s >= FROZEN_WITHOUT_CLOCK_S

    def fresh(self, sample: Sample, now_s: float) -> int:
        """A sample became a reading; gives how many were lost since the one before."""
        self._nominal_s = sample.nominal_interval_s
        lost = 0
        if self._fresh_s is not None:
            gap_s = max(0.0, now_s - self._fresh_s)
            lost = self._lost(gap_s)
            self._gaps_s.append(gap_s)
        self._fresh_s = now_s
        return lost

    def _lost(self, gap_s: float) -> int:
        period_s = self.interval_s
        if not period_s or gap_s < _LOST_RATIO * period_s:
            return 0
        return max(1, round(gap_s / period_s) - 1)
