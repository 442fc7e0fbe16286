"""How figures are told: distributions with their spread, and a goal beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: what, the value as text, and the goal as text ("" for none)."""

    what: str
    value: str
    goal: str = ""
    is_met: bool = True

    def __str__(self) -> str:
        """One line of the report."""
        verdict = "" if not self.goal else f"   goal {self.goal}: {'met' if self.is_met else 'MISSED'}"
        return f"  {self.what:<58} {self.value}{verdict}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values stay at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float], unit: str, scale: float = 1.0) -> str:
    """Median, p99 and most of a distribution."""
    p50, p99, most = (scale * percentile(values, share) for share in (0.5, 0.99, 1.0))
    return f"p50 {p50:.2f} {unit}, p99 {p99:.2f} {unit}, max {most:.2f} {unit} (n={len(values)})"
