"""Who may look and who may change things: tokens with a name and a scope, of which only hashes are kept.

The file is read again whenever it changes, so what `python -m ampherd_api.token` does holds at the next request. A
file that cannot be read lets nobody in.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from ampherd_api.errors import ApiError

_TOKEN_BYTES: Final = 24
"""192 bits: not to be guessed, so a plain hash guards it well."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MOST: Final = 50
_NOTE_EVERY: Final = timedelta(minutes=1)
"""A page asks several times a minute; its last use need not be known to the second."""

log = structlog.get_logger()


class TokenError(ApiError):
    """The tokens can neither be read nor made, or the change makes no sense."""


class Role(StrEnum):
    """What a token allows: `write` includes `read`."""

    READ = "read"
    WRITE = "write"

    @property
    def may_write(self) -> bool:
        """Whether it changes things."""
        return self is Role.WRITE


class Token(BaseModel):
    """A token as it is kept."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    digest: str
    made_at: AwareDatetime


_FILE: Final = TypeAdapter(tuple[Token, ...])
_USES: Final = TypeAdapter(dict[str, AwareDatetime])


class Tokens:
    """The tokens of a state directory; the api reads them, and the command beside it changes them."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "tokens.json"
        self._uses_path = state_dir / "token-uses.json"
        self._tokens: tuple[Token, ...] = ()
        self._seen: tuple[int, int] | None = None
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            self._key = _session_key(state_dir / "session-key")
            self._uses = _USES.validate_json(self._uses_path.read_bytes()) if self._uses_path.exists() else {}
            if self._path.exists():
                self._load()
        except (OSError, ValueError) as err:
            raise TokenError(
                f"cannot keep tokens in {state_dir}: {err}; give the api a directory it can write"
            ) from err

    def all(self) -> tuple[Token, ...]:
        """Every token, in the order of their making."""
        self._take_up_changes()
        return self._tokens

    def find(self, plain: str) -> Token | None:
        """The token that this is; takes as long for a wrong one as for a right one."""
        digest, found = _digest(plain), None
        for token in self.all():
            if hmac.compare_digest(digest, token.digest):
                found = token
        return found

    def named(self, name: str) -> Token | None:
        """The token of that name."""
        return next((token for token in self.all() if token.name == name), None)

    def sign(self, token: Token, text: str) -> str:
        """A signature that only this installation makes, and that a change of the token makes void."""
        return hmac.new(self._key + token.digest.encode(), text.encode(), hashlib.sha256).hexdigest()

    def make(self, name: str, role: Role, now: datetime) -> str:
        """A new token; the plain one is told this once. Raises TokenError."""
        if not _NAME.fullmatch(name):
            raise TokenError(f"{name!r} is no name: small letters, digits and dashes, up to 32")
        plain = secrets.token_urlsafe(_TOKEN_BYTES)

        def added(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            if any(token.name == name for token in tokens):
                raise TokenError(f"there is a token {name!r} already: rotate it, or revoke it first")
            if len(tokens) >= _MOST:
                raise TokenError(f"there are {_MOST} tokens already: revoke some")
            return (*tokens, Token(name=name, role=role, digest=_digest(plain), made_at=now))

        self._change(added)
        return plain

    def rotate(self, name: str, now: datetime) -> str:
        """Another token in place of that one, which ends with all its sessions. Raises TokenError."""
        plain = secrets.token_urlsafe(_TOKEN_BYTES)
        update = {"digest": _digest(plain), "made_at": now}
        self._change(lambda tokens: tuple(t.model_copy(update=update) if t.name == name else t for t in tokens), name)
        return plain

    def revoke(self, name: str) -> None:
        """End the token and all its sessions. Raises TokenError."""
        self._change(lambda tokens: tuple(token for token in tokens if token.name != name), name)

    def note_use(self, token: Token, now: datetime) -> None:
        """Remember when it was last used, to the minute."""
        last = self._uses.get(token.name)
        if last is None or abs(now - last) >= _NOTE_EVERY:
            self._uses = {known.name: self._uses[known.name] for known in self._tokens if known.name in self._uses}
            self._uses[token.name] = now
            with contextlib.suppress(OSError):
                _write(self._uses_path, _USES.dump_json(self._uses))

    def used_at(self, token: Token) -> datetime | None:
        """When it was last used since it was made; None where it never was."""
        last = self._uses.get(token.name)
        return last if last is not None and last >= token.made_at else None

    def _change(self, edit: Callable[[tuple[Token, ...]], tuple[Token, ...]], name: str | None = None) -> None:
        try:
            with _alone(self._path.with_suffix(".lock")):
                if self._path.exists():
                    self._load()
                if name is not None and self.named(name) is None:
                    known = ", ".join(token.name for token in self._tokens) or "none yet"
                    raise TokenError(f"there is no token {name!r}; there are: {known}")
                _write(self._path, _FILE.dump_json(edit(self._tokens), indent=1))
                self._load()
        except (OSError, ValueError) as err:
            raise TokenError(f"cannot change {self._path}: {err}") from err

    def _take_up_changes(self) -> None:
        try:
            if self._mark() != self._seen:
                self._load()
        except FileNotFoundError:
            self._tokens, self._seen = (), None
        except (OSError, ValueError) as err:
            self._tokens = ()
            log.error("tokens_unreadable", path=str(self._path), error=str(err))  # noqa: TRY400 - a trace is noise

    def _load(self) -> None:
        self._seen = self._mark()
        self._tokens = _FILE.validate_json(self._path.read_bytes())

    def _mark(self) -> tuple[int, int]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_ino


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def _session_key(path: Path) -> bytes:
    if not path.exists():
        _write(path, secrets.token_hex(32).encode())
    return path.read_bytes().strip()


def _write(path: Path, data: bytes) -> None:
    """At once or not at all, for the eyes of the directory's owner only, whoever runs this."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    owner = path.parent.stat()
    if os.geteuid() == 0:
        os.chown(fresh, owner.st_uid, owner.st_gid)
    fresh.replace(path)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
