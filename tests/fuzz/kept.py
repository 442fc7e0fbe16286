"""The inputs that are kept: what once broke something, and what reaches a place that no other does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).with_name("corpus")


def kept(target: str) -> Mapping[str, bytes]:
    """A target's inputs by file name."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*")) if path.is_file()}


def keep(directory: Path, target: str, data: bytes) -> Path:
    """Write an input down under the name of its content."""
    path = directory / target / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
