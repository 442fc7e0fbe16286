"""Who may look and who may change things: two tokens, made at the first start, kept as hashes.

The plain tokens lie in two files for their owner's eyes. A file that is replaced is taken up at once; a file that is
removed leaves its token valid.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Final

from ampherd_api.errors import ApiError

_TOKEN_BYTES: Final = 24
"""192 bits: not to be guessed."""

_HASHES: Final = "tokens.json"
_SESSION_KEY: Final = "session-key"


class TokenError(ApiError):
    """The tokens can neither be read nor made."""


class Role(StrEnum):
    """What a token allows: `write` includes `read`."""

    READ = "read"
    WRITE = "write"

    @property
    def may_write(self) -> bool:
        """Whether it changes things."""
        return self is Role.WRITE


class Tokens:
    """The tokens of a state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir
        self._hashes: dict[Role, str] = {}
        self._seen: dict[Role, float] = {}
        try:
            self._load()
            self._key = self._session_key()
        except (OSError, ValueError) as err:
            raise TokenError(
                f"cannot keep tokens in {state_dir}: {err}; give the api a directory it can write"
            ) from err

    def role_of(self, token: str) -> Role | None:
        """What this token allows; takes as long for a wrong one as for a right one."""
        self._take_up_new_files()
        given = _hash(token)
        found = None
        for role, known in self._hashes.items():
            if hmac.compare_digest(given, known):
                found = role
        return found

    def sign(self, text: str) -> str:
        """A signature that only this installation makes, and that new tokens make void."""
        key = self._key + "".join(self._hashes[role] for role in Role).encode()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def _load(self) -> None:
        self._dir.mkdir(parents=True, exist_ok=True)
        path = self._dir / _HASHES
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for role in Role:
            if not self._file(role).exists() and role not in known:
                _write(self._file(role), secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
            self._hashes[role] = str(known.get(role, ""))
        self._take_up_new_files()

    def _take_up_new_files(self) -> None:
        changed = [role for role in Role if self._modified_s(role) not in {None, self._seen.get(role)}]
        for role in changed:
            self._seen[role] = self._modified_s(role) or 0.0
            token = self._file(role).read_text(encoding="utf-8").strip()
            if token:
                self._hashes[role] = _hash(token)
        if changed:
            _write(self._dir / _HASHES, json.dumps({role: self._hashes[role] for role in Role}) + "\n")

    def _modified_s(self, role: Role) -> float | None:
        try:
            return self._file(role).stat().st_mtime
        except FileNotFoundError:
            return None

    def _session_key(self) -> bytes:
        path = self._dir / _SESSION_KEY
        if not path.exists():
            _write(path, secrets.token_hex(32) + "\n")
        return path.read_bytes().strip()

    def _file(self, role: Role) -> Path:
        return self._dir / f"token-{role}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    """At once or not at all, and for its owner's eyes only."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
