"""The text of `site.yaml`: a plain tree with the line of every field, or one fault.

A small, decimal YAML: no aliases, no tags, no octal or base-60 numbers, and `off`, `on`, `yes` and `no` are words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast

import yaml

from ampherd_core.policy_fault import Path, PolicyFault

MAX_BYTES: Final = 64 * 1024
"""A policy is written by hand, and 64 chargers take half of this; a larger file is something else."""

_MAX_DEPTH: Final = 12
"""The deepest field of a policy stands at 4."""

_MAX_DIGITS: Final = 15
"""Longer whole numbers are no quantity of a home, and slow to convert."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""What no UTF-8 can say, so that no log, bus or page could repeat it."""


class YamlError(Exception):
    """A text that is no policy at all."""

    def __init__(self, *faults: PolicyFault) -> None:
        self.faults = faults
        super().__init__(faults)


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says (`plain`), and where it says so."""

    plain: dict[str, object]
    _lines: dict[tuple[str, ...], int]

    def line(self, path: Path) -> int:
        """The line of a field from 1, or of its nearest parent that stands in the text."""
        here = tuple(map(str, path))
        while here not in self._lines and here:
            here = here[:-1]
        return self._lines.get(here, 1)


def read_yaml(data: bytes) -> Document:
    """Take a text apart; raises YamlError."""
    if len(data) > MAX_BYTES:
        raise _refused(1, f"is larger than {MAX_BYTES // 1024} KiB", "a policy is a short text; check the file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise _refused(data[: err.start].count(b"\n") + 1, "is not UTF-8 text", "save it as UTF-8") from err
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        lines = _lines_of(root)
        plain = cast(dict[str, object], loader.construct_document(root))
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        raise _refused(line, "is no YAML (a control character)", "remove it; write plain text") from err
    except (ValueError, OverflowError) as err:
        # PyYAML turns the digits of an escape into a character unasked.
        raise _refused(loader.line + 1, "has an escape that is no character", "write the character itself") from err
    except yaml.MarkedYAMLError as err:
        raise _refused(_line_of(err), f"is no YAML ({err.problem})", _remedy(str(err.problem))) from err
    return Document(plain, lines)


class _Loader(yaml.SafeLoader):
    """Refuses, while it reads, what would let a small text grow large or mean more than it shows."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own way

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _refused(line, "uses a YAML alias (*name)", "write the value out")
        if getattr(event, "tag", None) is not None:
            raise _refused(line, "uses a YAML tag (!name)", "write a plain value")
        if _SURROGATE.search(getattr(event, "value", None) or ""):
            raise _refused(line, "has an escape that is half a character", "write the character itself")
        if self._depth >= _MAX_DEPTH:
            raise _refused(line, "is nested too deeply", "start from site.example.yaml")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"^(~|null|)$", ["~", "n", ""]),
    ("int", rf"^[-+]?(0|[1-9][0-9]{{0,{_MAX_DIGITS - 1}}})$", list("-+0123456789")),
    ("float", r"^[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|^[-+]?\.inf$|^\.nan$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _lines_of(root: yaml.Node | None) -> dict[tuple[str, ...], int]:
    if root is None:
        raise _refused(1, "is empty", "start from site.example.yaml")
    if not isinstance(root, yaml.MappingNode):
        raise _refused(1, "is not a mapping of sections", "start from site.example.yaml")
    found: dict[tuple[str, ...], int] = {}
    doubles: list[PolicyFault] = []
    _walk(root, (), found, doubles)
    if doubles:
        raise YamlError(*doubles)
    return found


def _walk(
    node: yaml.Node, path: tuple[str, ...], found: dict[tuple[str, ...], int], doubles: list[PolicyFault]
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _refused(line, "has a key that is no plain name", "write a plain name")
            here = (*path, key.value)
            if here in found:
                doubles.append(
                    PolicyFault(line, ".".join(here), f"stands already in line {found[here]}", "keep one of them")
                )
            found.setdefault(here, line)
            _walk(value, here, found, doubles)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, str(index))
            found[here] = value.start_mark.line + 1
            _walk(value, here, found, doubles)


def _line_of(err: yaml.MarkedYAMLError) -> int:
    mark = err.problem_mark or err.context_mark
    return mark.line + 1 if mark else 1


def _remedy(problem: str) -> str:
    return "indent with spaces, never with tabs" if "\\t" in problem else "check indentation and quotes there"


def _refused(line: int, reason: str, remedy: str) -> YamlError:
    return YamlError(PolicyFault(line, "file", reason, remedy))
