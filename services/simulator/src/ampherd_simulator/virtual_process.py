"""A process in virtual time: it has a boot clock of its own, may be killed or frozen, and gets its mail late then."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from ampherd_core.messages import ChargerState, Grant, Reading

Mail: TypeAlias = ChargerState | Grant | Reading


class VirtualProcess:
    """The base of meter, balancer and agent. `clock_s` is its boot clock; nobody's agrees with another's."""

    def __init__(self, name: str, *, boot_s: float = 0.0) -> None:
        self.name = name
        self.is_alive = True
        self.mail: list[Mail] = []
        self.is_tick_first = False
        self._boot_s = boot_s
        self._thaws_s = -math.inf
        self._freezes_until: Callable[[float], float] | None = None

    def clock_s(self, now_s: float) -> float:
        """This process's boot clock at `now_s` of the world."""
        return now_s + self._boot_s

    def is_frozen(self, now_s: float) -> bool:
        """Whether it stands still."""
        return now_s < self._thaws_s

    def freeze(self, until_s: float) -> None:
        """Stand still, with all its ideas, until then."""
        self._thaws_s = max(self._thaws_s, until_s)

    def freeze_in_the_act(self, until: Callable[[float], float]) -> None:
        """Stand still between the next decision and its deed; `until` is told when that is, and says until when."""
        self._freezes_until = until

    def kill(self) -> None:
        """Die; whoever starts it anew makes another."""
        self.is_alive = False
        self.mail.clear()

    def take(self, message: Mail, now_s: float) -> None:
        """A message arrives at the socket; a frozen process reads it when it thaws."""
        if not self.is_alive:
            return
        if self.is_frozen(now_s) or self.mail:
            self.mail.append(message)
        else:
            self.hear(message, now_s)

    def read_mail(self, now_s: float) -> None:
        """What waited in the socket, in its order."""
        while self.mail and not self.is_frozen(now_s):
            self.hear(self.mail.pop(0), now_s)

    def hear(self, message: Mail, now_s: float) -> None:
        """One message."""
        raise NotImplementedError

    def _freezes_now(self, now_s: float) -> bool:
        """Whether it was to freeze in the act, and does."""
        until, self._freezes_until = self._freezes_until, None
        if until is None:
            return False
        self.freeze(until(now_s))
        return True
