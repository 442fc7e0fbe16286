"""From a P1 telegram's text to a sample, whatever its dialect.

dsmr-parser reads the objects; it is given only the lines that are used, each in the spelling that it understands.
OBIS codes: DSMR P1 5.0.2 section 6.12, e-MUCS P1 1.7.1, Swedenergy H1 2.0, Luxembourg Smarty 1.1.3, ESO P1.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final, NamedTuple

from dsmr_parser.exceptions import ParseError
from dsmr_parser.parsers import CosemParser, ValueParser
from dsmr_parser.value_types import timestamp

from ampherd_meter.sample import Count, MeterPhases, PhaseValues, RefusedError, Sample


class TelegramError(RefusedError):
    """A telegram that cannot be understood, or that says what cannot be."""


class _Quantity(NamedTuple):
    """A measured value: its number in A, V, W or Wh, and the step of its last digit."""

    value: float
    step: float


class _Phase(NamedTuple):
    current: str
    imported: str
    exported: str
    voltage: str


_PHASES: Final = (
    _Phase("1-0:31.7.0", "1-0:21.7.0", "1-0:22.7.0", "1-0:32.7.0"),
    _Phase("1-0:51.7.0", "1-0:41.7.0", "1-0:42.7.0", "1-0:52.7.0"),
    _Phase("1-0:71.7.0", "1-0:61.7.0", "1-0:62.7.0", "1-0:72.7.0"),
)
_IMPORT_W: Final = "1-0:1.7.0"
_EXPORT_W: Final = "1-0:2.7.0"
_IMPORT_WH: Final = "1-0:1.8"
_EXPORT_WH: Final = "1-0:2.8"
_QUARTER_W: Final = "1-0:1.4.0"
_MONTH_PEAK_W: Final = "1-0:1.6.0"
_CLOCK: Final = "0-0:1.0.0"
_DSMR_VERSION: Final = "1-3:0.2.8"
_EMUCS_VERSION: Final = "0-0:96.1.4"

_DIMENSIONS: Final = {
    **{phase.current: "A" for phase in _PHASES},
    **{phase.voltage: "V" for phase in _PHASES},
    **{code: "W" for phase in _PHASES for code in (phase.imported, phase.exported)},
    **dict.fromkeys((_IMPORT_W, _EXPORT_W, _QUARTER_W, _MONTH_PEAK_W), "W"),
    **{f"{total}.{tariff}": "Wh" for total in (_IMPORT_WH, _EXPORT_WH) for tariff in range(5)},
}
"""The measured objects that are used, and what they must be measured in."""

_UNITS: Final = {
    "a": ("A", 0),
    "ma": ("A", -3),
    "ka": ("A", 3),
    "v": ("V", 0),
    "w": ("W", 0),
    "kw": ("W", 3),
    "wh": ("Wh", 0),
    "kwh": ("Wh", 3),
}
"""Units by their lower-case name (some bridges fold the whole telegram): dimension and power of ten."""

_QUANTITY: Final = CosemParser(ValueParser(Decimal))
_TEXT: Final = CosemParser(ValueParser(str))
_TIME: Final = CosemParser(ValueParser(timestamp))

_LINE: Final = re.compile(
    r"^(?:(?P<channel>\d-\d|\d):)?(?P<code>\d{1,2}\.\d\.\d)(?:[*.]255)?(?P<groups>(?:\([^()\r\n]*\))+)[ \t]*\r?$",
    re.MULTILINE,
)
_UNSTARRED: Final = re.compile(r"(?<=[\d.])(?=[A-Za-z]+\)$)")

_INTERVALS_S: Final = {"50": 1.0, "42": 10.0, "40": 10.0}
"""DSMR 5 sends every second, 4.x every 10 s (section 5.3 of each)."""
_EMUCS_INTERVAL_S: Final = 1.0


def parse_telegram(text: str) -> Sample:
    """The sample in a telegram from `/` to `!`; raises TelegramError and nothing else."""
    try:
        return _parse(text)
    except (ParseError, ArithmeticError, ValueError, LookupError, TypeError) as err:
        raise TelegramError(Count.UNPARSABLE, f"an object cannot be read: {err}") from err


def _parse(text: str) -> Sample:
    lines = _used_lines(text)
    found = {name: _quantity(name, groups) for name, groups in lines.items() if name in _DIMENSIONS}
    values = {name: quantity.value for name, quantity in found.items() if quantity is not None}
    steps = [quantity.step for phase in _PHASES if (quantity := found.get(phase.current)) is not None]
    return Sample(
        phases=_phases(values),
        power_w=_net(values, _IMPORT_W, _EXPORT_W),
        resolution_a=max(steps, default=0.0),
        energy_import_wh=_energy(values, _IMPORT_WH),
        energy_export_wh=_energy(values, _EXPORT_WH),
        quarter_power_w=values.get(_QUARTER_W),
        month_peak_w=values.get(_MONTH_PEAK_W),
        nominal_interval_s=_interval_s(lines),
        content=text,
        has_clock=_CLOCK in lines and _TIME.parse(_CLOCK + lines[_CLOCK]).value is not None,
    )


def _used_lines(text: str) -> dict[str, str]:
    """The used objects by their full OBIS name, each with its value groups."""
    lines: dict[str, str] = {}
    for match in _LINE.finditer(text):
        name = _full_name(match["channel"], match["code"])
        if name not in _DIMENSIONS and name not in {_CLOCK, _DSMR_VERSION, _EMUCS_VERSION}:
            continue
        if lines.setdefault(name, match["groups"]) != match["groups"]:
            raise TelegramError(Count.DUPLICATE, f"{name} stands twice with different values")
    return lines


def _full_name(channel: str | None, code: str) -> str:
    """`1-0` is often left out, and the version's `1-3` is cut to `3` by one meter."""
    if channel is None:
        return f"1-0:{code}"
    return f"1-{channel}:{code}" if len(channel) == 1 else f"{channel}:{code}"


