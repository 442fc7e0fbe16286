"""From `site.yaml` to a policy, or to errors that a person can act on; and the watch for edits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ampherd_core.policy import Policy
from ampherd_core.policy_check import Finding, check

MAX_BYTES: Final = 256 * 1024
"""A policy is written by hand; a larger file is something else."""

_Path = tuple[str | int, ...]


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


def load_policy(path: Path) -> Policy:
    """Read and check a policy file; raises PolicyError."""
    try:
        data = path.read_bytes()
    except OSError as err:
        fault = PolicyFault(1, "file", f"cannot be read ({err.strerror})", "check its path and permissions")
        raise PolicyError(path.name, (fault,)) from err
    return parse_policy(data, path.name)


def parse_policy(data: bytes, name: str = "site.yaml") -> Policy:
    """Check a policy's text; raises PolicyError, `name` stands for the file in its message."""
    root = _compose(data, name)
    lines = _Lines(root)
    duplicates = tuple(lines.duplicates)
    if duplicates:
        raise PolicyError(name, duplicates)
    try:
        policy = Policy.model_validate(_plain(data))
    except ValidationError as err:
        faults = tuple(_fault(lines, details) for details in err.errors())
        raise PolicyError(name, tuple(dict.fromkeys(faults))) from err
    findings = check(policy)
    if findings:
        raise PolicyError(name, tuple(_from_finding(lines, finding) for finding in findings))
    return policy


def fingerprint(data: bytes) -> str:
    """A short name of a policy's text, the same on every machine."""
    return hashlib.sha256(data).hexdigest()[:12]


class PolicyWatch:
    """Notices edits: `poll` gives a new policy once, raises PolicyError once per bad edit, else None."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: str | None = None

    def poll(self) -> Policy | None:
        """Read the file when its text changed since the last call."""
        try:
            data = self._path.read_bytes()
        except OSError:
            data = b""
        mark = fingerprint(data)
        if mark == self._seen:
            return None
        self._seen = mark
        return load_policy(self._path)


def _compose(data: bytes, name: str) -> yaml.Node:
    if len(data) > MAX_BYTES:
        fault = PolicyFault(
            1, "file", f"is larger than {MAX_BYTES // 1024} KiB", "a policy is a short text; check the file"
        )
        raise PolicyError(name, (fault,))
    try:
        text = data.decode("utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise PolicyError(name, (PolicyFault(1, "file", "uses a YAML alias (*name)", "write the value out"),))
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as err:
        line = data[: err.start].count(b"\n") + 1
        raise PolicyError(name, (PolicyFault(line, "file", "is not UTF-8 text", "save it as UTF-8"),)) from err
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        problem = getattr(err, "problem", None) or str(err)
        fault = PolicyFault(
            mark.line + 1 if mark else 1,
            "file",
            f"is no YAML ({problem})",
            "check indentation and quotes there",
        )
        raise PolicyError(name, (fault,)) from err
    except RecursionError as err:
        raise PolicyError(
            name, (PolicyFault(1, "file", "is nested too deeply", "start from site.example.yaml"),)
        ) from err
    if not isinstance(root, yaml.MappingNode):
        fault = PolicyFault(1, "file", "is not a mapping of sections", "start from site.example.yaml")
        raise PolicyError(name, (fault,))
    return root


def _plain(data: bytes) -> object:
    return cast(object, yaml.load(data.decode("utf-8"), Loader=_Loader))  # noqa: S506 - derived from SafeLoader


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans only, so that the mode `off` stays a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Lines:
    """The line of every field, and keys that stand twice."""

    def __init__(self, root: yaml.Node) -> None:
        self._line: dict[_Path, int] = {}
        self.duplicates: list[PolicyFault] = []
        self._walk(root, (), 0)

    def of(self, path: _Path) -> int:
        """The line of `path`, or of its nearest parent that stands in the file."""
        while path not in self._line and path:
            path = path[:-1]
        return self._line.get(path, 1)

    def _walk(self, node: yaml.Node, path: _Path, depth: int) -> None:
        self._line.setdefault(path, node.start_mark.line + 1)
        if depth > 20:
            return
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, str(key.value))
                line = key.start_mark.line + 1
                if here in self._line:
                    dotted = ".".join(map(str, here))
                    self.duplicates.append(
                        PolicyFault(line, dotted, f"stands already in line {self._line[here]}", "keep one")
                    )
                self._line[here] = line
                self._walk(value, here, depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._walk(value, (*path, index), depth + 1)


_REMEDIES: Final = {
    "missing": "add it; site.example.yaml shows how",
    "extra_forbidden": "remove it or correct its spelling; docs/policy.md lists every field",
    "float_parsing": "write a plain number without its unit, like 16",
    "float_type": "write a plain number without its unit, like 16",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "finite_number": "write a plain finite number",
    "string_pattern_mismatch": "use lower-case letters, digits and hyphens, 32 at most",
    "value_error": "see docs/policy.md",
}


def _fault(lines: _Lines, details: ErrorDetails) -> PolicyFault:
    path: _Path = tuple(part for part in details["loc"] if part != "[key]")
    kind, given = details["type"], details["input"]
    reason = details["msg"].removeprefix("Value error, ")
    if kind not in {"missing", "value_error"} and isinstance(given, str | int | float):
        reason = f"{reason}, but it is {str(given)[:60]!r}"
    remedy = _REMEDIES.get(kind, "correct the value; docs/policy.md gives its unit and bounds")
    return PolicyFault(lines.of(path), ".".join(map(str, path)) or "file", reason, remedy)


def _from_finding(lines: _Lines, finding: Finding) -> PolicyFault:
    return PolicyFault(lines.of(finding.path), ".".join(map(str, finding.path)), finding.reason, finding.remedy)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
