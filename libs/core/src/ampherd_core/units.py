"""Sign, units and the constants of the field, written once.

Current is in A per phase, power in W, energy in Wh, voltage in V, temperature in °C, time in s.
Import from the grid is positive, export is negative; what a car draws is positive.
"""

from __future__ import annotations

from typing import Final

MIN_OFFER_A: Final = 6.0
"""IEC 61851-1: the control pilot signals nothing between 0 and 6 A."""

MAX_OFFER_A: Final = 80.0
"""IEC 61851-1: the highest current that the control pilot's duty cycle can signal."""

NOMINAL_VOLTAGE_V: Final = 230.0
"""EN 50160: the nominal phase voltage of a European low-voltage network."""

CAR_REACTION_S: Final = 5.0
"""IEC 61851-1: a car follows a lower offer within five seconds."""

OVERDRAW_RATIO: Final = 0.10
OVERDRAW_A: Final = 0.5
OVERDRAW_S: Final = 7.0
"""A car draws too much when it takes 10 % + 0.5 A more than its offer for 7 s (EVerest's soft over-current check)."""

MAX_PLAUSIBLE_A: Final = 500.0
"""No home connection carries more: a larger current on the wire is a fault of the sender."""

MAX_PLAUSIBLE_W: Final = 350_000.0
"""Three phases of MAX_PLAUSIBLE_A at 230 V: a larger power on the wire is a fault of the sender."""

MAX_PLAUSIBLE_WH: Final = 1e12
"""A counter of a home stands below this after centuries at full load."""


def overdraw_limit_a(offer_a: float) -> float:
    """The most a car may draw (A) on an offer (A) before it counts as drawing too much."""
    return offer_a * (1 + OVERDRAW_RATIO) + OVERDRAW_A
