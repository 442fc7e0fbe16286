"""Houses: recorded, made up and stepped, as functions of time."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest
from ampherd_core.phases import Line
from ampherd_simulator.errors import RecordingError
from ampherd_simulator.house import ConstantHouse, RecordedHouse, Step, SteppedHouse
from ampherd_simulator.household import APPLIANCES, Household
from ampherd_simulator.recording import read_generation, read_recording
from ampherd_simulator.sun import MadeUpSun, Solar, SunnyHouse

SHARED = Path(os.environ.get("AMPHERD_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "days"


def test_a_step_comes_and_goes_on_its_line() -> None:
    house = SteppedHouse(ConstantHouse((1.0, 2.0, 3.0)), [Step(Line.L2, 15, at_s=60, for_s=120)])

    assert house.at(59.9) == (1, 2, 3)
    assert house.at(60) == (1, 17, 3)
    assert house.at(179.9) == (1, 17, 3)
    assert house.at(180) == (1, 2, 3)


def test_the_same_seed_gives_the_same_house_whatever_was_asked_before() -> None:
    one, other, third = (SunnyHouse(Household(seed), MadeUpSun(seed, Solar(10))) for seed in (1, 1, 2))
    moments = [3_600.0 * hour for hour in range(60)]

    forwards = [one.at(at_s) for at_s in moments]
    backwards = [other.at(at_s) for at_s in reversed(moments)]

    assert forwards == backwards[::-1]
    assert forwards != [third.at(at_s) for at_s in moments]


def test_a_made_up_house_is_never_negative_without_sun_and_exports_with_it() -> None:
    dark = Household(3)
    sunny = SunnyHouse(Household(3, (), base_a=0.2), MadeUpSun(3, Solar(10, cloudiness=0.0)))

    assert min(min(dark.at(at_s)) for at_s in range(0, 86_400, 30)) > 0
    assert sunny.at(13 * 3_600)[0] < -8
    assert sunny.at(2 * 3_600)[0] > 0


def test_clouds_come_and_go() -> None:
    sun = MadeUpSun(4, Solar(10, cloudiness=1.0))

    noon = [sun.at(12 * 3_600 + 10 * slot)[0] for slot in range(360)]

    assert max(noon) - min(noon) > 2


def test_a_heat_pump_loads_all_lines_alike() -> None:
    house = Household(5, (APPLIANCES["heat_pump"],), base_a=0.0)

    assert {len({round(value, 6) for value in house.at(at_s)}) for at_s in range(0, 86_400, 60)} == {1}


def test_a_house_of_one_phase_has_everything_on_it() -> None:
    three, one = Household(5), Household(5, lines=(Line.L1,))

    for at_s in range(0, 86_400, 600):
        assert one.at(at_s) == pytest.approx((sum(three.at(at_s)), 0, 0))


def test_the_time_of_day_of_the_start_shifts_the_day() -> None:
    assert Household(6).at(18 * 3_600) == Household(6, begins_at_s=18 * 3_600).at(0)


def test_a_day_at_one_second_steps_is_cheap() -> None:
    house = SunnyHouse(Household(7), MadeUpSun(7, Solar(10)))
    house.at(0)

    began = time.perf_counter()
    for at_s in range(20_000):
        house.at(at_s)

    assert (time.perf_counter() - began) / 20_000 < 50e-6


def test_a_recording_is_resampled_by_its_last_value_and_repeats(tmp_path: Path) -> None:
    path = tmp_path / "house.csv.gz"
    path.write_bytes(gzip.compress(b"t_s,l1_a,l2_a,l3_a\n100,1,2,3\n106,4,5,6\n120,7,8,9\n"))
    house = RecordedHouse(read_recording(path))

    assert [house.at(at_s)[0] for at_s in (0, 5.9, 6, 19.9, 20, 26)] == [1, 1, 4, 4, 1, 4]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("t_s,l1_a\n1,2\n", "needs the columns"),
        ("t_s,l1_a,l2_a,l3_a\n1,2,x,3\n", "line 2"),
        ("t_s,l1_a,l2_a,l3_a\n1,2,nan,3\n", "line 2"),
        ("t_s,l1_a,l2_a,l3_a\n5,1,1,1\n5,1,1,1\n", "line 3"),
        ("t_s,l1_a,l2_a,l3_a\n", "no rows"),
    ],
)
def test_a_bad_recording_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "house.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(RecordingError, match=complaint):
        read_recording(path)


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded days are not here")
def test_the_real_recordings_load() -> None:
    dutch = RecordedHouse(read_recording(SHARED / "house3p_nl_1s.csv.gz"))
    british = RecordedHouse(read_recording(SHARED / "house_uk_6s.csv.gz"))

    assert dutch.at(0)[2] == pytest.approx(2.0, abs=0.7)
    assert max(british.at(at_s)[0] for at_s in range(0, 4 * 86_400, 6)) == pytest.approx(36, abs=3)
    assert british.at(0)[1:] == (0.0, 0.0)
    solar_home = read_recording(SHARED / "grid_nl_pv_5s.csv.gz", Line.L3)
    assert min(solar_home.currents_a)[:2] == (0.0, 0.0)
    assert min(current_a[2] for current_a in solar_home.currents_a) < -1


def test_a_recording_of_one_phase_goes_to_the_line_of_ones_choice(tmp_path: Path) -> None:
    path = tmp_path / "house.csv"
    path.write_text("t_utc_s,s_house_va\n1,480\n7,960\n", encoding="utf-8")

    assert read_recording(path, Line.L2).currents_a == [(0, 2, 0), (0, 4, 0)]


def test_a_window_of_a_recording_repeats(tmp_path: Path) -> None:
    path = tmp_path / "house.csv"
    path.write_text("t_s,l1_a,l2_a,l3_a\n0,1,0,0\n10,2,0,0\n20,3,0,0\n30,4,0,0\n", encoding="utf-8")
    house = RecordedHouse(read_recording(path), offset_s=10, for_s=15)

    assert [house.at(at_s)[0] for at_s in (0, 9, 10, 14, 15, 25, 29)] == [2, 2, 3, 3, 2, 3, 3]


@pytest.mark.parametrize(
    ("header", "rows", "columns", "currents_a"),
    [
        ("t_utc_s,p_pv_w", ["60,4600", "120,-2.3"], (), [(0, -10, -10), (0, 0.005, 0.005)]),
        ("t_utc_s,p_sys1_w,p_sys2_w,poa_wm2", ["60,2300,2300,9"], (), [(0, -10, -10)]),
        ("t_utc_s,p_sys1_w,p_sys2_w,poa_wm2", ["60,2300,2300,9"], ("p_sys2_w",), [(0, -5, -5)]),
    ],
)
def test_a_recorded_inverter_gives_negative_current_on_its_lines(
    tmp_path: Path, header: str, rows: list[str], columns: tuple[str, ...], currents_a: list[tuple[float, ...]]
) -> None:
    path = tmp_path / "sun.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")

    timeline = read_generation(path, columns, lines=(Line.L2, Line.L3), voltage_v=230)
    twice = read_generation(path, columns, lines=(Line.L2, Line.L3), scale=2, voltage_v=230)

    assert [pytest.approx(current_a) for current_a in timeline.currents_a] == currents_a
    assert twice.currents_a[0][1] == 2 * timeline.currents_a[0][1]


def test_a_recording_without_generation_is_refused_with_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "sun.csv"
    path.write_text("t_utc_s,watts\n1,2\n", encoding="utf-8")

    with pytest.raises(RecordingError, match=r"sun.csv, line 1: needs p_pv_w.*it has t_utc_s, watts"):
        read_generation(path, lines=(Line.L1,), voltage_v=230)
