"""Waits between tries."""

from __future__ import annotations

from ampherd_core.backoff import Backoff
from hypothesis import given
from hypothesis import strategies as st


def test_doubles_up_to_its_cap_and_begins_anew_after_success() -> None:
    backoff = Backoff(base_s=0.2, cap_s=1.0)
    waits = []
    for _ in range(5):
        backoff = backoff.after_failure()
        waits.append(backoff.delay_s)
    assert waits == [0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.reset().delay_s == 0.0


@given(st.integers(0, 10_000), st.floats(0.01, 10), st.floats(0.01, 60))
def test_never_waits_longer_than_its_cap(failures: int, base_s: float, cap_s: float) -> None:
    backoff = Backoff(base_s=base_s, cap_s=cap_s)
    for _ in range(min(failures, 100)):
        backoff = backoff.after_failure()
    assert 0 <= backoff.delay_s <= cap_s
