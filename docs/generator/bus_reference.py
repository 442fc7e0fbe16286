"""`docs/mqtt.md`: the bus for people, with payloads that the models have made and taken back."""

from __future__ import annotations

import json

from ampherd_core.messages import Message, SetResult
from ampherd_core.topics import Channel, channels

from generator.examples import EXAMPLES
from generator.schemas import MESSAGES, kebab
from generator.template import filled


def page() -> str:
    """The whole page."""
    return filled(
        "mqtt.template.md",
        topics="\n".join(_row(channel) for channel in channels()),
        payloads="\n".join(_payload(model) for model in MESSAGES),
        refusal=EXAMPLES[SetResult].to_json().decode(),
    )


def _row(channel: Channel) -> str:
    below_root = channel.topic.removeprefix("ampherd/{site}/").replace("{", "<").replace("}", ">")
    retained = "yes" if channel.is_retained else "no"
    payload = f"[{channel.model.__name__}](#{channel.model.__name__.lower()})" if channel.model else "scalar"
    return f"| `{below_root}` | {channel.sender} | {channel.qos} | {retained} | {payload} | {channel.summary} |"


def _payload(model: type[Message]) -> str:
    wire = EXAMPLES[model].to_json()
    if model.model_validate_json(wire, strict=True) != EXAMPLES[model]:
        raise ValueError(f"the example of {model.__name__} does not survive the wire")
    pretty = json.dumps(json.loads(wire), indent=2, ensure_ascii=False)
    schema = f"schemas/{kebab(model.__name__)}.schema.json"
    return f"### {model.__name__}\n{model.__doc__} [Schema]({schema}).\n\n```json\n{pretty}\n```\n"
