"""The network operator's cap on controllable devices (Germany, §14a EnWG): what all cars may draw from the grid.

It limits cars, not the house; what the sun delivers beyond the house may come on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from ampherd_core.messages import Moment, Power
from ampherd_core.policy_limits import OperatorCap
from pydantic import BaseModel, ConfigDict, Field, ValidationError

CODE: Final = "operator"

SIMULTANEITY: Final = (1.0, 0.80, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.45)
"""BK6-22-300: the share that each device after the first counts with, for 1, 2, … 9 and more devices."""

LONGEST_S: Final = 31 * 86_400.0
"""A signal that is to last longer has no end."""


class _Remembered(BaseModel):
    """A signal as it outlives a restart."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    power_w: Annotated[Power, Field(ge=0)] | None = None
    ends_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """The operator asks: so many watts (None: as the rules reckon), for so long (None: until it says otherwise)."""

    power_w: float | None = None
    for_s: float | None = None


class Operator:
    """Whether a cap holds, and how high it is; times are on the balancer's clock."""

    def __init__(self) -> None:
        self._signal: Signal | None = None
        self._ends_s: float | None = None
        self.is_told = False
        """Whether anybody has said anything since the start."""

    def take(self, signal: Signal | None, now_s: float) -> None:
        """The operator's newest word; None ends the cap."""
        self._signal, self.is_told = signal, True
        self._ends_s = None if signal is None or signal.for_s is None else now_s + signal.for_s

    def power_w(self, policy: OperatorCap, chargers: int, now_s: float) -> float | None:
        """What all cars may draw from the grid, W; None while no cap holds."""
        if self._signal is None or (self._ends_s is not None and now_s >= self._ends_s):
            return None
        if self._signal.power_w is not None:
            return self._signal.power_w
        return least_w(policy.device_w, policy.devices or chargers)

    def left_s(self, now_s: float) -> float | None:
        """How long the cap lasts yet, s; None where it has no end."""
        return None if self._ends_s is None else max(0.0, self._ends_s - now_s)

    def remember(self, now_s: float, at: datetime) -> bytes:
        """The signal as a document, for `recall` after a restart."""
        left_s = self.left_s(now_s)
        if self._signal is None or left_s == 0:
            return b"{}"
        ends_at = None if left_s is None else at + timedelta(seconds=left_s)
        return _Remembered(power_w=self._signal.power_w, ends_at=ends_at).model_dump_json().encode()

    def recall(self, document: bytes, now_s: float, at: datetime) -> None:
        """Take up a remembered signal; nonsense is ignored."""
        if document.strip() == b"{}":
            return
        try:
            remembered = _Remembered.model_validate_json(document)
        except ValidationError:
            return
        left_s = None if remembered.ends_at is None else (remembered.ends_at - at).total_seconds()
        if left_s is None or left_s > 0:
            self.take(Signal(remembered.power_w, left_s), now_s)


def least_w(device_w: float, devices: int) -> float:
    """The power that so many devices keep together at least, W: 4,200 for one, 7,560 for two, 13,020 for four."""
    share = SIMULTANEITY[min(devices, len(SIMULTANEITY)) - 1]
    return device_w * (1 + (devices - 1) * share)


def sentence(power_w: float, room_w: float) -> str:
    """What it leaves for cars, for people."""
    sun = f", and the sun {room_w - power_w:,.0f} W more" if room_w > power_w + 1 else ""
    return f"The network operator allows {power_w:,.0f} W for charging{sun}."
