"""The drivers against register-level devices: what is read, what is written, and what must never be touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import pytest
from ampherd_charger_agent.drivers import DRIVERS
from ampherd_charger_agent.drivers.edgetech import Edgetech
from ampherd_charger_agent.wallbox import GarbledError, RefusedError, Snapshot, Wallbox
from ampherd_core.messages import IecState
from ampherd_core.phases import PhaseCount
from ampherd_core.policy import DriverName

from tests.support.modbus_devices import Device, edgetech, smartevse_v2, smartevse_v2_legacy

NOW_S = 100.0
MADE: dict[DriverName, Callable[..., Device]] = {
    DriverName.EDGETECH: edgetech,
    DriverName.SMARTEVSE_V2: smartevse_v2,
    DriverName.SMARTEVSE_V2_LEGACY: smartevse_v2_legacy,
}
ACTION_REGISTERS = frozenset(range(0x000A, 0x0018))
"""Edgetech: reading one saves, resets, or disconnects the car."""


class Wire:
    """The registers of a device, without a line between."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def read_input(self, address: int, count: int) -> Sequence[int]:
        return self._read(4, address, count)

    async def read_holding(self, address: int, count: int) -> Sequence[int]:
        return self._read(3, address, count)

    async def write(self, address: int, value: int) -> None:
        answer = self._device.answer(bytes((6, *address.to_bytes(2, "big"), *value.to_bytes(2, "big"))))
        if answer[0] & 0x80:
            raise RefusedError(answer[1])

    def _read(self, function: int, address: int, count: int) -> Sequence[int]:
        answer = self._device.answer(bytes((function, *address.to_bytes(2, "big"), *count.to_bytes(2, "big"))))
        if answer[0] & 0x80:
            raise RefusedError(answer[1])
        return [int.from_bytes(answer[at : at + 2], "big") for at in range(2, len(answer), 2)]


def driver(name: DriverName, device: Device) -> Wallbox:
    return DRIVERS[name](Wire(device))


def edgetech_driver(device: Device) -> Edgetech:
    return Edgetech(Wire(device))


def test_every_driver_of_the_policy_exists() -> None:
    assert set(DRIVERS) == set(DriverName) == set(MADE)


@pytest.mark.parametrize("name", DriverName)
async def test_an_offer_is_read_back(name: DriverName) -> None:
    device = MADE[name]()
    wallbox = driver(name, device)
    for offer_a in (10.0, 6.0, 0.0, 6.0, 13.0):
        await wallbox.write(offer_a)
        assert (await wallbox.read(NOW_S)).offer_a == offer_a


@pytest.mark.parametrize("name", DriverName)
async def test_no_driver_reads_an_action_register_or_writes_what_wears(name: DriverName) -> None:
    device = MADE[name]()
    wallbox = driver(name, device)
    for state in range(7):
        device.registers[{DriverName.EDGETECH: 0x0103, DriverName.SMARTEVSE_V2: 0}.get(name, 0xA0)] = state
        for offer_a in (16.0, 6.0, 0.0, 9.7, 32.0):
            await wallbox.write(offer_a)
            await wallbox.read(NOW_S)
    read = {at for function, start, count in device.requests if function != 6 for at in range(start, start + count)}
    written = {address for address, _ in device.writes}
    assert read.isdisjoint(ACTION_REGISTERS) or name is not DriverName.EDGETECH
    allowed = {
        DriverName.EDGETECH: {0x0201},
        DriverName.SMARTEVSE_V2: {0x0002, 0x0005},
        DriverName.SMARTEVSE_V2_LEGACY: {0x00A6, 0x00A7},
    }
    assert written <= allowed[name]


