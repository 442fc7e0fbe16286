"""The whole of Ampherd in one process and virtual time: the real cores, simulated everything else, and faults.

Deterministic: the same policy, scenario, seed and faults give the same day. A message takes no time, unless a fault
says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias

from ampherd_balancer.core import Balancer
from ampherd_core.messages import ChargerState, Grant, MeterRole, Reading
from ampherd_core.policy import Policy, Wiring
from ampherd_meter.electrics import Mains
from ampherd_meter.watch import FAST_VALID_S, SLOW_VALID_S

from ampherd_simulator.builder import build_site
from ampherd_simulator.errors import ScenarioError
from ampherd_simulator.faults import BALANCERS, METER, Fault, Faults
from ampherd_simulator.metering import GridSensor
from ampherd_simulator.mind import MindMaker
from ampherd_simulator.misfortune import begin, end
from ampherd_simulator.p1 import DIALECTS, P1Meter
from ampherd_simulator.p1_feed import P1Feed
from ampherd_simulator.report import ChargerReport, Report
from ampherd_simulator.scenario import P1Part, Scenario
from ampherd_simulator.virtual_agent import VirtualAgent
from ampherd_simulator.virtual_balancer import VirtualBalancer
from ampherd_simulator.virtual_bus import VirtualBus
from ampherd_simulator.virtual_meter import GridMeter, TelegramMeter, VirtualMeter
from ampherd_simulator.virtual_process import VirtualProcess
from ampherd_simulator.virtual_solar import SolarMeter
from ampherd_simulator.virtual_store import VirtualStore

TelegramReader: TypeAlias = Callable[[bytes, float], Reading | None]

DAWN: Final = datetime(2026, 6, 1, tzinfo=UTC)
"""Where time begins when the scenario does not say."""

SLOW_FROM_S: Final = 5.0

UPTIMES_S: Final = 1_000_000
"""Boot clocks begin anywhere below this."""


class Witness(Protocol):
    """Whoever wants to know what is decided and said."""

    def sensed(self, reading: Reading) -> None:
        """The grid meter's process says a reading."""
        ...

    def told(self, state: ChargerState) -> None:
        """An agent says its state."""
        ...

    def decided(self, balancer: VirtualBalancer, grants: Collection[Grant]) -> None:
        """A leader wants these grants to be sent."""
        ...


