"""`python -m ampherd_charger_agent`: attend the charger that AMPHERD_CHARGER or AMPHERD_SLOT names."""

from __future__ import annotations

import asyncio
import os
import sys

import structlog
from ampherd_core.environment import Environment
from ampherd_core.logs import configure_logs
from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, load_policy
from ampherd_core.service import EXIT_CONFIG

from ampherd_charger_agent.service import AgentService, IdleSlot
from ampherd_charger_agent.slot import Slot

log = structlog.get_logger()


def main() -> None:
    """Run until told to stop; a policy that gives this process other work starts it anew."""
    configure_logs("charger-agent")
    try:
        environment = Environment.read()
        slot = Slot.read(os.environ)
        policy = load_policy(environment.site)
    except (PolicyError, ValueError, OSError) as err:
        log.error("cannot_start", error=str(err))  # noqa: TRY400 - the message is for the user, a trace is noise
        sys.exit(EXIT_CONFIG)
    while True:
        service = asyncio.run(_live(slot, environment, policy))
        if not service.is_moved:
            return
        policy = service.policy


async def _live(slot: Slot, environment: Environment, policy: Policy) -> AgentService | IdleSlot:
    charger_id = slot.charger_in(policy)
    if charger_id is None:
        log.info("idle", why=slot.lack)
        service: AgentService | IdleSlot = IdleSlot(slot, environment, policy)
    else:
        service = AgentService(slot, charger_id, environment, policy)
    await service.run()
    return service


if __name__ == "__main__":
    main()
