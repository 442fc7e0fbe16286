"""The broker in virtual time: a message takes no time, unless a fault loses it, delays it or says it twice."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Protocol

from ampherd_core.messages import Grant

from ampherd_simulator.faults import Fault, Faults, Kind
from ampherd_simulator.virtual_process import Mail, VirtualProcess


class Listener(Protocol):
    """Whoever watches what really passes; a monitor."""

    def delivered(self, message: Mail, to: str, said_s: float, now_s: float) -> None:
        """A message, said then, has reached a process's socket."""
        ...


class VirtualBus:
    """Carries messages between processes; `loss` is the share that is lost always."""

    def __init__(self, faults: Faults, chance: random.Random, loss: float = 0.0) -> None:
        self.loss = loss
        self.listener: Listener | None = None
        self._faults = faults
        self._chance = chance
        self._under_way: list[tuple[float, int, float, VirtualProcess, Mail]] = []
        self._order = count()
        self._chances: dict[Fault, random.Random] = {}
        self._past: deque[tuple[float, str, Mail]] | None = None
        if any(fault.kind is Kind.MESSAGES_REPLAYED for fault in faults.all):
            self._past = deque(maxlen=5_000)

    def send(self, message: Mail, sender: str, receivers: Sequence[VirtualProcess], now_s: float) -> None:
        """Say it to each of them."""
        for receiver in receivers:
            if self.loss and self._chance.random() < self.loss:
                continue
            if not self._faults.has_bus_fault:
                self._hand_over(message, receiver, now_s, now_s)
                continue
            for delay_s in self._delays(sender, receiver.name):
                if delay_s > 0:
                    entry = now_s + delay_s, next(self._order), now_s, receiver, message
                    heapq.heappush(self._under_way, entry)
                else:
                    self._hand_over(message, receiver, now_s, now_s)

    def deliver(self, now_s: float) -> None:
        """Hand over what was late and is due."""
        while self._under_way and self._under_way[0][0] <= now_s:
            _, _, said_s, receiver, message = heapq.heappop(self._under_way)
            self._hand_over(message, receiver, said_s, now_s)

    def replay(self, receiver: VirtualProcess, span_s: float, now_s: float) -> None:
        """Say once more what it got in the last `span_s`."""
        past = [(said_s, message) for said_s, name, message in self._past or () if name == receiver.name]
        for said_s, message in past:
            if said_s >= now_s - span_s:
                self._hand_over(message, receiver, said_s, now_s)

    def grants_under_way(self) -> Iterator[tuple[VirtualProcess, Grant]]:
        """The grants that may yet arrive."""
        for _, _, _, receiver, message in self._under_way:
            if isinstance(message, Grant):
                yield receiver, message

    def _hand_over(self, message: Mail, receiver: VirtualProcess, said_s: float, now_s: float) -> None:
        if self._past is not None:
            self._past.append((now_s, receiver.name, message))
        if self.listener is not None and receiver.is_alive:
            self.listener.delivered(message, receiver.name, said_s, now_s)
        receiver.take(message, now_s)

    def _delays(self, sender: str, receiver: str) -> list[float]:
        """After how long it arrives: never, once or twice. Each fault draws from a chance of its own."""
        delays_s = [0.0]
        for fault in self._faults.on_messages(sender, receiver):
            chance = self._chances.get(fault)
            if chance is None:
                chance = self._chances[fault] = random.Random(repr(fault))  # noqa: S311 - repeatable, no secret
            if fault.kind in {Kind.BROKER_GONE, Kind.CUT_OFF}:
                return []
            if fault.kind is Kind.MESSAGES_LOST and chance.random() < fault.amount:
                return []
            if fault.kind is Kind.MESSAGES_LATE:
                late_s = chance.uniform(0, fault.amount)
                delays_s = [delay_s + late_s for delay_s in delays_s]
            elif fault.kind is Kind.MESSAGES_DOUBLED:
                delays_s.append(delays_s[0] + chance.uniform(0, fault.amount))
        return delays_s
