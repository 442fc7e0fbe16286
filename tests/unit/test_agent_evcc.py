"""What evcc is told of a charger."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ampherd_charger_agent.evcc import REPEAT_S, Mirror, scalars
from ampherd_core.messages import ChargerState, Stamp


def state(**given: object) -> ChargerState:
    fields: dict[str, object] = {
        "charger": "left",
        "stamp": Stamp(session="s", at_s=1.0),
        "measured_at": datetime(2026, 11, 21, tzinfo=UTC),
        "link": "ok",
        "iec_state": "C",
        "offer_a": 10.0,
    }
    return ChargerState.model_validate({**fields, **given})


@pytest.mark.parametrize(
    ("situation", "given", "status"),
    [
        ("no car", {"iec_state": "A"}, "A"),
        ("a car waits", {"iec_state": "B"}, "B"),
        ("it charges", {}, "C"),
        ("we pause it: evcc would call C without its leave a fault", {"offer_a": 0.0}, "B"),
        ("it charges with ventilation", {"iec_state": "D"}, "C"),
        ("a fault", {"iec_state": "F"}, "F"),
        ("never read", {"iec_state": None, "offer_a": None}, None),
        ("unreachable: silence is evcc's error", {"link": "lost"}, None),
    ],
)
def test_status(situation: str, given: dict[str, object], status: str | None) -> None:
    assert scalars(state(**given)).get("status") == status, situation


def test_measured_values() -> None:
    told = scalars(state(drawn_a=(9.87, 0.0, 1.0), power_w=2270.4, total_wh=1_234_567.0))
    assert told == {
        "status": "C",
        "power": "2270",
        "energy": "1234.567",
        "current/l1": "9.87",
        "current/l2": "0.00",
        "current/l3": "1.00",
    }


def test_changes_are_told_at_once_and_everything_is_repeated() -> None:
    mirror = Mirror()
    assert set(mirror.due(state(power_w=1.0), 0.0)) == {"status", "power"}
    assert mirror.due(state(power_w=1.0), 1.0) == {}
    assert mirror.due(state(power_w=2.0), 2.0) == {"power": "2"}
    assert set(mirror.due(state(power_w=2.0), REPEAT_S)) == {"status", "power"}
    assert REPEAT_S <= 15
