"""Made-up P1 telegrams, written from DSMR P1 5.0.2 and with a CRC of their own (bit by bit, no table)."""

from __future__ import annotations

from collections.abc import Sequence

Phase = tuple[str | None, str | None, str | None, str | None]
"""Current (A), import (kW), export (kW), voltage (V) as the meter prints them; None where it says nothing."""

HEADER = r"/AMP5\TEST-METER"


def crc(body: bytes) -> int:
    """CRC-16/ARC by its definition."""
    register = 0
    for byte in body:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register


def seal(lines: Sequence[str], *, header: str = HEADER) -> bytes:
    """The lines as a telegram with a right CRC."""
    body = "\r\n".join([header, "", *lines, "!"]).encode("latin-1")
    return body + f"{crc(body):04X}\r\n".encode()


def objects(
    phases: Sequence[Phase],
    *,
    clock: str | None = "261121103000W",
    total: tuple[str, str] | None = ("00.000", "00.000"),
    version: str | None = "50",
) -> list[str]:
    """The object lines of a DSMR meter."""
    lines = [f"1-3:0.2.8({version})"] if version else []
    lines += [f"0-0:1.0.0({clock})"] if clock else []
    lines += ["1-0:1.8.1(000001.500*kWh)", "1-0:1.8.2(000002.000*kWh)", "1-0:2.8.1(000000.250*kWh)"]
    lines += [f"1-0:1.7.0({total[0]}*kW)", f"1-0:2.7.0({total[1]}*kW)"] if total else []
    for number, (current, imported, exported, voltage) in zip((3, 5, 7), phases, strict=False):
        given = ((f"{number}2", voltage, "V"), (f"{number}1", current, "A"))
        powers = ((f"{number - 1}1", imported, "kW"), (f"{number - 1}2", exported, "kW"))
        lines += [f"1-0:{code}.7.0({value}*{unit})" for code, value, unit in (*given, *powers) if value is not None]
    return lines


def telegram(second: int = 0, *, amps: tuple[int, int, int] = (3, 5, 7)) -> bytes:
    """A DSMR 5 telegram of three phases at 230 V that import `amps`; `second` sets its clock."""
    phases = [(f"{amp:03d}", f"{amp * 0.23:06.3f}", "00.000", "230.0") for amp in amps]
    clock = f"261121{10 + second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}W"
    return seal(objects(phases, clock=clock, total=(f"{sum(amps) * 0.23:06.3f}", "00.000")))