class TestEdgetech:
    async def test_a_charging_car(self) -> None:
        device = edgetech(state=3, offer_a=16)
        device.hold(0x0105, 15 * 256 + 128, 256, 64, 512, 231 * 256, 229 * 256, 230 * 256, 0b11, 0x0100, 0x0002)
        device.hold(0x0006, 0, 0, 1, 0x86A0)
        assert await driver(DriverName.EDGETECH, device).read(NOW_S) == Snapshot(
            iec_state=IecState.C,
            offer_a=16.0,
            read_at_s=NOW_S,
            drawn_a=(15.5, 1.0, 0.25),
            max_a=32.0,
            phases=3,
            resolution_a=1.0,
            voltage_v=(231.0, 229.0, 230.0),
            power_w=15.5 * 231 + 229 + 0.25 * 230,
            session_wh=2000.0,
            total_wh=(0x0002_0100 / 256) * 1000,
            temperature_c=25.0,
            uptime_s=100.0,
        )

    @pytest.mark.parametrize(
        ("state", "bits", "expected", "text"),
        [
            (1, 0, IecState.A, None),
            (2, 0, IecState.B, None),
            (4, 0, IecState.D, None),
            (5, 0x01, IecState.E, "the wallbox has a fault: it is too hot"),
            (6, 0x22, IecState.F, "the wallbox has a fault: its relay is stuck, a direct current leaks"),
            (0, 0, IecState.F, "the wallbox has a fault: it does not know its state yet"),
        ],
    )
    async def test_states_and_faults(self, state: int, bits: int, expected: IecState, text: str | None) -> None:
        device = edgetech()
        device.hold(0x0103, bits << 8 | state)
        snapshot = await driver(DriverName.EDGETECH, device).read(NOW_S)
        assert (snapshot.iec_state, snapshot.error) == (expected, text)

    @pytest.mark.parametrize(
        ("cable", "options", "max_a"), [(32, 2, 32), (20, 2, 20), (32, 0, 16), (0, 2, 32), (13, 0, 13)]
    )
    async def test_the_cable_and_the_jumper_limit(self, cable: int, options: int, max_a: float) -> None:
        device = edgetech()
        device.hold(0x0102, 16 << 8 | cable)
        device.hold(0x010C, options)
        assert (await driver(DriverName.EDGETECH, device).read(NOW_S)).max_a == max_a

    @pytest.mark.parametrize(("bits", "drawn_a"), [(0, 0.0), (0x02, 7.0)])
    async def test_an_open_contactor_draws_nothing_unless_it_is_stuck(self, bits: int, drawn_a: float) -> None:
        device = edgetech(state=2)
        device.hold(0x0103, bits << 8 | 2)
        device.hold(0x0105, 7 * 256)
        snapshot = await driver(DriverName.EDGETECH, device).read(NOW_S)
        assert snapshot.drawn_a == (drawn_a, 0.0, 0.0)

    @pytest.mark.parametrize(("offer_a", "word"), [(16.0, 0x1010), (7.9, 0x0707), (0.0, 0), (32.0, 0x2020)])
    async def test_writes_whole_amps_in_both_bytes(self, offer_a: float, word: int) -> None:
        device = edgetech()
        await driver(DriverName.EDGETECH, device).write(offer_a)
        assert device.writes == [(0x0201, word)]

    @pytest.mark.parametrize(("settings", "phases", "word"), [(0b10_0101, 1, 0b10_0100), (0b10_0100, 3, 0b10_0101)])
    async def test_a_switch_of_phases_leaves_the_other_settings_as_they_are(
        self, settings: int, phases: PhaseCount, word: int
    ) -> None:
        device = edgetech(offer_a=0)
        device.hold(0x0204, settings)
        wallbox = edgetech_driver(device)
        await wallbox.switch(phases)
        assert device.writes == [(0x0204, word)]
        assert (await wallbox.read(NOW_S)).phases == phases
        await wallbox.switch(phases)
        assert len(device.writes) == 1

    async def test_it_never_switches_while_it_offers_current(self) -> None:
        device = edgetech(offer_a=16)
        await edgetech_driver(device).switch(1)
        assert device.writes == []

    async def test_one_that_refuses_to_tell_its_settings_has_no_phases(self) -> None:
        device = edgetech()
        del device.registers[0x0204]
        assert (await driver(DriverName.EDGETECH, device).read(NOW_S)).phases is None

    async def test_the_uptime_is_right_in_either_word_order(self) -> None:
        device = edgetech()
        wallbox = driver(DriverName.EDGETECH, device)
        device.hold(0x0006, 0, 0, 2, 1)
        forward = (await wallbox.read(NOW_S)).uptime_s
        device.hold(0x0006, 1, 2, 0, 0)
        assert forward == (await wallbox.read(NOW_S)).uptime_s == pytest.approx(131.073)

    @pytest.mark.parametrize(("address", "value"), [(0x0103, 9), (0x0102, 0xFF20)])
    async def test_nonsense_is_refused(self, address: int, value: int) -> None:
        device = edgetech()
        device.hold(address, value)
        with pytest.raises(GarbledError):
            await driver(DriverName.EDGETECH, device).read(NOW_S)


