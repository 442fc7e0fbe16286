"""The policy's file as the API reads, checks and replaces it."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, PolicyFault, fingerprint, load_policy, parse_policy

from ampherd_api.errors import RefusedError


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The file as it is now; `faults` tell why it may not run."""

    text: str
    mark: str
    policy: Policy | None
    faults: tuple[PolicyFault, ...]


class PolicyStore:
    """One `site.yaml`; blocking, so call it from a thread."""

    def __init__(self, path: Path, site: str) -> None:
        self._path = path
        self._site = site

    def read(self) -> PolicyText:
        """The file as it is now; raises RefusedError where it cannot be read."""
        data = self._data()
        try:
            policy = load_policy(self._path)
        except PolicyError as err:
            return PolicyText(data.decode("utf-8", "replace"), fingerprint(data), None, err.faults)
        return PolicyText(data.decode("utf-8"), fingerprint(data), policy, ())

    def check(self, data: bytes) -> Policy:
        """The policy that this text would make; raises PolicyError."""
        policy = parse_policy(data)
        if policy.site.id != self._site:
            fault = PolicyFault(
                _line_of_id(data),
                "site.id",
                f"is {policy.site.id!r}, but {self._site!r} is running",
                "keep the id, or edit the file and restart Ampherd",
            )
            raise PolicyError("site.yaml", (fault,))
        return policy

    def replace(self, data: bytes, expected_mark: str) -> Policy:
        """Check and replace the file, keeping the previous as `.bak`; raises PolicyError or RefusedError."""
        if expected_mark not in {"*", fingerprint(self._data())}:
            raise RefusedError(412, "edited-meanwhile", "The policy was changed since you read it: read it again.")
        policy = self.check(data)
        path = self._path.resolve()
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            shutil.copy2(path, path.with_name(f"{path.name}.bak"))
            _write(fresh, data, path.stat().st_mode & 0o777)
            fresh.replace(path)
        except OSError as err:
            fresh.unlink(missing_ok=True)
            raise RefusedError(
                409,
                "not-writable",
                f"The policy's file cannot be replaced from here ({err.strerror}): edit it on the server.",
            ) from err
        return policy

    def _data(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as err:
            raise RefusedError(503, "unreadable", f"The policy's file cannot be read ({err.strerror}).") from err


def _line_of_id(data: bytes) -> int:
    lines = data.decode("utf-8").splitlines()
    return next((number for number, line in enumerate(lines, start=1) if line.strip().startswith("id:")), 1)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
