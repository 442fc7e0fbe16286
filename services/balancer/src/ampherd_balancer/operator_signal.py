"""The network operator's signal as it arrives: a word, watts, or JSON with a lifetime."""

from __future__ import annotations

import json
from typing import Annotated, Final

from ampherd_core.units import MAX_PLAUSIBLE_W
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ampherd_balancer.operator_cap import LONGEST_S, Signal
from ampherd_balancer.settings import MAX_BYTES, SettingError

_ON: Final = frozenset({"on", "true"})
_OFF: Final = frozenset({"off", "false"})
_CLOSED: Final = _ON | {"1"}
_OPEN: Final = _OFF | {"0"}

_LEAST_W: Final = 2.0
"""0 and 1 may be meant as off and on: such watts are said with their name."""

_SHORTEST_S: Final = 1.0
"""A cap that ends before the next decision would hold for nobody."""

_RIGHT: Final = 'send on, off, watts, or JSON such as {"power_w": 4200, "for_s": 7200}'


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    active: bool = True
    power_w: Annotated[float, Field(ge=0, le=MAX_PLAUSIBLE_W)] | None = None
    for_s: Annotated[float, Field(ge=_SHORTEST_S, le=LONGEST_S)] | None = None


class _InputState(BaseModel):
    """As a Shelly tells its input."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    state: bool


def read_signal(payload: bytes) -> Signal | None:
    """Understand a `site/limit/set`, None for the end of the cap; raises SettingError that says what would be right."""
    text = _text(payload)
    if text.lower() in _ON:
        return Signal()
    if text.lower() in _OFF:
        return None
    if text.startswith("{"):
        return _of_document(text)
    return Signal(_watts(text))


def read_input(payload: bytes) -> Signal | None:
    """Understand what a digital input says; raises SettingError."""
    text = _text(payload)
    if text.startswith("{"):
        try:
            return Signal() if _InputState.model_validate_json(text).state else None
        except ValidationError as err:
            raise SettingError('limit: this input\'s JSON has no "state" that is true or false') from err
    if text.lower() in _CLOSED:
        return Signal()
    if text.lower() in _OPEN:
        return None
    raise SettingError(f"limit: {text[:40]!r} is not what an input says; on, off, 1, 0, true or false")


def _text(payload: bytes) -> str:
    if len(payload) > MAX_BYTES:
        raise SettingError(f"limit: more than {MAX_BYTES} bytes; {_RIGHT}")
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as err:
        raise SettingError("limit: not UTF-8 text") from err


def _of_document(text: str) -> Signal | None:
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise SettingError(f"limit: {where[:40]}: {first['msg'][:120]}; {_RIGHT}") from err
    if not document.active and document.power_w is not None:
        raise SettingError(f"limit: not active, and yet so many watts; {_RIGHT}")
    return Signal(document.power_w, document.for_s) if document.active else None


def _watts(text: str) -> float:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"limit: {text[:40]!r} is not understood; {_RIGHT}")
    if not _LEAST_W <= value <= MAX_PLAUSIBLE_W:
        raise SettingError(f"limit: {text[:20]} may mean off, on or watts; {_RIGHT}")
    return float(value)
