"""A meter that is read from plain MQTT topics: which topic says what, in which unit."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from ampherd_core.policy_limits import OneTopic
from ampherd_core.policy_section import Section


class Quantity(StrEnum):
    """What a topic may tell; `_l1` is the meter's first phase. Import is +, and so is a battery that charges."""

    POWER = "power"
    POWER_L1 = "power_l1"
    POWER_L2 = "power_l2"
    POWER_L3 = "power_l3"
    CURRENT_L1 = "current_l1"
    CURRENT_L2 = "current_l2"
    CURRENT_L3 = "current_l3"
    VOLTAGE_L1 = "voltage_l1"
    VOLTAGE_L2 = "voltage_l2"
    VOLTAGE_L3 = "voltage_l3"
    SOC = "soc"
    ENERGY_IMPORT = "energy_import"
    ENERGY_EXPORT = "energy_export"


class Unit(StrEnum):
    """What a number counts."""

    W = "W"
    KW = "kW"
    A = "A"
    DA = "dA"
    MA = "mA"
    V = "V"
    DV = "dV"
    MV = "mV"
    PERCENT = "%"
    WH = "Wh"
    KWH = "kWh"


POWERS: Final = (Quantity.POWER_L1, Quantity.POWER_L2, Quantity.POWER_L3)
CURRENTS: Final = (Quantity.CURRENT_L1, Quantity.CURRENT_L2, Quantity.CURRENT_L3)
VOLTAGES: Final = (Quantity.VOLTAGE_L1, Quantity.VOLTAGE_L2, Quantity.VOLTAGE_L3)
ENERGIES: Final = (Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT)

FACTORS: Final = {
    Unit.W: {Unit.W: 1.0, Unit.KW: 1000.0},
    Unit.A: {Unit.A: 1.0, Unit.DA: 0.1, Unit.MA: 0.001},
    Unit.V: {Unit.V: 1.0, Unit.DV: 0.1, Unit.MV: 0.001},
    Unit.PERCENT: {Unit.PERCENT: 1.0},
    Unit.WH: {Unit.WH: 1.0, Unit.KWH: 1000.0},
}
"""Our own unit of each kind, and what others are of it."""

UNITS: Final = {
    Quantity.POWER: Unit.W,
    **dict.fromkeys(POWERS, Unit.W),
    **dict.fromkeys(CURRENTS, Unit.A),
    **dict.fromkeys(VOLTAGES, Unit.V),
    Quantity.SOC: Unit.PERCENT,
    **dict.fromkeys(ENERGIES, Unit.WH),
}
"""What each quantity is kept in."""


def _is_password_file(name: str) -> str:
    """Whoever edits the policy must not have any other file sent to a broker of his."""
    if not re.fullmatch(r"[A-Za-z0-9._-]*password", name):
        raise ValueError(
            "is no password's file; name one beside site.yaml that ends with password, like emonpi-password"
        )
    return name


PasswordFile = Annotated[str, Field(max_length=100), AfterValidator(_is_password_file)]


def _is_a_factor(scale: float) -> float:
    if scale == 0:
        raise ValueError("everything times 0 is 0; write -1 to turn the sign, or leave it out")
    return scale


class TopicValue(Section):
    """Where one quantity is said, and how its number is to be read."""

    topic: OneTopic = Field(description="the topic, as it is on the broker, like emon/emonpi/power1")
    unit: Unit | None = Field(None, description="what the number counts; default: W, A, V, % or Wh")
    scale: Annotated[float, Field(ge=-1000, le=1000), AfterValidator(_is_a_factor)] = Field(
        1, description="the number is multiplied by it; -1 turns its sign: import is +, and a battery that charges"
    )
    field: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="where the payload is JSON: the field's name, with dots for one within another"
    )
    column: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="where the payload is a row with commas: the column, from 1"
    )

    @model_validator(mode="after")
    def _is_one_form(self) -> TopicValue:
        if self.field is not None and self.column is not None:
            raise ValueError("a payload is JSON or a row; give either field or column")
        return self


class TopicValues(Section):
    """The quantities that a meter tells by topics of its own."""

    power: TopicValue | None = Field(None, description="total power")
    power_l1: TopicValue | None = Field(None, description="power of the meter's first phase")
    power_l2: TopicValue | None = Field(None, description="of its second")
    power_l3: TopicValue | None = Field(None, description="of its third")
    current_l1: TopicValue | None = Field(None, description="current of the meter's first phase")
    current_l2: TopicValue | None = Field(None, description="of its second")
    current_l3: TopicValue | None = Field(None, description="of its third")
    voltage_l1: TopicValue | None = Field(None, description="voltage of the meter's first phase")
    voltage_l2: TopicValue | None = Field(None, description="of its second")
    voltage_l3: TopicValue | None = Field(None, description="of its third")
    soc: TopicValue | None = Field(None, description="state of charge of a battery")
    energy_import: TopicValue | None = Field(None, description="counter of the imported energy")
    energy_export: TopicValue | None = Field(None, description="counter of the exported energy")

    @property
    def named(self) -> dict[Quantity, TopicValue]:
        """What the policy names, by quantity."""
        found = {quantity: getattr(self, quantity.value) for quantity in Quantity}
        return {quantity: value for quantity, value in found.items() if value is not None}

    @model_validator(mode="after")
    def _units_fit(self) -> TopicValues:
        for quantity, value in self.named.items():
            units = FACTORS[UNITS[quantity]]
            if value.unit is not None and value.unit not in units:
                raise ValueError(f"{value.unit} is no unit of {quantity}; use {' or '.join(units)}")
        return self
