"""The promises of docs/safety.md as monitors: what a world can see of them, checked at every decision and step.

A monitor knows the contract of the bus and the truth of the site, not the balancer's or the agents' ideas.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ampherd_core.messages import ChargerState, Grant, Reading

from ampherd_simulator.agent_promises import AgentPromises
from ampherd_simulator.leader_promises import LeaderPromises
from ampherd_simulator.ledger import Ledger, Violation
from ampherd_simulator.meter_promises import MeterPromises
from ampherd_simulator.virtual_balancer import VirtualBalancer
from ampherd_simulator.virtual_process import Mail

if TYPE_CHECKING:
    from ampherd_simulator.world import World

__all__ = ["Promises", "Violation"]


class Promises:
    """Give it everything that happens; `broken` are the promises that were."""

    def __init__(self, world: World, step_s: float) -> None:
        self.broken: list[Violation] = []
        self._world = world
        self._ledger = Ledger(world, step_s)
        self._leaders = LeaderPromises(self._ledger, self._complain)
        self._agents = AgentPromises(self._ledger, self._complain)
        self._meter = MeterPromises(world, self._complain)

    def delivered(self, message: Mail, to: str, said_s: float, now_s: float) -> None:
        """A message, said then, has reached a process's socket."""
        if isinstance(message, ChargerState):
            self._leaders.state_came(message, to, said_s, now_s)
        elif isinstance(message, Reading):
            self._leaders.reading_came(to, said_s, now_s)
        elif message.charger == to:
            self._ledger.grant_came(message, now_s)
        else:
            self._leaders.epoch_came(message.id.epoch, to, now_s)

    def decided(self, balancer: VirtualBalancer, grants: Collection[Grant]) -> None:
        """A leader wants these grants to be sent."""
        self._leaders.decided(balancer, grants)

    def sensed(self, reading: Reading) -> None:
        """The grid meter's process says a reading."""
        self._meter.said(reading)

    def told(self, state: ChargerState) -> None:
        """An agent says its state."""
        self._agents.state_said(state, self._world.now_s)

    def watch(self) -> None:
        """One step."""
        now_s = self._world.now_s
        self._ledger.note(now_s)
        self._leaders.watch(now_s)
        self._agents.watch(now_s)

    def _complain(self, promise: int, text: str) -> None:
        self.broken.append(Violation(promise, self._world.now_s, text))
