"""docs/simulate.md: its cars and its recording are read by the product, and its options are those of the command."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ampherd_core.policy_file import load_policy
from ampherd_embedded.cli import app
from ampherd_simulator.scenario import HousePart
from ampherd_simulator.whatif.day import Day, plan_day
from ampherd_simulator.whatif.request import Request
from ampherd_simulator.whatif.timetable import Call, Guest, cars_of, read_timetable, wishes_of
from typer.main import get_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
EXAMPLE = load_policy(ROOT / "site.example.yaml")


def block(language: str, place: int = 0) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found[place]


def test_the_example_cars_fit_the_example_policy(tmp_path: Path) -> None:
    path = tmp_path / "cars.yaml"
    path.write_text(block("yaml"), encoding="utf-8")
    noon = datetime(2026, 6, 1, 10, tzinfo=UTC)

    cars = cars_of(read_timetable(path, EXAMPLE), EXAMPLE, Day(noon, 24, HousePart(), ""))

    assert {name: len(car.visits) for name, car in cars.items()} == {
        "carport-left": 1,
        "carport-right": 2,
        "garage": 1,
        "guest": 1,
    }


def test_the_example_driver_sets_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "cars.yaml"
    path.write_text(block("yaml", 1), encoding="utf-8")
    noon = datetime(2026, 6, 1, 10, tzinfo=UTC)

    (wish,) = wishes_of(read_timetable(path, EXAMPLE), EXAMPLE, Day(noon, 24, HousePart(), ""))

    assert (wish.charger, wish.energy_wh, f"{wish.by:%d %H:%M}") == ("carport-left", 22_000, "02 07:00")


def test_the_example_recording_is_read_with_its_sun(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text(block("csv"), encoding="utf-8")

    day = plan_day(Request(policies=(path,), house=path), EXAMPLE)

    assert day.house.inverter is not None


def test_every_option_and_every_field_of_a_car_is_told() -> None:
    command = get_command(app).commands["simulate"]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}

    assert {option for option in options if f"`{option}`" not in PAGE} == set()
    assert {name for model in (Guest, Call) for name in model.model_fields if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize("line", block("sh").splitlines())
def test_every_command_has_options_that_there_are(line: str) -> None:
    command = get_command(app).commands["simulate"]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}

    assert set(re.findall(r"--[a-z-]+", line)) <= known
