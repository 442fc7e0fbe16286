"""SmartEVSE v2, firmware 2.30 and later: registers from 0x0000, LOADBL off, Normal mode.

No watchdog: an override stays until it is replaced, cancelled with 0, or lost in a reboot. Each foreign request holds
the control cycle off for four seconds; ten seconds without a cycle raise CT_NOCOMM and stop charging.
"""

from __future__ import annotations

from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import Phases

from ampherd_simulator.wallboxes.smartevse_config import Configuration, Item
from ampherd_simulator.wallboxes.smartevse_map import Region, RegisterSpace
from ampherd_simulator.wallboxes.smartevse_pilot import CHARGE_DELAY_S, CYCLE_S, Fault, SmartEvsePilot
from ampherd_simulator.wallboxes.wallbox import BOOT_S, Sensors

HOLD_OFF_S: Final = 4.0
"""Hearing a foreign master keeps it from the bus, and from calculating, for so long."""

NO_COMM_S: Final = 10.0
"""Without a control cycle for so long it believes the meter lost."""

KELVIN: Final = 273
SERIAL_NUMBER: Final = 4711
THREE_PHASES: Final = 3

REGIONS: Final = (Region(0x0000, 12), Region(0x0100, 10), Region(0x0200, 27))

WORD: Final = 0xFFFF
ITEMS: Final = {
    0x0100: Item("fixed_cable", 0, 1, 1),
    0x0101: Item("lock", 0, 2, 0),
    0x0102: Item("min_a", 6, 16, 6),
    0x0103: Item("max_a", 6, 80, 16),
    0x0104: Item("load_balancing", 0, 8, 0),
    0x0105: Item("switch", 0, 4, 0),
    0x0106: Item("rcmon", 0, 1, 0),
    0x0107: Item("rfid", 0, 5, 0),
    0x0108: Item("ev_meter_type", 0, 9, 0),
    0x0109: Item("ev_meter_address", 10, 247, 12),
    0x0200: Item("mode", 0, 2, 0),
    0x0201: Item("circuit_a", 10, 160, 16),
    0x0202: Item("grid_3w", 0, 1, 0),
    0x0203: Item("ct_calibration", 0, WORD, 100),
    0x0204: Item("mains_a", 10, 200, 25),
    0x0205: Item("solar_start", 0, 32, 12),
    0x0206: Item("solar_stop_min", 0, 60, 10),
    0x0207: Item("solar_import", 0, 96, 48),
    0x0208: Item("mains_meter_type", 0, 9, 1),
    0x0209: Item("mains_meter_address", 10, 247, 10),
    0x020A: Item("mains_meter_scope", 0, 1, 0),
    0x020B: Item("pv_meter_type", 0, 9, 0),
    0x020C: Item("pv_meter_address", 10, 247, 11),
    0x020D: Item("byte_order", 0, 3, 0),
    0x020E: Item("data_type", 0, 2, 0),
    0x020F: Item("function", 3, 4, 4),
    **{0x0210 + place: Item(f"custom_{place}", 0, WORD, 0) for place in range(8)},
    0x0218: Item("read_max", 3, 255, 3),
    0x0219: Item("wifi", 0, 2, 0),
    0x021A: Item("capacity_a", 9, 200, 9),
}


class SmartEvseV2:
    """One SmartEVSE v2 at a Modbus unit."""

    def __init__(self, unit: int = 1, max_a: int = 16) -> None:
        self.unit = unit
        self.terminals = 3
        self.pilot = SmartEvsePilot(max_a)
        self.configuration = Configuration(ITEMS, max_a=max_a)
        self.sensors = Sensors()
        self.temperature_c = 25
        self._space = RegisterSpace(REGIONS, self._read, self._write)
        self._deaf_until_s = 0.0
        self._cycle_at_s = 0.0
        self._hold_off_until_s = 0.0
        self._refreshed_s: float | None = None
        self._solar_timer_s = 0
        self._is_config_changed = 0

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
        self.overhear(now_s)
        return self._space.answer(pdu, now_s)

    def overhear(self, now_s: float) -> None:
        """Any foreign request holds the control cycle off."""
        self._hold_off_until_s = now_s + HOLD_OFF_S

    def step(self, now_s: float, car: IecState) -> None:
        """Its own life: the two-second cycle, its timeout, the pilot."""
        if now_s < self._deaf_until_s:
            return
        if self._refreshed_s is None:
            self._refreshed_s = now_s
        if now_s >= self._cycle_at_s and now_s >= self._hold_off_until_s:
            self._cycle_at_s = now_s + CYCLE_S
            self._refreshed_s = now_s
            self.pilot.faults &= ~Fault.NO_COMM
            self.pilot.calculate()
        elif now_s - self._refreshed_s >= NO_COMM_S and Fault.NO_COMM not in self.pilot.faults:
            self.pilot.raise_fault(Fault.NO_COMM, now_s, CHARGE_DELAY_S)
        self.pilot.step(now_s, car)

    def sense(self, drawn_a: Phases, energy_wh: float) -> None:
        """It has no current sensors of its own: register 0x0009 is not implemented."""
        self.sensors.take(drawn_a, energy_wh)

    def reboot(self, now_s: float) -> None:
        """Volatile state is gone: no override, so MAX."""
        self.pilot = SmartEvsePilot(self.pilot.max_a)
        self._deaf_until_s = now_s + BOOT_S
        self._refreshed_s = None
        self._hold_off_until_s = self._cycle_at_s = 0.0

    def forget_limit(self) -> None:
        """The override is gone: MAX at the next cycle."""
        self.pilot.override_da = 0

    def _read(self, address: int, now_s: float) -> int:
        del now_s
        if address in self.configuration.values:
            return self.configuration.values[address]
        return self._status()[address]

    def _status(self) -> tuple[int, ...]:
        """Registers 0x0000 to 0x000B."""
        pilot = self.pilot
        return (
            pilot.state,
            pilot.faults,
            pilot.assigned_da,
            self.configuration.values[0x0200],
            self._solar_timer_s,
            int(pilot.has_access),
            self._is_config_changed,
            pilot.max_a,
            THREE_PHASES,
            0,
            self.temperature_c + KELVIN,
            SERIAL_NUMBER,
        )

    def _write(self, address: int, value: int, now_s: float) -> bool:
        if address in self.configuration.items:
            return self._configure(address, value)
        pilot = self.pilot
        if address == 0x0001:
            self._write_faults(value, now_s)
        elif address == 0x0002:
            pilot.override_da = value
        elif address == 0x0004:
            self._solar_timer_s = value
        elif address == 0x0005:
            pilot.set_access(value != 0, now_s)
        elif address == 0x0006:
            self._is_config_changed = value
        elif address not in _ACKED_AND_IGNORED:
            return False
        return True

    def _write_faults(self, value: int, now_s: float) -> None:
        if value:
            self.pilot.raise_fault(Fault(value & 0xFF), now_s)
        else:
            self.pilot.faults = Fault(0)

    def _configure(self, address: int, value: int) -> bool:
        is_taken = self.configuration.write(address, value)
        self._is_config_changed |= is_taken
        self.pilot.max_a = self.configuration.values[0x0103]
        return is_taken


_ACKED_AND_IGNORED: Final = frozenset({0x0000, 0x0003, 0x0008})
"""State confirmations are for nodes; the mode is ignored with LOADBL off; the phase count follows detection."""
