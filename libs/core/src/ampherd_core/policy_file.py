"""From `site.yaml` to a policy, or to errors that a person can act on; and the watch for edits."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from ampherd_core.policy import Policy
from ampherd_core.policy_check import check
from ampherd_core.policy_fault import PolicyError, PolicyFault, findings
from ampherd_core.policy_yaml import MAX_BYTES, YamlError, read_yaml

__all__ = ["MAX_BYTES", "PolicyError", "PolicyFault", "PolicyWatch", "fingerprint", "load_policy", "parse_policy"]


def load_policy(path: Path) -> Policy:
    """Read and check a policy file; raises PolicyError."""
    return parse_policy(_read(path), path.name)


def parse_policy(data: bytes, name: str = "site.yaml") -> Policy:
    """Check a policy's text; raises PolicyError, `name` stands for the file in its message."""
    try:
        document = read_yaml(data)
    except YamlError as err:
        raise PolicyError(name, err.faults) from err
    try:
        policy = Policy.model_validate(document.plain)
    except ValidationError as err:
        # Not kept as a cause: it would stay in memory for ever, since no garbage collector sees through such errors.
        wrong = tuple(findings(err.errors(include_url=False)))
    else:
        wrong = check(policy)
    if not wrong:
        return policy
    faults = tuple(
        PolicyFault(document.line(each.path), ".".join(map(str, each.path)), each.reason, each.remedy) for each in wrong
    )
    raise PolicyError(name, tuple(sorted(faults, key=lambda fault: fault.line)))


def fingerprint(data: bytes) -> str:
    """A short name of a policy's text, the same on every machine."""
    return hashlib.sha256(data).hexdigest()[:12]


class PolicyWatch:
    """Notices edits: `poll` gives a new policy once, raises PolicyError once per bad edit, else None.

    An edit counts when two polls have seen the same text, so that a half-written file is never taken for a policy.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: str | None = None
        self._told: str | None = None

    def poll(self) -> Policy | None:
        """Look at the file."""
        try:
            data, refusal = _read(self._path), None
        except PolicyError as err:
            data, refusal = b"", err
        mark = str(refusal) if refusal else fingerprint(data)
        is_settled, self._seen = mark == self._seen, mark
        if not is_settled or mark == self._told:
            return None
        self._told = mark
        if refusal:
            raise refusal
        return parse_policy(data, self._path.name)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as err:
        fault = PolicyFault(1, "file", f"cannot be read ({err.strerror})", "check its path and permissions")
        raise PolicyError(path.name, (fault,)) from err
