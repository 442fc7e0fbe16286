"""How old a message is, when nobody's clock can be trusted."""

from __future__ import annotations

import pytest
from ampherd_balancer.hearing import Sender
from ampherd_core.messages import Stamp
from hypothesis import given
from hypothesis import strategies as st


def stamp(at_s: float, session: str = "one") -> Stamp:
    return Stamp(session=session, at_s=at_s)


def test_the_first_message_counts_as_fresh() -> None:
    assert Sender().hear(stamp(7), 1000) == pytest.approx(1000)


def test_a_message_that_took_longer_is_older_by_the_difference() -> None:
    sender = Sender()
    sender.hear(stamp(10), 1000)
    assert sender.hear(stamp(11), 1005) == pytest.approx(1001, abs=0.01)


def test_a_quicker_message_corrects_the_clock() -> None:
    sender = Sender()
    sender.hear(stamp(10), 1004)
    assert sender.hear(stamp(11), 1001) == pytest.approx(1001)
    assert sender.hear(stamp(12), 1004) == pytest.approx(1002, abs=0.01)


@pytest.mark.parametrize("again", [10, 9.5, 0])
def test_a_repeat_or_a_latecomer_is_no_news(again: float) -> None:
    sender = Sender()
    sender.hear(stamp(10), 1000)
    assert sender.hear(stamp(again), 1001) is None


def test_a_restart_is_a_new_clock() -> None:
    sender = Sender()
    sender.hear(stamp(5000), 1000)
    assert sender.hear(stamp(3, "two"), 1001) == pytest.approx(1001)


def test_a_latecomer_of_the_session_before_is_no_news() -> None:
    sender = Sender()
    sender.hear(stamp(5000), 1000)
    sender.hear(stamp(3, "two"), 1001)
    assert sender.hear(stamp(5000.5), 1001.5) is None
    assert sender.hear(stamp(4, "two"), 1002) is not None


def test_a_session_that_was_taken_for_old_is_heard_once_the_other_is_gone() -> None:
    sender = Sender()
    sender.hear(stamp(3, "living"), 1000)
    sender.hear(stamp(900, "late"), 1000.1)
    heard = [sender.hear(stamp(4 + n, "living"), 1001 + n) is not None for n in range(5)]
    assert not heard[0]
    assert heard[-1]


def test_drift_is_followed() -> None:
    sender = Sender()
    for second in range(3600):
        at_s = sender.hear(stamp(second * 1.0005), 1000 + second)
        assert at_s is not None
        assert abs(at_s - (1000 + second)) < 0.1


@given(st.lists(st.floats(0, 20), min_size=1, max_size=30))
def test_nothing_seems_to_come_from_the_future(delays: list[float]) -> None:
    sender = Sender()
    for second, delay_s in enumerate(delays):
        at_s = sender.hear(stamp(float(second)), 1000 + second + delay_s)
        assert at_s is None or at_s <= 1000 + second + delay_s + 1e-6
