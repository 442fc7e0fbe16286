"""What leaves the P1 port second by second: the meter's telegrams or recorded ones, and faults to switch on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from ampherd_core.phases import Phases

from ampherd_simulator.errors import RecordingError
from ampherd_simulator.metering import GridSensor
from ampherd_simulator.p1 import P1Meter
from ampherd_simulator.superposed import with_chargers

GARBAGE_BYTES: Final = 700
HALF: Final = 1
"""The phases that a meter with half its data missing still shows."""


@dataclass(slots=True)
class P1Faults:
    """Switches; all off is a port that works."""

    is_silent: bool = False
    is_frozen: bool = False
    is_half_missing: bool = False
    is_garbage: bool = False
    has_bad_crc: bool = False


class TelegramSource(Protocol):
    """Where telegrams come from."""

    period_s: float
    waits_for_listener: bool
    """Whether it goes on only while somebody listens."""

    def next(self, now_s: float) -> bytes | None:
        """The telegram that is due at `now_s`; None when nothing is sent."""
        ...


class P1Feed:
    """A live meter's telegrams."""

    waits_for_listener = False

    def __init__(self, meter: P1Meter, sensor: GridSensor, timezone: str = "Europe/Amsterdam") -> None:
        self.meter = meter
        self.faults = P1Faults()
        self.period_s = meter.period_s
        self._sensor = sensor
        self._zone = ZoneInfo(timezone)
        self._noise = random.Random(50)  # noqa: S311 - repeatable garbage, no secret
        self._last = b""

    def next(self, now_s: float) -> bytes | None:
        """The telegram of this moment, faults and all."""
        faults = self.faults
        if faults.is_silent:
            return None
        if faults.is_garbage:
            return self._noise.randbytes(GARBAGE_BYTES)
        if not (faults.is_frozen and self._last):
            meter = replace(self.meter, phases=HALF) if faults.is_half_missing else self.meter
            self._last = meter.telegram(self._sensor.sample(now_s), self._sensor.at(now_s).astimezone(self._zone))
        return _spoiled(self._last) if faults.has_bad_crc else self._last


class ReplayFeed:
    """Recorded telegrams one after the other; silent after the last unless `is_looped`.

    They wait for somebody to listen. They are sent as they are, or with what `load` gives (the cars' current per line
    in A, and the voltage) on top of the house.
    """

    waits_for_listener = True

    def __init__(
        self,
        telegrams: Sequence[bytes],
        *,
        period_s: float = 1.0,
        is_looped: bool = False,
        load: Callable[[], tuple[Phases, float]] | None = None,
    ) -> None:
        self.period_s = period_s
        self._telegrams = telegrams
        self._is_looped = is_looped
        self._load = load
        self._place = 0

    def next(self, now_s: float) -> bytes | None:
        """The next recorded telegram."""
        del now_s
        if self._place >= len(self._telegrams):
            if not self._is_looped:
                return None
            self._place = 0
        self._place += 1
        telegram = self._telegrams[self._place - 1]
        return telegram if self._load is None else with_chargers(telegram, *self._load())


def split_telegrams(raw: bytes) -> list[bytes]:
    """A raw capture cut before every header line; what stands before the first header is left out."""
    starts = [place for place in range(len(raw)) if raw[place] == ord("/") and raw[max(place - 1, 0)] in b"/\n\0"]
    if not starts:
        raise RecordingError("the capture holds no telegram: no line begins with '/'")
    return [raw[start:end] for start, end in zip(starts, [*starts[1:], len(raw)], strict=True)]


def _spoiled(telegram: bytes) -> bytes:
    """One digit of the data is wrong, the CRC is as before."""
    place = telegram.rindex(b"*")
    digit = b"7" if telegram[place - 1 : place] != b"7" else b"3"
    return telegram[: place - 1] + digit + telegram[place:]
