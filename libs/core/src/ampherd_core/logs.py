"""Where a process writes what it did: standard error, one line each."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO, cast

import structlog


def configure_logs(service: str) -> None:
    """JSON lines in a container or a file, colours on a terminal."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    level = logging.getLevelName(os.environ.get("AMPHERD_LOG_LEVEL", "INFO").upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level if isinstance(level, int) else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Log())),
    )
    structlog.contextvars.bind_contextvars(service=service)


class _Log:
    """Standard error, whose failures nobody hears of: a full disk must not end the service that guards the fuse."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Write it now."""
        with contextlib.suppress(OSError):
            sys.stderr.flush()
