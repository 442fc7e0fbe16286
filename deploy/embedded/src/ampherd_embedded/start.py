"""Runs a site from a terminal or a service unit: says where the page is, and stays until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from ampherd_core.logs import configure_logs
from ampherd_core.policy_file import PolicyError, load_policy
from ampherd_core.service import EXIT_CONFIG

from ampherd_embedded.broker import BrokerMissingError
from ampherd_embedded.program import Program
from ampherd_embedded.stack import BusyError, Options, Prepare, Running, running, until_stopped
from ampherd_embedded.supervisor import NotReadyError
from ampherd_embedded.tokens import TokensError

_EXIT_FAILED: Final = 1

Announce = Callable[[Running], None]
Meanwhile = Callable[[], Awaitable[object]]


def run_site(options: Options) -> int:
    """Run until stopped; gives the exit code."""
    try:
        load_policy(options.site)
    except PolicyError as err:
        return _refuse(str(err), EXIT_CONFIG)
    return run(options, announce=_announce)


def run(
    options: Options,
    *,
    announce: Announce,
    ground: tuple[Program, ...] = (),
    prepare: Prepare | None = None,
    meanwhile: Meanwhile | None = None,
) -> int:
    """Run until stopped; `announce` is called once the page answers, and `meanwhile` is done from then on."""
    _configure(options)

    async def site() -> None:
        async with running(options, ground, prepare) as site:
            announce(site)
            await (meanwhile or asyncio.Event().wait)()

    try:
        asyncio.run(until_stopped(site()))
    except PolicyError as err:
        return _refuse(str(err), EXIT_CONFIG)
    except (BrokerMissingError, BusyError, NotReadyError, TokensError) as err:
        return _refuse(str(err), _EXIT_FAILED)
    return 0


def say(text: str) -> None:
    """To the person at the terminal, at once."""
    print(text, flush=True)


def _announce(site: Running) -> None:
    say(f"Ampherd runs. The page: {site.link}")
    if not site.token:
        say("Not logged in there any more? `ampherd token new NAME` makes a token.")
    say(f"Guests (MQTT 3.1.1): {site.guests}")


def _refuse(why: str, code: int) -> int:
    print(why, file=sys.stderr, flush=True)
    return code


def _configure(options: Options) -> None:
    if options.quiet:
        os.environ.setdefault("AMPHERD_LOG_LEVEL", "INFO")
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    else:
        configure_logs("supervisor")
