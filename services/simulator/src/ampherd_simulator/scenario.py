"""A scenario: the house, cars and wallboxes to simulate, and where they listen; see `docs/simulator.md`."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from ampherd_core.messages import Identifier, Mode
from ampherd_core.phases import LINES, Line
from ampherd_core.policy import CONNECTION, DriverName, Wiring
from ampherd_core.policy_tariff import StandingPlan, Tariff
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.household import APPLIANCES
from ampherd_simulator.modbus_server import LineKind
from ampherd_simulator.p1 import P1Kind, Rounding
from ampherd_simulator.sensorbox import SENSORBOX_UNIT, SensorboxSource, SensorboxVersion

Seconds = Annotated[float, Field(ge=0)]
Span = Annotated[float, Field(gt=0)]
Amps = Annotated[float, Field(ge=-500, le=500)]
PortNumber = Annotated[int, Field(ge=0, le=65_535)]


class Part(BaseModel):
    """The base of every part: frozen, and no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SolarPart(Part):
    """An inverter."""

    peak_a: Annotated[float, Field(ge=0, le=100)] = Field(description="clear-sky peak, A per line")
    lines: tuple[Line, ...] = Field(LINES, description="the lines it feeds")
    cloudiness: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="0 clear to 1 broken clouds")


class InverterPart(Part):
    """A recorded inverter."""

    recording: Path = Field(description="CSV or CSV.gz file; relative to the scenario file")
    columns: tuple[str, ...] = Field((), description="columns to add up, W; default p_pv_w, or p_sys1_w and p_sys2_w")
    scale: Annotated[float, Field(gt=0, le=100)] = Field(1, description="times what was recorded")
    lines: tuple[Line, ...] = Field(LINES, min_length=1, description="the lines it feeds, evenly")
    offset_s: Seconds = Field(0, description="where in the recording to begin, s")
    for_s: Span | None = Field(None, description="then so much of it, again and again; null: all")


class StepPart(Part):
    """A load that is switched on for a while."""

    line: Line = Field(description="the line it is on")
    current_a: Amps = Field(description="A; negative is a source")
    at_s: Seconds = Field(description="when it is switched on, s after the start")
    for_s: Seconds | None = Field(None, description="for how long, s; null is for ever")


class HousePart(Part):
    """The house: a recording, a constant, or made up from the seed."""

    recording: Path | None = Field(None, description="CSV or CSV.gz file; relative to the scenario file")
    line: Line = Field(Line.L1, description="where a recording of one phase goes")
    offset_s: Seconds = Field(0, description="where in the recording to begin, s")
    for_s: Span | None = Field(None, description="then so much of it, again and again; null: all")
    constant_a: tuple[Amps, Amps, Amps] | None = Field(None, description="the same current for ever, A per line")
    appliances: tuple[str, ...] = Field(tuple(APPLIANCES), description="what a made-up house owns")
    phases: Literal[1, 3] = Field(3, description="1: all that a made-up house owns is on L1")
    base_a: Annotated[float, Field(ge=0, le=50)] = Field(0.8, description="mean standing load, A per line")
    liveliness: Annotated[float, Field(ge=0, le=20)] = Field(1, description="factor on how often appliances run")
    solar: SolarPart | None = Field(None, description="a made-up inverter on the roof")
    inverter: InverterPart | None = Field(None, description="a recorded inverter on the roof")
    power_factor: Annotated[float, Field(gt=0, le=1)] = Field(1, description="real over apparent power of the house")
    steps: tuple[StepPart, ...] = Field((), description="loads switched on and off on top")

    @model_validator(mode="after")
    def _known(self) -> HousePart:
        unknown = set(self.appliances) - set(APPLIANCES)
        if unknown:
            raise ValueError(f"unknown appliances {sorted(unknown)}; choose from {sorted(APPLIANCES)}")
        if self.recording is not None and self.constant_a is not None:
            raise ValueError("give a recording or constant_a, not both")
        if self.solar is not None and self.inverter is not None:
            raise ValueError("give solar or an inverter, not both")
        return self


class VisitPart(Part):
    """A time at the wallbox."""

    arrives_s: Seconds = Field(description="when it is plugged in, s")
    leaves_s: Seconds | None = Field(None, description="when it is unplugged, s; null is never")
    wants_wh: Span | None = Field(None, description="what it takes, without tapering; null: until its battery is full")


