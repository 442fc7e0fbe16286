"""From a document of the bus to points of history: pure; few tags, and fields that are always floats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

from ampherd_core.history import Point
from ampherd_core.messages import ChargerState, LimitState, PerLine, Reading, SiteState
from ampherd_core.policy import CONNECTION
from pydantic import Field, FiniteFloat, TypeAdapter

from ampherd_api.inbox import Document

_Milliseconds = Annotated[int, Field(ge=-(10**11), le=10**14)]
"""Since 1970: every year that a document may have, with room on both sides."""

_ROW: TypeAdapter[tuple[str, dict[str, str], _Milliseconds, dict[str, FiniteFloat]]] = TypeAdapter(
    tuple[str, dict[str, str], _Milliseconds, dict[str, FiniteFloat]]
)
"""A point as it waits in the stream: measurement, tags, time and fields."""

MEASUREMENTS: Final = ("meter", "charger", "site")

_THINNED_S: Final = 0.9
"""Chargers and the site repeat themselves up to four times a second; history keeps one of each second.
Readings of meters are all kept."""


def point_of(site: str, document: Document) -> Point | None:
    """The point that a document makes, or None where history does not keep its kind."""
    match document:
        case Reading():
            tags = {"site": site, "meter": document.meter, "role": document.role.value}
            return _point("meter", tags, document.measured_at, _reading(document))
        case ChargerState():
            tags = {"site": site, "charger": document.charger}
            return _point("charger", tags, document.measured_at, _charger(document))
        case SiteState():
            return _point("site", {"site": site}, document.at, _site(document))
    return None


class Thinning:
    """Lets one point a second through for each charger and site."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], datetime] = {}

    def keeps(self, point: Point) -> bool:
        """Whether this point goes to history."""
        if point.measurement == "meter":
            return True
        name = (point.measurement, *point.tags.values())
        last = self._last.get(name)
        if last is not None and 0 <= (point.at - last).total_seconds() < _THINNED_S:
            return False
        self._last[name] = point.at
        return True


def encode(point: Point) -> bytes:
    """A point as it waits in the stream; short, for days of them may wait."""
    row = [point.measurement, point.tags, round(point.at.timestamp() * 1000), point.fields]
    return json.dumps(row, separators=(",", ":")).encode()


def decode(payload: bytes) -> Point:
    """A point back from the stream; raises ValueError for anything else."""
    measurement, tags, at_ms, fields = _ROW.validate_json(payload, strict=True)
    return Point(measurement=measurement, tags=tags, at=datetime.fromtimestamp(at_ms / 1000, UTC), fields=fields)


def _point(measurement: str, tags: dict[str, str], at: datetime, fields: dict[str, float | None]) -> Point | None:
    known = {name: float(value) for name, value in fields.items() if value is not None}
    at_ms = round(at.timestamp() * 1000)
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return Point(measurement=measurement, tags=tags, at=moment, fields=known) if known else None


def _reading(reading: Reading) -> dict[str, float | None]:
    fields: dict[str, float | None] = {
        "power_w": reading.power_w,
        "energy_import_wh": reading.energy_import_wh,
        "energy_export_wh": reading.energy_export_wh,
        "quarter_power_w": reading.quarter_power_w,
    }
    for number, phase in enumerate(reading.phases, start=1):
        if phase is not None:
            fields[f"current_l{number}_a"] = phase.current_a
            fields[f"power_l{number}_w"] = phase.power_w
            fields[f"voltage_l{number}_v"] = phase.voltage_v
    return fields


def _charger(state: ChargerState) -> dict[str, float | None]:
    return {
        "offer_a": state.offer_a,
        "phases": state.phases,
        "power_w": state.power_w,
        "session_wh": state.session_wh,
        "total_wh": state.total_wh,
        "temperature_c": state.temperature_c,
        "is_connected": None if state.iec_state is None else float(state.iec_state.is_connected),
        "is_charging": None if state.iec_state is None else float(state.iec_state.is_charging),
    } | _lines("drawn", state.drawn_a)


def _site(site: SiteState) -> dict[str, float | None]:
    return (
        {
            "grid_w": site.grid_w,
            "solar_w": site.solar_w,
            "battery_w": site.battery_w,
            "surplus_w": site.surplus_w,
            "sun_cars_w": site.sun_cars_w,
        }
        | _lines("grid", site.grid_a)
        | _lines("house", site.house_a)
        | _lines("drawn", site.drawn_a)
        | _lines("limit", _limit(site.limits))
    )


def _limit(limits: Iterable[LimitState]) -> PerLine | None:
    return next((limit.limit_a for limit in limits if limit.circuit == CONNECTION), None)


def _lines(name: str, values: PerLine | None) -> dict[str, float | None]:
    if values is None:
        return {}
    return {f"{name}_l{number}_a": value for number, value in enumerate(values, start=1)}
