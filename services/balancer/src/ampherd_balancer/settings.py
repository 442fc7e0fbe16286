"""What a user may set per charger, read from a plain scalar or JSON, and kept as one document."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import Mode, Offer
from ampherd_core.policy import Charger
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_BYTES: Final = 1024
"""A setting is a word or a number."""


class SettingError(ValueError):
    """A value that cannot be set; the message is for the person who sent it."""


class Wishes(BaseModel):
    """What the user chose for one charger; None leaves it to the policy."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    mode: Mode | None = None
    max_a: Offer | None = None
    priority: int | None = Field(None, ge=1, le=9)


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that was understood: the field of `Wishes`, and its value."""

    field: str
    value: Mode | float | int


def read_change(setting: str, payload: bytes, charger: Charger | None) -> Change:
    """Understand a `…/<setting>/set` for a charger of the policy; raises SettingError that says what would be right."""
    if charger is None:
        raise SettingError("there is no such charger in the policy")
    if len(payload) > MAX_BYTES:
        raise SettingError(f"{setting}: more than {MAX_BYTES} bytes; send a plain word or number")
    value = _scalar(setting, payload)
    match setting:
        case "mode":
            return Change("mode", _mode(value))
        case "max_current":
            return Change("max_a", _max_current(value, charger))
        case "priority":
            return Change("priority", _priority(value))
        case "phases":
            raise SettingError(
                "phases: chosen by the mode and the sun, not by hand"
                if charger.switches_phases
                else "phases: this wallbox cannot switch phases"
            )
    raise SettingError(f"there is no setting {setting[:40]!r}; there are mode, max_current, priority, plan and soc")


def dump(wishes: Mapping[str, Wishes]) -> bytes:
    """All chargers' wishes as one document."""
    return json.dumps(
        {charger: wish.model_dump(mode="json", exclude_none=True) for charger, wish in wishes.items()}
    ).encode()


def load(document: bytes) -> dict[str, Wishes]:
    """The wishes that `dump` wrote; what is not understood is left out."""
    try:
        raw = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, Wishes] = {}
    for charger, wish in raw.items() if isinstance(raw, dict) else ():
        try:
            found[str(charger)] = Wishes.model_validate(wish)
        except ValidationError:
            continue
    return found


def _scalar(setting: str, payload: bytes) -> object:
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as err:
        raise SettingError(f"{setting}: not UTF-8 text") from err
    if not text:
        raise SettingError(f"{setting}: empty; send a plain word or number")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _mode(value: object) -> Mode:
    try:
        mode = Mode(value) if isinstance(value, str) else None
    except ValueError:
        mode = None
    if mode is None:
        raise SettingError(f"mode: {str(value)[:40]!r} is not a mode; use one of {', '.join(Mode)}")
    return mode


def _max_current(value: object, charger: Charger) -> float:
    amps = _number("max_current", value)
    if not charger.min_a <= amps <= charger.max_a:
        raise SettingError(
            f"max_current: {amps:g} A is outside {charger.min_a:g} to {charger.max_a:g} A, which the policy allows here"
        )
    return amps


def _priority(value: object) -> int:
    number = _number("priority", value)
    if number != int(number) or not 1 <= number <= 9:
        raise SettingError("priority: a whole number from 1 (first) to 9")
    return int(number)


def _number(setting: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"{setting}: {str(value)[:40]!r} is not a number; send it plain, without a unit")
    if (isinstance(value, int) and abs(value) > 10**6) or not math.isfinite(value):
        raise SettingError(f"{setting}: {str(value)[:20]} is not a plausible number")
    return float(value)
