"""When a wallbox may be talked to."""

from __future__ import annotations

import itertools

import pytest
from ampherd_charger_agent.pacing import READ_BACK_AFTER_S, READ_EVERY_S, BurstPacer, Gate, SteadyPacer
from hypothesis import given
from hypothesis import strategies as st


def test_a_steady_wallbox_is_read_four_times_a_second_and_a_moment_after_a_write() -> None:
    pacer = SteadyPacer()
    assert pacer.next_read_s(0.0) <= 0.0
    pacer.read(0.0, 0.01)
    assert pacer.next_read_s(0.01) == pytest.approx(READ_EVERY_S)
    pacer.wrote(0.1)
    assert pacer.next_read_s(0.1) == pytest.approx(0.1 + READ_BACK_AFTER_S)
    pacer.read(0.05, 0.11)
    assert pacer.next_read_s(0.11) == pytest.approx(0.1 + READ_BACK_AFTER_S), "it began too early"
    assert pacer.gate(0.12) is Gate.OPEN


@pytest.mark.parametrize(
    ("at_s", "gate"),
    [
        (0.2, Gate.OPEN),  # still in the burst
        (1.6, Gate.LOWER_ONLY),
        (4.0, Gate.LOWER_ONLY),  # silence from here ends within 10 s of the burst
        (4.1, Gate.SHUT),
        (5.9, Gate.SHUT),
        (6.2, Gate.OPEN),  # the wallbox had its silence
    ],
)
def test_the_gate_after_a_burst(at_s: float, gate: Gate) -> None:
    pacer = BurstPacer()
    pacer.read(0.0, 0.1)
    assert pacer.gate(at_s) is gate


def test_a_burst_has_one_read() -> None:
    pacer = BurstPacer()
    pacer.wrote(0.0)
    assert pacer.next_read_s(0.0) <= 0.0
    pacer.read(0.0, 0.1)
    assert pacer.next_read_s(0.1) == pytest.approx(0.1 + BurstPacer.READ_AFTER_S)


def test_a_lowering_in_the_silence_starts_it_anew_without_a_read() -> None:
    pacer = BurstPacer()
    pacer.read(0.0, 0.1)
    pacer.wrote(3.0)
    assert pacer.next_read_s(3.0) == pytest.approx(10.0)
    assert pacer.gate(8.9) is Gate.SHUT
    assert pacer.gate(9.0) is Gate.OPEN


@given(last_grant_s=st.floats(8, 40), read_takes_s=st.floats(0, 1.5))
def test_the_gate_is_never_shut_when_the_lease_lapses(last_grant_s: float, read_takes_s: float) -> None:
    """Grants come every second until `last_grant_s`, each for 10 s; the lapse must find a gate for its fallback."""
    pacer, now_s, lapse_s = BurstPacer(), 0.0, 10.0
    while now_s < lapse_s:
        lapse_s = min(now_s // 1, last_grant_s) + 10.0
        if pacer.next_read_s(now_s, lapse_s) <= now_s:
            pacer.read(now_s, now_s + read_takes_s)
            now_s += read_takes_s
        now_s += 0.05
    assert pacer.gate(now_s) is not Gate.SHUT


def test_a_short_lease_makes_reads_rarer_and_never_stops_them() -> None:
    pacer, reads, now_s = BurstPacer(), 0, 0.0
    while now_s < 60:
        if pacer.next_read_s(now_s, now_s + 5.0) <= now_s:
            pacer.read(now_s, now_s + 0.1)
            reads += 1
        now_s += 0.05
    assert reads >= 4


@given(st.lists(st.tuples(st.floats(0.05, 3), st.booleans()), min_size=50, max_size=200))
def test_however_urgent_the_wallbox_gets_its_silence(wishes: list[tuple[float, bool]]) -> None:
    """Whoever talks as often as the gate lets them leaves a silence of 6 s in every stretch of 10 s and a burst."""
    pacer, now_s, requests = BurstPacer(), 0.0, [0.0]
    pacer.read(0.0, 0.0)
    for step_s, is_lowering in wishes:
        now_s += step_s
        gate = pacer.gate(now_s)
        if gate is Gate.OPEN or (gate is Gate.LOWER_ONLY and is_lowering):
            pacer.wrote(now_s)
            requests.append(now_s)
    began_s = requests[0]
    for before_s, after_s in itertools.pairwise(requests):
        if after_s - before_s >= BurstPacer.SILENCE_S:
            began_s = after_s
        assert after_s + BurstPacer.SILENCE_S - began_s <= BurstPacer.STARVED_S
