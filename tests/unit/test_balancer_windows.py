"""Power caps by time of day, in the site's own time."""

from __future__ import annotations

from datetime import datetime

import pytest
from ampherd_balancer.windows import holds
from ampherd_core.policy_limits import Window

from tests.support.bench import Bench, Car, flat, policy_of, steps

EVENING = {"power_w": 6000, "start": "16:00", "end": "21:00"}
NIGHT = {"power_w": 6000, "start": "22:30", "end": "06:00", "days": ["fri"]}


@pytest.mark.parametrize(
    ("window", "at", "expected"),
    [
        (EVENING, "2026-03-10T15:59:59", False),
        (EVENING, "2026-03-10T16:00:00", True),
        (EVENING, "2026-03-10T20:59:59", True),
        (EVENING, "2026-03-10T21:00:00", False),
        (EVENING | {"days": ["mon", "wed"]}, "2026-03-10T18:00:00", False),
        (EVENING | {"days": ["mon", "tue"]}, "2026-03-10T18:00:00", True),
        (NIGHT, "2026-03-13T22:29:00", False),
        (NIGHT, "2026-03-13T22:30:00", True),
        (NIGHT, "2026-03-14T05:59:00", True),
        (NIGHT, "2026-03-14T06:00:00", False),
        (NIGHT, "2026-03-13T01:00:00", False),
        (NIGHT, "2026-03-14T23:00:00", False),
        (EVENING | {"start": "00:00", "end": "00:00"}, "2026-03-10T12:00:00", True),
    ],
)
def test_when_a_window_holds(window: dict[str, object], at: str, expected: bool) -> None:
    assert holds(Window.model_validate(window), datetime.fromisoformat(at)) is expected


@pytest.mark.parametrize("start", ["24:00", "7:00", "16", "16:00:00", "16:00\n", "", 16, None, ["16:00"]])
def test_what_is_no_time_of_day_is_refused(start: object) -> None:
    with pytest.raises(ValueError, match=r"16:00"):
        Window.model_validate(EVENING | {"start": start})


def test_it_holds_from_its_minute_to_its_minute_where_the_site_is() -> None:
    """The bench begins at midnight UTC, one in Amsterdam."""
    window = {"power_w": 6000, "start": "01:10", "end": "01:20"}
    policy = policy_of({"a": {"max_a": 16}}, limits={"windows": {"dinner": window}})
    bench = Bench(policy, [Car("a", lag_s=3)], steps((0, (1.0, 1.0, 1.0)), (900, (2.0, 2.0, 2.0)))).run(590)
    assert bench.offers() == {"a": 16.0}
    bench.run(20)
    assert sum(bench.grid_now) * 230 <= 6000
    assert bench.offers()["a"] == pytest.approx(7.6, abs=0.15)
    assert bench.reason("a").sentence.startswith("Until 01:20 the site may take 6,000 W (dinner): 5,3")
    bench.run(330)
    assert bench.offers()["a"] == pytest.approx(6.6, abs=0.15), "the house takes more"
    bench.run(300)
    assert bench.offers() == {"a": 16.0}


def test_the_least_of_several_holds() -> None:
    always = {"start": "00:00", "end": "00:00"}
    policy = policy_of(
        {"a": {"max_a": 16, "lines": ["L1"]}},
        limits={"windows": {"much": always | {"power_w": 3000}, "little": always | {"power_w": 2000}}},
    )
    bench = Bench(policy, [Car("a")], flat()).run(60)
    assert bench.reason("a").code == "window-little"
    assert sum(bench.grid_now) * 230 <= 2000
