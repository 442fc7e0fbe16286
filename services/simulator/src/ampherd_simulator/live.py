"""A site in real time: physics ten times a second, and every device on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, TextIO

from ampherd_core.clock import boot_s

from ampherd_simulator.builder import build_feed, build_site
from ampherd_simulator.charger import SimulatedCharger, WallboxFaults
from ampherd_simulator.command import (
    AddStep,
    AnyCommand,
    Ask,
    Command,
    Plug,
    Reboot,
    SetP1Fault,
    SetSensorboxFault,
    SetWallboxFault,
)
from ampherd_simulator.control import LOOPBACK, CommandError, ControlServer
from ampherd_simulator.device import Device
from ampherd_simulator.house import Step, SteppedHouse
from ampherd_simulator.metering import GridSensor
from ampherd_simulator.modbus_server import ModbusLine, Write
from ampherd_simulator.p1 import GridSample
from ampherd_simulator.p1_feed import P1Faults, P1Feed
from ampherd_simulator.p1_server import P1Server
from ampherd_simulator.scenario import LinePart, Scenario, SensorboxPart
from ampherd_simulator.sensorbox import Sensorbox, SensorboxFaults
from ampherd_simulator.truth import Json, TruthFile, describe_site

STEP_S: Final = 0.1
"""The physics' step; a car's ramp and lag are seen to a tenth of a second."""

NEARLY_S: Final = 0.02
"""Physics of so long ago is as good as of now: devices that are asked at once are not each worth a step."""

TRUTH_S: Final = 1.0
SENSORBOX_S: Final = 1.0
"""A Sensorbox has new clamp data about every second."""


GRID_BOX: Final = "sensorbox"
ROOF_BOX: Final = "roof"


@dataclass(frozen=True, slots=True)
class Box:
    """A Sensorbox, where it listens, and what its clamps are on."""

    part: SensorboxPart
    device: Sensorbox
    sense: Callable[[float], GridSample]


class LiveSite:
    """Runs a scenario; `ports` tells where everything listens."""

    def __init__(self, scenario: Scenario, truth: TextIO | None = None) -> None:
        self._scenario = scenario
        starts_at = scenario.starts_at or datetime.now(UTC)
        self.site = build_site(scenario, starts_at)
        self._house = self.site.house
        self._sensor = GridSensor(self.site, starts_at, power_factor=scenario.house.power_factor)
        self._truth = TruthFile(truth)
        self._began_s = boot_s()
        self._feed = build_feed(scenario.p1, self._sensor, scenario.timezone) if scenario.p1 else None
        self._boxes = {
            name: Box(part, Sensorbox(part.version, part.source, part.unit), sense)
            for name, part, sense in (
                (GRID_BOX, scenario.sensorbox, self._sensor.sample),
                (ROOF_BOX, scenario.roof, self._sensor.on_roof),
            )
            if part is not None
        }
        self._charger_ids: dict[int, str] = {id(charger): name for name, charger in self.site.chargers.items()}
        self.ports: dict[str, Json] = {}

    def now_s(self) -> float:
        """Scenario seconds since the start; the site is brought up to this moment, or nearly."""
        now_s = (boot_s() - self._began_s) * self._scenario.speed
        if self.site.now_s is None or now_s > self.site.now_s + NEARLY_S:
            self.site.step(now_s)
        return now_s

    async def run(self, ready: asyncio.Event) -> None:
        """Listen and live until cancelled; `ready` is set when `ports` holds."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._truth.flush)
            await self._listen(stack)
            self._began_s = boot_s()
            ready.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._live(), name="physics")
                tasks.create_task(self._tell(), name="truth")
                for name, box in self._boxes.items():
                    tasks.create_task(self._sense(box), name=name)

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        scenario = self._scenario
        control = await stack.enter_async_context(ControlServer(self.obey).serve(scenario.control_port))
        self.ports["control"] = f"{LOOPBACK}:{control.port}"
        urls = await self._listen_modbus(stack)
        self.ports["chargers"] = {charger_id: urls[charger_id] for charger_id in scenario.chargers}
        self.ports |= {name: urls[_place_of(name)] for name in self._boxes}
        if scenario.p1 is not None and self._feed is not None:
            server = P1Server(
                self._feed,
                self.now_s,
                speed=scenario.speed,
                baud=scenario.p1.baud,
                on_sent=self._truth.telegram_sent,
            )
            await stack.enter_async_context(server.serve(scenario.host, scenario.p1.port))
            self.ports["p1"] = f"tcp://{scenario.host}:{server.port}"

    async def _listen_modbus(self, stack: contextlib.AsyncExitStack) -> dict[str, Json]:
        """Where each device is, by charger id; a Sensorbox under a name that no charger can have."""
        urls: dict[str, Json] = {}
        for part, members in self._lines():
            line = ModbusLine(part.kind, members.values(), self.now_s, baud=part.baud, on_write=self._note_write)
            await stack.enter_async_context(line.serve(self._scenario.host, part.port))
            urls |= dict.fromkeys(members, line.url)
        return urls

    def _lines(self) -> Iterator[tuple[LinePart, dict[str, Device]]]:
        placed: list[tuple[str, LinePart | str, Device]] = [
            (charger_id, part.line, self.site.chargers[charger_id])
            for charger_id, part in self._scenario.chargers.items()
        ]
        placed += [(_place_of(name), box.part.line, box.device) for name, box in self._boxes.items()]
        for name, part in self._scenario.modbus.items():
            yield part, {member: device for member, line, device in placed if line == name}
        for member, line, device in placed:
            if isinstance(line, LinePart):
                yield line, {member: device}

    def _note_write(self, device: Device, write: Write) -> None:
        charger_id = self._charger_ids.get(id(device))
        if charger_id is not None:
            self._truth.modbus_write(charger_id, write)

    async def _live(self) -> None:
        while True:
            self.now_s()
            self._truth.flush()
            await asyncio.sleep(STEP_S / self._scenario.speed)

    async def _tell(self) -> None:
        while True:
            self.now_s()
            self._truth.moment(self.site)
            await asyncio.sleep(TRUTH_S / self._scenario.speed)

    async def _sense(self, box: Box) -> None:
        while True:
            box.device.take(box.sense(self.now_s()))
            await asyncio.sleep(SENSORBOX_S / self._scenario.speed)

    def obey(self, command: AnyCommand) -> dict[str, Json]:
        """Carry out one command; CommandError when it names what is not there."""
        now_s = self.now_s()
        match command:
            case Ask():
                return describe_site(self.site)
            case Plug(do=do):
                car = self._charger(command.charger).car
                car.plug() if do == "plug" else car.unplug()
            case AddStep():
                for_s = math.inf if command.for_s is None else command.for_s
                self._stepped().steps.append(Step(command.line, command.current_a, now_s, for_s))
            case SetWallboxFault():
                _switch(self._charger(command.charger).faults, command)
            case Reboot():
                self._charger(command.charger).wallbox.reboot(now_s)
            case SetP1Fault():
                _switch(self._p1().faults, command)
            case SetSensorboxFault():
                _switch(self._box().faults, command)
        return {}

    def _charger(self, charger_id: str) -> SimulatedCharger:
        charger = self.site.chargers.get(charger_id)
        if charger is None:
            raise CommandError(f"no charger {charger_id}; there are {', '.join(self.site.chargers)}")
        return charger

    def _stepped(self) -> SteppedHouse:
        if not isinstance(self._house, SteppedHouse):
            raise CommandError("this house takes no steps")
        return self._house

    def _p1(self) -> P1Feed:
        if not isinstance(self._feed, P1Feed):
            raise CommandError("there is no live P1 port in this scenario")
        return self._feed

    def _box(self) -> Sensorbox:
        box = self._boxes.get(GRID_BOX)
        if box is None:
            raise CommandError("there is no Sensorbox in this scenario")
        return box.device


def _place_of(box: str) -> str:
    return f"{box} "


def _switch(faults: WallboxFaults | P1Faults | SensorboxFaults, command: Command) -> None:
    """Set the switches that the command names."""
    given = command.model_dump(exclude_none=True)
    for switch in fields(faults):
        if switch.name in given:
            setattr(faults, switch.name, given[switch.name])
