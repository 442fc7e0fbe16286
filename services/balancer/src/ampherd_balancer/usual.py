"""What the house usually takes, learned by the quarter-hour of the week."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from statistics import median
from typing import Annotated, Final

from ampherd_core.messages import PerLine
from ampherd_core.phases import Phases, each, most
from ampherd_core.plans import QUARTERS_A_DAY, QUARTERS_A_WEEK
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ampherd_balancer.sampling import FEWEST_SAMPLES, Finished, Sampling

HIGH_SHARE: Final = 0.8
"""Plans reckon with what a quarter-hour stays under for this share of its time: a kettle does not cost a slot."""

_MEMORY_WEEKS: Final = 4
"""A new week counts as one of so many."""


class Usual(BaseModel):
    """One quarter-hour of the week: the mean and the high load per line, A, of so many weeks."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    mean_a: PerLine
    high_a: PerLine
    weeks: Annotated[int, Field(ge=1, le=1000)] = 1


LATELY: Final = 360
"""So many samples, an hour's, tell what the house takes these days, whatever happens to run just now."""

_Book = dict[str, dict[Annotated[int, Field(ge=0, lt=QUARTERS_A_WEEK)], Usual]]
_BOOK: TypeAdapter[_Book] = TypeAdapter(_Book)


class UsualLoads:
    """The usual load of each metered node; feed it `note`, and ask `high`."""

    def __init__(self) -> None:
        self.book: _Book = {}
        self._lately: dict[str, deque[Phases]] = {}
        self._sampling: Sampling[Mapping[str, Phases]] = Sampling()

    def note(self, loads: Mapping[str, Phases], local: datetime, now_s: float) -> bool:
        """What each node takes beside its cars (A per line) now; True when a quarter-hour was learned."""
        finished = self._sampling.turn(quarter_of(local))
        if self._sampling.take(loads, now_s):
            for node, load in loads.items():
                self._lately.setdefault(node, deque(maxlen=LATELY)).append(load)
        return finished is not None and self._learn(finished)

    def high(self, node: str, local: datetime) -> Phases | None:
        """What the node seldom exceeds in that quarter-hour, A per line; of another day where that one is new."""
        known = self.book.get(node, {})
        quarter = quarter_of(local)
        if quarter in known:
            return known[quarter].high_a
        found: Phases | None = None
        for other, usual in known.items():
            if other % QUARTERS_A_DAY == quarter % QUARTERS_A_DAY:
                found = usual.high_a if found is None else most(found, usual.high_a)
        return found

    def lately(self, node: str) -> Phases | None:
        """What the node took at the median of the last hour, A per line; None before the first sample."""
        samples = self._lately.get(node)
        return _phases([median(line) for line in zip(*samples, strict=True)]) if samples else None

    def remember(self) -> bytes:
        """All that was learned as a document, for `recall` after a restart."""
        return _BOOK.dump_json(self.book)

    def recall(self, document: bytes) -> None:
        """Take up what was remembered; nonsense is ignored."""
        try:
            self.book = _BOOK.validate_json(document)
        except ValidationError:
            return

    def _learn(self, finished: Finished[Mapping[str, Phases]]) -> bool:
        has_learned = False
        for node in dict.fromkeys(node for loads in finished.samples for node in loads):
            samples = [loads[node] for loads in finished.samples if node in loads]
            if len(samples) < FEWEST_SAMPLES:
                continue
            book = self.book.setdefault(node, {})
            book[finished.quarter] = _learned(book.get(finished.quarter), samples)
            has_learned = True
        return has_learned


def quarter_of(local: datetime) -> int:
    """The quarter-hour of the week, from Monday 00:00 by the clock on the wall."""
    return local.weekday() * QUARTERS_A_DAY + local.hour * 4 + local.minute // 15


def _learned(before: Usual | None, samples: list[Phases]) -> Usual:
    lines = list(zip(*samples, strict=True))
    mean_a = _phases([sum(line) / len(line) for line in lines])
    high_a = _phases([sorted(line)[min(len(line) - 1, int(HIGH_SHARE * len(line)))] for line in lines])
    if before is None:
        return Usual(mean_a=mean_a, high_a=high_a)
    weeks = before.weeks + 1
    share = 1 / min(weeks, _MEMORY_WEEKS)
    return Usual(
        mean_a=each(lambda old, new: round(old + share * (new - old), 3), before.mean_a, mean_a),
        high_a=each(lambda old, new: round(old + share * (new - old), 3), before.high_a, high_a),
        weeks=min(weeks, 1000),
    )


def _phases(values: list[float]) -> Phases:
    one, two, three = (round(value, 3) for value in values)
    return one, two, three
