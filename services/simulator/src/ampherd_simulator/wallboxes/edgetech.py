"""Edgetech Smart EVSE, firmware 2.10.17: input registers by FC04, settings by FC03 and FC06.

No watchdog: the last commanded current stays. Some input registers act when they are read; `actions` counts every such
read, whether or not the magic number let it through. What it does with a remote current of 1 to 5 A is unknown; here
it pauses. Whether settings are kept without a save is unknown; here a restart brings back what was saved.

The phases' bit (0x0204) counts from the next start on. `switched_under_load` counts its changes behind a closed
contactor: what that does to a car is not for us to find out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import IecState
from ampherd_core.phases import PhaseCount, Phases
from ampherd_core.units import MIN_OFFER_A

from ampherd_simulator.wallboxes.pdu import (
    READ_HOLDING,
    READ_INPUT,
    WRITE_ONE,
    Refusal,
    RefusedError,
    Request,
    exception_reply,
    high_byte,
    low_byte,
    parse_request,
    read_reply,
    write_reply,
)
from ampherd_simulator.wallboxes.wallbox import BOOT_S, Contactor, Sensors

FIRMWARE: Final = 0x2A11
SERIAL: Final = (0x4554, 0x5345, 0x0000, 0x0000, 0x002A)
MAGIC: Final = 0x1234
NOT_CONFIGURED: Final = 0xFFFF
FACTORY_UNIT: Final = 1
"""At the factory's address it answers only after a change of state, so that boxes can be told apart."""

NEXT_SECOND_S: Final = 1.0
FIXED_POINT: Final = 256
"""Currents, voltages and energies count in 1/256."""

CLOCK: Final = range(0x0006, 0x000A)
"""Milliseconds since boot; read whole or not at all."""

ACTIONS: Final = {
    0x000A: "save",
    0x000B: "factory_default",
    0x000C: "restart",
    0x000D: "bootloader",
    0x000E: "challenge",
    0x0010: "apply_lock",
    0x0011: "clear_i2c_errors",
    0x0012: "quiet_reset",
    0x0013: "conditional_answer",
    0x0014: "conditional_address",
    0x0015: "lock",
    0x0016: "unlock",
    0x0017: "cp_disconnect",
}
"""Input registers that act on being read."""

NEEDS_MAGIC: Final = frozenset({0x000A, 0x000B, 0x000C, 0x000D})
INPUT_SPANS: Final = (range(0x0000, 0x0018), range(0x0100, 0x0114))
SETTINGS: Final = range(0x0200, 0x020B)
WRITE_ONLY: Final = frozenset({0x0201, 0x0202, 0x0203})

STATES: Final = {IecState.A: 1, IecState.B: 2, IecState.C: 3, IecState.D: 4, IecState.E: 5, IecState.F: 6}
THREE_PHASE_BIT: Final = 0x0001
OPTION_32A: Final = 0x0002
BOARD_A: Final = {False: 16, True: 32}


@dataclass(frozen=True, slots=True)
class EdgetechTraits:
    """How the box is set up: jumper, cable, and whether it still has the factory's address."""

    is_32a: bool = False
    cable_a: int = 32
    is_fresh_from_factory: bool = False
    voltage_v: float = 230.0


