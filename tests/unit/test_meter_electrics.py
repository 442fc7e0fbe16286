"""A guard current is never less than the true import; a meter without a neutral is not believed about phases."""

from __future__ import annotations

import pytest
from ampherd_core.phases import Line
from ampherd_meter.electrics import Mains, site_phases
from ampherd_meter.sample import NO_PHASES, Count, PhaseValues, RefusedError, Sample
from hypothesis import assume, given
from hypothesis import strategies as st

# Situation, current (A), power (W), voltage (V), step (A) -> best, guard (A).
STAR = [
    ("import, fine steps: the meter's current", 13.6, 3172, 234.4, 0.1, 13.6, 13.6),
    ("import, whole amps: up to one more", 3, 646, 236.3, 1, 3, 4),
    ("import, whole amps that were cut", 2, 675, 236, 1, 2.86, 3),
    ("import: P/U is more than whole amps and one", 1, 690, 230, 1, 3, 3),
    ("import, reactive: the fuse sees the larger", 21.5, 2300, 230, 0.1, 21.5, 21.5),
    ("import, no voltage: P at 207 V guards", 0, 2070, None, 0.1, 9, 10),
    ("import, no current object", None, 2300, 230, 0, 10, 10),
    ("import, neither current nor voltage", None, 2070, None, 0, 9, 10),
    ("idle: whole amps hide up to one", 0, 0, 230, 1, 0, 1),
    ("export, whole amps: at least one less", 14, -3572, 239.2, 1, -14.933, -13),
    ("export: never more headroom than P/U", 4, -69, 230, 1, -0.3, -0.3),
    ("export below one amp", 0, -115, 230, 1, -0.5, 0),
    ("export, no voltage: P at 253 V", None, -2530, None, 0, -11, -10),
    ("direction unknown is import", 7, None, 240, 1, 7, 8),
    ("a meter that knows the direction itself", -3.5, None, None, 0, -3.5, -3.5),
    ("a dead voltage is not divided by", 1, 2070, 20, 0.1, 9, 10),
]


@pytest.mark.parametrize("row", STAR, ids=[row[0] for row in STAR])
def test_signs_and_guards_a_phase(
    row: tuple[str, float | None, float | None, float | None, float, float, float],
) -> None:
    _, current_a, power_w, voltage_v, step_a, best_a, guard_a = row
    sample = Sample(phases=(PhaseValues(current_a, power_w, voltage_v), None, None), resolution_a=step_a)
    one, two, three = site_phases(sample, Mains())
    assert one is not None
    assert (one.current_a, one.guard_a) == pytest.approx((best_a, guard_a), abs=1e-3)
    assert (one.power_w, two, three) == (power_w, None, None)


# Situation, currents, powers, voltages, step -> guards.
DELTA = [
    (
        "two wattmeters: their powers are no phase powers",
        (1.00, 7.74, 7.97),
        (188, 0, -1928),
        (233, 0, 231),
        0.01,
        (1.00, 7.74, 7.97),
    ),
    (
        "the second line reads 0: bounded by the others",
        (8.08, 0.0, 8.62),
        (0, 0, 0),
        (233, 0, 231),
        0.01,
        (8.08, 16.7, 8.62),
    ),
    ("the second line is not given", (8.08, None, 8.62), (0, None, 0), (233, 0, 231), 0.01, (8.08, 16.7, 8.62)),
    ("whole amps", (3, 4, 5), (0, 0, 0), (233, 0, 231), 1, (4, 5, 6)),
    ("whole amps, the second line reads 0", (3, 0, 5), (0, 0, 0), (233, 0, 231), 1, (4, 10, 6)),
]


@pytest.mark.parametrize("row", DELTA, ids=[row[0] for row in DELTA])
@pytest.mark.parametrize("is_known", [True, False], ids=["by policy", "by its voltages"])
def test_guards_every_line_without_neutral(
    row: tuple[str, tuple[float, ...], tuple[float, ...], tuple[float, ...], float, tuple[float, ...]], is_known: bool
) -> None:
    _, amps, watts, volts, step_a, guards = row
    one, two, three = (PhaseValues(*values) for values in zip(amps, watts, volts, strict=True))
    sample = Sample(phases=(one, two, three), resolution_a=step_a, power_w=-1740)
    found = site_phases(sample, Mains(is_delta=is_known))
    assert [phase and phase.guard_a for phase in found] == pytest.approx(guards)
    assert [phase and phase.power_w for phase in found] == [None, None, None]


def test_without_neutral_and_without_currents_nothing_can_be_guarded() -> None:
    sample = Sample(phases=(PhaseValues(None, 100, 230), PhaseValues(None, 0, 0), PhaseValues(None, 90, 230)))
    assert site_phases(sample, Mains()) == (None, None, None)


