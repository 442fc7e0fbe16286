"""A reason, as every decision gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A code for programs, a sentence for people."""

    code: str
    sentence: str
