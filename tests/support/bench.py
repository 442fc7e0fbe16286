"""A bench for the balancer's core: cars and agents in virtual time, with nothing of the other services in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ampherd_balancer.core import Balancer, Outcome
from ampherd_core.messages import (
    ChargerState,
    Grant,
    GrantId,
    IecState,
    LinkHealth,
    MeterRole,
    PhaseSample,
    Reading,
    Stamp,
)
from ampherd_core.phases import LINES, ZERO, Line, Phases, add, on_lines
from ampherd_core.policy import Policy

AT = datetime(2026, 1, 1, tzinfo=UTC)


def policy_of(chargers: Mapping[str, Mapping[str, object]], **sections: object) -> Policy:
    """A policy with a 3 x 25 A connection and the given chargers."""
    plain: dict[str, object] = {
        "version": 1,
        "connection": {"rating_a": 25, "margin_a": 0},
        "meters": {"grid": {"role": "grid", "driver": "dsmr", "source": "tcp://localhost:1"}},
        "chargers": {
            charger: {"driver": "edgetech", "link": f"tcp://localhost:{place + 1000}", **fields}
            for place, (charger, fields) in enumerate(chargers.items())
        },
    }
    return Policy.model_validate({**plain, **sections})


@dataclass
class Car:
    """A wallbox with its agent and a car: it applies grants at once, and its car follows after `lag_s`."""

    id: str
    lines: tuple[Line, ...] = LINES
    uses: tuple[Line, ...] | None = None
    lag_s: float = 0.0
    most_a: float = 32.0
    is_connected: bool = True
    is_metered: bool = True
    is_silent: bool = False
    offer_a: float = 0.0
    applied: GrantId | None = None
    deadline_s: float = 0.0
    session: str = "one"
    changes: list[tuple[float, float]] = field(default_factory=list)
    pipeline: deque[tuple[float, float]] = field(default_factory=deque)
    drawn_a: float = 0.0

    def hear(self, grant: Grant, now_s: float) -> None:
        if self.is_silent or grant.echo.session != self.session or not grant.id.is_newer_than(self.applied):
            return
        self.applied = grant.id
        self.deadline_s = grant.echo.at_s + grant.lease_s
        self._offer(grant.offer_a, now_s)

    def step(self, now_s: float) -> None:
        if now_s > self.deadline_s and not self.is_silent:
            self._offer(0.0, now_s)
        while self.pipeline and self.pipeline[0][0] <= now_s:
            self.drawn_a = min(self.pipeline.popleft()[1], self.most_a)

    def _offer(self, offer_a: float, now_s: float) -> None:
        if offer_a != self.offer_a:
            self.offer_a = offer_a
            self.changes.append((now_s, offer_a))
            self.pipeline.append((now_s + self.lag_s, offer_a if self.is_connected else 0.0))

    @property
    def drawn(self) -> Phases:
        return on_lines(self.uses or self.lines, self.drawn_a)

    def state(self, now_s: float) -> ChargerState:
        connected = IecState.C if self.offer_a > 0 or self.drawn_a > 0 else IecState.B
        return ChargerState(
            charger=self.id,
            stamp=Stamp(session=self.session, at_s=now_s),
            measured_at=AT,
            link=LinkHealth.OK,
            iec_state=connected if self.is_connected else IecState.A,
            offer_a=self.offer_a,
            drawn_a=self.drawn if self.is_metered else None,
            max_a=32,
            applied=self.applied,
            is_fallback=now_s > self.deadline_s,
        )


class Bench:
    """A site whose house is a function of time (A per line); steps of one second."""

    def __init__(self, policy: Policy, cars: list[Car], house: Callable[[float], Phases], *, whole_amps: bool = False):
        self.policy, self.house, self.whole_amps = policy, house, whole_amps
        self.cars = {car.id: car for car in cars}
        for car in cars:
            car.lines = policy.chargers[car.id].lines
        self.now_s = 1000.0
        self.began_s = self.now_s
        self.balancer = Balancer(policy, epoch=1, now_s=self.now_s)
        self.is_meter_on = True
        self.grid: list[Phases] = []
        self.outcome: Outcome | None = None

    @property
    def grid_now(self) -> Phases:
        total = self.house(self.now_s - self.began_s)
        for car in self.cars.values():
            total = add(total, car.drawn)
        return total

    def reading(self) -> Reading:
        def sample(amps: float) -> PhaseSample:
            shown = float(int(amps)) if self.whole_amps else amps
            return PhaseSample(current_a=shown, guard_a=shown + (1 if self.whole_amps and amps else 0))

        one, two, three = self.grid_now
        return Reading(
            meter="grid",
            role=MeterRole.GRID,
            stamp=Stamp(session="meter", at_s=self.now_s),
            measured_at=AT,
            interval_s=1,
            valid_for_s=5,
            resolution_a=1 if self.whole_amps else 0,
            phases=(sample(one), sample(two), sample(three)),
        )

    def run(self, seconds: float) -> Bench:
        for _ in range(int(seconds)):
            self.now_s += 1
            for car in self.cars.values():
                car.step(self.now_s)
                if not car.is_silent:
                    self.balancer.hear_state(car.state(self.now_s), self.now_s)
            if self.is_meter_on:
                self.balancer.hear_reading(self.reading(), self.now_s)
            self.outcome = self.balancer.decide(self.now_s)
            for grant in self.outcome.grants:
                self.cars[grant.charger].hear(grant, self.now_s)
            for car in self.cars.values():
                car.step(self.now_s)
                if not car.is_silent and car.applied:
                    self.balancer.hear_state(car.state(self.now_s + 0.01), self.now_s + 0.01)
            self.grid.append(self.grid_now)
        return self

    def offers(self) -> dict[str, float]:
        return {car.id: round(car.offer_a, 2) for car in self.cars.values()}


def flat(*house: float) -> Callable[[float], Phases]:
    """A house that never changes."""
    one, two, three = house or ZERO
    return lambda _t: (one, two, three)