def _quantity(name: str, groups: str) -> _Quantity | None:
    """The last group's value in base units; None where it is empty."""
    group = groups[groups.rindex("(") :]
    parsed = _QUANTITY.parse(name + (group if "*" in group else _UNSTARRED.sub("*", group)))
    if parsed.value is None:
        return None
    dimension, exponent = _UNITS.get((parsed.unit or "").lower(), (None, 0))
    if dimension != _DIMENSIONS[name]:
        raise TelegramError(Count.UNPARSABLE, f"{name} is given in {parsed.unit or 'no unit'}")
    scaled: Decimal = parsed.value.scaleb(exponent)
    value = float(scaled)
    if not math.isfinite(value):
        raise TelegramError(Count.UNPARSABLE, f"{name} is no finite number")
    if value < 0:
        raise TelegramError(Count.ABSURD, f"{name} is negative, but a P1 port gives each direction a value of its own")
    return _Quantity(value, float(Decimal(1).scaleb(int(scaled.as_tuple().exponent))))


def _phases(values: dict[str, float]) -> MeterPhases:
    one, two, three = (_phase(values, phase) for phase in _PHASES)
    return one, two, three


def _phase(values: dict[str, float], phase: _Phase) -> PhaseValues | None:
    found = PhaseValues(
        current_a=values.get(phase.current),
        power_w=_net(values, phase.imported, phase.exported),
        voltage_v=values.get(phase.voltage),
    )
    return None if found == PhaseValues() else found


def _net(values: dict[str, float], imported: str, exported: str) -> float | None:
    """Import less export, W; both can be above 0 at once. Unknown without the import."""
    return round(values[imported] - values.get(exported, 0.0), 3) if imported in values else None


def _energy(values: dict[str, float], total: str) -> float | None:
    """The total counter, or the sum of the tariffs, Wh."""
    if f"{total}.0" in values:
        return values[f"{total}.0"]
    tariffs = [values[f"{total}.{tariff}"] for tariff in range(1, 5) if f"{total}.{tariff}" in values]
    return round(sum(tariffs), 3) if tariffs else None


def _interval_s(lines: dict[str, str]) -> float | None:
    if _EMUCS_VERSION in lines:
        return _EMUCS_INTERVAL_S
    if _DSMR_VERSION not in lines:
        return None
    return _INTERVALS_S.get(str(_TEXT.parse(_DSMR_VERSION + lines[_DSMR_VERSION]).value))
