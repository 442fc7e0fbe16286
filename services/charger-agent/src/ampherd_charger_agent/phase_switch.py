"""When a wallbox may change between one phase and three: only on demand, and never while current flows."""

from __future__ import annotations

from typing import Final

from ampherd_core.phases import PhaseCount

from ampherd_charger_agent.wallbox import Snapshot

NO_CURRENT_A: Final = 1.0
"""A car that draws less counts as stopped (evcc and SmartEVSE draw the line there too)."""

DEAD_S: Final = 10.0
"""So long without offer and current before a switch: EVerest's pause. A contactor opens within 6 s (IEC 61851-1), and
a car whose phases change while it is connected to them may be damaged."""

SETTLE_S: Final = 5.0
"""So long after a switch nothing starts: the contactors have settled, and the car takes it for a new offer."""

TRIES: Final = 3
"""A wallbox that ignored so many switches is asked again only when another count was wanted between."""

RETRY_S: Final = 5.0


class PhaseSwitch:
    """Watches the dead time, and what became of each switch; times are on the agent's own clock."""

    def __init__(self) -> None:
        self._dead_since_s: float | None = None
        self._switched_s = float("-inf")
        self._ordered: PhaseCount | None = None
        self._ordered_s = float("-inf")
        self._failed: PhaseCount | None = None
        self._failures = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a switch was ordered and nothing has been read since."""
        return self._ordered is not None

    def saw(self, seen: Snapshot, now_s: float) -> None:
        """The wallbox was read."""
        if seen.offer_a > 0 or not _is_without_current(seen):
            self._dead_since_s = None
        elif self._dead_since_s is None:
            self._dead_since_s = now_s
        if self._ordered is not None and seen.read_at_s >= self._ordered_s:
            self._judge(self._ordered, seen, now_s)

    def unseen(self) -> None:
        """The wallbox was not read, or the agent stood still: nobody knows what flowed meanwhile."""
        self._dead_since_s = None

    def may_offer(self, wanted: PhaseCount | None, seen: Snapshot | None, now_s: float) -> bool:
        """Whether current may be offered on `wanted` phases, None for whichever there are."""
        if self.is_under_way or now_s < self._switched_s + SETTLE_S:
            return False
        return wanted is None or (seen is not None and seen.phases == wanted)

    def order(self, wanted: PhaseCount | None, seen: Snapshot | None, now_s: float) -> PhaseCount | None:
        """The count to write now, which then is under way; None where nothing is to be written."""
        if wanted != self._failed:
            self._failed, self._failures = None, 0
        if wanted is None or seen is None or seen.phases in {None, wanted} or self.is_under_way:
            return None
        may_try = self._failures < TRIES and now_s >= self._ordered_s + RETRY_S
        if not may_try or not self.is_dead(now_s):
            return None
        self._ordered, self._ordered_s = wanted, now_s
        return wanted

    def is_dead(self, now_s: float) -> bool:
        """Whether nothing was offered and nothing flowed in the whole dead time."""
        return self._dead_since_s is not None and now_s - self._dead_since_s >= DEAD_S

    def wrote(self, now_s: float) -> None:
        """The write is over, maybe long after it was ordered: only what is read from now on tells of it."""
        self._ordered_s = now_s

    def withdrawn(self) -> None:
        """What was ordered was not written."""
        self._ordered = None

    def complaint(self, wanted: PhaseCount | None, seen: Snapshot | None) -> str | None:
        """Why the wallbox cannot be used on `wanted` phases, for a person."""
        if wanted is None or seen is None:
            return None
        if seen.phases is None:
            return "the wallbox does not tell how many phases it uses, so nothing starts there"
        if self._failures >= TRIES and self._failed == wanted != seen.phases:
            return f"the wallbox does not switch to {'one phase' if wanted == 1 else 'three phases'}"
        return None

    def _judge(self, ordered: PhaseCount, seen: Snapshot, now_s: float) -> None:
        self._ordered = None
        self._switched_s = now_s
        if seen.phases == ordered:
            self._failed, self._failures = None, 0
        else:
            self._failed, self._failures = ordered, self._failures + 1


def _is_without_current(seen: Snapshot) -> bool:
    """By its own meter, or, without one, because its car has let go."""
    if seen.drawn_a is None:
        return not seen.iec_state.is_charging
    return max(seen.drawn_a) < NO_CURRENT_A
