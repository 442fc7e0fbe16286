"""A cancellation that a library swallowed."""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """Raise CancelledError when this task was cancelled and nobody minded.

    `asyncio.wait_for` of Python 3.11 returns its result, and the cancellation is lost, when both come in the same
    turn of the loop. Call it after awaiting a library that uses it, or a service that is told to stop may go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
