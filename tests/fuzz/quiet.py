"""The product's logs under fuzzing: nothing is printed, everything must be printable, the last words are kept."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from tests.fuzz.target import promise


class Ears:
    """`why` is the reason that the last refusal gave; `faults` are what asyncio itself had to log."""

    def __init__(self) -> None:
        self.why = ""
        self.faults: list[str] = []

    def hear(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        line = json.dumps(dict(event), default=str, ensure_ascii=False)
        promise(len(line) < 100_000, "a log line without end")
        self.why = str(event.get("why", event.get("error", event["event"])))
        raise structlog.DropEvent

    def note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What no task or transport has caught."""
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")


@contextmanager
def listening() -> Iterator[Ears]:
    """Hear the product's logs instead of printing them."""
    ears, before = Ears(), structlog.get_config()
    level = logging.getLogger("asyncio").level
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    structlog.configure(processors=[ears.hear], wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        yield ears
    finally:
        structlog.configure(**before)
        logging.getLogger("asyncio").setLevel(level)
