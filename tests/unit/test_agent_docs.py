"""The examples of docs/adding-a-wallbox.md hold."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from ampherd_core.policy import Charger, DriverName

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-wallbox.md"


def test_the_chargers_of_the_page_are_a_valid_policy() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    chargers = [fields for example in examples for fields in yaml.safe_load(example)["chargers"].values()]
    assert [Charger.model_validate(fields).driver for fields in chargers] == [DriverName.EDGETECH]


def test_every_driver_has_a_section() -> None:
    headings = re.findall(r"^### .*", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for name in DriverName:
        assert any(f"`{name}`" in heading for heading in headings), name
