"""Redis in virtual time: the lock that lapses, the epoch, and documents; it may be out of reach, or lose them all."""

from __future__ import annotations

from ampherd_core.store import StoreError

from ampherd_simulator.faults import Faults, Kind


class VirtualStore:
    """What `RedisStore` promises, for callers that give their name and the time."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.lose()

    def lose(self) -> None:
        """Restart empty."""
        self._holder: str | None = None
        self._holds_until_s = 0.0
        self._epoch = 0
        self._documents: dict[str, bytes] = {}

    def acquire(self, who: str, owner: str, ttl_s: float, now_s: float) -> bool:
        """Take or keep the lock."""
        self._reach(who)
        if self._holder not in {None, owner} and now_s < self._holds_until_s:
            return False
        self._holder, self._holds_until_s = owner, now_s + ttl_s
        return True

    def release(self, who: str, owner: str) -> None:
        """Give the lock back."""
        self._reach(who)
        if self._holder == owner:
            self._holder = None

    def next_epoch(self, who: str, at_least: int) -> int:
        """An epoch higher than any before."""
        self._reach(who)
        self._epoch = max(self._epoch, at_least) + 1
        return self._epoch

    def save(self, who: str, name: str, document: bytes) -> None:
        """Replace a document."""
        self._reach(who)
        self._documents[name] = document

    def load(self, who: str, name: str) -> bytes | None:
        """A document, or None."""
        self._reach(who)
        return self._documents.get(name)

    def _reach(self, who: str) -> None:
        if self._faults.is_on(Kind.STORE_GONE, who):
            raise StoreError("the store does not answer")
