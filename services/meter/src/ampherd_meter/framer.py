"""P1 framing: from bytes as they come to whole telegrams, whatever the wire does to them.

DSMR P1 5.0.2 section 6.2: `/` header CRLF CRLF objects `!` CRC CRLF. Real meters and bridges also give LF alone,
lower-case or short CRCs, none at all, NULs, noise, and telegrams that lack their start, middle or end.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from ampherd_meter.sample import Count

MAX_TELEGRAM_BYTES: Final = 8 * 1024
"""The longest real telegram seen has 2.5 kB; DSMR 4 allows texts of 1 kB in it."""

_HELD_BYTES: Final = 12
"""Longer than any header or end mark that may be half here."""

_CRC_ARC_POLYNOMIAL: Final = 0xA001
"""DSMR P1 5.0.2 section 6.2: CRC-16/ARC, x16+x15+x2+1, least significant bit first, from 0."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CRC_ARC_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()

_HEADER: Final = re.compile(rb"/[A-Za-z]{3}")
_OUTSIDE: Final = re.compile(rb"(?P<header>/[A-Za-z]{3})|[\r\n]![0-9A-Fa-f]{4}")
_INSIDE: Final = re.compile(
    rb"[\r\n](?:(?P<header>/[A-Za-z]{3})|!(?:(?P<crc>[0-9A-Fa-f]{4})|(?P<short>[0-9A-Fa-f]{0,3})[\r\n]))"
)
_BLANK: Final = b"\r\n \t"


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole telegram from `/` to `!`; `is_checked` when its CRC was there and right."""

    text: str
    is_checked: bool


class Framer:
    """Feed it bytes in any portions, get the telegrams that became whole; never raises, never holds over 8 KiB."""

    def __init__(self, counters: Counter[Count], *, needs_crc: bool = False) -> None:
        self._counters = counters
        self._needs_crc = needs_crc
        self._buffer = b""
        self._searched = 0
        self._is_inside = False
        self._is_in_garbage = False

    @property
    def held_bytes(self) -> int:
        """How much waits for the rest of its telegram."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; give every telegram that its last byte completed, in order."""
        self._buffer += data.translate(None, b"\0")
        frames: list[Frame] = []
        while self._advance(frames):
            pass
        return frames

    def reset(self) -> None:
        """The link broke: what is half here never becomes whole."""
        if self._is_inside:
            self._counters[Count.CUT] += 1
        self._buffer, self._searched = b"", 0
        self._is_inside = self._is_in_garbage = False

    def _advance(self, frames: list[Frame]) -> bool:
        """One step; False when more bytes are needed."""
        return self._step_inside(frames) if self._is_inside else self._step_outside()

    def _step_outside(self) -> bool:
        match = _OUTSIDE.search(self._buffer)
        if match is None:
            self._discard(len(self._buffer) - _HELD_BYTES)
            return False
        self._discard(match.start())
        if match["header"] is None:
            self._counters[Count.CUT] += 1
            self._buffer = self._buffer[match.end() - match.start() :]
            self._is_in_garbage = False
            return True
        self._is_inside, self._is_in_garbage, self._searched = True, False, 0
        return True

    def _discard(self, size: int) -> None:
        if size <= 0:
            return
        noise, self._buffer = self._buffer[:size], self._buffer[size:]
        if noise.strip(_BLANK) and not self._is_in_garbage:
            self._is_in_garbage = True
            self._counters[Count.GARBAGE] += 1

    def _step_inside(self, frames: list[Frame]) -> bool:
        start = max(0, self._searched - _HELD_BYTES)
        match = _INSIDE.search(self._buffer, start, MAX_TELEGRAM_BYTES)
        if match is None:
            self._searched = len(self._buffer)
            return self._drop_oversized()
        mark = match.start() + 1
        if match["header"] is not None:
            self._counters[Count.CUT] += 1
            self._buffer, self._searched = self._buffer[mark:], 0
            return True
        body, self._buffer = self._buffer[: mark + 1], self._buffer[match.end() :]
        self._is_inside = False
        frame = self._judge(body, match["crc"] or match["short"])
        if frame is not None:
            frames.append(frame)
        return True

    def _drop_oversized(self) -> bool:
        if len(self._buffer) < MAX_TELEGRAM_BYTES:
            return False
        self._counters[Count.OVERSIZE] += 1
        self._buffer = self._buffer[MAX_TELEGRAM_BYTES - _HELD_BYTES :]
        self._is_inside, self._is_in_garbage = False, True
        return True

    def _judge(self, body: bytes, digits: bytes) -> Frame | None:
        if not digits:
            # A meter that once gave a CRC has lost it on the way.
            if self._needs_crc:
                self._counters[Count.CRC] += 1
                return None
            return Frame(body.decode("latin-1"), is_checked=False)
        expected = int(digits, 16)
        if not _matches(body, expected):
            tail = _last_telegram(body)
            if not tail or not _matches(tail, expected):
                self._counters[Count.CRC] += 1
                return None
            self._counters[Count.CUT] += 1
            body = tail
        self._needs_crc = True
        return Frame(body.decode("latin-1"), is_checked=True)


def crc16(data: bytes) -> int:
    """CRC-16/ARC as DSMR uses it."""
    crc = 0
    table = _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def _matches(body: bytes, expected: int) -> bool:
    """Whether the CRC fits; a bridge that turned CRLF into LF did so after the meter had computed it."""
    if b"\r" not in body and crc16(body.replace(b"\n", b"\r\n")) == expected:
        return True
    return crc16(body) == expected


def _last_telegram(body: bytes) -> bytes:
    """The part from the last header on: bytes lost before it swallow the line end that parts two telegrams."""
    last = None
    for match in _HEADER.finditer(body, 1):
        last = match.start()
    return body[last:] if last is not None else b""
