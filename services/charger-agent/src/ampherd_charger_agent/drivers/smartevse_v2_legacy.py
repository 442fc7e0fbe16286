"""SmartEVSE v2 with firmware up to 2.20 (registers from 0x00A0), set to LOADBL = Master so that it answers as unit 1.

With LOADBL disabled these firmwares answer as unit 0 only. When its master vanishes it stays at the last override
for ever; a reboot cancels the override and it returns to its own MAX. The agent covers both as for `smartevse-v2`,
and keeps the same silences: whether these firmwares need them is not documented.

The registers from 0x00C0 are its settings, kept in an EEPROM that wears: they are never written.
"""

from __future__ import annotations

from typing import Final

from ampherd_charger_agent.drivers.smartevse import Layout, SmartEvse
from ampherd_charger_agent.wallbox import Registers

LAYOUT: Final = Layout(
    start=0x00A0,
    count=9,
    state=0x0,
    error=0x1,
    current=0x6,
    access=0x7,
    mode=0x8,
    max_current=0x2,
    temperature=None,
)


class SmartEvseV2Legacy(SmartEvse):
    """The register map of firmware 2.20 and earlier."""

    def __init__(self, registers: Registers) -> None:
        super().__init__(registers, LAYOUT)
