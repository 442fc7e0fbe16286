"""A site that is only messages: a house, four chargers and a balancer that answers, spoken to a real broker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound
from ampherd_core.clock import stamp
from ampherd_core.messages import (
    ChargerState,
    Decision,
    Event,
    GrantId,
    Health,
    IecState,
    LimitState,
    LinkHealth,
    Message,
    MeterRole,
    MeterStatus,
    Mode,
    PhaseSample,
    Reading,
    ServiceStatus,
    SetResult,
    Severity,
    SiteState,
)
from ampherd_core.phases import Phases, add, on_lines
from ampherd_core.policy import Policy
from ampherd_core.topics import ANY, Topics

LIMIT_A = 24.0
REFUSED = "mode: 'turbo' is not a mode; use one of off, fast, solar, min_solar"

_CARS: dict[str, tuple[IecState, float, str, str]] = {
    "carport-left": (IecState.C, 9.0, "phase-limit", "Shares what L2 has left with Carport right: 9 A each."),
    "carport-right": (IecState.C, 9.0, "phase-limit", "Shares what L2 has left with Carport left: 9 A each."),
    "garage": (IecState.B, 0.0, "turn", "Waits for its turn: not all cars fit at their minimum. Next in 8 minutes."),
    "guest": (IecState.A, 0.0, "no-car", "No car is connected."),
}


class MakeBelieve:
    """Speaks for every service but the api; `settings` lists what was asked of it."""

    def __init__(self, url: str, policy: Policy) -> None:
        self.policy = policy
        self.topics = Topics(policy.site.id)
        self.settings: list[tuple[str, str, str]] = []
        self.is_mute = False
        self.refuses_all = False
        self._answers: set[asyncio.Task[bool]] = set()
        self.sun_a = 0.0
        self.modes: dict[str, Mode] = dict.fromkeys(policy.chargers, Mode.FAST)
        self.bus = MqttBus(
            BrokerAddress.parse(url),
            "make-believe",
            filters=[self.topics.set(ANY, ANY), self.topics.limit_set],
            listener=self._answer,
        )

    @staticmethod
    def now() -> datetime:
        """The wall clock."""
        return datetime.now(UTC)

    async def speak(self, at: datetime | None = None) -> None:
        """One second of the site."""
        now = at or datetime.now(UTC)
        for topic, message in self.messages(now):
            await self.say(topic, message)

    async def say(self, topic: str, message: Message, *, is_retained: bool = False) -> None:
        """One message."""
        assert await self.bus.publish(Outbound(topic, message.to_json(), qos=1, is_retained=is_retained))

    async def introduce(self) -> None:
        """What is said once: services and events."""
        now = datetime.now(UTC)
        for service in ("meter", "balancer", *(f"agent-{charger}" for charger in self.policy.chargers)):
            status = ServiceStatus(service=service, is_online=True, version="0.1.0", since=now)
            await self.say(self.topics.service_status(service), status, is_retained=True)
        for minutes, severity, text in (
            (46, Severity.INFO, "Carport left: a car was plugged in."),
            (31, Severity.WARNING, "The grid meter was silent for 14 s; chargers went to their safe current."),
            (12, Severity.INFO, "Carport right began to charge."),
        ):
            event = Event(
                at=now - timedelta(minutes=minutes), service="balancer", code="told", severity=severity, text=text
            )
            await self.say(self.topics.event, event)

    def messages(self, now: datetime) -> Sequence[tuple[str, Message]]:
        """Everything that is said in one second."""
        drawn = self.drawn_a()
        house = self.house_a(now)
        grid = add(house, drawn)
        chargers = [(self.topics.charger_state(c), self._state(c, now)) for c in self.policy.chargers]
        decisions = [(self.topics.decision(c), self._decision(c, now)) for c in self.policy.chargers]
        status = MeterStatus(meter="grid", health=Health.OK, at=now, interval_s=1)
        return [
            (self.topics.reading("grid"), self._reading(grid, now)),
            (self.topics.meter_status("grid"), status),
            (self.topics.site_state, self._site(house, drawn, now)),
            *chargers,
            *decisions,
        ]

    def house_a(self, now: datetime) -> Phases:
        """A house that breathes with the hour."""
        hour = now.hour + now.minute / 60 + now.second / 3600
        evening = 3.2 * math.exp(-((hour - 19) ** 2) / 6) + 1.6 * math.exp(-((hour - 8) ** 2) / 3)
        ripple = 0.3 * math.sin(now.timestamp() / 7)
        load: Phases = (1.4 + evening + ripple, 3.1 + 0.8 * evening, 0.7 + 0.5 * evening - ripple)
        return add(load, (-self.sun_a, -self.sun_a, -self.sun_a))

    def drawn_a(self) -> Phases:
        """What all cars take."""
        total: Phases = (0.0, 0.0, 0.0)
        for charger in self.policy.chargers:
            total = add(total, self._drawn(charger))
        return total

    def _drawn(self, charger: str) -> Phases:
        state, offer_a, *_ = _CARS[charger]
        is_charging = state.is_charging and self.modes[charger] is not Mode.OFF
        return on_lines(self.policy.chargers[charger].lines, offer_a - 0.2 if is_charging else 0.0)

    def _state(self, charger: str, now: datetime) -> ChargerState:
        state, offer_a, *_ = _CARS[charger]
        is_off = self.modes[charger] is Mode.OFF
        drawn = self._drawn(charger)
        return ChargerState(
            charger=charger,
            stamp=stamp(),
            measured_at=now,
            link=LinkHealth.OK,
            iec_state=IecState.B if is_off and state.is_connected else state,
            offer_a=0 if is_off else offer_a,
            drawn_a=drawn,
            max_a=16,
            power_w=sum(drawn) * 230,
            session_wh=11_460 if state.is_charging else None,
            applied=GrantId(epoch=1, seq=1),
        )

    def _decision(self, charger: str, now: datetime) -> Decision:
        _, offer_a, code, reason = _CARS[charger]
        is_off = self.modes[charger] is Mode.OFF
        return Decision(
            charger=charger,
            at=now,
            mode=self.modes[charger],
            priority=self.policy.chargers[charger].priority,
            max_a=16,
            target_a=0 if is_off else offer_a,
            offer_a=0 if is_off else offer_a,
            booked_a=0,
            limited_by="mode" if is_off else code,
            reason="Switched off by you." if is_off else reason,
            turn_ends_in_s=480 if code == "turn" and not is_off else None,
        )

    def _reading(self, grid: Phases, now: datetime) -> Reading:
        phases = [PhaseSample(current_a=a, guard_a=a, power_w=a * 230, voltage_v=230) for a in grid]
        return Reading(
            meter="grid",
            role=MeterRole.GRID,
            stamp=stamp(),
            measured_at=now,
            interval_s=1,
            valid_for_s=5,
            resolution_a=0,
            phases=(phases[0], phases[1], phases[2]),
            power_w=sum(grid) * 230,
            energy_import_wh=12_345_678,
        )

    def _site(self, house: Phases, drawn: Phases, now: datetime) -> SiteState:
        grid = add(house, drawn)
        limit = LimitState(
            circuit="connection",
            limit_a=(LIMIT_A, LIMIT_A, LIMIT_A),
            load_a=grid,
            other_a=house,
            headroom_a=(LIMIT_A - grid[0], LIMIT_A - grid[1], LIMIT_A - grid[2]),
        )
        return SiteState(
            at=now,
            epoch=1,
            is_grid_fresh=True,
            grid_a=grid,
            grid_w=sum(grid) * 230,
            house_a=house,
            drawn_a=drawn,
            surplus_w=1840,
            sun_cars_w=1794,
            limits=(limit,),
            limited_by="L2 of the mains decides how much the cars may have.",
        )

    async def _answer(self, message: Inbound) -> None:
        levels = self.topics.parse(message.topic) or ()
        *_, charger, setting, _ = levels
        value = message.payload.decode()
        self.settings.append((charger, setting, value))
        if self.is_mute:
            return
        is_refused = self.refuses_all or value == "turbo"
        if setting == "mode" and not is_refused:
            self.modes[charger] = Mode(value)
        result = SetResult(is_accepted=not is_refused, error=REFUSED if is_refused else None)
        assert message.response_topic is not None
        reply = Outbound(message.response_topic, result.to_json(), qos=1, correlation=message.correlation)
        # A message that is being heard cannot wait for its own broker: answer beside it.
        task = asyncio.create_task(self.bus.publish(reply))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
