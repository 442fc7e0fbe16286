"""How long a line has been over its limit, as its meter tells it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ampherd_balancer.doubt import LASTS_S
from ampherd_balancer.estimate import House
from ampherd_balancer.hearing import Sender
from ampherd_balancer.metered import Metered
from ampherd_core.messages import MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.phases import LINES, Line

from tests.support.bench import AT

LIMIT_A = 25.0
OVER, UNDER = 26.0, 24.0


def reading(at_s: float, first_a: float) -> Reading:
    samples = [PhaseSample(current_a=amps, guard_a=amps, voltage_v=230) for amps in (first_a, 1.0, 1.0)]
    return Reading(
        meter="grid",
        role=MeterRole.GRID,
        stamp=Stamp(session="meter", at_s=at_s),
        measured_at=AT,
        interval_s=1,
        valid_for_s=5,
        resolution_a=0,
        phases=(samples[0], samples[1], samples[2]),
    )


@pytest.mark.parametrize(
    ("told", "outlasted"),
    [
        pytest.param([(t, OVER) for t in range(10)], [Line.L1], id="over without a break"),
        pytest.param([(t, OVER) for t in range(8)], [], id="not yet for so long"),
        pytest.param([(t, UNDER if t == 5 else OVER) for t in range(10)], [], id="within its limit once meanwhile"),
        pytest.param([(t, OVER) for t in (0, 1, 2, 8, 9)], [], id="nobody knows what was while the meter was silent"),
        pytest.param([(t, UNDER) for t in range(10)], [], id="never over"),
    ],
)
def test_an_excess_outlasts_a_cut(told: Sequence[tuple[int, float]], outlasted: Sequence[Line]) -> None:
    metered = Metered(LINES, LIMIT_A, House(hold_s=0, return_after_s=0), Sender())
    for at_s, first_a in told:
        assert metered.hear(reading(at_s, first_a), float(at_s))
    assert metered.outlasted(told[-1][0]) == outlasted
    assert LASTS_S == 8
