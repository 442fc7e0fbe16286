"""A charger-agent in virtual time: the real safety loop, pacer and driver, on a wallbox without a wire."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ampherd_charger_agent.orders import Order
from ampherd_charger_agent.pacing import Gate, pacer_for
from ampherd_charger_agent.safety import Notice, SafetyLoop
from ampherd_charger_agent.wallbox import AgentError, RefusedError, Snapshot
from ampherd_core.backoff import Backoff
from ampherd_core.messages import ChargerState, Grant
from ampherd_core.policy import Policy

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.faults import Faults
from ampherd_simulator.virtual_link import VirtualLink
from ampherd_simulator.virtual_process import Mail, VirtualProcess

STATE_EVERY_S: Final = 0.95
NEWS_A: Final = 0.5
READ_BACK_S: Final = 0.05
"""A write is read back within the same step."""


class VirtualAgent(VirtualProcess):
    """One agent; `changes` counts the offers that it wrote, `written_a` is the newest."""

    def __init__(
        self,
        charger: SimulatedCharger,
        policy: Policy,
        *,
        session: str,
        now_s: float,
        faults: Faults | None = None,
        boot_s: float = 0.0,
    ) -> None:
        super().__init__(charger.id, boot_s=boot_s)
        self.id = charger.id
        self.session = session
        self.born_s = self.clock_s(now_s)
        self.changes = 0
        self.written_a: float | None = None
        self.notices: list[Notice] = []
        self._link = VirtualLink(charger, policy.connection.voltage_v, faults or Faults())
        self.loop = SafetyLoop(
            charger.id,
            policy.chargers[charger.id],
            lease_s=policy.timings.lease_s,
            session=session,
            started_s=self.clock_s(now_s),
            settle_s=self._link.capabilities.settle_s,
        )
        self._pacer = pacer_for(self._link.capabilities)
        self._retry = Backoff(base_s=0.25, cap_s=2.0)
        self._retry_at_s = 0.0
        self._coming: Snapshot | None = None
        self._order: Order | None = None
        self._is_moved = True
        self.told: ChargerState | None = None
        self._told_s = float("-inf")

    def hear(self, message: Mail, now_s: float) -> None:
        """Take a grant, and obey at once."""
        if isinstance(message, Grant):
            self.loop.hear(message, self.clock_s(now_s))
            if self._order is None:
                self.act(now_s)

    def look(self, now_s: float) -> None:
        """The first half of a turn of the loop: read when it is time."""
        if self._order is not None:
            self.act(now_s)
        if self._coming is not None:
            snapshot, self._coming = self._coming, None
            self.loop.saw(snapshot, self.clock_s(now_s))
        self._read_when_due(now_s)

    def act(self, now_s: float) -> bool:
        """The second half: write what must be written and read it back; whether anything was written."""
        clock_s = self.clock_s(now_s)
        order, self._order = self._order, None
        if order is None:
            gate = Gate.SHUT if clock_s < self._retry_at_s else self._pacer.gate(clock_s)
            order = self.loop.decide(clock_s, gate)
            if order is not None and self._freezes_now(now_s):
                self._order = order
                return False
        return order is not None and self._write(order, now_s)

    def part(self, now_s: float) -> None:
        """Told to stop: apply the fallback, once."""
        self.loop.surrender(self.clock_s(now_s))
        order = self.loop.decide(self.clock_s(now_s))
        if order is not None:
            self._write(order, now_s)

    def news(self, now_s: float, at: datetime) -> ChargerState | None:
        """What it tells the bus now: once a second, and what changed at once."""
        is_due = now_s - self._told_s >= STATE_EVERY_S
        if not is_due and not self._is_moved:
            return None
        self._is_moved = False
        state = self.loop.state(self.clock_s(now_s), at, {})
        if not is_due and self.told is not None and not _is_news(self.told, state):
            return None
        self.told, self._told_s = state, now_s
        return state

    def _read_when_due(self, now_s: float) -> None:
        clock_s = self.clock_s(now_s)
        if max(self._pacer.next_read_s(clock_s), self._retry_at_s) > clock_s:
            return
        self._is_moved = True
        try:
            snapshot = self._link.read(now_s, clock_s)
        except AgentError as err:
            self._missed(clock_s, str(err))
            order = self.loop.decide(clock_s)
            if order is not None:
                self._write(order, now_s)
        else:
            self._retry, self._retry_at_s = self._retry.reset(), 0.0
            if self._link.is_late:
                self._coming = snapshot
            else:
                self.loop.saw(snapshot, clock_s)
        self._pacer.read(clock_s, clock_s)
        self.notices.extend(self.loop.take_notices())

    def _write(self, order: Order, now_s: float) -> bool:
        clock_s = self.clock_s(now_s)
        self._is_moved = True
        try:
            if order.phases is None:
                self.changes += 1
                self.written_a = order.offer_a
                self._link.write(order.offer_a, now_s)
            else:
                self._link.switch(order.phases, now_s)
        except RefusedError:
            pass
        except AgentError as err:
            self._missed(clock_s, str(err))
        self.loop.wrote(order, clock_s)
        self._pacer.wrote(clock_s)
        if self._retry_at_s <= clock_s and self._pacer.next_read_s(clock_s) <= clock_s + READ_BACK_S:
            self._read_when_due(now_s + READ_BACK_S)
        return True

    def _missed(self, clock_s: float, why: str) -> None:
        self.loop.missed(clock_s, why)
        self._retry = self._retry.after_failure()
        self._retry_at_s = clock_s + self._retry.delay_s


def _is_news(told: ChargerState, state: ChargerState) -> bool:
    before, now = told.drawn_a, state.drawn_a
    if before is None or now is None:
        return before is not now or _loud(told) != _loud(state)
    return _loud(told) != _loud(state) or any(abs(b - n) >= NEWS_A for b, n in zip(before, now, strict=True))


def _loud(state: ChargerState) -> tuple[object, ...]:
    return state.link, state.iec_state, state.offer_a, state.phases, state.applied, state.is_fallback, state.error
