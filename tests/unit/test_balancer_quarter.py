"""The quarter-hour's peak: no car raises it, and what it allows is delivered."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from ampherd_balancer.quarter import QUARTER_S, Quarter
from ampherd_core.messages import MeterRole, PhaseSample, Reading, Stamp
from ampherd_core.phases import LINES
from ampherd_core.policy_limits import QuarterPeak
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.bench import Bench, Car, House, flat, policy_of, steps

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
VOLTAGE_V = 230.0
PEAK_W = 2500.0
HOUSE_MAX_W = 4000.0


def at_watts(*changes: tuple[float, float]) -> House:
    """A house on three lines that takes so much from those seconds on, W."""
    since_s = [at_s for at_s, _ in changes]

    def house(t: float) -> tuple[float, float, float]:
        line_a = changes[max(0, bisect_right(since_s, t) - 1)][1] / VOLTAGE_V / 3
        return line_a, line_a, line_a

    return house


def site(house: House, *, lines: Sequence[str] = LINES, cars: str = "a", lag_s: float = 3, **limits: object) -> Bench:
    policy = policy_of(
        {car: {"max_a": 16, "lines": list(lines)} for car in cars},
        limits={"quarter_peak": {"floor_w": PEAK_W, "house_max_w": HOUSE_MAX_W, **limits}},
    )
    return Bench(policy, [Car(car, lag_s=lag_s) for car in cars], house)


@dataclass(frozen=True)
class Ended:
    """A quarter that is over: its mean, and what the house alone made of it, W."""

    mean_w: float
    house_w: float


def quarters(bench: Bench, count: int) -> list[Ended]:
    """Let so many whole quarters pass."""
    ended = []
    for _ in range(count):
        before = len(bench.grid)
        bench.run(QUARTER_S)
        house_w = [max(0.0, sum(bench.house(bench.t - QUARTER_S + second + 1)) * VOLTAGE_V) for second in range(900)]
        grid_w = [max(0.0, sum(load) * VOLTAGE_V) for load in bench.grid[before:]]
        ended.append(Ended(sum(grid_w) / QUARTER_S, sum(house_w) / QUARTER_S))
    return ended


def starts(car: Car) -> list[float]:
    """When its wallbox let it start, on the bench's clock."""
    offers = [(0.0, 0.0), *car.changes]
    return [at_s for (_, before_a), (at_s, offer_a) in pairwise(offers) if offer_a > 0 == before_a]


