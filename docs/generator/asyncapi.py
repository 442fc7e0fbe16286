"""The AsyncAPI 3.0 document of the bus, from its channels and messages."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Final, cast

from ampherd_core.messages import Identifier, Message
from ampherd_core.topics import SETTINGS, Channel, channels
from pydantic import TypeAdapter

from generator.examples import EXAMPLES
from generator.schemas import MESSAGES, Json, JsonObject, kebab, schema_of

_MQTT_BINDING: Final = "0.2.0"
_SCHEMAS: Final = "#/components/schemas/"

_PARAMETERS: Final[dict[str, JsonObject]] = {
    "site": {"description": "`site.id` of the policy", "default": "home", "examples": ["home"]},
    "meter": {"description": "a meter's id in the policy", "examples": ["grid"]},
    "charger": {"description": "a charger's id in the policy", "examples": ["garage"]},
    "service": {"description": "the service's name", "examples": ["balancer"]},
    "setting": {"description": "what to change", "enum": list(SETTINGS)},
    "name": {"description": "the scalar's name", "examples": ["status", "power", "energy", "current/l1"]},
}

_SCALARS: Final[dict[str, JsonObject]] = {
    "set": {
        "name": "set",
        "title": "A new value",
        "contentType": "text/plain",
        "payload": {"type": ["string", "number", "object"], "description": "a plain scalar, or the same as JSON"},
        "examples": [{"name": "mode", "payload": "fast"}, {"name": "max_current", "payload": 13}],
    },
    "evcc": {
        "name": "evcc",
        "title": "A scalar for evcc",
        "contentType": "text/plain",
        "payload": {"type": ["string", "number", "boolean"]},
    },
}


def document() -> JsonObject:
    """The whole document; it describes Ampherd, so `send` is what Ampherd says."""
    rows = {_key(channel): channel for channel in channels()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ampherd",
            "version": version("ampherd-core"),
            "description": "The MQTT bus of an energy manager for a home with several EV chargers.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:1883",
                "protocol": "mqtt",
                "protocolVersion": "5.0",
                "description": "the site's broker; guests may speak 3.1.1",
            }
        },
        "channels": {
            **{key: _channel(channel) for key, channel in rows.items()},
            "setResponse": {
                "address": None,
                "description": "the response topic that an MQTT 5 request names",
                "messages": {"setResult": {"$ref": "#/components/messages/setResult"}},
            },
        },
        "operations": {_operation_key(key, channel): _operation(key, channel) for key, channel in rows.items()},
        "components": {
            "parameters": cast(JsonObject, _PARAMETERS),
            "messages": {
                **{_camel(model): _message(model) for model in MESSAGES},
                **_SCALARS,
            },
            "schemas": _schemas(),
        },
    }


def _key(channel: Channel) -> str:
    """A channel's name: the fixed levels of its topic below the site, in camel case."""
    words = [level for level in channel.topic.split("/")[2:] if not level.startswith("{")]
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _channel(channel: Channel) -> JsonObject:
    names = [level[1:-1] for level in channel.topic.split("/") if level.startswith("{")]
    message = _message_key(channel)
    return {
        "address": channel.topic,
        "description": f"{channel.summary} From: {channel.sender}.",
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
    }


def _operation_key(key: str, channel: Channel) -> str:
    return f"{'receive' if _is_heard(channel) else 'send'}{key[0].upper()}{key[1:]}"


def _is_heard(channel: Channel) -> bool:
    """Whether guests say it and Ampherd hears it."""
    return channel.sender == "anyone"


def _operation(key: str, channel: Channel) -> JsonObject:
    is_heard = _is_heard(channel)
    operation: JsonObject = {
        "action": "receive" if is_heard else "send",
        "channel": {"$ref": f"#/channels/{key}"},
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{key}/messages/{_message_key(channel)}"}],
        "bindings": {
            "mqtt": {"qos": channel.qos, "retain": channel.is_retained, "bindingVersion": _MQTT_BINDING},
        },
    }
    if is_heard:
        operation["reply"] = {
            "address": {
                "description": "the response topic of the request, where it names one",
                "location": "$message.header#/responseTopic",
            },
            "channel": {"$ref": "#/channels/setResponse"},
            "messages": [{"$ref": "#/channels/setResponse/messages/setResult"}],
        }
    return operation


def _message_key(channel: Channel) -> str:
    if channel.model is not None:
        return _camel(channel.model)
    return "set" if _is_heard(channel) else "evcc"


def _message(model: type[Message]) -> JsonObject:
    example: Json = json.loads(EXAMPLES[model].to_json())
    return {
        "name": kebab(model.__name__),
        "title": model.__name__,
        "summary": (model.__doc__ or "").split(" (")[0].rstrip("."),
        "contentType": "application/json",
        "payload": {"$ref": _SCHEMAS + model.__name__},
        "examples": [{"name": "typical", "payload": example}],
    }


def _schemas() -> JsonObject:
    """Every message's schema, its parts beside it instead of inside it."""
    found: JsonObject = {"Identifier": dict(TypeAdapter(Identifier).json_schema())}
    for model in MESSAGES:
        schema = schema_of(model, _SCHEMAS)
        parts = schema.pop("$defs", {})
        found |= cast(JsonObject, parts)
        found[model.__name__] = schema
    return dict(sorted(found.items()))


def _camel(model: type[object]) -> str:
    return model.__name__[0].lower() + model.__name__[1:]
