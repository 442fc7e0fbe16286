"""The API's tokens as files: one to look, one to change settings."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

NAMES: Final = ("token-read", "token-write")
_BYTES: Final = 24
"""192 bits: not to be guessed."""


class TokensMissingError(Exception):
    """No tokens lie there."""


def show_tokens(state_dir: Path) -> dict[str, str]:
    """The tokens by name; raises TokensMissingError."""
    try:
        return {name: (state_dir / name).read_text(encoding="utf-8").strip() for name in NAMES}
    except OSError as err:
        raise TokensMissingError(
            f"there are no tokens in {state_dir}: they are made when Ampherd first starts; name its --data-dir"
        ) from err


def rotate_tokens(state_dir: Path) -> dict[str, str]:
    """New tokens in place of the old; raises TokensMissingError where none were."""
    show_tokens(state_dir)
    for name in NAMES:
        _replace(state_dir / name, secrets.token_urlsafe(_BYTES))
    return show_tokens(state_dir)


def _replace(path: Path, text: str) -> None:
    """At once or not at all, and for its owner's eyes only."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    fresh.replace(path)