def test_totals_guard_a_site_of_one_phase() -> None:
    """DSMR 2.2 gives no phases: on one phase its total is the phase's power."""
    one, two, three = site_phases(Sample(power_w=2070), Mains(site_lines=(Line.L1,)))
    assert one is not None
    assert (one.current_a, one.guard_a, one.power_w, two, three) == (9, 10, 2070, None, None)


def test_totals_guard_nothing_on_three_phases() -> None:
    assert site_phases(Sample(power_w=2070), Mains()) == (None, None, None)


def test_the_total_gives_the_only_phase_its_direction() -> None:
    sample = Sample(phases=(PhaseValues(10, None, 230), None, None), power_w=-2300)
    one, _, _ = site_phases(sample, Mains(lines=(Line.L1,)))
    assert one is not None
    assert (one.current_a, one.guard_a) == (-10, -10)


def test_phases_go_to_the_lines_that_the_policy_names() -> None:
    sample = Sample(phases=(PhaseValues(1), PhaseValues(2), PhaseValues(3)))
    found = site_phases(sample, Mains(lines=(Line.L2, Line.L3, Line.L1)))
    assert [phase and phase.current_a for phase in found] == [3, 1, 2]


def test_a_one_phase_meter_may_stand_on_any_line() -> None:
    found = site_phases(Sample(phases=(PhaseValues(6), None, None)), Mains(lines=(Line.L3,)))
    assert [phase and phase.current_a for phase in found] == [None, None, 6]


def test_a_site_of_one_phase_has_no_other_lines() -> None:
    sample = Sample(phases=(PhaseValues(6), PhaseValues(0), PhaseValues(0)))
    found = site_phases(sample, Mains(site_lines=(Line.L1,)))
    assert [phase and phase.current_a for phase in found] == [6, None, None]


ABSURD = [
    ("999 A", Sample(phases=(PhaseValues(999), None, None))),
    ("-999 A", Sample(phases=(PhaseValues(-999), None, None))),
    ("999 V", Sample(phases=(PhaseValues(1, None, 999), None, None))),
    ("a phase of 400 kW", Sample(phases=(PhaseValues(1, 400_000, 230), None, None))),
    ("a phase of 200 kW needs 870 A", Sample(phases=(PhaseValues(1, 200_000, 230), None, None))),
    ("an export of 200 kW in one phase, too", Sample(phases=(PhaseValues(1, -200_000, 230), None, None))),
    ("a counter of 2 PWh", Sample(energy_import_wh=2e15)),
    ("an export counter of 2 PWh", Sample(energy_export_wh=2e15)),
    ("a total of 400 kW", Sample(power_w=-400_000)),
    ("a quarter of 400 kW", Sample(quarter_power_w=400_000)),
]


@pytest.mark.parametrize("sample", [row[1] for row in ABSURD], ids=[row[0] for row in ABSURD])
def test_refuses_what_no_home_carries(sample: Sample) -> None:
    with pytest.raises(RefusedError) as refusal:
        site_phases(sample, Mains())
    assert refusal.value.cause is Count.ABSURD


AMPS = st.floats(0, 60)


@given(
    active_a=st.floats(-60, 60),
    reactive_a=st.floats(-20, 20),
    volts=st.floats(207, 253),
    whole=st.booleans(),
    has_volts=st.booleans(),
)
def test_guard_is_never_less_than_the_true_import(
    active_a: float, reactive_a: float, volts: float, whole: bool, has_volts: bool
) -> None:
    """A meter that cuts to its step, with or without a voltage object, at any voltage of EN 50160."""
    true_a = (active_a**2 + reactive_a**2) ** 0.5
    reported_a = float(int(true_a)) if whole else true_a
    values = PhaseValues(reported_a, active_a * volts, volts if has_volts else None)
    one, _, _ = site_phases(Sample(phases=(values, None, None), resolution_a=1.0 if whole else 0.0), Mains())
    assert one is not None
    true_signed_a = true_a if active_a >= 0 else active_a
    assert one.guard_a >= true_signed_a - 1e-3
    if active_a < 0:
        assert one.guard_a <= 0


@given(AMPS, AMPS, st.floats(0, 360), st.booleans())
def test_guard_is_never_less_than_any_line_without_neutral(
    one_a: float, three_a: float, angle: float, hides_second: bool
) -> None:
    import cmath

    second_a = abs(one_a + three_a * cmath.exp(1j * cmath.pi * angle / 180))
    assume(second_a < 400)
    phases = (
        PhaseValues(one_a, 0, 230),
        PhaseValues(0.0 if hides_second else second_a, 0, 0),
        PhaseValues(three_a, 0, 230),
    )
    found = site_phases(Sample(phases=phases), Mains())
    for phase, true_a in zip(found, (one_a, second_a, three_a), strict=True):
        assert phase is not None
        assert phase.guard_a >= true_a - 1e-3


def test_nothing_gives_nothing() -> None:
    assert site_phases(Sample(phases=NO_PHASES), Mains()) == (None, None, None)
