"""What a meter at the connection senses of the true site: powers, voltages, counters, the running quarter-hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ampherd_core.phases import Phases, subtract

from ampherd_simulator.p1 import GridSample
from ampherd_simulator.site import SimulatedSite

QUARTER_S: Final = 900
QUARTERS_PER_HOUR: Final = 4


class GridSensor:
    """Senses a site; `starts_at` (aware) is the time at scenario second 0."""

    def __init__(self, site: SimulatedSite, starts_at: datetime, *, power_factor: float = 1.0) -> None:
        self._site = site
        self._starts_at = starts_at
        self._power_factor = power_factor
        self._asked_s, self._asked_at = 0.0, starts_at
        self._quarter = -1
        self._quarter_began_wh = 0.0
        self._month_peak_w = 2_500.0

    def at(self, now_s: float) -> datetime:
        """The time of day at scenario second `now_s`."""
        if now_s != self._asked_s:
            self._asked_s, self._asked_at = now_s, self._starts_at + timedelta(seconds=now_s)
        return self._asked_at

    def sample(self, now_s: float) -> GridSample:
        """The site as of its last step."""
        site = self._site
        volts = site.voltage_v
        grid_a, house_a = site.grid_a, site.house_a
        return GridSample(
            current_a=grid_a,
            power_w=self._power_w(grid_a, house_a),
            voltage_v=(volts, volts, volts),
            import_wh=site.import_wh,
            export_wh=site.export_wh,
            quarter_w=self._quarter_w(now_s),
            month_peak_w=self._month_peak_w,
        )

    def on_roof(self, now_s: float) -> GridSample:
        """The same for clamps on the inverter's wires: generation is negative; it counts no energy."""
        del now_s
        volts, (one, two, three) = self._site.voltage_v, self._site.solar_a
        return GridSample(
            current_a=(one, two, three),
            power_w=(volts * one, volts * two, volts * three),
            voltage_v=(volts, volts, volts),
            import_wh=0.0,
            export_wh=0.0,
        )

    def charger_load(self) -> tuple[Phases, float]:
        """What the cars draw per line (A), and the voltage (V)."""
        return subtract(self._site.grid_a, self._site.house_a), self._site.voltage_v

    def _power_w(self, grid_a: Phases, house_a: Phases) -> Phases:
        """Cars and the sun have a power factor of 1, the house its own."""
        volts, lost = self._site.voltage_v, 1.0 - self._power_factor
        if lost:
            house_a = subtract(house_a, self._site.solar_a)
        return (
            volts * (grid_a[0] - house_a[0] * lost),
            volts * (grid_a[1] - house_a[1] * lost),
            volts * (grid_a[2] - house_a[2] * lost),
        )

    def _quarter_w(self, now_s: float) -> float:
        """Object 1-0:1.4.0: the energy so far in this quarter-hour over a quarter of an hour, W."""
        quarter = int(self.at(now_s).timestamp()) // QUARTER_S
        if quarter != self._quarter:
            if self._quarter >= 0:
                ended_w = (self._site.import_wh - self._quarter_began_wh) * QUARTERS_PER_HOUR
                self._month_peak_w = max(self._month_peak_w, ended_w)
            self._quarter = quarter
            self._quarter_began_wh = self._site.import_wh
        return (self._site.import_wh - self._quarter_began_wh) * QUARTERS_PER_HOUR
