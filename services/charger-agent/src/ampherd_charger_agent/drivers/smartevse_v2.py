"""SmartEVSE v2 with firmware 2.30 or later (registers from 0x0000), standalone: LOADBL disabled, mode Normal, unit 1.

When its master vanishes it stays at the last override for ever; a reboot cancels the override and it returns to its
own MAX. The agent covers both: it writes its fallback when its lease lapses and when it is told to stop, and writes
the override anew with every burst while no car charges; while one charges, a raised offer is seen and lowered. For
the rest, set MAX in the wallbox's menu to what its cable may carry.

Polled without pauses of 6 s it stops charging (see `BurstPacer`). The registers from 0x0100 are its settings, kept in
an EEPROM that wears: they are never written.
"""

from __future__ import annotations

from typing import Final

from ampherd_charger_agent.drivers.smartevse import Layout, SmartEvse
from ampherd_charger_agent.wallbox import Registers

LAYOUT: Final = Layout(
    start=0x0000,
    count=12,
    state=0x0,
    error=0x1,
    current=0x2,
    access=0x5,
    mode=0x3,
    max_current=0x7,
    temperature=0xA,
)


class SmartEvseV2(SmartEvse):
    """The register map of firmware 2.30 and later."""

    def __init__(self, registers: Registers) -> None:
        super().__init__(registers, LAYOUT)
