"""What goes over the bus: a message as it comes, and one to be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ampherd_core.topics import Qos

MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""Larger than any document of ours; what is larger is refused unread."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as it came: `is_retained` ones are the broker's memory, not news."""

    topic: str
    payload: bytes
    is_retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message to say; `expires_after_s` keeps a late one from being heard."""

    topic: str
    payload: bytes
    qos: Qos = 0
    is_retained: bool = False
    expires_after_s: int | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
