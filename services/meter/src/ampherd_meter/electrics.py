"""The electrical rules: from what a meter says of its phases to currents that limits can be held against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from ampherd_core.messages import PhaseSample
from ampherd_core.phases import LINES, Line
from ampherd_core.units import MAX_PLAUSIBLE_A, MAX_PLAUSIBLE_W, MAX_PLAUSIBLE_WH

from ampherd_meter.sample import Count, MeterPhases, PhaseValues, RefusedError, Sample

WHOLE_AMP_A: Final = 1.0
"""Real whole-amp meters cut: 2 A for 2.86 A. A whole-amp value n means anything up to n + 1."""

LOW_VOLTAGE_RATIO: Final = 0.9
HIGH_VOLTAGE_RATIO: Final = 1.1
"""EN 50160: the supply voltage stays within 10 % of the nominal one."""

PRESENT_V: Final = 100.0
"""A line below this is not connected, or its voltage is not to be divided by."""

ABSENT_V: Final = 1.0
"""A 3 x 230 V meter without neutral gives 0 V for its second line."""

MAX_PLAUSIBLE_V: Final = 500.0
"""Above the line voltage of a 230/400 V network with its tolerance."""

SitePhases: TypeAlias = tuple[PhaseSample | None, PhaseSample | None, PhaseSample | None]


@dataclass(frozen=True, slots=True)
class Mains:
    """What must be known of the site: where the meter's phases are, and what feeds them."""

    site_lines: tuple[Line, ...] = LINES
    lines: tuple[Line, ...] = LINES
    voltage_v: float = 230.0
    is_delta: bool = False

    @property
    def is_one_phase(self) -> bool:
        """Whether the meter can only see one phase, so that its total is that phase's."""
        return len(self.site_lines) == 1 or len(self.lines) == 1


def site_phases(sample: Sample, mains: Mains) -> SitePhases:
    """The phases on the site's lines, signed and guarded; raises RefusedError for what no home has."""
    _refuse_absurd(sample)
    has_power = not is_delta(sample, mains)
    seen = _meter_phases(sample, mains)
    found = _star(seen, _margin_a(sample), mains.voltage_v) if has_power else _delta(sample)
    if any(phase is not None and max(map(abs, phase)) > MAX_PLAUSIBLE_A for phase in found):
        raise RefusedError(Count.ABSURD, "a phase power needs a current that no home connection carries")
    placed: dict[Line, PhaseSample] = {}
    for line, phase, values in zip(mains.lines, found, seen, strict=False):
        if phase is not None and line in mains.site_lines:
            placed[line] = _phase_sample(phase, values, has_power=has_power)
    one, two, three = (placed.get(line) for line in LINES)
    return one, two, three


def is_delta(sample: Sample, mains: Mains) -> bool:
    """Three lines without neutral: by policy, by the meter's word, or by its voltages (U2 = 0 between live lines)."""
    if mains.is_delta or sample.is_delta:
        return True
    volts = [phase.voltage_v if phase else None for phase in sample.phases]
    first, second, third = volts
    return (
        first is not None
        and second is not None
        and third is not None
        and min(first, third) > PRESENT_V
        and second < ABSENT_V
    )


_Currents: TypeAlias = tuple[float, float]
"""The best current and the guard current of one phase, A."""


def _meter_phases(sample: Sample, mains: Mains) -> MeterPhases:
    """The meter's phases; where there is but one, the total is its power."""
    if not mains.is_one_phase or sample.power_w is None:
        return sample.phases
    first = sample.phases[0] or PhaseValues()
    power_w = sample.power_w if first.power_w is None else first.power_w
    return (replace(first, power_w=power_w), *sample.phases[1:])


def _star(phases: MeterPhases, margin_a: float, nominal_v: float) -> list[_Currents | None]:
    return [_star_phase(values, margin_a, nominal_v) if values else None for values in phases]


def _star_phase(values: PhaseValues, margin_a: float, nominal_v: float) -> _Currents | None:
    if values.power_w is None:
        return None if values.current_a is None else _without_power(values.current_a, margin_a)
    known_v = values.voltage_v if values.voltage_v is not None and values.voltage_v > PRESENT_V else None
    power_w = abs(values.power_w)
    reported_a = None if values.current_a is None else abs(values.current_a)
    if values.power_w >= 0:
        most_a = power_w / (known_v or nominal_v * LOW_VOLTAGE_RATIO)
        best_a = max(reported_a or 0.0, power_w / (known_v or nominal_v))
        return best_a, most_a if reported_a is None else max(reported_a + margin_a, most_a)
    least_a = power_w / (known_v or nominal_v * HIGH_VOLTAGE_RATIO)
    if reported_a is not None:
        least_a = min(max(reported_a - margin_a, 0.0), least_a)
    return -power_w / (known_v or nominal_v), -least_a


def _without_power(current_a: float, margin_a: float) -> _Currents:
    """Direction unknown is import; a current that is negative knows its direction."""
    if current_a >= 0:
        return current_a, current_a + margin_a
    return current_a, min(current_a + margin_a, 0.0)


def _delta(sample: Sample) -> list[_Currents | None]:
    """Unsigned currents, all as import: neither the phase powers nor their signs belong to a line here."""
    margin_a = _margin_a(sample)
    one_a, two_a, three_a = (_unsigned_a(values) for values in sample.phases)
    if one_a is None or three_a is None:
        return [None, None, None]
    # Kirchhoff: no line carries more than the other two together; some meters give 0 for the second.
    middle = (two_a, two_a + margin_a) if two_a else (one_a + three_a, one_a + three_a + 2 * margin_a)
    return [(one_a, one_a + margin_a), middle, (three_a, three_a + margin_a)]


def _unsigned_a(values: PhaseValues | None) -> float | None:
    return None if values is None or values.current_a is None else abs(values.current_a)


def _margin_a(sample: Sample) -> float:
    return WHOLE_AMP_A if sample.resolution_a >= WHOLE_AMP_A else 0.0


def _phase_sample(phase: _Currents, values: PhaseValues | None, *, has_power: bool) -> PhaseSample:
    given = values or PhaseValues()
    return PhaseSample(
        current_a=round(phase[0], 3) + 0.0,  # no -0.0
        guard_a=round(phase[1], 3) + 0.0,
        power_w=given.power_w if has_power else None,
        voltage_v=given.voltage_v if given.voltage_v is not None and given.voltage_v > PRESENT_V else None,
    )


def _refuse_absurd(sample: Sample) -> None:
    for values in sample.phases:
        if values is None:
            continue
        if values.current_a is not None and abs(values.current_a) > MAX_PLAUSIBLE_A:
            raise RefusedError(Count.ABSURD, f"a phase carries {values.current_a:g} A")
        if values.voltage_v is not None and values.voltage_v > MAX_PLAUSIBLE_V:
            raise RefusedError(Count.ABSURD, f"a phase has {values.voltage_v:g} V")
        _refuse_absurd_power(values.power_w)
    _refuse_absurd_power(sample.power_w)
    _refuse_absurd_power(sample.quarter_power_w)
    _refuse_absurd_power(sample.month_peak_w)
    for energy_wh in (sample.energy_import_wh, sample.energy_export_wh):
        if energy_wh is not None and energy_wh > MAX_PLAUSIBLE_WH:
            raise RefusedError(Count.ABSURD, f"a counter stands at {energy_wh:g} Wh")


def _refuse_absurd_power(power_w: float | None) -> None:
    if power_w is not None and abs(power_w) > MAX_PLAUSIBLE_W:
        raise RefusedError(Count.ABSURD, f"{power_w:g} W is more than any home connection carries")
