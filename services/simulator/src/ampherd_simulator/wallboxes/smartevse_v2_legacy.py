"""SmartEVSE v2, firmware up to 2.20: status from 0xA0, configuration from 0xC0, system from 0xE0.

No watchdog when standalone, as in later firmware: an override stays until replaced, cancelled with 0, or a reboot.
States are A to D only. Writing 1 to 59 to the override still gives 6 A.
"""

from __future__ import annotations

from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import Phases

from ampherd_simulator.wallboxes.smartevse_config import Configuration, Item
from ampherd_simulator.wallboxes.smartevse_map import Region, RegisterSpace
from ampherd_simulator.wallboxes.smartevse_pilot import CYCLE_S, Fault, SmartEvsePilot, State
from ampherd_simulator.wallboxes.wallbox import BOOT_S, Sensors

REGIONS: Final = (Region(0x00A0, 12), Region(0x00C0, 13), Region(0x00E0, 20))

WORD: Final = 0xFFFF
ITEMS: Final = {
    0x00A9: Item("ev_meter_type", 0, 9, 0),
    0x00AA: Item("ev_meter_address", 5, 255, 12),
    0x00C0: Item("fixed_cable", 0, 1, 1),
    0x00C1: Item("load_balancing", 0, 8, 1),
    0x00C2: Item("min_a", 6, 16, 6),
    0x00C3: Item("max_a", 6, 80, 16),
    0x00C4: Item("lock", 0, 2, 0),
    0x00C5: Item("solar_start_a", 1, 16, 4),
    0x00C6: Item("solar_stop_min", 0, 60, 10),
    0x00C7: Item("switch", 0, 4, 0),
    0x00C8: Item("rcmon", 0, 1, 0),
    0x00C9: Item("import_a", 0, 6, 0),
    0x00CA: Item("rfid", 0, 5, 0),
    0x00CB: Item("ev_meter_type_2", 0, 9, 0),
    0x00CC: Item("ev_meter_address_2", 5, 255, 12),
    0x00E0: Item("circuit_a", 10, 160, 16),
    0x00E1: Item("mode", 0, 2, 0),
    0x00E2: Item("mains_a", 10, 200, 25),
    0x00E3: Item("ct_calibration", 0, WORD, 100),
    0x00E4: Item("mains_meter_type", 0, 9, 1),
    0x00E5: Item("mains_meter_address", 5, 255, 10),
    0x00E6: Item("mains_meter_scope", 0, 1, 0),
    0x00E7: Item("pv_meter_type", 0, 9, 0),
    0x00E8: Item("pv_meter_address", 5, 255, 11),
    **{0x00E9 + place: Item(f"custom_{place}", 0, WORD, 0) for place in range(9)},
    0x00F2: Item("grid_3w", 0, 1, 0),
    0x00F3: Item("data_type", 0, 1, 0),
}

SHOWN: Final = {State.B1: State.B, State.C1: State.C, State.ACTIVATION: State.B}
"""The later firmware's inner states, as this one's register 0xA0 shows them."""


class SmartEvseV2Legacy:
    """One SmartEVSE v2 with old firmware at a Modbus unit."""

    def __init__(self, unit: int = 1, max_a: int = 16) -> None:
        self.unit = unit
        self.terminals = 3
        self.pilot = SmartEvsePilot(max_a)
        self.configuration = Configuration(ITEMS, max_a=max_a)
        self.sensors = Sensors()
        self._space = RegisterSpace(REGIONS, self._read, self._write)
        self._deaf_until_s = 0.0
        self._cycle_at_s = 0.0
        self._solar_timer_s = 0
        self._mode = 0

    @property
    def offer_a(self) -> float:
        """What the pilot signals, A; 0 without PWM."""
        return self.pilot.offer_a

    @property
    def is_closed(self) -> bool:
        """Whether the contactor is closed."""
        return self.pilot.is_closed

    def is_deaf(self, now_s: float) -> bool:
        """Whether it boots and answers nothing."""
        return now_s < self._deaf_until_s

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """The reply, or None while it boots."""
        if self.is_deaf(now_s):
            return None
        return self._space.answer(pdu, now_s)

    def overhear(self, now_s: float) -> None:
        """Requests for others do not disturb it."""

    def step(self, now_s: float, car: IecState) -> None:
        """Its own life: the two-second cycle and the pilot."""
        if now_s < self._deaf_until_s:
            return
        if now_s >= self._cycle_at_s:
            self._cycle_at_s = now_s + CYCLE_S
            self.pilot.calculate()
        self.pilot.step(now_s, car)

    def sense(self, drawn_a: Phases, energy_wh: float) -> None:
        """It has no current sensors of its own: register 0xA5 is not implemented."""
        self.sensors.take(drawn_a, energy_wh)

    def reboot(self, now_s: float) -> None:
        """Volatile state is gone: no override, so MAX."""
        self.pilot = SmartEvsePilot(self.pilot.max_a)
        self._deaf_until_s = now_s + BOOT_S
        self._cycle_at_s = 0.0

    def forget_limit(self) -> None:
        """The override is gone: MAX at the next cycle."""
        self.pilot.override_da = 0

    def _read(self, address: int, now_s: float) -> int:
        del now_s
        if address in self.configuration.values:
            return self.configuration.values[address]
        return self._status()[address]

    def _status(self) -> dict[int, int]:
        pilot = self.pilot
        return {
            0x00A0: SHOWN.get(pilot.state, pilot.state),
            0x00A1: pilot.faults,
            0x00A2: pilot.max_a,
            0x00A3: self.configuration.values[0x00C2],
            0x00A4: self.terminals,
            0x00A5: 0,
            0x00A6: pilot.assigned_da,
            0x00A7: int(pilot.has_access),
            0x00A8: self._mode,
            0x00AB: self._solar_timer_s,
        }

    def _write(self, address: int, value: int, now_s: float) -> bool:
        pilot = self.pilot
        if address in self.configuration.items:
            is_taken = self.configuration.write(address, value)
            pilot.max_a = self.configuration.values[0x00C3]
            return is_taken
        if address == 0x00A1:
            self._write_faults(value, now_s)
        elif address == 0x00A6:
            pilot.override_da = value
        elif address == 0x00A7:
            pilot.set_access(value != 0, now_s)
        elif address == 0x00A8:
            self._mode = value
        elif address == 0x00AB:
            self._solar_timer_s = value
        elif address != 0x00A0:
            return False
        return True

    def _write_faults(self, value: int, now_s: float) -> None:
        if value:
            self.pilot.raise_fault(Fault(value & 0xFF), now_s)
        else:
            self.pilot.faults = Fault(0)
