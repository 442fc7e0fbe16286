"""The limits in watts that are known ahead: power windows of the policy, and the month's quarter-hour peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ampherd_core.policy_limits import Window

from ampherd_balancer import windows
from ampherd_balancer.allocate import Limit
from ampherd_balancer.outside import QUARTER

_LAST: Final = timedelta(seconds=1)
"""A slot is under a window that holds as it begins or as it ends."""


class Foreseen(NamedTuple):
    """What holds for the whole site; `weights_w` are the chargers' watts per ampere of offer."""

    windows: Mapping[str, Window]
    peak_w: float | None
    weights_w: Mapping[str, float]

    def limits(self, start: datetime, end: datetime, house_w: float) -> Sequence[Limit]:
        """For a slot in the site's zone, beside a house that takes so much, W."""
        held = {**windows.active(self.windows, start), **windows.active(self.windows, end - _LAST)}
        most_w = {f"{windows.CODE}{name}": window.power_w for name, window in held.items()}
        if self.peak_w is not None:
            most_w[QUARTER] = self.peak_w
        return [Limit(code, power_w - house_w, self.weights_w) for code, power_w in most_w.items()]


def place(code: str) -> str | None:
    """What such a limit is called, for people; None for a wire."""
    if code == QUARTER:
        return "the month's quarter-hour peak"
    if code.startswith(windows.CODE):
        return f"the power window {code.removeprefix(windows.CODE)}"
    return None
