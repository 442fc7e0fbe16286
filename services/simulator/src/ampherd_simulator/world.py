"""The whole of Ampherd in one process and virtual time: real balancer and agent cores, simulated everything else.

Deterministic: the same policy, scenario and seed give the same day. A message takes no time, but may be lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from ampherd_balancer.core import Balancer
from ampherd_core.messages import Reading
from ampherd_core.policy import Policy

from ampherd_simulator.builder import build_site
from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.metering import GridSensor
from ampherd_simulator.p1 import P1Meter
from ampherd_simulator.p1_feed import P1Feed
from ampherd_simulator.scenario import P1Part, Scenario
from ampherd_simulator.site import Excess, Feeder
from ampherd_simulator.virtual_agent import VirtualAgent
from ampherd_simulator.virtual_meter import GridMeter, TelegramMeter, VirtualMeter

TelegramReader: TypeAlias = Callable[[bytes, float], Reading | None]

DAWN: Final = datetime(2026, 6, 1, tzinfo=UTC)
"""Where time begins when the scenario does not say."""


@dataclass(frozen=True, slots=True)
class ChargerReport:
    """What became of one charger and its car."""

    energy_wh: float
    starts: int
    stops: int
    setpoint_changes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the site; `excess` holds each limit's lines, by `connection` or the circuit's id."""

    until_s: float
    decisions: int
    excess: Mapping[str, tuple[Excess, Excess, Excess]]
    chargers: Mapping[str, ChargerReport]
    import_wh: float
    export_wh: float

    @property
    def our_excess_as(self) -> float:
        """A·s over any limit that the house alone did not cause."""
        return sum(excess.ours_as for lines in self.excess.values() for excess in lines)

    @property
    def our_longest_s(self) -> float:
        """The longest that any line was over its limit by our doing, s."""
        return max(excess.our_longest_s for lines in self.excess.values() for excess in lines)


class World:
    """Runs a policy against a scenario; tests may reach into `site`, `meter`, `agents` and `balancer` between runs.

    With `read_telegram` the meter's text is written and read, too: it gets a telegram and the time, and returns the
    reading or None.
    """

    def __init__(
        self,
        policy: Policy,
        scenario: Scenario,
        seed: int | None = None,
        *,
        loss: float = 0.0,
        read_telegram: TelegramReader | None = None,
    ) -> None:
        if missing := set(policy.chargers) - set(scenario.chargers):
            raise ScenarioError(f"the scenario lacks the policy's chargers {sorted(missing)}")
        if seed is not None:
            scenario = scenario.model_copy(update={"seed": seed})
        starts_at = scenario.starts_at or DAWN
        self.policy = policy
        self.site = build_site(scenario, starts_at)
        self.now_s = 0.0
        self.decisions = 0
        self.loss = loss
        self._sessions = 0
        self._chance = random.Random(scenario.seed)  # noqa: S311 - repeatable loss, no secret
        self._sensor = GridSensor(self.site, starts_at, power_factor=scenario.house.power_factor)
        self.meter = self._build_meter(scenario, read_telegram)
        self.site.step(0.0)
        self.balancer: Balancer | None = Balancer(policy, epoch=1, now_s=0.0)
        self._epoch = 1
        self.agents: dict[str, VirtualAgent] = {}
        for charger_id in policy.chargers:
            self.start_agent(charger_id)

    def run(self, until_s: float, step_s: float = 1.0, watch: Callable[[World], None] | None = None) -> Report:
        """Live until `until_s` in steps; `watch` sees the world after each. Several runs go on from each other."""
        while self.now_s + step_s <= until_s:
            self.now_s += step_s
            self._step()
            if watch is not None:
                watch(self)
        return self.report()

    def report(self) -> Report:
        """All since the beginning."""
        return Report(
            until_s=self.now_s,
            decisions=self.decisions,
            excess={feeder_id: _lines(feeder) for feeder_id, feeder in self.site.feeders.items()},
            chargers={charger_id: self._charger_report(charger_id) for charger_id in self.policy.chargers},
            import_wh=self.site.import_wh,
            export_wh=self.site.export_wh,
        )

    def start_agent(self, charger_id: str) -> None:
        """A fresh agent, in place of the one before."""
        self.agents[charger_id] = VirtualAgent(
            self.site.chargers[charger_id], self.policy, session=self._session(), now_s=self.now_s
        )

    def stop_agent(self, charger_id: str) -> None:
        """Kill an agent: its wallbox keeps what it has."""
        del self.agents[charger_id]

    def start_balancer(self) -> None:
        """A fresh balancer with the next epoch."""
        self._epoch += 1
        self.balancer = Balancer(self.policy, epoch=self._epoch, now_s=self.now_s)

    def stop_balancer(self) -> None:
        """Kill the balancer."""
        self.balancer = None

    def _build_meter(self, scenario: Scenario, read_telegram: TelegramReader | None) -> GridMeter:
        p1 = scenario.p1 or P1Part()
        meter = P1Meter(p1.kind, p1.rounding)
        if read_telegram is None:
            return VirtualMeter(self.policy.grid_meter, meter, self._sensor, self._session())
        return TelegramMeter(P1Feed(meter, self._sensor, scenario.timezone), read_telegram)

    def _step(self) -> None:
        now_s = self.now_s
        self.site.step(now_s)
        for agent in self.agents.values():
            agent.look(now_s)
            self._tell_state(agent)
        reading = self.meter.read(now_s)
        if self.balancer is not None:
            if reading is not None and self._arrives():
                self.balancer.hear_reading(reading, now_s)
            self._decide(self.balancer)
        for agent in self.agents.values():
            if agent.act(now_s):
                self._tell_state(agent)

    def _decide(self, balancer: Balancer) -> None:
        self.decisions += 1
        outcome = balancer.decide(self.now_s)
        if outcome.must_yield:
            self.start_balancer()
            return
        for grant in outcome.grants:
            agent = self.agents.get(grant.charger)
            if agent is not None and self._arrives():
                agent.hear(grant, self.now_s)

    def _tell_state(self, agent: VirtualAgent) -> None:
        if self.balancer is not None and self._arrives():
            self.balancer.hear_state(agent.state(self.now_s, self._sensor.at(self.now_s)), self.now_s)

    def _arrives(self) -> bool:
        return self.loss == 0.0 or self._chance.random() >= self.loss

    def _session(self) -> str:
        self._sessions += 1
        return f"virtual-{self._sessions}"

    def _charger_report(self, charger_id: str) -> ChargerReport:
        car, agent = self.site.chargers[charger_id].car, self.agents.get(charger_id)
        return ChargerReport(
            energy_wh=car.taken_wh,
            starts=car.starts,
            stops=car.interruptions,
            setpoint_changes=agent.changes if agent is not None else 0,
        )


def _lines(feeder: Feeder) -> tuple[Excess, Excess, Excess]:
    return feeder.excess
