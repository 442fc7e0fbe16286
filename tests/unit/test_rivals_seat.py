"""A rival on the balancer's seat: what it sees is what was said on the bus, what it says leaves as grants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from ampherd_core.messages import ChargerState, IecState, LinkHealth, MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.phases import Line

from benchmarks.rivals.seen import Rival, Seen, Site
from benchmarks.seat import Seat, Seated
from tests.support.bench import policy_of

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Parrot:
    """Offers what it was told to; remembers what it saw."""

    def __init__(self, offer_a: float) -> None:
        self.offer_a = offer_a
        self.seen: list[Seen] = []

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        del now_s
        self.seen.append(seen)
        return {charger.id: self.offer_a for charger in seen.chargers}


def seated(rival: Rival) -> Seated:
    policy = policy_of({"a": {"lines": ["L2"], "min_a": 8, "max_a": 20}})

    def make(site: Site, chargers: tuple[str, ...]) -> Rival:
        assert (site.limit_a, site.phases, chargers) == (25, 3, ("a",))
        return rival

    return Seat(make)(policy, epoch=7, now_s=0.0)


def reading() -> Reading:
    phase = PhaseSample(current_a=5.0, guard_a=6.0)
    return Reading(
        meter="grid",
        role=MeterRole.GRID,
        stamp=Stamp(session="m", at_s=1),
        measured_at=AT,
        interval_s=1,
        valid_for_s=5,
        resolution_a=1,
        phases=(phase, phase, None),
        power_w=2_300,
    )


def state(step_a: float = 1.0) -> ChargerState:
    return ChargerState(
        charger="a",
        stamp=Stamp(session="s", at_s=42),
        measured_at=AT,
        link=LinkHealth.OK,
        iec_state=IecState.C,
        offer_a=10,
        drawn_a=(0.0, 9.7, 0.0),
        max_a=16,
        resolution_a=step_a,
    )


def test_nothing_is_decided_before_meter_and_chargers_were_heard() -> None:
    mind = seated(Parrot(10))
    assert mind.decide(0.0).grants == ()
    mind.hear_reading(reading(), 1.0)
    assert mind.decide(1.0).grants == ()
    mind.hear_state(state(), 1.0)
    assert [grant.offer_a for grant in mind.decide(1.0).grants] == [10]


def test_the_rival_sees_the_best_current_and_what_the_charger_says() -> None:
    parrot = Parrot(10)
    mind = seated(parrot)
    mind.hear_reading(reading(), 1.0)
    mind.hear_state(state(), 1.5)
    mind.decide(2.0)
    (seen,) = parrot.seen
    assert (seen.read_s, seen.grid_a, seen.grid_w) == (1.0, (5.0, 5.0, 0.0), 2_300)
    (charger,) = seen.chargers
    assert (charger.lines, charger.min_a, charger.max_a) == ((Line.L2,), 8, 16)
    assert (charger.is_connected, charger.is_charging, charger.drawn_a) == (True, True, (0.0, 9.7, 0.0))


@pytest.mark.parametrize(
    ("wanted_a", "step_a", "granted_a"), [(10.9, 1.0, 10), (10.96, 0.1, 10.9), (7.9, 0.1, 0), (8.0, 0.1, 8), (0, 1, 0)]
)
def test_a_grant_is_in_the_steps_of_the_wallbox_and_never_below_the_minimum(
    wanted_a: float, step_a: float, granted_a: float
) -> None:
    mind = seated(Parrot(wanted_a))
    mind.hear_reading(reading(), 1.0)
    mind.hear_state(state(step_a), 1.0)
    assert mind.decide(1.0).grants[0].offer_a == pytest.approx(granted_a)


def test_every_grant_is_newer_and_echoes_the_newest_stamp() -> None:
    mind = seated(Parrot(10))
    mind.hear_reading(reading(), 1.0)
    mind.hear_state(state(), 1.0)
    first, second = (mind.decide(at_s).grants[0] for at_s in (1.0, 2.0))
    assert second.id.is_newer_than(first.id)
    assert (second.id.epoch, second.echo.at_s) == (7, 42)