class TestTheCap:
    @pytest.mark.parametrize("lines", [["L1"], ["L1", "L2", "L3"]])
    @pytest.mark.parametrize("lag_s", [0, 3, 6])
    @pytest.mark.parametrize("house_w", [300.0, 1500.0])
    def test_is_filled_and_not_passed(self, lines: Sequence[str], lag_s: float, house_w: float) -> None:
        ended = quarters(site(at_watts((0, house_w)), lines=lines, lag_s=lag_s), 3)
        assert all(PEAK_W - 0.07 * (PEAK_W - house_w) < quarter.mean_w <= PEAK_W for quarter in ended), ended

    def test_holds_when_dinner_is_cooked_late_in_the_quarter(self) -> None:
        ended = quarters(site(at_watts((0, 200), (600, 4000), (900, 200)), lines=["L1"]), 1)
        assert ended[0].house_w < PEAK_W
        assert ended[0].mean_w <= PEAK_W

    def test_holds_when_the_house_is_at_its_most_from_the_moment_that_a_car_charges(self) -> None:
        """What changes between two readings is not counted twice, and not half."""
        ended = quarters(site(at_watts((0, 0), (385, HOUSE_MAX_W), (900, 0)), lag_s=0), 1)
        assert ended[0].house_w < PEAK_W - 200 < ended[0].mean_w <= PEAK_W

    def test_a_house_beyond_its_most_is_not_made_worse_for_long(self) -> None:
        bench = site(at_watts((0, 200), (600, 9000), (1800, 200)), lines=["L1"]).run(590)
        assert bench.cars["a"].drawn_a > 6
        bench.run(10).run_until(lambda: bench.cars["a"].drawn_a == 0, within_s=6)
        had_ah = bench.cars["a"].served_ah
        bench.run(1100)
        assert bench.cars["a"].served_ah == had_ah

    def test_a_peak_that_was_made_is_used(self) -> None:
        """The house alone made 6 kW: from then on the cars may fill every quarter up to it."""
        bench = site(at_watts((0, 300), (900, 6000), (1800, 300)))
        _, made, *later = quarters(bench, 4)
        assert made.mean_w == pytest.approx(made.house_w, rel=0.01)
        assert all(5500 < quarter.mean_w <= made.mean_w for quarter in later), later

    def test_two_cars_share_it(self) -> None:
        bench = site(at_watts((0, 300)), cars="ab", lines=["L1"])
        ended = quarters(bench, 4)
        assert all(2300 < quarter.mean_w <= PEAK_W for quarter in ended), ended
        one, two = (car.served_ah for car in bench.cars.values())
        assert one == pytest.approx(two, rel=0.3)

    def test_a_contactor_closes_once_a_quarter_at_most(self) -> None:
        kettles = [(float(at_s), 3500.0 if at_s % 120 == 0 else 300.0) for at_s in range(0, 7200, 60)]
        bench = site(at_watts(*kettles), cars="ab")
        quarters(bench, 8)
        for car in bench.cars.values():
            in_quarters = [int((at_s - bench.began_s) // QUARTER_S) for at_s in starts(car)]
            assert len(in_quarters) == len(set(in_quarters))

    def test_nobody_is_stopped_where_the_house_fits_under_the_peak(self) -> None:
        bench = site(at_watts((0, 300)), lines=["L1"], house_max_w=2400)
        ended = quarters(bench, 3)
        assert len(starts(bench.cars["a"])) == 1
        assert all(2400 < quarter.mean_w <= PEAK_W for quarter in ended), ended

    def test_wires_come_first(self) -> None:
        """The fuse has room for 10 A, the quarter for the whole wallbox."""
        bench = site(flat(15, 15, 15), floor_w=30_000).run(120)
        assert bench.offers() == {"a": 10}

    def test_it_says_so(self) -> None:
        bench = site(at_watts((0, 300))).run(30)
        reason = bench.reason("a")
        assert reason.code == "quarter"
        assert reason.sentence == (
            "The quarter-hour's peak of 2.5 kW leaves cars nothing now: the house may need it until 01:15."
        )
        bench.run_until(lambda: bench.cars["a"].drawn_a >= 6, within_s=600)
        bench.run(30)
        reason = bench.reason("a")
        assert reason.code == "quarter"
        assert re.fullmatch(r"The quarter-hour's peak of 2.5 kW leaves 4,\d\d\d W until 01:15\.", reason.sentence)


HOUSES = st.lists(st.tuples(st.integers(20, 400), st.floats(0, HOUSE_MAX_W)), min_size=4, max_size=25)
AT_ITS_MOST_JUST_BEFORE_THE_END = [
    (975, 900.0),
    (171, 900.0),
    (389, 3893.0),
    (236, 50.0),
    (175, HOUSE_MAX_W),
    (278, 0.0),
    (265, HOUSE_MAX_W),
    (232, 900.0),
]
AT_ITS_MOST_TO_THE_END = [(1581, 0.0), (197, 2928.8), (388, 0.0), (120, 1294.1), (414, HOUSE_MAX_W)]


@settings(max_examples=10, deadline=None)
@given(HOUSES, st.floats(0, 6), st.booleans(), st.integers(1, 3))
@example(AT_ITS_MOST_JUST_BEFORE_THE_END, 6.0, True, 2)
@example(AT_ITS_MOST_TO_THE_END, 0.0, False, 1)
def test_no_car_raises_the_peak(loads: list[tuple[int, float]], lag_s: float, is_one_phase: bool, cars: int) -> None:
    """Under any house within its most: a quarter ends under the peak so far, or where the house alone had brought it.

    Cars that run into a new quarter may draw for their lag in it.
    """
    changes, at_s = [], 0.0
    for seconds, power_w in loads:
        changes.append((at_s, power_w))
        at_s += seconds
    lines = ["L1"] if is_one_phase else list(LINES)
    bench = site(at_watts(*changes), lines=lines, lag_s=lag_s, cars="abc"[:cars])
    peak_w = PEAK_W
    for ended in quarters(bench, 3):
        carried_w = 17_300 * (lag_s + 2) / QUARTER_S
        assert ended.mean_w <= max(peak_w, ended.house_w + carried_w)
        peak_w = max(peak_w, ended.mean_w)


class Meter:
    """Readings of one meter to a quarter's state, one a second; `clock_s` is by how much its wall clock is wrong."""

    def __init__(self, quarter: Quarter, *, at: datetime = NOON, has_count: bool = False) -> None:
        self.quarter, self.at, self.has_count = quarter, at, has_count
        self.now_s, self.clock_s = 5000.0, 0.0
        self.used_ws, self.counter_wh = 0.0, 1_000_000.0
        self.month_peak_w: float | None = None

    def run(self, seconds: int, power_w: float) -> Meter:
        for _ in range(seconds):
            self.now_s += 1
            before, self.at = self.at, self.at + timedelta(seconds=1)
            if int(before.timestamp()) // 900 != int(self.at.timestamp()) // 900:
                self.used_ws = 0.0
            self.used_ws += max(0.0, power_w)
            self.counter_wh += max(0.0, power_w) / 3600
            self.quarter.note(self.reading(power_w), power_w, power_w, self.now_s)
        return self

    def reading(self, power_w: float) -> Reading:
        sample = PhaseSample(current_a=0, guard_a=0)
        return Reading(
            meter="grid",
            role=MeterRole.GRID,
            stamp=Stamp(session="meter", at_s=self.now_s),
            measured_at=self.at + timedelta(seconds=self.clock_s),
            interval_s=1,
            valid_for_s=5,
            resolution_a=0,
            phases=(sample, sample, sample),
            power_w=power_w,
            energy_import_wh=self.counter_wh,
            quarter_power_w=self.used_ws / QUARTER_S if self.has_count else None,
            month_peak_w=self.month_peak_w,
        )


def quarter_of(**fields: object) -> Quarter:
    return Quarter(QuarterPeak.model_validate(fields), "Europe/Brussels")


class TestCounting:
    @pytest.mark.parametrize("has_count", [False, True])
    def test_energy_so_far_over_the_whole_quarter(self, has_count: bool) -> None:
        meter = Meter(quarter_of(), has_count=has_count).run(900, 1000).run(450, 3000)
        assert meter.quarter.used_w == pytest.approx(1500, rel=0.01)
        assert meter.quarter.left_s(meter.now_s) == pytest.approx(450, abs=1)

    def test_export_counts_for_nothing(self) -> None:
        meter = Meter(quarter_of()).run(900, 1000).run(100, 2000).run(100, -9000)
        assert meter.quarter.used_w == pytest.approx(2000 * 100 / 900, rel=0.02)

    def test_what_was_not_seen_counts_as_used_up_to_the_target(self) -> None:
        meter = Meter(quarter_of(), at=NOON + timedelta(seconds=600)).run(1, 0)
        assert meter.quarter.used_w == pytest.approx(2500 * 600 / 900, rel=0.01)

    def test_the_months_peak_grows_with_whole_quarters_and_goes_with_the_month(self) -> None:
        last_day = datetime(2026, 3, 31, 20, 50, tzinfo=UTC)
        meter = Meter(quarter_of(), at=last_day).run(600, 9000)
        assert meter.quarter.target_w == 2500, "its beginning was not seen"
        meter.run(900, 4200)
        assert meter.quarter.target_w == pytest.approx(4200, rel=0.01)
        meter.run(2400, 100)
        assert meter.quarter.target_w == pytest.approx(4200, rel=0.01), "still March"
        meter.run(900, 100)
        assert meter.quarter.target_w == 2500, "April begins at local midnight"

    def test_the_meters_own_peak_wins(self) -> None:
        meter = Meter(quarter_of())
        meter.month_peak_w = 3100.0
        assert meter.run(2000, 5000).quarter.target_w == 3100
        meter.month_peak_w = 1200.0
        assert meter.run(1, 5000).quarter.target_w == 2500

    def test_the_meters_count_begins_the_quarter_whatever_the_clock_says(self) -> None:
        meter = Meter(quarter_of(), has_count=True)
        meter.clock_s = 333
        meter.run(1000, 1000)
        assert meter.quarter.left_s(meter.now_s) == pytest.approx(800, abs=2)
        meter.clock_s = -7777
        meter.run(100, 1000)
        assert meter.quarter.left_s(meter.now_s) == pytest.approx(700, abs=2)

    @pytest.mark.parametrize("jump_s", [-3600, -400, 400, 900, 86_400])
    def test_a_clock_that_jumps_gives_nothing_back(self, jump_s: float) -> None:
        meter = Meter(quarter_of()).run(900, 500).run(300, 6000)
        used_w = meter.quarter.used_w
        meter.clock_s = jump_s
        meter.run(1, 6000)
        assert meter.quarter.used_w >= used_w
        assert 0 <= meter.quarter.left_s(meter.now_s) <= QUARTER_S

    def test_a_clock_that_was_years_ahead_does_not_hold_its_peak_for_years(self) -> None:
        meter = Meter(quarter_of())
        meter.clock_s = 5 * 365 * 86_400
        meter.run(900, 500).run(1000, 6000)
        assert meter.quarter.target_w == pytest.approx(6000, rel=0.01)
        meter.clock_s = 0
        assert meter.run(1800, 500).quarter.target_w == 2500

    def test_a_clock_that_is_not_set_yet_makes_no_peak_forgotten(self) -> None:
        meter = Meter(quarter_of()).run(900, 500).run(1000, 6000)
        meter.clock_s = -meter.at.timestamp()
        assert meter.run(1800, 500).quarter.target_w == pytest.approx(6000, rel=0.01)

    def test_a_gap_is_filled_from_the_counter(self) -> None:
        meter = Meter(quarter_of()).run(900, 500).run(60, 500)
        meter.at += timedelta(seconds=300)
        meter.now_s += 300
        meter.counter_wh += 300 * 9000 / 3600
        meter.run(1, 500)
        assert meter.quarter.used_w == pytest.approx((60 * 500 + 300 * 9000) / 900, rel=0.02)


class TestRestart:
    def test_quarter_and_peak_outlive_it(self) -> None:
        before = Meter(quarter_of()).run(900, 500).run(900, 5000).run(300, 3000)
        document = before.quarter.remember()
        assert document is not None
        fresh = quarter_of()
        fresh.recall(document)
        meter = Meter(fresh, at=before.at + timedelta(seconds=60)).run(1, 3000)
        assert meter.quarter.target_w == pytest.approx(5000, rel=0.01)
        assert meter.quarter.used_w == pytest.approx(360 * 3000 / 900, rel=0.02)

    def test_another_quarters_energy_is_not_taken_up(self) -> None:
        before = Meter(quarter_of()).run(900, 500).run(800, 2000)
        fresh = quarter_of()
        fresh.recall(before.quarter.remember() or b"")
        meter = Meter(fresh, at=before.at + timedelta(seconds=160)).run(1, 500)
        assert meter.quarter.used_w == pytest.approx(2500 * 61 / 900, rel=0.1)

    @pytest.mark.parametrize(
        "document",
        [b"", b"{}", b"[]", b"\xff", b'{"used_ws": NaN}', b'{"began_at": "9999-12-31T23:59:59Z"}', b"[" * 9999],
    )
    def test_nonsense_is_ignored(self, document: bytes) -> None:
        quarter = quarter_of()
        quarter.recall(document)
        assert Meter(quarter).run(10, 500).quarter.target_w == 2500

    @pytest.mark.parametrize("month", ["zzz", "2999-12", "2026", "\u0000"])
    def test_a_month_that_never_ends_is_ignored(self, month: str) -> None:
        before = Meter(quarter_of()).run(900, 500).run(900, 9000)
        document = json.loads(before.quarter.remember() or b"")
        quarter = quarter_of()
        quarter.recall(json.dumps(document | {"month": month}).encode())
        assert Meter(quarter, at=before.at).run(1, 500).quarter.target_w == 2500

    def test_energy_that_was_counted_before_the_quarter_began_is_none_of_its(self) -> None:
        before = Meter(quarter_of()).run(900, 500).run(300, 3000)
        document = json.loads(before.quarter.remember() or b"")
        quarter = quarter_of()
        quarter.recall(json.dumps(document | {"counted_at": "1970-01-01T00:00:16Z"}).encode())
        meter = Meter(quarter, at=before.at).run(601, 500)
        assert meter.quarter.target_w < 3000
        assert meter.quarter.remember() is not None


def test_a_policy_edit_turns_it_on_and_off() -> None:
    house = steps((0, (1.0, 1.0, 1.0)))
    bench = site(house, lines=["L1"]).run(120)
    assert bench.offers() == {"a": 0}
    bench.balancer.take_policy(bench.policy.model_copy(update={"limits": policy_of({}).limits}), bench.now_s)
    bench.run(120)
    assert bench.offers() == {"a": 16}
