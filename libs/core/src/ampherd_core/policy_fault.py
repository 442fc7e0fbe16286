"""What is wrong with a policy, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ampherd_core.policy import Charger, Circuit, Connection, Meter, Policy, Site, Timings
from ampherd_core.policy_limits import Limits, OperatorCap, QuarterPeak, Window
from ampherd_core.policy_section import Section
from ampherd_core.policy_solar import Solar, SolarBattery
from ampherd_core.policy_tariff import PriceFeed, PriceWindow, Tariff
from ampherd_core.policy_values import TopicValue, TopicValues

Path: TypeAlias = tuple[str | int, ...]
"""A field's place in the policy: names of sections and fields, numbers in lists."""


SectionOf: TypeAlias = Callable[[Path], type[BaseModel]]
"""Gives the model whose fields stand below a path."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where in the policy, why, and what to do."""

    path: Path
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One error: `line` counts from 1, `field` is dotted, `remedy` says what to do."""

    line: int
    field: str
    reason: str
    remedy: str


class PolicyError(Exception):
    """A policy that may not run; `str()` gives one line a fault: file:line: field: reason. Remedy."""

    def __init__(self, name: str, faults: tuple[PolicyFault, ...]) -> None:
        self.name = name
        self.faults = faults
        super().__init__("\n".join(f"{name}:{f.line}: {f.field}: {f.reason}. {_sentence(f.remedy)}" for f in faults))


def findings(errors: list[ErrorDetails], section_of: SectionOf | None = None) -> Iterator[Finding]:
    """What the models found, each thing once; the first are enough to start with.

    `section_of` tells which model stands at a path, for another document than the policy.
    """
    choose = section_of or _section_of
    return iter(dict.fromkeys(_finding(details, choose) for details in errors[:_MOST]))


_REASONS: Final = {
    "missing": "is required",
    "extra_forbidden": "there is no such field here",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "model_type": "should be a mapping of fields",
    "dict_type": "should be a mapping of fields",
    "tuple_type": "should be a list",
    "string_type": "should be a word",
}
"""Pydantic's kinds of error, where its own words do not speak to the user of a file."""

_REMEDIES: Final = {
    "missing": "add it; site.example.yaml shows how",
    "extra_forbidden": "remove it or correct its spelling; docs/policy.md lists every field",
    "float_parsing": "write a plain number without its unit, like 16",
    "float_type": "write a plain number without its unit, like 16",
    "finite_number": "write a plain finite number, like 16",
    "int_parsing": "write a plain whole number",
    "int_type": "write a plain whole number",
    "int_from_float": "write a plain whole number",
    "string_pattern_mismatch": "use lower-case letters, digits and hyphens, 32 at most",
    "string_type": "write a word; put quotes round a number",
    "model_type": "write its fields below it, indented; docs/policy.md lists them",
    "dict_type": "write its fields below it, indented; docs/policy.md lists them",
    "tuple_type": "write a list, like [L1, L2, L3]",
}

_MOST: Final = 50
_SHOWN_CHARACTERS: Final = 60


def _finding(details: ErrorDetails, section_of: SectionOf) -> Finding:
    path = tuple(part for part in details["loc"] if part != "[key]")
    kind = details["type"]
    if kind == "value_error":
        reason, _, remedy = details["msg"].removeprefix("Value error, ").partition("; ")
        return Finding(path, reason, remedy or "see docs/policy.md")
    reason = _REASONS.get(kind, details["msg"].removeprefix("Input "))
    remedy = _REMEDIES.get(kind, "correct the value; docs/policy.md gives its unit and bounds")
    if kind == "extra_forbidden":
        remedy = _spelling(path, section_of(path[:-1])) or remedy
    elif kind != "missing":
        reason += _given(details["input"])
    return Finding(path, reason, remedy)


def _given(value: object) -> str:
    match value:
        case None:
            return ", but nothing is given"
        case str():
            return f", but it is {value[:_SHOWN_CHARACTERS]!r}"
        case int() | float():
            return f", but it is {str(value)[:_SHOWN_CHARACTERS]}"
        case _:
            return ""


_SECTIONS: Final[dict[str, type[Section]]] = {
    "site": Site,
    "connection": Connection,
    "circuits": Circuit,
    "meters": Meter,
    "meters.*.values": TopicValues,
    "meters.*.values.*": TopicValue,
    "chargers": Charger,
    "timings": Timings,
    "limits": Limits,
    "limits.quarter_peak": QuarterPeak,
    "limits.operator": OperatorCap,
    "limits.windows": Window,
    "solar": Solar,
    "solar.battery": SolarBattery,
    "tariff": Tariff,
    "tariff.windows": PriceWindow,
    "tariff.feed": PriceFeed,
}


def _section_of(path: Path) -> type[BaseModel]:
    within = ".".join("*" if place % 2 else str(part) for place, part in enumerate(path[:4]))
    nested = _SECTIONS.get(within) or _SECTIONS.get(".".join(map(str, path[:2])))
    return nested or (_SECTIONS.get(str(path[0]), Policy) if path else Policy)


def _spelling(path: Path, section: type[BaseModel]) -> str:
    """The known field that an unknown one resembles, as a remedy; empty where none does."""
    known = get_close_matches(str(path[-1]), section.model_fields, n=1)
    return f"write {known[0]}, if that is what you mean" if known else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
