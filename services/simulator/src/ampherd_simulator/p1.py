"""The smart meter's P1 telegrams: DSMR 5, DSMR 4 and the Belgian e-MUCS dialect, written from what the meter senses.

Currents are unsigned and as coarse as the real meters give them; direction shows in the powers alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ampherd_core.phases import Phases

CRC_POLYNOMIAL: Final = 0xA001
"""CRC-16/ARC: x16 + x15 + x2 + 1, least significant bit first (DSMR P1 5.0.2, section 5.2)."""

LINE_END: Final = "\r\n"
SERIAL_HEX: Final = "4530303433303036393938313736353137"


class P1Kind(StrEnum):
    """A dialect."""

    DSMR_5 = "dsmr5"
    DSMR_4 = "dsmr4"
    BELGIAN = "be"


class Rounding(StrEnum):
    """How a meter comes to whole steps; real ones do either."""

    ROUND = "round"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What sets one kind of telegram apart."""

    header: str
    version: str
    period_s: float
    current_decimals: int
    has_voltage: bool
    has_quarter: bool = False


DIALECTS: Final = {
    P1Kind.DSMR_5: Dialect("/ISK5\\2M550T-1012", "1-3:0.2.8(50)", 1.0, 0, has_voltage=True),
    P1Kind.DSMR_4: Dialect("/KFM5KAIFA-METER", "1-3:0.2.8(42)", 10.0, 0, has_voltage=False),
    P1Kind.BELGIAN: Dialect("/FLU5\\253769484_A", "0-0:96.1.4(50217)", 1.0, 2, has_voltage=True, has_quarter=True),
}


@dataclass(frozen=True, slots=True)
class GridSample:
    """What the meter senses at one moment: signed current (A) and power (W), voltage (V), counters (Wh)."""

    current_a: Phases
    power_w: Phases
    voltage_v: Phases
    import_wh: float
    export_wh: float
    quarter_w: float = 0.0
    month_peak_w: float = 2_500.0


@dataclass(frozen=True, slots=True)
class P1Meter:
    """One meter model; `telegram` is all it can say."""

    kind: P1Kind = P1Kind.DSMR_5
    rounding: Rounding = Rounding.ROUND
    phases: int = 3

    @property
    def period_s(self) -> float:
        """Time from one telegram to the next, s."""
        return DIALECTS[self.kind].period_s

    @property
    def resolution_a(self) -> float:
        """The step of the reported current, A."""
        return float(10 ** -DIALECTS[self.kind].current_decimals)

    def reported_a(self, current_a: float) -> float:
        """The unsigned current that the telegram would show, A."""
        step_a = self.resolution_a
        steps = abs(current_a) / step_a
        return (round(steps) if self.rounding is Rounding.ROUND else math.floor(steps + 1e-9)) * step_a

    def telegram(self, sample: GridSample, local: datetime) -> bytes:
        """The whole telegram, header to CRC; `local` is the meter's own time."""
        dialect = DIALECTS[self.kind]
        lines = (dialect.header, "", *self._objects(dialect, sample, local))
        body = LINE_END.join((*lines, "!")).encode("ascii")
        return body + f"{crc16(body):04X}{LINE_END}".encode("ascii")

    def _objects(self, dialect: Dialect, sample: GridSample, local: datetime) -> Iterator[str]:
        yield dialect.version
        if self.kind is P1Kind.BELGIAN:
            yield f"0-0:96.1.1({SERIAL_HEX})"
        yield f"0-0:1.0.0({_time(local)})"
        if self.kind is not P1Kind.BELGIAN:
            yield f"0-0:96.1.1({SERIAL_HEX})"
        yield f"1-0:1.8.1({sample.import_wh / 1000:010.3f}*kWh)"
        yield "1-0:1.8.2(000000.000*kWh)"
        yield f"1-0:2.8.1({sample.export_wh / 1000:010.3f}*kWh)"
        yield "1-0:2.8.2(000000.000*kWh)"
        yield "0-0:96.14.0(0001)"
        if dialect.has_quarter:
            yield f"1-0:1.4.0({_kw(sample.quarter_w)})"
            yield f"1-0:1.6.0({_time(local)})({_kw(sample.month_peak_w)})"
        for code, power_w in (("1.7.0", sum(_imports(sample.power_w))), ("2.7.0", sum(_exports(sample.power_w)))):
            yield f"1-0:{code}({_kw(power_w)})"
        yield from self._phase_objects(dialect, sample)

    def _phase_objects(self, dialect: Dialect, sample: GridSample) -> Iterator[str]:
        width = 3 if not dialect.current_decimals else 6
        writers: Mapping[str, Callable[[int], str]] = {
            "32": lambda place: f"{sample.voltage_v[place]:05.1f}*V",
            "31": lambda place: f"{self.reported_a(sample.current_a[place]):0{width}.{dialect.current_decimals}f}*A",
            "21": lambda place: _kw(_imports(sample.power_w)[place]),
            "22": lambda place: _kw(_exports(sample.power_w)[place]),
        }
        for group, write in writers.items():
            if group == "32" and not dialect.has_voltage:
                continue
            for place in range(self.phases):
                yield f"1-0:{int(group) + 20 * place}.7.0({write(place)})"


def crc16(data: bytes) -> int:
    """CRC-16/ARC of `data`."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def crc_table() -> tuple[int, ...]:
    """One entry a byte, for the reflected polynomial 0x8005."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ CRC_POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = crc_table()


def _imports(power_w: Phases) -> Phases:
    return max(power_w[0], 0.0), max(power_w[1], 0.0), max(power_w[2], 0.0)


def _exports(power_w: Phases) -> Phases:
    return max(-power_w[0], 0.0), max(-power_w[1], 0.0), max(-power_w[2], 0.0)


def _kw(power_w: float) -> str:
    return f"{power_w / 1000:06.3f}*kW"


def _time(local: datetime) -> str:
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"
