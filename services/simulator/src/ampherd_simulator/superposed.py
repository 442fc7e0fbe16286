"""Recorded telegrams with the cars' current on top: a real house's evening, in which our cars charge."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ampherd_core.phases import Phases

from ampherd_simulator.p1 import crc16

_NUMBER: Final = rb"^(1-0:%s\()(\d+)(?:\.(\d+))?(\*(?:kW|A)\)\r?)$"
_CURRENTS: Final = (b"31.7.0", b"51.7.0", b"71.7.0")
_IMPORTS: Final = (b"21.7.0", b"41.7.0", b"61.7.0")
_TOTAL: Final = b"1.7.0"
_WATTS_PER_KW: Final = 1_000.0


def with_chargers(telegram: bytes, drawn_a: Phases, voltage_v: float) -> bytes:
    """The same telegram with `drawn_a` more import on each line, with CRLF line ends and a CRC that is right again."""
    body = b"\r\n".join(telegram[: telegram.rindex(b"!") + 1].splitlines())
    for code, amps in zip(_CURRENTS, drawn_a, strict=True):
        body = _add(body, code, amps)
    for code, amps in zip(_IMPORTS, drawn_a, strict=True):
        body = _add(body, code, amps * voltage_v / _WATTS_PER_KW)
    body = _add(body, _TOTAL, sum(drawn_a) * voltage_v / _WATTS_PER_KW)
    return body + f"{crc16(body):04X}\r\n".encode("ascii")


def _add(body: bytes, code: bytes, amount: float) -> bytes:
    return re.sub(_NUMBER % re.escape(code), _adding(amount), body, count=1, flags=re.MULTILINE)


def _adding(amount: float) -> Callable[[re.Match[bytes]], bytes]:
    def add(match: re.Match[bytes]) -> bytes:
        head, whole, decimals, tail = match[1], match[2], match[3] or b"", match[4]
        places = len(decimals)
        total = round(float(b"%b.%b" % (whole, decimals or b"0")) + amount, places)
        width = len(whole) + (places + 1 if places else 0)
        return head + f"{total:0{width}.{places}f}".encode("ascii") + tail

    return add
