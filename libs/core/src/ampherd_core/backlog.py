"""What a service said in the last minutes, for a recorder that was away meanwhile.

Readings are said once, at QoS 0: whoever was down has missed them. The recorder asks for what it missed by its last
recorded time; each service answers from here. Points are named by their time, so an answer too many changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

KEEP: Final = timedelta(minutes=15)
"""Longer than any restart or upgrade of the recorder; at 1 Hz about a megabyte for each meter or charger."""

MOST: Final = 4_000
"""However fast a service speaks, it remembers no more documents than this."""


class Backlog:
    """Documents by topic and time, the oldest forgotten first."""

    def __init__(self) -> None:
        self._entries: deque[tuple[datetime, str, bytes]] = deque(maxlen=MOST)

    def note(self, at: datetime, topic: str, payload: bytes) -> None:
        """Remember one document; `at` is the time that names it in history."""
        self._entries.append((at, topic, payload))
        while self._entries[0][0] < at - KEEP:
            self._entries.popleft()

    def since(self, at: datetime) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every document from `at` on, oldest first."""
        for noted_at, topic, payload in tuple(self._entries):
            if noted_at >= at:
                yield topic, payload
