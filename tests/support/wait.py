"""Waiting for a condition with a deadline, instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

DEADLINE_S = 15.0
"""Nothing waits so long but what has failed, or what runs on a busy machine."""

_POLL_S = 0.01


@overload
async def wait_for(condition: Callable[[], Awaitable[T | None]], deadline_s: float = ..., what: str = ...) -> T: ...


@overload
async def wait_for(condition: Callable[[], T | None], deadline_s: float = ..., what: str = ...) -> T: ...


async def wait_for(condition: Callable[[], object], deadline_s: float = DEADLINE_S, what: str = "") -> object:
    """The condition's first truthy value; AssertionError when none came within the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        value: object = await result if inspect.isawaitable(result) else result
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {deadline_s:g} s: {what or inspect.getsource(condition)}")
        await asyncio.sleep(_POLL_S)


def wait_until(condition: Callable[[], T | None], deadline_s: float = DEADLINE_S, what: str = "") -> T:
    """The same for tests without an event loop."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {deadline_s:g} s: {what or inspect.getsource(condition)}")
        time.sleep(_POLL_S)
