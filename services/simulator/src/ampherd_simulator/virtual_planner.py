"""The balancer's plans in virtual time: what its keeper of plans does, without its thread, store and bus."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ampherd_balancer.brief import lay
from ampherd_balancer.planning import Planning
from ampherd_core.messages import Event
from ampherd_core.plans import PlanState

if TYPE_CHECKING:
    from ampherd_simulator.world import World


class VirtualPlanner:
    """Plans for whoever leads; pass `watch` to `World.run`. A schedule is laid in no time, so that days repeat."""

    def __init__(self, world: World) -> None:
        self.planning = Planning()
        self.states: dict[str, PlanState] = {}
        self.events: list[Event] = []
        self._world = world

    @property
    def at(self) -> datetime:
        """What the clocks on the wall say."""
        return self._world.wall_clock()

    def set(self, charger: str, setting: str, payload: bytes) -> None:
        """A user's plan or state of charge, as on the bus; raises SettingError."""
        self.planning.set(self._world.policy, charger, setting, payload, self.at)

    def hear_prices(self, payload: bytes) -> None:
        """A list of prices, as on the bus; raises PriceError."""
        self.planning.hear_prices(payload)

    def watch(self, world: World) -> None:
        """One step has passed."""
        leader = next((each for each in world.balancers.values() if each.core is not None), None)
        if leader is None or leader.core is None:
            return
        clock_s = leader.clock_s(world.now_s)
        self.planning.note(leader.core, self.at, clock_s)
        brief = self.planning.brief(leader.core, self.at)
        if brief is None:
            return
        report = self.planning.take(leader.core, brief, lay(brief), self.at, clock_s)
        self.states |= {state.charger: state for state in report.states}
        self.events += report.events
