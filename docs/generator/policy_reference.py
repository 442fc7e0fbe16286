"""`docs/policy.md`: every field of the policy, from the models themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from ampherd_core.messages import MeterRole, Mode
from ampherd_core.policy import Charger, Circuit, Connection, DriverName, Meter, Policy, Site, Timings
from ampherd_core.policy_file import PolicyError, parse_policy
from ampherd_core.policy_limits import TIME_OF_DAY, Limits, OperatorCap, QuarterPeak, Window
from ampherd_core.policy_section import Section
from ampherd_core.policy_solar import Solar, SolarBattery
from ampherd_core.policy_tariff import PriceFeed, PriceWindow, StandingPlan, Tariff
from ampherd_core.policy_values import TopicValue, TopicValues
from pydantic_core import PydanticUndefined

from generator.schemas import Json, JsonObject, schema_of
from generator.template import filled

_SECTIONS: Final[tuple[tuple[str, type[Section], str], ...]] = (
    ("version", Policy, "The number of this format, on the first line: `version: 1`."),
    ("site", Site, "Who and where. May be left out."),
    ("connection", Connection, "The mains. Ampherd holds every phase under `rating_a` less `margin_a`."),
    (
        "circuits.<id>",
        Circuit,
        "A sub-board with a breaker of its own. Circuits make a tree: each names its feeder. May be left out.",
    ),
    ("meters.<id>", Meter, "A device that measures. Exactly one has the role `grid`."),
    (
        "meters.<id>.values",
        TopicValues,
        "What a meter with `driver: mqtt` tells: [adding-a-meter.md](adding-a-meter.md).",
    ),
    ("meters.<id>.values.<quantity>", TopicValue, "Where one quantity is said, and how its number is to be read."),
    (
        "chargers.<id>",
        Charger,
        "A wallbox. The order in the file is the order of the agents' slots.",
    ),
    (
        "limits",
        Limits,
        "What tariff, network operator and connection rules ask beyond the wires: [limits.md](limits.md). "
        "May be left out: then none holds.",
    ),
    ("limits.quarter_peak", QuarterPeak, "The quarter-hour's peak (Belgium). All that it says is in its defaults."),
    ("limits.operator", OperatorCap, "The network operator's signal (Germany, §14a EnWG)."),
    ("limits.windows.<id>", Window, "A power cap by time of day, in the site's time zone."),
    ("chargers.<id>.plan", StandingPlan, "A charging plan that holds until a user sets another: [plans.md](plans.md)."),
    ("timings", Timings, "How long things take. The defaults suit most homes. May be left out."),
    ("solar", Solar, "How the modes `solar` and `min_solar` follow the sun: [solar.md](solar.md). May be left out."),
    ("solar.battery", SolarBattery, "A home battery's place in the order. May be left out."),
    ("tariff", Tariff, "What energy costs, for charging plans: [plans.md](plans.md). May be left out."),
    ("tariff.windows.<id>", PriceWindow, "A price for some hours of some days."),
    ("tariff.feed", PriceFeed, "A source of day-ahead prices, asked every hour: [plans.md](plans.md#prices). Off."),
)

_UNITS: Final = {"_a": "A", "_s": "s", "_v": "V", "_w": "W", "_wh": "Wh", "_kwh": "kWh", "_percent": "%"}

_MISTAKES: Final = (
    ("    limit_a: 24 ", "    limit_a: 24 A "),
    ("    priority: 6 ", "    prority: 6 "),
    ("    circuit: carport\n    lines: [L1", "    circuit: shed\n    lines: [L1"),
    ("    min_a: 8 ", "    fallback_a: 10 "),
)
"""What a user may get wrong in the example, one edit each."""


def page(example: Path) -> str:
    """The whole page; `example` is the policy that new users start from."""
    sections = "\n".join(_section(*row) for row in _SECTIONS[1:])
    return filled(
        "policy.template.md",
        sections=sections,
        errors="\n".join(_errors(example)),
        roles=_words(MeterRole),
        modes=_words(Mode),
        drivers=_words(DriverName),
    )


def _section(name: str, section: type[Section], introduction: str) -> str:
    schema = schema_of(section)
    definitions = cast(dict[str, JsonObject], schema.get("$defs", {}))
    properties = cast(dict[str, JsonObject], schema["properties"])
    rows = "\n".join(_row(section, field, form, definitions) for field, form in properties.items())
    return f"""## `{name}`
{introduction}

| field | unit | default | allowed | meaning |
| --- | --- | --- | --- | --- |
{rows}
"""


def _row(section: type[Section], field: str, form: JsonObject, definitions: dict[str, JsonObject]) -> str:
    unit = next((sign for suffix, sign in _UNITS.items() if field.endswith(suffix)), "")
    meaning = str(form.get("description", "")).replace("|", "\\|")
    return f"| `{field}` | {unit} | {_default(section, field)} | {_allowed(form, definitions)} | {meaning} |"


def _default(section: type[Section], field: str) -> str:
    info = section.model_fields[field]
    if info.is_required():
        return "**required**"
    value: object = info.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or value == "":
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _allowed(form: JsonObject, definitions: dict[str, JsonObject]) -> str:
    """What a value may be, in words."""
    choices = form.get("anyOf")
    if isinstance(choices, list):
        return " or ".join(_allowed(cast(JsonObject, choice), definitions) for choice in choices)
    reference = form.get("$ref")
    if isinstance(reference, str):
        return _allowed(definitions[reference.rsplit("/", 1)[1]], definitions)
    if form.get("type") == "object" and "properties" in form:
        return "a section of its own"
    words = form.get("enum")
    if isinstance(words, list):
        return ", ".join(f"`{word}`" for word in words)
    return _of_type(form, definitions)


def _of_type(form: JsonObject, definitions: dict[str, JsonObject]) -> str:
    match form.get("type"):
        case "null":
            return "nothing"
        case "array":
            return f"list of {_allowed(cast(JsonObject, form['items']), definitions)}"
        case "string":
            return _text(form)
        case "object":
            return "sections by id"
        case kind:
            return _range(form, "whole number" if kind == "integer" else "number")


def _text(form: JsonObject) -> str:
    if form.get("pattern") == TIME_OF_DAY:
        return "time of day, `00:00` to `23:59`"
    if "pattern" in form:
        return "an id: lower-case letters, digits, hyphens"
    return f"text up to {form['maxLength']} characters" if "maxLength" in form else "text"


def _range(form: JsonObject, kind: str) -> str:
    low = form.get("minimum")
    above = form.get("exclusiveMinimum")
    high = form.get("maximum")
    start = f"above {_number(above)}" if above is not None else f"{_number(low)}"
    return f"{kind}, {start} to {_number(high)}"


def _number(value: Json) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "any"


def _words(kind: type[MeterRole] | type[Mode] | type[DriverName]) -> str:
    return ", ".join(f"`{word}`" for word in kind)


def _errors(example: Path) -> list[str]:
    text = example.read_text(encoding="utf-8")
    messages = []
    for right, wrong in _MISTAKES:
        if text.count(right) != 1:
            raise ValueError(f"{example.name} has no single {right!r} to spoil")
        try:
            parse_policy(text.replace(right, wrong).encode(), "site.yaml")
        except PolicyError as err:
            messages.append(f"    {err}")
        else:
            raise ValueError(f"{wrong!r} is no mistake")
    return messages
