"""Scenarios: the shipped ones load, mistakes are named."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.scenario import load_scenario

SHIPPED = sorted(Path(str(files("ampherd_simulator") / "scenarios")).glob("*.yaml"))
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.stem))
def test_shipped_scenarios_load(path: Path) -> None:
    assert load_scenario(path).chargers


def test_the_demo_matches_the_example_policy() -> None:
    demo = load_scenario(next(path for path in SHIPPED if path.stem == "demo"))
    policy = yaml.safe_load((ROOT / "site.example.yaml").read_text(encoding="utf-8"))

    assert demo.rating_a == policy["connection"]["rating_a"]
    assert list(demo.chargers) == list(policy["chargers"])
    for charger_id, charger in policy["chargers"].items():
        twin = demo.chargers[charger_id]
        assert (twin.driver, twin.unit, list(twin.lines)) == (charger["driver"], charger["unit"], charger["lines"])
        assert twin.circuit == charger.get("circuit", "connection")
        assert not isinstance(twin.line, str)
        assert charger["link"].endswith(f":{twin.line.port}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("chargers: {one: {driver: edgetech, line: nowhere}}", "unknown Modbus lines"),
        ("chargers: {one: {driver: edgetech, circuit: nowhere}}", "unknown circuits"),
        ("circuits: {a: {limit_a: 9, parent: b}, b: {limit_a: 9, parent: a}}", "feeds itself"),
        ("house: {appliances: [sauna]}", "unknown appliances"),
        ("starts_at: 2026-06-01T17:30:00", "needs a zone"),
        ("chargers: {one: {driver: tesla}}", "driver"),
        ("speeed: 2", "speeed"),
        ("house: [", "scenario.yaml"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ScenarioError, match=complaint):
        load_scenario(path)
