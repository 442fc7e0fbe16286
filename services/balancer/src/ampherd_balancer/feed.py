"""What the meters tell of the sun: the surplus that cars in solar modes may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ampherd_core.messages import MeterRole, Reading
from ampherd_core.phases import ZERO, Phases, add, each, on_lines, subtract, total
from ampherd_core.policy import Policy
from ampherd_core.policy_solar import Accounting, SolarFeed

from ampherd_balancer.hearing import Sender

_SOC_HYSTERESIS_PERCENT: Final = 3.0
"""A battery that has had its turn gets it back only so far below its mark: charge is told in whole per cents."""


@dataclass(slots=True)
class SideMeter:
    """A meter that guards no wire: its newest reading, and whether that is fresh."""

    reading: Reading | None = None
    heard_s: float = float("-inf")
    _sender: Sender = field(default_factory=Sender)

    def hear(self, reading: Reading, now_s: float) -> bool:
        """Take in a sample; False for a repeat or a latecomer."""
        at_s = self._sender.hear(reading.stamp, now_s)
        if at_s is None:
            return False
        self.reading, self.heard_s = reading, at_s
        return True

    def is_fresh(self, now_s: float) -> bool:
        """Whether the newest sample still counts."""
        return self.reading is not None and now_s - self.heard_s <= self.reading.valid_for_s


def power_of(reading: Reading, voltage_v: float) -> float:
    """What a meter says of all its phases, W, import positive; clamps tell currents alone."""
    return reading.power_w if reading.power_w is not None else sum(_powers_of_phases(reading, voltage_v))


def _powers_of_phases(reading: Reading, voltage_v: float) -> Phases:
    one, two, three = (
        0.0 if sample is None else sample.power_w if sample.power_w is not None else sample.current_a * voltage_v
        for sample in reading.phases
    )
    return one, two, three


class Feed:
    """The surplus by the policy's rules, W per pool."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._has_battery_had_its_turn = False

    def pools(self, grid: Reading, sides: Mapping[str, SideMeter], cars_w: Phases, now_s: float) -> Phases:
        """What the sun leaves for the cars in solar modes, which take `cars_w` now; nothing where a meter is stale."""
        solar = self.policy.solar
        reserve = self._shared_out(solar.reserve_w)
        roofs, batteries = self._with_role(MeterRole.SOLAR, sides), self._with_role(MeterRole.BATTERY, sides)
        if solar.feed is SolarFeed.GENERATION:
            if not all(roof.is_fresh(now_s) for roof in roofs):
                return ZERO
            return subtract(each(lambda watts: max(0.0, -watts), self._sum(roofs)), reserve)
        if not all(battery.is_fresh(now_s) for battery in batteries):
            return ZERO
        export = subtract(cars_w, self.powers(grid))
        return subtract(add(export, self._of_batteries(batteries)), reserve)

    def powers(self, reading: Reading) -> Phases:
        """A meter's power in each pool, W; import positive."""
        voltage_v = self.policy.connection.voltage_v
        if self.policy.solar.accounting is Accounting.NET:
            return power_of(reading, voltage_v), 0.0, 0.0
        if reading.power_w is not None and not any(reading.phases):
            return self._shared_out(reading.power_w)
        return _powers_of_phases(reading, voltage_v)

    def _shared_out(self, watts: float) -> Phases:
        """What no phase is known of, W per pool."""
        if self.policy.solar.accounting is Accounting.NET:
            return watts, 0.0, 0.0
        lines = self.policy.connection.lines
        return on_lines(lines, watts / len(lines))

    def _of_batteries(self, batteries: Sequence[SideMeter]) -> Phases:
        """What batteries change in the surplus: none charges a car; they give way to cars where these come first."""
        power = self._sum(batteries)
        return each(lambda watts: min(watts, 0.0), power) if self._are_first(batteries) else power

    def _are_first(self, batteries: Sequence[SideMeter]) -> bool:
        until_percent = self.policy.solar.battery.first_until_percent
        charges = [meter.reading.soc_percent if meter.reading is not None else None for meter in batteries]
        known = [percent for percent in charges if percent is not None]
        if until_percent <= 0 or until_percent >= 100 or not known:
            return until_percent > 0
        mark = until_percent - (_SOC_HYSTERESIS_PERCENT if self._has_battery_had_its_turn else 0.0)
        self._has_battery_had_its_turn = min(known) >= mark
        return not self._has_battery_had_its_turn

    def _with_role(self, role: MeterRole, sides: Mapping[str, SideMeter]) -> Sequence[SideMeter]:
        """The site's meters with that role; one that was never heard is not fresh."""
        named = [meter_id for meter_id, meter in self.policy.meters.items() if meter.role is role]
        return [sides.get(meter_id, SideMeter()) for meter_id in named]

    def _sum(self, meters: Sequence[SideMeter]) -> Phases:
        return total([self.powers(meter.reading) for meter in meters if meter.reading is not None])
