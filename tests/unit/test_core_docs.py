"""The generated references: fresh, whole and true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from ampherd_core import messages
from ampherd_core.messages import Message
from ampherd_core.policy import Policy
from ampherd_core.policy_section import Section
from ampherd_core.topics import channels

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ASYNCAPI = json.loads((DOCS / "asyncapi.json").read_text())
MQTT = (DOCS / "mqtt.md").read_text()
POLICY = (DOCS / "policy.md").read_text()


def test_what_is_committed_is_what_the_code_says() -> None:
    run = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                assert set(node) <= {"$ref", "description", "default"}
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for entry in node:
            yield from references(entry)


def resolved(reference: str) -> object:
    node: object = ASYNCAPI
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(node, dict)
        node = node[part]
    return node


def test_every_reference_leads_somewhere() -> None:
    found = set(references(ASYNCAPI))
    assert len(found) > 30
    for reference in found:
        assert resolved(reference)


def test_has_what_asyncapi_3_requires() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(ASYNCAPI["info"])
    assert all({"host", "protocol"} <= set(server) for server in ASYNCAPI["servers"].values())
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert channel.startswith("#/channels/")
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/"), "an operation uses its own channel's messages"
        assert operation["bindings"]["mqtt"]["qos"] in {0, 1}


def test_every_channel_declares_the_parameters_of_its_address() -> None:
    for channel in ASYNCAPI["channels"].values():
        named = set(re.findall(r"{(\w+)}", channel["address"] or ""))
        assert named == set(channel.get("parameters", {}))
        assert channel["messages"]


def test_every_topic_is_in_both_documents() -> None:
    addresses = {channel["address"] for channel in ASYNCAPI["channels"].values()}
    for channel in channels():
        assert channel.topic in addresses
        assert channel.topic.removeprefix("ampherd/{site}/").replace("{", "<").replace("}", ">") in MQTT


def test_every_payload_shown_is_one_that_services_take() -> None:
    shown = re.findall(r"### (\w+)\n.*?```json\n(.*?)```", MQTT, re.DOTALL)
    assert {name for name, _ in shown} == {model.__name__ for model in Message.__subclasses__()}
    for name, payload in shown:
        model = next(model for model in Message.__subclasses__() if model.__name__ == name)
        assert json.loads(model.model_validate_json(payload, strict=True).to_json()) == json.loads(payload)


def test_every_schema_of_a_message_refuses_what_its_model_refuses() -> None:
    for name, message in ASYNCAPI["components"]["messages"].items():
        path = DOCS / "schemas" / f"{message['name']}.schema.json"
        if not path.exists():
            assert name in {"set", "evcc"}
            continue
        validator = jsonschema_rs.validator_for(json.loads(path.read_text()))
        example = message["examples"][0]["payload"]
        assert validator.is_valid(example)
        for field in json.loads(path.read_text())["required"]:
            assert not validator.is_valid({key: value for key, value in example.items() if key != field})


def test_an_editor_takes_the_example_and_marks_a_mistake_in_it() -> None:
    validator = jsonschema_rs.validator_for(json.loads((DOCS / "schemas" / "site.schema.json").read_text()))
    example = yaml.safe_load((ROOT / "site.example.yaml").read_text())
    assert validator.is_valid(example)
    example["connection"]["rating"] = 25
    assert not validator.is_valid(example)


def test_the_example_names_the_schema_for_editors() -> None:
    first = (ROOT / "site.example.yaml").read_text().split("\n")[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("section", [section for section in Section.__subclasses__() if section is not Policy])
def test_every_field_of_the_policy_is_described(section: type[Section]) -> None:
    for name, field in section.model_fields.items():
        assert field.description
        assert f"| `{name}` |" in POLICY


def test_every_event_has_its_line_in_the_page_of_alarms() -> None:
    """Codes are found in the source as it names them; a code made from a state has a line for each."""
    table = (DOCS / "alarms.md").read_text()
    sources = "".join(path.read_text() for path in ROOT.glob("*/*/src/**/*.py"))
    codes = set(re.findall(r'(?:_tell|event)\(\s*"([a-z-]+)"', sources))
    codes |= {f"meter-{health}" for health in messages.Health}
    codes |= {f"overdraw-{stage}" for stage in ("lowered", "stopped", "defiant")}
    assert len(codes) > 10
    assert sorted(code for code in codes if f"`{code}`" not in table) == []
