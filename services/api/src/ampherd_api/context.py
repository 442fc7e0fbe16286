"""What the routes share: the parts of the api that one process has once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, cast

from ampherd_core.clock import utc_now
from ampherd_core.history import History
from fastapi import Depends, Request

from ampherd_api.allowance import Allowance
from ampherd_api.commands import Commands
from ampherd_api.inbox import Inbox
from ampherd_api.live import Live
from ampherd_api.policy_store import PolicyStore
from ampherd_api.recorder import Recorder
from ampherd_api.tokens import Tokens
from ampherd_api.view import View


@dataclass(frozen=True, slots=True)
class Context:
    """One running api."""

    view: View
    live: Live
    inbox: Inbox
    commands: Commands
    policy: PolicyStore
    tokens: Tokens
    recorder: Recorder
    history: History
    is_bus_connected: Callable[[], bool]
    failures: Allowance = field(default_factory=lambda: Allowance(10))
    """Wrong tokens by address."""

    writes: Allowance = field(default_factory=lambda: Allowance(60))
    """Changes by token: more than one a second for a minute is no person, and wears out contactors."""

    refused: Counter[str] = field(default_factory=Counter)
    """HTTP requests that were not served, by cause."""

    are_metrics_open: bool = False

    def utc_s(self) -> float:
        """The wall clock, s since 1970."""
        return utc_now().timestamp()


def context_of(request: Request) -> Context:
    """The context of the app that serves this request."""
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(context_of)]
