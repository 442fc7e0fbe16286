"""The edge: messages become bytes for the bus, and bytes from it a message, or a counted refusal that says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from ampherd_core.bus import MAX_PAYLOAD_BYTES, Inbound
from ampherd_core.messages import Message
from ampherd_core.seal import Seal

M = TypeVar("M", bound=BaseModel)

log = structlog.get_logger()


class Wire:
    """Writes and reads payloads; `refused` counts what was not taken, by cause.

    With a seal, what is sealed is held against it, and `on_unsealed` is told the topic of what does not bear it.
    """

    def __init__(self, seal: Seal | None = None, on_unsealed: Callable[[str], None] | None = None) -> None:
        self.refused: Counter[str] = Counter()
        self._seal = seal
        self._on_unsealed = on_unsealed

    def write_sealed(self, topic: str, message: Message) -> bytes:
        """The payload for that topic, sealed where there is a key."""
        document = message.to_json()
        return document if self._seal is None else self._seal.close(topic, document)

    def read_sealed(self, model: type[M], message: Inbound) -> M | None:
        """As `read`; what bears no seal of ours is refused unread, where there is a key."""
        is_whole = len(message.payload) <= MAX_PAYLOAD_BYTES
        if self._seal is not None and is_whole and not self._seal.holds(message.topic, message.payload):
            self.refuse("unsealed", message.topic, "not sealed with our key")
            if self._on_unsealed is not None:
                self._on_unsealed(message.topic)
            return None
        return self.read(model, message)

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
