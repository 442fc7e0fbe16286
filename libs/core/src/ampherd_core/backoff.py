"""How long to wait before the next try."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `base_s` to `cap_s`; a value, so that a test needs no clock."""

    base_s: float = 0.2
    cap_s: float = 5.0
    failures: int = 0

    @property
    def delay_s(self) -> float:
        """The wait after the failures so far; 0 after none."""
        return min(self.cap_s, self.base_s * 2 ** (self.failures - 1)) if self.failures else 0.0

    def after_failure(self) -> Backoff:
        """One more failure."""
        return replace(self, failures=min(self.failures + 1, 32))

    def reset(self) -> Backoff:
        """All is well again."""
        return replace(self, failures=0) if self.failures else self
