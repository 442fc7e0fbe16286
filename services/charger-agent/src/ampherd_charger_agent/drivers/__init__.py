"""The wallboxes that an agent can drive: one file a kind, one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ampherd_core.policy import DriverName

from ampherd_charger_agent.drivers.edgetech import Edgetech
from ampherd_charger_agent.drivers.smartevse_v2 import SmartEvseV2
from ampherd_charger_agent.drivers.smartevse_v2_legacy import SmartEvseV2Legacy
from ampherd_charger_agent.wallbox import Registers, Wallbox

DRIVERS: Final[Mapping[DriverName, Callable[[Registers], Wallbox]]] = {
    DriverName.SMARTEVSE_V2: SmartEvseV2,
    DriverName.SMARTEVSE_V2_LEGACY: SmartEvseV2Legacy,
    DriverName.EDGETECH: Edgetech,
}
