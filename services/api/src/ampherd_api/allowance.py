"""How often somebody may do something: pure, with the time as an argument."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Allowance:
    """So many times within a window, for each address or name; whoever has used it up waits."""

    allowed: int
    window_s: float = 60.0
    most_known: int = 1_000
    _times: dict[str, list[float]] = field(default_factory=dict)

    def note(self, who: str, now_s: float) -> None:
        """Once more."""
        recent = self._recent(who, now_s)
        self._times.pop(who, None)
        if len(self._times) >= self.most_known:
            del self._times[next(iter(self._times))]
        self._times[who] = [*recent, now_s]

    def wait_s(self, who: str, now_s: float) -> float:
        """How long until the next time, s; 0 for now."""
        recent = self._recent(who, now_s)
        return recent[0] + self.window_s - now_s if len(recent) >= self.allowed else 0.0

    def _recent(self, who: str, now_s: float) -> list[float]:
        return [at_s for at_s in self._times.get(who, ()) if now_s - at_s < self.window_s]
