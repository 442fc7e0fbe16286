"""JSON Schemas of the policy and of each message."""

from __future__ import annotations

from typing import Final, TypeAlias

from ampherd_core.messages import Message
from ampherd_core.policy import Policy
from ampherd_core.topics import channels
from pydantic import BaseModel

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]

MESSAGES: Final[tuple[type[Message], ...]] = tuple(
    dict.fromkeys(model for channel in channels() if (model := channel.model) and issubclass(model, Message))
)
"""Every payload that is a document, in the order of its first topic."""

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The newest dialect that editors' YAML plug-ins and AsyncAPI both take."""


def kebab(name: str) -> str:
    """`ChargerState` as `charger-state`."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def schema_of(model: type[BaseModel], definitions: str = "#/$defs/") -> JsonObject:
    """The schema of `model`; references to its parts begin with `definitions`."""
    schema = model.model_json_schema(ref_template=definitions + "{model}")
    return {key: _plain(value) for key, value in schema.items()}


def documents() -> dict[str, JsonObject]:
    """Every schema by its file's name."""
    found = {"site.schema.json": _document(Policy, "Ampherd site policy (site.yaml)")}
    for model in MESSAGES:
        found[f"{kebab(model.__name__)}.schema.json"] = _document(model, model.__name__)
    return found


def _document(model: type[BaseModel], title: str) -> JsonObject:
    return {"$schema": _DIALECT, **schema_of(model), "title": title}


def _plain(node: Json) -> Json:
    """Draft 07 has no `prefixItems`; tuples of ours repeat one type, so `items` and two lengths say the same."""
    if isinstance(node, list):
        return [_plain(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items() if key not in {"prefixItems", "title"}}
    prefix = node.get("prefixItems")
    if isinstance(prefix, list):
        if any(entry != prefix[0] for entry in prefix):
            raise ValueError("a tuple of different types has no draft 07 form here")
        plain["items"] = _plain(prefix[0])
    return plain