class CarPart(Part):
    """A car."""

    phases: Literal[1, 2, 3] = Field(3, description="phases of its on-board charger")
    max_a: Annotated[float, Field(gt=0, le=80)] = Field(16, description="the most it takes, A per phase")
    min_a: Annotated[float, Field(ge=6, le=80)] = Field(6, description="it takes nothing on less, A (a Zoe: 8)")
    lag_s: Annotated[float, Field(ge=0, le=60)] = Field(1, description="before it follows a changed offer, s")
    ramp_up_a_s: Annotated[float, Field(gt=0)] = Field(4, description="how fast it rises, A/s")
    ramp_down_a_s: Annotated[float, Field(gt=0)] | None = Field(None, description="how fast it falls; null is at once")
    under_a: Annotated[float, Field(ge=0, le=10)] = Field(0.3, description="it draws so much less than offered, A")
    overdraw_factor: Annotated[float, Field(ge=0, le=5)] = Field(1, description="above 1 it draws more than offered")
    is_stubborn: bool = Field(False, description="ignores a lower offer")
    battery_wh: Annotated[float, Field(gt=0)] = Field(60_000, description="battery, Wh")
    soc: Annotated[float, Field(ge=0, le=1)] = Field(0.3, description="state of charge on arrival")
    taper_from: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="state of charge where it begins to taper")
    sleeps_after: Annotated[int, Field(ge=1)] | None = Field(None, description="interruptions after which it sleeps")
    arrives_s: Seconds = Field(0, description="when it is plugged in, s")
    leaves_s: Seconds | None = Field(None, description="when it is unplugged, s; null is never")
    visits: tuple[VisitPart, ...] = Field((), description="several times, in place of arrives_s and leaves_s")
    is_away: bool = Field(False, description="never arrives by itself")

    @model_validator(mode="after")
    def _one_after_the_other(self) -> CarPart:
        for visit, later in pairwise(self.visits):
            if visit.leaves_s is None or later.arrives_s <= visit.leaves_s:
                raise ValueError(
                    f"it arrives at {later.arrives_s:g} s before it has left; let visits follow each other"
                )
        for visit in self.visits:
            if visit.leaves_s is not None and visit.leaves_s <= visit.arrives_s:
                raise ValueError(f"it leaves at {visit.leaves_s:g} s before it arrives")
        return self


class LinePart(Part):
    """A Modbus line."""

    kind: LineKind = Field(LineKind.TCP, description="tcp, rtu+tcp, or rtu on a pseudo-terminal")
    port: PortNumber = Field(0, description="0: the system chooses")
    baud: Annotated[float, Field(gt=0)] | None = Field(None, description="pace of a serial line, bit/s; null is none")


class ChargerPart(Part):
    """A charging point."""

    driver: DriverName = Field(description="which wallbox it is")
    unit: Annotated[int, Field(ge=0, le=247)] = Field(1, description="Modbus unit address")
    line: LinePart | str = Field(LinePart(), description="a line of its own, or the name of a shared one")
    circuit: Identifier = Field(CONNECTION, description="the circuit that feeds it")
    lines: tuple[Line, ...] = Field(LINES, min_length=1, description="the site line on each terminal")
    max_a: Annotated[int, Field(ge=6, le=80)] = Field(16, description="MAX of a SmartEVSE; cable of an Edgetech, A")
    is_32a: bool = Field(False, description="Edgetech: the 32 A jumper")
    is_fresh_from_factory: bool = Field(False, description="Edgetech: at unit 1 answers only after a change of state")
    car: CarPart = Field(CarPart(), description="its car")
    mode: Mode = Field(Mode.FAST, description="for the policy of `ampherd demo`")
    plan: StandingPlan | None = Field(None, description="for the policy of `ampherd demo`")


class CircuitPart(Part):
    """A sub-circuit; it carries chargers only."""

    parent: Identifier = Field(CONNECTION, description="what feeds it")
    limit_a: Annotated[float, Field(gt=0, le=200)] = Field(description="A per line")


class P1Part(Part):
    """The smart meter's P1 port."""

    kind: P1Kind = Field(P1Kind.DSMR_5, description="dsmr5, dsmr4 or be")
    rounding: Rounding = Field(Rounding.ROUND, description="round or cut to whole steps")
    port: PortNumber = Field(0, description="0: the system chooses")
    baud: Annotated[float, Field(gt=0)] | None = Field(None, description="pace, bit/s; null: in one write")
    replay: Path | None = Field(None, description="send these raw telegrams instead; relative to the scenario file")
    replay_adds_chargers: bool = Field(False, description="add what the cars draw to each of them")
    replay_loop: bool = Field(False, description="begin anew after the last")


