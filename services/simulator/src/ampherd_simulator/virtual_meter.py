"""A meter service in virtual time: from the true site to a sample, and through the real channel to a reading.

Where a fault touches the bytes of a telegram, they are written out, framed and parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from ampherd_core.messages import MeterRole, Reading, Stamp
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.framer import Framer
from ampherd_meter.pulse import FREEZE_S
from ampherd_meter.sample import MeterPhases, PhaseValues, Sample
from ampherd_meter.telegram import TelegramError, parse_telegram

from ampherd_simulator.metering import GridSensor
from ampherd_simulator.p1 import DIALECTS, GridSample, P1Meter
from ampherd_simulator.p1_feed import P1Faults, P1Feed
from ampherd_simulator.virtual_process import Mail, VirtualProcess

REOPENS_AFTER_S: Final = 1.0
"""A meter process that was frozen discards what waited, and opens its line anew."""


class GridMeter(Protocol):
    """What the balancer hears of the connection."""

    faults: P1Faults

    def read(self, now_s: float) -> Reading | None:
        """The reading that is due now; None between two telegrams, and when there is none to be had."""
        ...


class TelegramMeter:
    """The long way round: the telegram is written out, faults and all, and `read_telegram` makes the reading of it."""

    def __init__(self, feed: P1Feed, read_telegram: Callable[[bytes, float], Reading | None]) -> None:
        self.faults = feed.faults
        self._feed = feed
        self._read_telegram = read_telegram
        self._due_s = 0.0

    def read(self, now_s: float) -> Reading | None:
        """The reading that is due now, if the telegram is good."""
        if now_s < self._due_s:
            return None
        self._due_s = now_s - now_s % self._feed.period_s + self._feed.period_s
        telegram = self._feed.next(now_s)
        return None if telegram is None else self._read_telegram(telegram, now_s)


class VirtualMeter(VirtualProcess):
    """The grid meter and the process that reads it; `faults` are those of a P1 port.

    `slow_s` is the least time between two telegrams; `has_wrong_sign` shows import as export.
    """

    def __init__(  # noqa: PLR0913 - a process, its meter and its wires
        self,
        name: str,
        meter_id: str,
        feed: P1Feed,
        sensor: GridSensor,
        mains: Mains,
        *,
        session: str,
        boot_s: float = 0.0,
    ) -> None:
        super().__init__(name, boot_s=boot_s)
        self.faults = feed.faults
        self.slow_s = 0.0
        self.has_wrong_sign = False
        self.feed = feed
        self._sensor = sensor
        self._session = session
        self._channel = Channel(meter_id, MeterRole.GRID, mains, None)
        self._framer = Framer(self._channel.counters)
        self._due_s = self._alive_s = 0.0
        self._last: Sample | None = None
        self._shown: tuple[object, MeterPhases] | None = None

    def hear(self, message: Mail, now_s: float) -> None:
        """It listens to nothing."""

    def read(self, now_s: float) -> Reading | None:
        """The reading that is due now; None between two telegrams, while it stands still, and when the port is bad."""
        if self.is_frozen(now_s):
            return None
        if now_s - self._alive_s > FREEZE_S and self._alive_s:
            self._due_s = now_s + REOPENS_AFTER_S
        self._alive_s = now_s
        if now_s < self._due_s:
            return None
        period_s = max(self.feed.period_s, self.slow_s)
        self._due_s = now_s - now_s % period_s + period_s
        sample = self._sample(now_s)
        if sample is None:
            return None
        stamp = Stamp(session=self._session, at_s=self.clock_s(now_s))
        return self._channel.take(sample, stamp, self._sensor.at(now_s))

    def _sample(self, now_s: float) -> Sample | None:
        faults = self.faults
        if faults.is_silent:
            return None
        if faults.is_frozen and self._last is not None:
            return self._last
        if faults.is_garbage or faults.has_bad_crc or faults.is_half_missing:
            parsed = self._parsed(now_s)
            self._last = parsed or self._last
            return parsed
        self._last = self._sensed(self._sensor.sample(now_s), now_s)
        return self._last

    def _parsed(self, now_s: float) -> Sample | None:
        """Through the bytes."""
        telegram = self.feed.next(now_s)
        frames = self._framer.feed(telegram) if telegram else []
        try:
            return parse_telegram(frames[-1].text) if frames else None
        except TelegramError:
            return None

    def _sensed(self, sensed: GridSample, now_s: float) -> Sample:
        """What the telegram of this moment would say, without writing it."""
        dialect = DIALECTS[self.feed.meter.kind]
        return Sample(
            phases=self._phases(sensed),
            power_w=float(round(sum(sensed.power_w))) * (-1 if self.has_wrong_sign else 1),
            resolution_a=self.feed.meter.resolution_a,
            nominal_interval_s=dialect.period_s,
            content=f"{now_s:.0f}",
            has_clock=True,
        )

    def _phases(self, sensed: GridSample) -> MeterPhases:
        key = sensed.current_a, sensed.power_w, self.has_wrong_sign
        if self._shown is not None and self._shown[0] == key:
            return self._shown[1]
        phases = self.feed.meter.phases
        one, two, three = (self._phase(sensed, place) if place < phases else None for place in range(3))
        self._shown = key, (one, two, three)
        return self._shown[1]

    def _phase(self, sensed: GridSample, place: int) -> PhaseValues:
        meter: P1Meter = self.feed.meter
        sign = -1 if self.has_wrong_sign else 1
        return PhaseValues(
            current_a=meter.reported_a(sensed.current_a[place]),
            power_w=float(round(sensed.power_w[place])) * sign,
            voltage_v=sensed.voltage_v[place] if DIALECTS[meter.kind].has_voltage else None,
        )
