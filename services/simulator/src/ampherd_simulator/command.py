"""What the control socket understands: one JSON document a line."""

from __future__ import annotations

from typing import Annotated, Literal

from ampherd_core.phases import Line
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ampherd_simulator.scenario import Amps, Seconds


class Command(BaseModel):
    """The base of every command."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Plug(Command):
    """Put a car's cable in, or pull it."""

    do: Literal["plug", "unplug"]
    charger: str


class AddStep(Command):
    """Switch a load of the house on, now."""

    do: Literal["step"]
    line: Line
    current_a: Amps
    for_s: Seconds | None = None


class SetWallboxFault(Command):
    """Switch faults of a wallbox; what is left out stays as it is."""

    do: Literal["wallbox"]
    charger: str
    is_silent: bool | None = None
    is_slow: bool | None = None
    ignores_writes: bool | None = None
    answers_garbage: bool | None = None
    has_stale_currents: bool | None = None


class Reboot(Command):
    """Restart a wallbox, now."""

    do: Literal["reboot"]
    charger: str


class SetP1Fault(Command):
    """Switch faults of the P1 port; what is left out stays as it is."""

    do: Literal["p1"]
    is_silent: bool | None = None
    is_frozen: bool | None = None
    is_half_missing: bool | None = None
    is_garbage: bool | None = None
    has_bad_crc: bool | None = None


class SetSensorboxFault(Command):
    """Switch faults of the Sensorbox; what is left out stays as it is."""

    do: Literal["sensorbox"]
    is_silent: bool | None = None
    is_frozen: bool | None = None


class Ask(Command):
    """The truth as of now."""

    do: Literal["truth"]


AnyCommand = Plug | AddStep | SetWallboxFault | Reboot | SetP1Fault | SetSensorboxFault | Ask
COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="do")])
