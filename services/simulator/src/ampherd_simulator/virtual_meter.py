"""A meter in virtual time: from the true site to the reading that the meter service would publish.

It is as coarse as the real meter: whole amps are taken as up to one more, |P|/U is the other bound, the power gives the
direction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ampherd_core.messages import MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.phases import Phases

from ampherd_simulator.metering import GridSensor
from ampherd_simulator.p1 import GridSample, P1Meter
from ampherd_simulator.p1_feed import P1Faults, P1Feed

WHOLE_A = 1.0
"""A meter that shows whole amps may have cut off nearly one."""

FAST_STALE_S = 5.0
SLOW_STALE_S = 25.0
FAST_PERIOD_S = 2.0


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


class VirtualMeter:
    """The grid meter; `faults` are those of a P1 port, and each of them but half its data leaves no reading at all."""

    def __init__(self, meter_id: str, meter: P1Meter, sensor: GridSensor, session: str) -> None:
        self.faults = P1Faults()
        self._id = meter_id
        self._meter = meter
        self._sensor = sensor
        self._session = session
        self._due_s = 0.0
        self._shown: tuple[PhaseSample, PhaseSample, PhaseSample] | None = None
        self._sensed: tuple[Phases, Phases, Phases] | None = None

    def read(self, now_s: float) -> Reading | None:
        """The reading that is due now; None between two telegrams, and when the port is at fault."""
        if now_s < self._due_s:
            return None
        self._due_s = now_s - now_s % self._meter.period_s + self._meter.period_s
        faults = self.faults
        if faults.is_silent or faults.is_frozen or faults.is_garbage or faults.has_bad_crc:
            return None
        return self._reading(self._sensor.sample(now_s), now_s)

    def _reading(self, sample: GridSample, now_s: float) -> Reading:
        period_s = self._meter.period_s
        one, two, three = self._phases(sample)
        is_half = self.faults.is_half_missing
        return Reading(
            meter=self._id,
            role=MeterRole.GRID,
            stamp=Stamp(session=self._session, at_s=now_s),
            measured_at=self._sensor.at(now_s),
            interval_s=period_s,
            valid_for_s=FAST_STALE_S if period_s <= FAST_PERIOD_S else SLOW_STALE_S,
            resolution_a=self._meter.resolution_a,
            phases=(one, None if is_half else two, None if is_half else three),
            power_w=sum(sample.power_w),
            energy_import_wh=sample.import_wh,
            energy_export_wh=sample.export_wh,
        )

    def _phases(self, sample: GridSample) -> tuple[PhaseSample, PhaseSample, PhaseSample]:
        """The phases as the telegram would show them; the last ones again while the meter senses the same."""
        sensed = sample.current_a, sample.power_w, sample.voltage_v
        if self._shown is None or sensed != self._sensed:
            self._shown = self._phase(sample, 0), self._phase(sample, 1), self._phase(sample, 2)
            self._sensed = sensed
        return self._shown

    def _phase(self, sample: GridSample, place: int) -> PhaseSample:
        reported_a = self._meter.reported_a(sample.current_a[place])
        return self._phase_of(reported_a, round(sample.power_w[place]), sample.voltage_v[place])

    def _phase_of(self, reported_a: float, power_w: int, volts: float) -> PhaseSample:
        active_a = abs(power_w) / volts
        hidden_a = WHOLE_A if self._meter.resolution_a >= WHOLE_A else 0.0
        sign = -1.0 if power_w < 0 else 1.0
        return PhaseSample(
            current_a=sign * max(active_a, reported_a - hidden_a),
            guard_a=sign * max(reported_a + hidden_a, active_a),
            power_w=float(power_w),
            voltage_v=volts,
        )
