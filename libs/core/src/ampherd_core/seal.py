"""The seal on what services must believe of each other, made with a key that no guest holds.

A sealed document is a JSON object whose last field, `seal`, is the HMAC-SHA256 of the topic and of every byte before
it: nothing of it can be changed, and it says nothing on another topic. Who reads without the key reads it as ever.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

MIN_KEY_CHARACTERS: Final = 32
"""A key is random text, not a password: 32 hexadecimal digits are 128 bits."""

_BEFORE: Final = b',"seal":"'
_AFTER: Final = b'"}'
_TAIL: Final = len(_BEFORE) + 64 + len(_AFTER)
"""The bytes that a seal puts in place of the closing brace; SHA-256 has 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals with one key, and knows its own seals."""

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, key: str) -> Seal:
        """The seal of that key; ValueError when it is too short to be random."""
        if len(key) < MIN_KEY_CHARACTERS:
            raise ValueError(f"AMPHERD_SEAL_KEY is too short: give it {MIN_KEY_CHARACTERS} random characters or more")
        return cls(key.encode())

    def close(self, topic: str, document: bytes) -> bytes:
        """The same JSON object with its seal for that topic."""
        # No topic holds a zero byte, so nothing can move between the two.
        digest = hmac.digest(self.key, topic.encode() + b"\0" + document, "sha256")
        return document[:-1] + _BEFORE + digest.hex().encode() + _AFTER

    def holds(self, topic: str, payload: bytes) -> bool:
        """Whether this very payload was sealed for that topic; as long for a wrong seal as for a right one."""
        return hmac.compare_digest(payload, self.close(topic, payload[:-_TAIL] + b"}"))
