"""The scalars that evcc's custom charger reads: its status, power, energy and currents."""

from __future__ import annotations

from ampherd_core.messages import ChargerState, IecState, LinkHealth

REPEAT_S = 10.0
"""evcc calls a value outdated when it stays silent; its custom chargers are repeated within 15 s."""

_WH_PER_KWH = 1000


def scalars(state: ChargerState) -> dict[str, str]:
    """Name and payload of all that is known; nothing while the wallbox is unreachable, for to evcc silence is an error.

    A car that we pause is B: evcc takes a charging car that is not enabled for a fault.
    """
    if state.link is not LinkHealth.OK or state.iec_state is None:
        return {}
    values = {"status": _status(state.iec_state, state.offer_a)}
    if state.power_w is not None:
        values["power"] = f"{state.power_w:.0f}"
    if state.total_wh is not None:
        values["energy"] = f"{state.total_wh / _WH_PER_KWH:.3f}"
    for place, amps in enumerate(state.drawn_a or (), start=1):
        values[f"current/l{place}"] = f"{amps:.2f}"
    return values


class Mirror:
    """What evcc was told, so that only changes and repeats are said."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._repeated_s = float("-inf")

    def due(self, state: ChargerState, now_s: float) -> dict[str, str]:
        """What to say now: what changed, and everything every `REPEAT_S`."""
        values = scalars(state)
        is_repeat = now_s - self._repeated_s >= REPEAT_S
        if is_repeat:
            self._repeated_s = now_s
        due = {name: value for name, value in values.items() if is_repeat or self._told.get(name) != value}
        self._told = values
        return due


def _status(iec_state: IecState, offer_a: float | None) -> str:
    if iec_state.is_charging:
        return "C" if offer_a else "B"
    return iec_state.value
