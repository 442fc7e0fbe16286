"""How old what was heard really is, when nobody's clock can be trusted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from ampherd_core.messages import Stamp

_DRIFT: Final = 0.001
"""Two boot clocks drift apart by less than this; it lets the least delay be forgotten slowly."""

_GONE_AFTER_S: Final = 3.0
"""Senders speak at least once a second: a session replaced by another is heard again only after such a silence."""

_IN_STEP_S: Final = 1.0
"""A sender that lives shows it over at least this long."""

_REMEMBERED: Final = 8
"""Sessions that were replaced; a latecomer of one before those is improbable."""


@dataclass(slots=True)
class Sender:
    """Maps one sender's stamps onto our clock by the least delay ever seen from it.

    A message that took longer than the quickest one is older by the difference: frozen processes, full queues and
    late deliveries show as age, though no clock agrees with another.
    """

    session: str = ""
    _offset_s: float = 0.0
    _updated_s: float = 0.0
    _newest_s: float = 0.0
    _returning: tuple[Stamp, float] | None = None
    _replaced: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def hear(self, stamp: Stamp, now_s: float) -> float | None:
        """When the stamp was made, on our clock; None for a repeat, or a latecomer of this session or one before."""
        offset_s = now_s - stamp.at_s
        if stamp.session != self.session:
            if stamp.session in self._replaced and not self._is_alive_again(stamp, now_s):
                return None
            self._replaced.append(self.session)
            self.session, self._offset_s, self._updated_s = stamp.session, offset_s, now_s
        elif stamp.at_s <= self._newest_s:
            return None
        else:
            relaxed_s = self._offset_s + _DRIFT * (now_s - self._updated_s)
            self._offset_s, self._updated_s = min(offset_s, relaxed_s), now_s
        self._newest_s = stamp.at_s
        return stamp.at_s + self._offset_s

    def _is_alive_again(self, stamp: Stamp, now_s: float) -> bool:
        """Whether a replaced session lives after all: its successor is silent, its stamps keep step with our clock.

        Latecomers of a dead process come in a bunch, or once.
        """
        if now_s - self._updated_s <= _GONE_AFTER_S:
            return False
        first = self._returning
        if first is None or first[0].session != stamp.session or now_s - first[1] > _GONE_AFTER_S:
            self._returning = stamp, now_s
            return False
        passed_s, stamped_s = now_s - first[1], stamp.at_s - first[0].at_s
        return passed_s >= _IN_STEP_S and abs(passed_s - stamped_s) < _IN_STEP_S / 2
