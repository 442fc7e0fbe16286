"""A solar meter in virtual time: from the true inverter through the real channel to a reading."""

from __future__ import annotations

from typing import Final

from ampherd_core.messages import MeterRole, Reading, Stamp
from ampherd_core.policy import Policy, Wiring
from ampherd_meter.channel import Channel
from ampherd_meter.electrics import Mains
from ampherd_meter.sample import MeterPhases, PhaseValues, Sample

from ampherd_simulator.metering import GridSensor
from ampherd_simulator.site import SimulatedSite
from ampherd_simulator.virtual_process import Mail, VirtualProcess

PERIOD_S: Final = 1.0
RESOLUTION_A: Final = 0.01


class SolarMeter(VirtualProcess):
    """One meter of the role solar, and the process that reads it; generation is negative, as export always is.

    It sees the sun on its own lines; where several such meters have a line, each sees an equal share of it.
    While `is_silent` nothing is heard of it.
    """

    def __init__(
        self, meter_id: str, policy: Policy, site: SimulatedSite, sensor: GridSensor, *, session: str, boot_s: float
    ) -> None:
        super().__init__(meter_id, boot_s=boot_s)
        self.is_silent = False
        meter = policy.meters[meter_id]
        mains = Mains(
            site_lines=policy.connection.lines,
            lines=meter.lines,
            voltage_v=policy.connection.voltage_v,
            is_delta=policy.connection.wiring is Wiring.DELTA,
        )
        others = [other.lines for other in policy.meters.values() if other.role is MeterRole.SOLAR]
        self._shares = [(line.place, 1.0 / sum(line in lines for lines in others)) for line in meter.lines]
        self._site = site
        self._sensor = sensor
        self._session = session
        self._channel = Channel(meter_id, MeterRole.SOLAR, mains, meter.stale_after_s)
        self._due_s = 0.0

    def hear(self, message: Mail, now_s: float) -> None:
        """It listens to nothing."""

    def read(self, now_s: float) -> Reading | None:
        """The reading that is due now; None between two samples, while it stands still and while it is silent."""
        if now_s < self._due_s or self.is_silent or self.is_frozen(now_s):
            return None
        self._due_s = now_s - now_s % PERIOD_S + PERIOD_S
        stamp = Stamp(session=self._session, at_s=self.clock_s(now_s))
        return self._channel.take(self._sample(now_s), stamp, self._sensor.at(now_s))

    def _sample(self, now_s: float) -> Sample:
        volts, solar_a = self._site.voltage_v, self._site.solar_a
        seen_a = [solar_a[place] * share for place, share in self._shares]
        return Sample(
            phases=_phases(seen_a, volts),
            power_w=round(sum(seen_a) * volts, 1),
            resolution_a=RESOLUTION_A,
            nominal_interval_s=PERIOD_S,
            content=f"{now_s:.0f}",
            has_clock=True,
        )


def _phases(currents_a: list[float], volts: float) -> MeterPhases:
    """Meters have one phase or three; where a third is not connected it gives 0."""
    if len(currents_a) == 1:
        return _phase(currents_a[0], volts), None, None
    one, two, three = (_phase(current_a, volts) for current_a in [*currents_a, 0.0, 0.0][:3])
    return one, two, three


def _phase(current_a: float, volts: float) -> PhaseValues:
    return PhaseValues(current_a=abs(current_a), power_w=current_a * volts, voltage_v=volts)
