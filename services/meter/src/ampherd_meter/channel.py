"""One meter's way from sample to reading, and the verdict on its health; pure but for what it remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ampherd_core.messages import Health, MeterRole, MeterStatus, Reading, Stamp

from ampherd_meter.electrics import Mains, is_delta, site_phases
from ampherd_meter.presence import Presence
from ampherd_meter.sample import REFUSALS, Count, RefusedError, Sample
from ampherd_meter.watch import Watch

_NO_CURRENTS: Final = "it gives no current or power per phase: no limit can be held with it"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a meter does, and why."""

    health: Health
    why: str = ""


class Channel:
    """Judges the samples of one meter; `counters` is shared with its driver."""

    def __init__(self, meter_id: str, role: MeterRole, mains: Mains, stale_after_s: float | None) -> None:
        self.meter_id = meter_id
        self.role = role
        self.counters: Counter[Count] = Counter()
        self._mains = mains
        self._watch = Watch(stale_after_s)
        self._presence = Presence()
        self._refused_before: Counter[Count] = Counter()
        self._link_fault: str | None = None
        self._has_currents = True

    def take(self, sample: Sample, stamp: Stamp, measured_at: datetime) -> Reading | None:
        """The reading that the sample gives, or None after counting why it gives none."""
        try:
            return self._take(sample, stamp, measured_at)
        except RefusedError as err:
            self.counters[err.cause] += 1
            return None

    def link_up(self) -> None:
        """The driver reaches the meter."""
        self._link_fault = None

    def link_lost(self, why: str) -> None:
        """The driver does not reach the meter."""
        self._link_fault = why
        self.counters[Count.LINK] += 1

    def verdict(self, now_s: float) -> Verdict:
        """The meter's health at `now_s` on the boot clock; `why` changes only when the cause does."""
        if not self._watch.is_fresh(now_s):
            return self._why_not()
        if self.role is MeterRole.GRID and not self._has_currents:
            return Verdict(Health.ERROR, _NO_CURRENTS)
        return Verdict(Health.OK)

    def status(self, verdict: Verdict, at: datetime) -> MeterStatus:
        """The verdict as it goes on the bus."""
        return MeterStatus(
            meter=self.meter_id,
            health=verdict.health,
            why=verdict.why[:500],
            at=at,
            interval_s=self._watch.interval_s,
            counters={str(cause): count for cause, count in sorted(self.counters.items())},
        )

    def _why_not(self) -> Verdict:
        if self._link_fault is not None:
            return Verdict(Health.ERROR, self._link_fault)
        causes = sorted(cause for cause in REFUSALS if self._is_new(cause))
        if causes:
            return Verdict(Health.ERROR, f"what arrives is refused: {', '.join(causes)}")
        if self._is_new(Count.REPEAT):
            return Verdict(Health.STALE, "it is frozen: it says the same again and again")
        if not self._watch.has_sample:
            return Verdict(Health.STALE, "nothing has arrived yet")
        return Verdict(Health.STALE, f"nothing has arrived for {self._watch.valid_for_s:g} s")

    def _is_new(self, cause: Count) -> bool:
        """Whether `cause` was counted since the last reading, and more than the half telegram of a new link counts."""
        return self.counters[cause] > self._refused_before[cause] + 1

    def _take(self, sample: Sample, stamp: Stamp, measured_at: datetime) -> Reading | None:
        if self._watch.is_repeat(sample, stamp.at_s):
            self.counters[Count.REPEAT] += 1
            return None
        phases = site_phases(sample, self._mains)
        lacking = self._presence.missing(sample, is_delta=is_delta(sample, self._mains))
        if lacking is not None:
            raise RefusedError(Count.HALF_MISSING, f"{lacking} is missing")
        lost = self._watch.fresh(sample, stamp.at_s)
        if lost:
            self.counters[Count.GAP] += lost
        self.counters[Count.OK] += 1
        self._refused_before = self.counters.copy()
        self._has_currents = phases != (None, None, None)
        return Reading(
            meter=self.meter_id,
            role=self.role,
            stamp=stamp,
            measured_at=measured_at,
            interval_s=self._watch.interval_s or 0.0,
            valid_for_s=self._watch.valid_for_s,
            resolution_a=sample.resolution_a,
            phases=phases,
            power_w=sample.power_w,
            energy_import_wh=sample.energy_import_wh,
            energy_export_wh=sample.energy_export_wh,
            quarter_power_w=sample.quarter_power_w,
            month_peak_w=sample.month_peak_w,
            soc_percent=sample.soc_percent,
        )