SMARTEVSES = {
    DriverName.SMARTEVSE_V2: {"state": 0x0000, "error": 0x0001, "current": 0x0002, "mode": 0x0003, "access": 0x0005},
    DriverName.SMARTEVSE_V2_LEGACY: {"state": 0xA0, "error": 0xA1, "current": 0xA6, "mode": 0xA8, "access": 0xA7},
}


@pytest.mark.parametrize("name", SMARTEVSES)
class TestSmartEvse:
    async def test_a_pause_takes_access_away_and_never_writes_a_zero_override(self, name: DriverName) -> None:
        device = MADE[name]()
        at = SMARTEVSES[name]
        wallbox = driver(name, device)
        await wallbox.read(NOW_S)
        await wallbox.write(0.0)
        await wallbox.write(8.5)
        assert device.writes == [(at["access"], 0), (at["current"], 85), (at["access"], 1)]

    @pytest.mark.parametrize("offer_a", [0.1, 3.0, 5.9])
    async def test_less_than_6_a_is_a_pause(self, name: DriverName, offer_a: float) -> None:
        device = MADE[name]()
        await driver(name, device).write(offer_a)
        assert device.writes == [(SMARTEVSES[name]["access"], 0)]

    async def test_a_fresh_agent_gives_access_too(self, name: DriverName) -> None:
        device = MADE[name]()
        await driver(name, device).write(10.0)
        assert device.writes == [(SMARTEVSES[name]["current"], 100), (SMARTEVSES[name]["access"], 1)]

    async def test_the_override_is_renewed_while_no_car_charges(self, name: DriverName) -> None:
        """It is gone after a reboot, and this wallbox has no uptime to tell."""
        device = MADE[name](state=1)
        at = SMARTEVSES[name]
        wallbox = driver(name, device)
        await wallbox.write(10.0)
        device.registers[at["current"]] = 160
        assert (await wallbox.read(NOW_S)).offer_a == 10.0
        assert device.registers[at["current"]] == 100
        device.registers[at["state"]] = 2
        device.registers[at["current"]] = 160
        assert (await wallbox.read(NOW_S)).offer_a == 16.0, "a charging wallbox tells what it assigns"

    async def test_before_the_first_order_the_most_is_assumed(self, name: DriverName) -> None:
        device = MADE[name](state=1, current=0)
        assert (await driver(name, device).read(NOW_S)).offer_a == 16.0

    @pytest.mark.parametrize(
        ("code", "expected"),
        [(0, "A"), (1, "B"), (2, "C"), (3, "D"), (4, "B"), (6, "B"), (7, "C"), (8, "B"), (9, "B"), (10, "C")],
    )
    async def test_states(self, name: DriverName, code: int, expected: str) -> None:
        device = MADE[name]()
        device.registers[SMARTEVSES[name]["state"]] = code
        snapshot = await driver(name, device).read(NOW_S)
        assert snapshot.iec_state == expected
        assert snapshot.drawn_a is None
        assert snapshot.needs_standby

    @pytest.mark.parametrize(("bits", "state", "word"), [(4, "E", "hot"), (16, "F", "residual"), (2, "E", "meter")])
    async def test_faults(self, name: DriverName, bits: int, state: str, word: str) -> None:
        device = MADE[name]()
        device.registers[SMARTEVSES[name]["error"]] = bits
        snapshot = await driver(name, device).read(NOW_S)
        assert snapshot.iec_state == state
        assert word in cast(str, snapshot.error)

    async def test_another_mode_than_normal_is_reported(self, name: DriverName) -> None:
        device = MADE[name]()
        device.registers[SMARTEVSES[name]["mode"]] = 1
        assert "choose Normal" in cast(str, (await driver(name, device).read(NOW_S)).error)

    async def test_it_is_talked_to_in_bursts(self, name: DriverName) -> None:
        capabilities = driver(name, MADE[name]()).capabilities
        assert capabilities.is_bursty
        assert capabilities.settle_s >= 6


async def test_smartevse_v2_tells_its_temperature_in_kelvin() -> None:
    device = smartevse_v2()
    wallbox = driver(DriverName.SMARTEVSE_V2, device)
    assert (await wallbox.read(NOW_S)).temperature_c == 25.0
    device.registers[0x000A] = 0
    assert (await wallbox.read(NOW_S)).temperature_c is None
