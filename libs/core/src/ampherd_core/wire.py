"""The edge: bytes from the bus become a message, or a counted refusal that says why."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from ampherd_core.bus import MAX_PAYLOAD_BYTES, Inbound

M = TypeVar("M", bound=BaseModel)

log = structlog.get_logger()


class Wire:
    """Reads payloads; `refused` counts what was not taken, by cause."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()

    def read(self, model: type[M], message: Inbound) -> M | None:
        """The message as a `model`, or None after counting and logging the refusal."""
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            self.refuse("oversized", message.topic, f"more than {MAX_PAYLOAD_BYTES} bytes")
            return None
        try:
            return model.model_validate_json(message.payload, strict=True)
        except ValidationError as err:
            first = err.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            self.refuse("malformed", message.topic, f"{where[:100]}: {first['msg']}" if where else first["msg"])
            return None

    def refuse(self, cause: str, topic: str, why: str) -> None:
        """Count a refusal; the first of a cause is a warning, repeats are quiet."""
        self.refused[cause] += 1
        (log.warning if self.refused[cause] == 1 else log.debug)("message_refused", cause=cause, topic=topic, why=why)
