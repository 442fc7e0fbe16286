"""The policy that fits a simulated site: pure, from the scenario and the ports that its devices got."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

import yaml
from ampherd_core.messages import MeterRole
from ampherd_core.policy import Charger, Circuit, Connection, Meter, Policy, Site
from ampherd_core.policy_solar import Solar, SolarFeed
from ampherd_core.policy_tariff import Tariff
from ampherd_simulator.scenario import ChargerPart, LinePart, Scenario, SensorboxPart
from pydantic import BaseModel, ConfigDict

_DAY_H: Final = 24
_WEST_H: Final = 12
"""Zones reach from 12 hours behind Greenwich to 11, with the same clock as beyond, ahead."""

_HEADER: Final = "# Written anew at each start of the demo, from its scenario and the ports that the simulator got.\n"


class Ports(BaseModel):
    """Where a running simulator listens, as its ports file tells."""

    model_config = ConfigDict(frozen=True)

    chargers: dict[str, str]
    p1: str | None = None
    sensorbox: str | None = None
    roof: str | None = None


def at_its_hour(scenario: Scenario, now: datetime) -> Scenario:
    """The same house where it is the scenario's `hour` at `now`, which is aware; minutes are everywhere the same."""
    if scenario.hour is None:
        return scenario
    ahead_h = (scenario.hour - now.astimezone(UTC).hour + _WEST_H) % _DAY_H - _WEST_H
    # POSIX counts zones west of Greenwich as positive.
    return scenario.model_copy(update={"timezone": f"Etc/GMT{-ahead_h:+d}"})


def with_free_ports(scenario: Scenario) -> Scenario:
    """The same scenario, on ports that the system chooses."""
    chargers = {
        name: part if isinstance(part.line, str) else part.model_copy(update={"line": _anywhere(part.line)})
        for name, part in scenario.chargers.items()
    }
    return scenario.model_copy(
        update={
            "control_port": 0,
            "chargers": chargers,
            "sensorbox": _box_anywhere(scenario.sensorbox),
            "roof": _box_anywhere(scenario.roof),
            "modbus": {name: _anywhere(line) for name, line in scenario.modbus.items()},
            "p1": scenario.p1 and scenario.p1.model_copy(update={"port": 0}),
        }
    )


def policy_of(scenario: Scenario, ports: Ports) -> Policy:
    """The policy of that site; ValueError where the scenario has no meter."""
    return Policy(
        version=1,
        site=Site(id="demo", name="Demo house", timezone=scenario.timezone),
        connection=Connection(
            rating_a=scenario.rating_a, margin_a=0.5, voltage_v=scenario.voltage_v, wiring=scenario.wiring
        ),
        circuits={
            circuit_id: Circuit(parent=circuit.parent, limit_a=circuit.limit_a)
            for circuit_id, circuit in scenario.circuits.items()
        },
        meters=_meters(scenario, ports),
        chargers={
            charger_id: _charger(charger_id, charger, ports.chargers[charger_id])
            for charger_id, charger in scenario.chargers.items()
        },
        solar=Solar() if scenario.roof is None else Solar(feed=SolarFeed.GENERATION),
        tariff=scenario.tariff or Tariff(),
    )


def as_yaml(policy: Policy) -> str:
    """The policy as a file that its owner may read and edit."""
    document = policy.model_dump(mode="json", exclude_defaults=True)
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _anywhere(line: LinePart) -> LinePart:
    return line.model_copy(update={"port": 0})


def _box_anywhere(box: SensorboxPart | None) -> SensorboxPart | None:
    if box is None or isinstance(box.line, str):
        return box
    return box.model_copy(update={"line": _anywhere(box.line)})


def _meters(scenario: Scenario, ports: Ports) -> dict[str, Meter]:
    grid = {"grid": _grid_meter(scenario, ports)}
    if ports.roof is None or scenario.roof is None:
        return grid
    return grid | {"roof": Meter(role=MeterRole.SOLAR, driver="sensorbox", source=ports.roof, unit=scenario.roof.unit)}


def _grid_meter(scenario: Scenario, ports: Ports) -> Meter:
    if ports.p1 is not None:
        return Meter(role=MeterRole.GRID, driver="dsmr", source=ports.p1)
    if ports.sensorbox is not None and scenario.sensorbox is not None:
        return Meter(role=MeterRole.GRID, driver="sensorbox", source=ports.sensorbox, unit=scenario.sensorbox.unit)
    raise ValueError("the scenario has neither a P1 port nor a Sensorbox, so there is no grid meter")


def _charger(charger_id: str, part: ChargerPart, link: str) -> Charger:
    return Charger(
        name=charger_id.replace("-", " ").capitalize(),
        driver=part.driver,
        link=link,
        unit=part.unit,
        circuit=part.circuit,
        lines=part.lines,
        min_a=math.ceil(part.car.min_a),
        max_a=part.max_a,
        mode=part.mode,
        plan=part.plan,
    )
