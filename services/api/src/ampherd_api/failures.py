"""Who guesses tokens: pure, with the time as an argument."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Failures:
    """Wrong tokens by address: after ten within a minute, that address waits for the minute's end."""

    allowed: int = 10
    window_s: float = 60.0
    addresses_kept: int = 1_000
    _tries: dict[str, list[float]] = field(default_factory=dict)

    def note(self, address: str, now_s: float) -> None:
        """One more wrong token."""
        if address not in self._tries and len(self._tries) >= self.addresses_kept:
            del self._tries[next(iter(self._tries))]
        self._tries[address] = [*self._recent(address, now_s), now_s]

    def wait_s(self, address: str, now_s: float) -> float:
        """How long this address is not listened to, s; 0 when it is."""
        recent = self._recent(address, now_s)
        return recent[0] + self.window_s - now_s if len(recent) >= self.allowed else 0.0

    def _recent(self, address: str, now_s: float) -> list[float]:
        return [at_s for at_s in self._tries.get(address, ()) if now_s - at_s < self.window_s]