class Edgetech:
    """One Edgetech Smart EVSE at a Modbus unit."""

    def __init__(self, unit: int = 1, traits: EdgetechTraits | None = None) -> None:
        self.unit = unit
        self.traits = traits or EdgetechTraits()
        self.actions: Counter[str] = Counter()
        self.sensors = Sensors()
        self.temperature_c = 31
        self.error_bits = 0
        self.settings = dict.fromkeys(SETTINGS, 0) | {0x0200: unit, 0x0204: THREE_PHASE_BIT, 0x0208: 3000, 0x0209: 500}
        self.terminals = 3
        self.is_switch_stuck = False
        self.switched_under_load = 0
        self._saved = dict(self.settings)
        self._car = IecState.A
        self._has_changed_state = False
        self._contactor = Contactor()
        self._booted_s = 0.0
        self._deaf_until_s = 0.0
        self._remote_a = self._coming_a = float(self._board_a)
        self._comes_at_s = 0.0

    @property
    def _board_a(self) -> int:
        return BOARD_A[self.traits.is_32a]

    @property
    def offer_a(self) -> float:
        """What it advertises: the least of board, cable and remote limit, whole amps; 0 = paused."""
        offer_a = min(self._board_a, self.traits.cable_a, self._remote_a)
        return offer_a if offer_a >= MIN_OFFER_A else 0.0

    @property
    def most_a(self) -> float:
        """The most that board and cable allow, A."""
        return min(self._board_a, self.traits.cable_a)

    @property
    def set_phases(self) -> PhaseCount:
        """What the settings say; it holds from the next start on."""
        return 3 if self.settings[0x0204] & THREE_PHASE_BIT else 1

    def uptime_s(self, now_s: float) -> float:
        """Time since it booted, s."""
        return now_s - self._booted_s

    @property
    def is_closed(self) -> bool:
        """Whether the contactor is closed."""
        return self._contactor.is_closed

    def is_deaf(self, now_s: float) -> bool:
        """Whether it boots, or waits at the factory's address for a first change of state."""
        is_unknown = self.traits.is_fresh_from_factory and not self._has_changed_state and self.unit == FACTORY_UNIT
        return now_s < self._deaf_until_s or is_unknown

    def answer(self, pdu: bytes, now_s: float) -> bytes | None:
        """The reply; None while it boots, or at the factory's address before any change of state."""
        if self.is_deaf(now_s):
            return None
        try:
            return self._serve(parse_request(pdu), now_s)
        except RefusedError as err:
            return exception_reply(pdu[0], err.refusal)

    def overhear(self, now_s: float) -> None:
        """Requests for others do not disturb it."""

    def step(self, now_s: float, car: IecState) -> None:
        """The limit for the next second gives way to the lasting one; the contactor follows the car."""
        if now_s < self._deaf_until_s:
            return
        if now_s >= self._comes_at_s:
            self._remote_a = self._coming_a
        if car is not self._car:
            self._has_changed_state = True
            if self._car is IecState.A:
                self.sensors.session_wh = 0.0
            self._car = car
        was_open = not self.is_closed
        self._contactor.step(now_s, car, self.offer_a)
        if (was_open or not self.is_closed) and not self.is_switch_stuck:
            self.terminals = self.set_phases

    def sense(self, drawn_a: Phases, energy_wh: float) -> None:
        """Its own current sensors."""
        self.sensors.take(drawn_a, energy_wh)

    def reboot(self, now_s: float) -> None:
        """The remote limit is gone: 16 or 32 A by the jumper; the phases are as saved, and the clock begins anew."""
        self._contactor = Contactor()
        self._booted_s = now_s
        self._deaf_until_s = now_s + BOOT_S
        self.settings[0x0204] = self._saved[0x0204]
        self._remote_a = self._coming_a = float(self._board_a)

    def forget_limit(self) -> None:
        """The remote limit is gone, and the clock goes on."""
        self._remote_a = self._coming_a = float(self._board_a)

    def _serve(self, request: Request, now_s: float) -> bytes:
        if request.function == READ_INPUT:
            return read_reply(READ_INPUT, self._read_inputs(request, now_s))
        if request.function == READ_HOLDING:
            return read_reply(READ_HOLDING, self._read_settings(request))
        if request.function == WRITE_ONE:
            self._write(request.address, request.values[0], now_s)
            return write_reply(request)
        raise RefusedError(Refusal.FUNCTION)

    def _read_inputs(self, request: Request, now_s: float) -> list[int]:
        addresses = range(request.address, request.address + request.count)
        if not addresses:
            raise RefusedError(Refusal.VALUE)
        if not any(addresses[0] in span and addresses[-1] in span for span in INPUT_SPANS):
            raise RefusedError(Refusal.ADDRESS)
        if any(address in CLOCK for address in addresses) and addresses != CLOCK:
            raise RefusedError(Refusal.VALUE)
        inputs = self._inputs(now_s)
        return [
            self._act(address, now_s) if address in ACTIONS else inputs.get(address, 0) & 0xFFFF
            for address in addresses
        ]

    def _read_settings(self, request: Request) -> list[int]:
        addresses = range(request.address, request.address + request.count)
        if not addresses:
            raise RefusedError(Refusal.VALUE)
        if any(address not in SETTINGS or address in WRITE_ONLY for address in addresses):
            raise RefusedError(Refusal.ADDRESS)
        return [self.settings[address] for address in addresses]

    def _write(self, address: int, value: int, now_s: float) -> None:
        if address not in SETTINGS:
            raise RefusedError(Refusal.ADDRESS)
        if address == 0x0204 and self.is_closed and (value ^ self.settings[address]) & THREE_PHASE_BIT:
            self.switched_under_load += 1
        self.settings[address] = value
        if address == 0x0200:
            self.unit = low_byte(value)
        elif address == 0x0201:
            self._coming_a = float(low_byte(value))
            self._remote_a = float(high_byte(value))
            self._comes_at_s = now_s + NEXT_SECOND_S

    def _act(self, address: int, now_s: float) -> int:
        self.actions[ACTIONS[address]] += 1
        if address in NEEDS_MAGIC and self.settings[0x0202] != MAGIC:
            return NOT_CONFIGURED
        if ACTIONS[address] in {"restart", "quiet_reset"}:
            self.reboot(now_s)
        elif ACTIONS[address] == "save":
            self._saved = dict(self.settings)
        elif ACTIONS[address] == "factory_default":
            self.settings |= {0x0200: FACTORY_UNIT, 0x0204: THREE_PHASE_BIT}
            self.unit = FACTORY_UNIT
        elif ACTIONS[address] == "cp_disconnect":
            self._contactor = Contactor()
        return 0

    def _inputs(self, now_s: float) -> dict[int, int]:
        sensors, uptime_ms = self.sensors, int(self.uptime_s(now_s) * 1000)
        total = int(sensors.total_wh / 1000 * FIXED_POINT)
        session = min(int(sensors.session_wh / 1000 * FIXED_POINT), 0xFFFF)
        voltage = min(int(self.traits.voltage_v * FIXED_POINT), 0xFFFF)
        amps = [int(current_a * FIXED_POINT) for current_a in sensors.drawn_a]
        return {
            **dict(enumerate(SERIAL)),
            0x0005: FIRMWARE,
            **{0x0006 + place: uptime_ms >> 16 * (3 - place) for place in range(4)},
            0x0102: int(self.offer_a) << 8 | self.traits.cable_a,
            0x0103: self.error_bits << 8 | STATES[self.shown_state],
            0x0104: self.temperature_c,
            0x0105: amps[0],
            0x0106: amps[1],
            0x0107: amps[2],
            0x0108: session,
            0x0109: voltage,
            0x010A: voltage,
            0x010B: voltage,
            0x010C: OPTION_32A if self.traits.is_32a else 0,
            0x010D: total,
            0x010E: total >> 16,
            0x010F: session // 3,
            0x0110: session // 3,
            0x0111: session // 3,
        }

    @property
    def shown_state(self) -> IecState:
        """What register 0x0103 says: a car whose contactor stays open is merely connected."""
        return self._car if self.is_closed or not self._car.is_charging else IecState.B
