"""One story lived through: the world, the judge and the monitors together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from ampherd_balancer.agenda import Stint
from ampherd_core.messages import ChargerState, Grant, Reading

from ampherd_simulator.faults import Kind
from ampherd_simulator.judge import Judge
from ampherd_simulator.layers import Layer, Tally
from ampherd_simulator.promises import Promises, Violation
from ampherd_simulator.story import Story
from ampherd_simulator.virtual_balancer import VirtualBalancer
from ampherd_simulator.virtual_process import Mail
from ampherd_simulator.world import World

LIMIT = 0
"""The number of the promise behind all others: no limit is exceeded by our doing."""

TOLERATED_A = 1.0
TOLERATED_S = 10.0


@dataclass(slots=True)
class Verdict:
    """What became of a story: broken promises, and whose doing each overload was."""

    broken: list[Violation]
    tallies: dict[Layer, Tally]
    hours: float
    faults: Counter[Kind] = field(default_factory=Counter)
    charged_wh: float = 0.0


class Trial:
    """Listens to a world for judge and monitors."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.world = World(
            story.home.policy,
            story.home.scenario(story.seed),
            faults=story.faults,
            has_standby=story.home.has_standby,
        )
        self.judge = Judge(self.world, story.step_s)
        self.promises = Promises(self.world, story.step_s)
        self.world.planned = frozenset(place.id for place in story.home.places if place.plan)
        self.world.bus.listener = self
        self.world.witness = self

    def run(self, *, stops_early: bool = False) -> Verdict:
        """Live through it; with `stops_early` no further than the first broken promise."""
        for _ in range(int(self.story.until_s / self.story.step_s)):
            self._plan()
            self.world.run(self.world.now_s + self.story.step_s, self.story.step_s)
            self.judge.watch()
            self.promises.watch()
            if stops_early and self.promises.broken:
                break
        return self.verdict()

    def _plan(self) -> None:
        """Whoever leads knows the plans by the second of its reign, as if they had been laid beside it."""
        for place in self.story.home.places:
            if not place.plan:
                continue
            for balancer in self.world.balancers.values():
                if balancer.core is not None:
                    ahead_s = balancer.clock_s(self.world.now_s) - self.world.now_s
                    stints = [
                        Stint(
                            ahead_s + it.start_s, ahead_s + it.end_s, it.amps, it.takes_more, follows_sun=it.follows_sun
                        )
                        for it in place.plan
                    ]
                    balancer.core.desks[place.id].agenda.take(stints, urgency=1)

    def verdict(self) -> Verdict:
        """All so far."""
        broken = list(self.promises.broken)
        ours = self.judge.tallies[Layer.OURS]
        if ours.longest_s >= TOLERATED_S:
            text = f"over {TOLERATED_A:g} A above a limit for {ours.longest_s:.0f} s by our doing"
            broken.append(Violation(LIMIT, self.world.now_s, text))
        faults = [fault for fault in self.story.faults if fault.at_s <= self.world.now_s]
        return Verdict(
            broken,
            self.judge.tallies,
            self.world.now_s / 3_600,
            Counter(fault.kind for fault in faults),
            sum(charger.car.taken_wh for charger in self.world.site.chargers.values()),
        )

    def delivered(self, message: Mail, to: str, said_s: float, now_s: float) -> None:
        """A message has reached a process's socket."""
        self.judge.delivered(message, to, said_s, now_s)
        self.promises.delivered(message, to, said_s, now_s)

    def sensed(self, reading: Reading) -> None:
        """The grid meter's process says a reading."""
        self.promises.sensed(reading)

    def told(self, state: ChargerState) -> None:
        """An agent says its state."""
        self.promises.told(state)

    def decided(self, balancer: VirtualBalancer, grants: Collection[Grant]) -> None:
        """A leader wants these grants to be sent."""
        self.promises.decided(balancer, grants)


def try_story(story: Story, *, stops_early: bool = False) -> Verdict:
    """Run it from the beginning."""
    return Trial(story).run(stops_early=stops_early)