class World:
    """Runs a policy against a scenario; tests may reach into `site`, `meter`, `agents` and `balancers` between runs.

    `faults` go wrong by themselves. With `has_standby` a second balancer waits for the first. With `read_telegram`
    the meter's text is written and read, too: it gets a telegram and the time, and returns the reading or None.
    With `make_mind` something else decides in the balancer's place. `planned` tells watchers which cars have plans.
    """

    def __init__(  # noqa: PLR0913 - a world has as many knobs as a day has moods
        self,
        policy: Policy,
        scenario: Scenario,
        seed: int | None = None,
        *,
        loss: float = 0.0,
        faults: Sequence[Fault] = (),
        has_standby: bool = False,
        read_telegram: TelegramReader | None = None,
        make_mind: MindMaker = Balancer,
    ) -> None:
        if missing := set(policy.chargers) - set(scenario.chargers):
            raise ScenarioError(f"the scenario lacks the policy's chargers {sorted(missing)}")
        if seed is not None:
            scenario = scenario.model_copy(update={"seed": seed})
        starts_at = scenario.starts_at or DAWN
        self.policy = policy
        self.site = build_site(scenario, starts_at)
        self.now_s = 0.0
        self.wall_clock_off_s = 0.0
        self.sessions = 0
        self.witness: Witness | None = None
        self.planned: frozenset[str] = frozenset()
        self.chance = random.Random(scenario.seed)  # noqa: S311 - repeatable chance, no secret
        self.faults = Faults(faults)
        self.bus = VirtualBus(self.faults, self.chance, loss)
        self.store = VirtualStore(self.faults)
        self.sensor = GridSensor(self.site, starts_at, power_factor=scenario.house.power_factor)
        self.meter_kind = (scenario.p1 or P1Part()).kind
        self.valid_for_s = FAST_VALID_S if DIALECTS[self.meter_kind].period_s < SLOW_FROM_S else SLOW_VALID_S
        self.meter = self._build_meter(scenario, read_telegram)
        self.solar_meters = [
            SolarMeter(meter_id, policy, self.site, self.sensor, session=self.session(), boot_s=self.uptime_s())
            for meter_id, meter in policy.meters.items()
            if meter.role is MeterRole.SOLAR
        ]
        self._make_mind = make_mind
        self.site.step(0.0)
        self.balancers: dict[str, VirtualBalancer] = {}
        self.agents: dict[str, VirtualAgent] = {}
        self._decisions_before = 0
        self._heard_by_balancers: list[VirtualProcess] = []
        self.balancer_names = BALANCERS[: 2 if has_standby else 1]
        for name in self.balancer_names:
            self.start_balancer(name)
        self._tick_balancers()
        for charger_id in policy.chargers:
            self.start_agent(charger_id)

    @property
    def balancer(self) -> Balancer | None:
        """The core that leads, if one does."""
        return next((each.core for each in self.balancers.values() if each.core is not None), None)

    @property
    def decisions(self) -> int:
        """How many decisions were made."""
        return self._decisions_before + sum(each.decisions for each in self.balancers.values())

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
            excess={feeder_id: feeder.excess for feeder_id, feeder in self.site.feeders.items()},
            chargers={charger_id: self._charger_report(charger_id) for charger_id in self.policy.chargers},
            import_wh=self.site.import_wh,
            export_wh=self.site.export_wh,
        )

    def wall_clock(self) -> datetime:
        """What the clocks on the wall say."""
        at = self.sensor.at(self.now_s)
        return at + timedelta(seconds=self.wall_clock_off_s) if self.wall_clock_off_s else at

    def start_agent(self, charger_id: str) -> None:
        """A fresh agent, in place of the one before."""
        self.agents[charger_id] = VirtualAgent(
            self.site.chargers[charger_id],
            self.policy,
            session=self.session(),
            now_s=self.now_s,
            faults=self.faults,
            boot_s=self.uptime_s(),
        )

    def stop_agent(self, charger_id: str) -> None:
        """Kill an agent: its wallbox keeps what it has."""
        self.agents.pop(charger_id).kill()

    def start_balancer(self, name: str = BALANCERS[0]) -> None:
        """A fresh balancer; it leads as soon as it gets the lock."""
        self.stop_balancer(name)
        self.balancers[name] = VirtualBalancer(
            name,
            self.policy,
            self.store,
            owner=self.session(),
            boot_s=self.uptime_s(),
            make_mind=self._make_mind,
        )
        self._heard_by_balancers = list(self.balancers.values())

    def stop_balancer(self, name: str = BALANCERS[0]) -> None:
        """Kill a balancer."""
        if name in self.balancers:
            gone = self.balancers.pop(name)
            gone.kill()
            self._decisions_before += gone.decisions
            self._heard_by_balancers = list(self.balancers.values())

    def tell_state(self, agent: VirtualAgent) -> None:
        """An agent says what is due or new."""
        state = agent.news(self.now_s, self.wall_clock())
        if state is not None:
            if self.witness is not None:
                self.witness.told(state)
            self.bus.send(state, agent.name, self._heard_by_balancers, self.now_s)

    def restart_meter(self) -> None:
        """A fresh meter process at the same meter."""
        before = self.meter
        if isinstance(before, VirtualMeter):
            before.kill()
            self.meter = self._new_meter(before.feed)
            self.meter.slow_s, self.meter.has_wrong_sign = before.slow_s, before.has_wrong_sign

    def process(self, name: str) -> VirtualProcess | None:
        """A process by its name, if it lives."""
        if name == METER:
            return self.meter if isinstance(self.meter, VirtualMeter) else None
        return self.agents.get(name) or self.balancers.get(name)

    @property
    def processes(self) -> Sequence[VirtualProcess]:
        """All that live."""
        meter = [self.meter] if isinstance(self.meter, VirtualMeter) else []
        return [*meter, *self.solar_meters, *self.balancers.values(), *self.agents.values()]

    def house_peak_a(self, place: int, span_s: float) -> float:
        """The most that the house took on a line in the last `span_s`, A."""
        return max(self.site.house.at(self.now_s - back_s)[place] for back_s in range(int(span_s)))

    def session(self) -> str:
        """A name that no process had before."""
        self.sessions += 1
        return f"virtual-{self.sessions}"

    def uptime_s(self) -> float:
        """Where a boot clock stands; each process has one of its own, as if each had a host of its own."""
        return float(self.chance.randrange(UPTIMES_S))

    def _build_meter(self, scenario: Scenario, read_telegram: TelegramReader | None) -> GridMeter:
        p1 = scenario.p1 or P1Part()
        feed = P1Feed(P1Meter(p1.kind, p1.rounding, self.policy.connection.phases), self.sensor, scenario.timezone)
        if read_telegram is not None:
            return TelegramMeter(feed, read_telegram)
        return self._new_meter(feed)

    def _new_meter(self, feed: P1Feed) -> VirtualMeter:
        connection = self.policy.connection
        mains = Mains(
            site_lines=connection.lines,
            lines=self.policy.meters[self.policy.grid_meter].lines,
            voltage_v=connection.voltage_v,
            is_delta=connection.wiring is Wiring.DELTA,
        )
        return VirtualMeter(
            METER, self.policy.grid_meter, feed, self.sensor, mains, session=self.session(), boot_s=self.uptime_s()
        )

    def _step(self) -> None:
        now_s = self.now_s
        if self.faults.all:
            begun, ended = self.faults.advance(now_s)
            for fault in ended:
                end(self, fault)
            for fault in begun:
                begin(self, fault)
        self.site.step(now_s)
        self.bus.deliver(now_s)
        for agent in self.agents.values():
            if not agent.is_frozen(now_s):
                agent.read_mail(now_s)
                agent.look(now_s)
                agent.act(now_s)
                self.tell_state(agent)
        for meter in self.solar_meters:
            self._say(meter.read(now_s), meter.name)
        reading = self.meter.read(now_s)
        if reading is not None and self.witness is not None:
            self.witness.sensed(reading)
        self._say(reading, METER)
        self._tick_balancers()
        for agent in self.agents.values():
            if not agent.is_frozen(now_s):
                self.tell_state(agent)

    def _say(self, reading: Reading | None, meter: str) -> None:
        if reading is not None:
            self.bus.send(reading, meter, self._heard_by_balancers, self.now_s)

    def _tick_balancers(self) -> None:
        now_s = self.now_s
        for balancer in self._heard_by_balancers:
            if not isinstance(balancer, VirtualBalancer) or balancer.is_frozen(now_s):
                continue
            if balancer.is_tick_first:
                balancer.tick(now_s)
            balancer.read_mail(now_s)
            balancer.tick(now_s)
            if self.witness is not None and balancer.decided:
                self.witness.decided(balancer, balancer.decided)
            balancer.decided.clear()
            for grant in balancer.take_outbox(now_s):
                agent = self.agents.get(grant.charger)
                rivals = [each for each in self._heard_by_balancers if each is not balancer]
                self.bus.send(grant, balancer.name, [agent, *rivals] if agent is not None else rivals, now_s)

    def _charger_report(self, charger_id: str) -> ChargerReport:
        car, agent = self.site.chargers[charger_id].car, self.agents.get(charger_id)
        return ChargerReport(
            energy_wh=car.taken_wh,
            starts=car.starts,
            stops=car.interruptions,
            setpoint_changes=agent.changes if agent is not None else 0,
        )