class SensorboxPart(Part):
    """A Sensorbox."""

    version: SensorboxVersion = Field(SensorboxVersion.V2, description="1, 1.5 or 2")
    source: SensorboxSource = Field(SensorboxSource.CT, description="ct, p1 or p1_old")
    unit: Annotated[int, Field(ge=1, le=247)] = Field(SENSORBOX_UNIT, description="Modbus unit address")
    line: LinePart | str = Field(LinePart(), description="a line of its own, or the name of a shared one")


class Scenario(Part):
    """The whole of a scenario file."""

    seed: int = Field(1, description="the same seed gives the same house")
    host: str = Field("127.0.0.1", description="address to listen on")
    control_port: PortNumber = Field(0, description="the control socket, always on loopback")
    speed: Annotated[float, Field(gt=0, le=1_000)] = Field(1, description="scenario seconds a second")
    starts_at: datetime | None = Field(None, description="time of day at the start, with zone; null is now")
    hour: Annotated[int, Field(ge=0, le=23)] | None = Field(
        None, description="a made-up house and sun begin at this hour; `ampherd demo` finds a time zone where it is now"
    )
    rating_a: Annotated[float, Field(gt=0, le=500)] = Field(25, description="what the truth is judged by, A per line")
    voltage_v: Annotated[float, Field(ge=100, le=260)] = Field(230, description="V")
    wiring: Wiring = Field(Wiring.STAR, description="star, or delta: a one-phase car sits between two lines")
    timezone: str = Field("Europe/Amsterdam", description="the meter's time zone")
    house: HousePart = Field(HousePart(), description="all that is no charger")
    circuits: dict[Identifier, CircuitPart] = Field(default_factory=dict, description="sub-circuits by id")
    modbus: dict[str, LinePart] = Field(default_factory=dict, description="shared Modbus lines by name")
    chargers: dict[Identifier, ChargerPart] = Field(default_factory=dict, description="charging points by id")
    p1: P1Part | None = Field(P1Part(), description="the P1 port; null is none")
    sensorbox: SensorboxPart | None = Field(None, description="a Sensorbox; null is none")
    roof: SensorboxPart | None = Field(None, description="another, with its clamps on the inverter; null is none")
    tariff: Tariff | None = Field(None, description="for the policy of `ampherd demo`")

    @model_validator(mode="after")
    def _references(self) -> Scenario:
        used = [part.line for part in (*self.chargers.values(), self.sensorbox, self.roof) if part is not None]
        if unknown := {line for line in used if isinstance(line, str)} - set(self.modbus):
            raise ValueError(f"unknown Modbus lines {sorted(unknown)}; name them under `modbus`")
        known = {CONNECTION, *self.circuits}
        feeds = {charger.circuit for charger in self.chargers.values()}
        if lost := (feeds | {circuit.parent for circuit in self.circuits.values()}) - known:
            raise ValueError(f"unknown circuits {sorted(lost)}; name them under `circuits`")
        if self.starts_at is not None and self.starts_at.tzinfo is None:
            raise ValueError("starts_at needs a zone, for example 2026-06-01T17:30:00+02:00")
        for circuit_id in self.circuits:
            self.circuits_above(circuit_id)
        return self

    def circuits_above(self, circuit_id: str) -> tuple[str, ...]:
        """A circuit and all that feed it, innermost first, without the connection."""
        path: list[str] = []
        while circuit_id != CONNECTION:
            if circuit_id in path:
                raise ValueError(f"circuit {circuit_id} feeds itself")
            path.append(circuit_id)
            circuit_id = self.circuits[circuit_id].parent
        return tuple(path)


def load_scenario(path: Path) -> Scenario:
    """A YAML or JSON file; files that it names are relative to it. ScenarioError says what is wrong."""
    try:
        scenario = Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise ScenarioError(f"{path}: {err}") from err
    except ValidationError as err:
        raise ScenarioError(f"{path}: {err}") from err
    return _anchored(scenario, path.parent)


def _anchored(scenario: Scenario, folder: Path) -> Scenario:
    house, p1 = scenario.house, scenario.p1
    if house.recording is not None:
        house = house.model_copy(update={"recording": folder / house.recording})
    if house.inverter is not None:
        inverter = house.inverter.model_copy(update={"recording": folder / house.inverter.recording})
        house = house.model_copy(update={"inverter": inverter})
    if p1 is not None and p1.replay is not None:
        p1 = p1.model_copy(update={"replay": folder / p1.replay})
    return scenario.model_copy(update={"house": house, "p1": p1})
