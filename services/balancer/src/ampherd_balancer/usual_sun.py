"""What the sun usually leaves over beside the house and before any car, learned by the quarter-hour of the day."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Annotated, Final

from ampherd_core.plans import QUARTERS_A_DAY
from ampherd_core.units import MAX_PLAUSIBLE_W
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ampherd_balancer.sampling import FEWEST_SAMPLES, Finished, Sampling
from ampherd_balancer.usual import quarter_of

MEMORY_DAYS: Final = 7
"""A new day counts as one of so many: the sun knows no weekdays, and a month ago it stood elsewhere."""

TELLS_QUARTERS: Final = 4
"""The last hour tells how bright a day it is."""

TELLS_FOR: Final = timedelta(hours=6)
"""Weather lasts: what the last hour tells counts in full for now, and less and less for so long."""

_BRIGHTEST: Final = 2.0
_TELLING_W: Final = 200.0
"""In the dusk a share of the usual tells nothing."""

_Quarter = Annotated[int, Field(ge=0, lt=QUARTERS_A_DAY)]


class _Mean(BaseModel):
    """The mean of a quarter-hour over so many days, W."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    sun_w: Annotated[float, Field(ge=0, le=MAX_PLAUSIBLE_W)]
    days: Annotated[int, Field(ge=1, le=MEMORY_DAYS)]


class _Book(BaseModel):
    """All that is remembered."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    quarters: dict[_Quarter, _Mean]


class UsualSun:
    """Feed it `note`; it tells the mean of each quarter-hour, and what is to be expected of the coming ones."""

    def __init__(self) -> None:
        self._quarters: dict[int, _Mean] = {}
        self._sampling: Sampling[float] = Sampling()
        self._lately: deque[tuple[float, float]] = deque(maxlen=TELLS_QUARTERS)

    def note(self, beside_w: float, local: datetime, now_s: float) -> bool:
        """What the site takes beside its cars (W, import positive) now; True when a quarter-hour was learned."""
        finished = self._sampling.turn(quarter_of(local) % QUARTERS_A_DAY)
        self._sampling.take(min(max(0.0, -beside_w), MAX_PLAUSIBLE_W), now_s)
        return finished is not None and self._learn(finished)

    def expected_w(self, local: datetime, ahead: timedelta) -> float:
        """What will be left over in the quarter-hour at that time, so far ahead, W; 0 where none was learned."""
        mean = self._quarters.get(quarter_of(local) % QUARTERS_A_DAY)
        weight = max(0.0, 1 - ahead / TELLS_FOR)
        return 0.0 if mean is None else mean.sun_w * (1 + weight * (self._brightness - 1))

    @property
    def _brightness(self) -> float:
        """What the last hour gave as a share of the usual; 1 where that says little."""
        seen_w, usual_w = (sum(watts) for watts in zip(*self._lately, strict=True)) if self._lately else (0.0, 0.0)
        return min(seen_w / usual_w, _BRIGHTEST) if usual_w >= _TELLING_W * TELLS_QUARTERS else 1.0

    @property
    def by_quarter(self) -> tuple[float | None, ...]:
        """The whole day, W; empty before anything was learned."""
        if not self._quarters:
            return ()
        means = [self._quarters.get(quarter) for quarter in range(QUARTERS_A_DAY)]
        return tuple([None if mean is None else mean.sun_w for mean in means])

    def remember(self) -> bytes:
        """All that was learned as a document, for `recall` after a restart."""
        return _Book(quarters=self._quarters).model_dump_json().encode()

    def recall(self, document: bytes) -> None:
        """Take up what was remembered; nonsense is ignored."""
        try:
            self._quarters = dict(_Book.model_validate_json(document).quarters)
        except ValidationError:
            return

    def _learn(self, finished: Finished[float]) -> bool:
        quarter, samples = finished
        if len(samples) < FEWEST_SAMPLES:
            return False
        mean_w, days = sum(samples) / len(samples), 1
        if (before := self._quarters.get(quarter)) is not None:
            self._lately.append((mean_w, before.sun_w))
            days = min(before.days + 1, MEMORY_DAYS)
            mean_w = before.sun_w + (mean_w - before.sun_w) / days
        self._quarters[quarter] = _Mean(sun_w=round(mean_w, 1), days=days)
        return True
