"""Which charger a process attends: one by its id, or the n-th of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ampherd_core.policy import Policy


@dataclass(frozen=True, slots=True)
class Slot:
    """Either `charger` is an id, or `number` counts the policy's chargers from 1."""

    charger: str | None = None
    number: int = 0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Slot:
        """From AMPHERD_CHARGER or AMPHERD_SLOT; ValueError says what to set."""
        charger, number = environ.get("AMPHERD_CHARGER", ""), environ.get("AMPHERD_SLOT", "")
        if charger:
            return cls(charger=charger)
        if number.isdecimal() and int(number) > 0:
            return cls(number=int(number))
        raise ValueError("set AMPHERD_CHARGER to a charger of the policy, or AMPHERD_SLOT to 1 for its first charger")

    def charger_in(self, policy: Policy) -> str | None:
        """The id of the charger to attend, None where the policy has none for this slot."""
        if self.charger is not None:
            return self.charger if self.charger in policy.chargers else None
        ids = tuple(policy.chargers)
        return ids[self.number - 1] if self.number <= len(ids) else None

    @property
    def name(self) -> str:
        """The service's name on the bus while it idles."""
        return f"agent-{self.charger}"[:32].rstrip("-") if self.charger else f"agent-slot-{self.number}"

    @property
    def lack(self) -> str:
        """Why it idles, for a person."""
        which = f"charger {self.charger!r}" if self.charger else f"charger number {self.number}"
        return f"idle: the policy has no {which}"
