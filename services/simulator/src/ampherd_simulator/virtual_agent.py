"""A charger-agent in virtual time: the real safety loop and pacer, on a virtual link."""

from __future__ import annotations

from datetime import datetime

from ampherd_charger_agent.pacing import pacer_for
from ampherd_charger_agent.safety import Notice, SafetyLoop
from ampherd_core.messages import ChargerState, Grant
from ampherd_core.policy import Policy

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.virtual_link import LinkError, VirtualLink


class VirtualAgent:
    """One agent; `changes` counts the offers that it wrote."""

    def __init__(self, charger: SimulatedCharger, policy: Policy, *, session: str, now_s: float) -> None:
        self.id = charger.id
        self.changes = 0
        self.notices: list[Notice] = []
        self._link = VirtualLink(charger, policy.connection.voltage_v)
        self._pacer = pacer_for(self._link.capabilities)
        self._loop = SafetyLoop(
            charger.id,
            policy.chargers[charger.id],
            lease_s=policy.timings.lease_s,
            session=session,
            started_s=now_s,
            settle_s=self._link.capabilities.settle_s,
        )

    def look(self, now_s: float) -> None:
        """The first half of a turn of the loop: read when it is time."""
        self._read_when_due(now_s)

    def hear(self, grant: Grant, now_s: float) -> None:
        """Take a grant."""
        self._loop.hear(grant, now_s)

    def act(self, now_s: float) -> bool:
        """The second half: write what must be written and read it back; whether anything was written."""
        is_written = self._write_when_needed(now_s)
        if is_written:
            self._read_when_due(now_s)
        return is_written

    def state(self, now_s: float, at: datetime) -> ChargerState:
        """What it tells the bus."""
        return self._loop.state(now_s, at, {})

    def _read_when_due(self, now_s: float) -> None:
        if self._pacer.next_read_s(now_s) > now_s:
            return
        try:
            snapshot = self._link.read(now_s)
        except LinkError as err:
            self._loop.missed(now_s, str(err))
        else:
            self._loop.saw(snapshot, now_s)
        self._pacer.read(now_s, now_s)
        self.notices.extend(self._loop.take_notices())

    def _write_when_needed(self, now_s: float) -> bool:
        order = self._loop.decide(now_s, self._pacer.gate(now_s))
        if order is None:
            return False
        self.changes += 1
        try:
            self._link.write(order.offer_a, now_s)
        except LinkError as err:
            self._loop.missed(now_s, str(err))
        self._pacer.wrote(now_s)
        return True
