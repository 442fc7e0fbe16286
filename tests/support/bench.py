"""A bench for the balancer's core: cars, wallboxes, agents and a meter in virtual time, joined by messages.

It plays the world by the contract of the bus, not by the balancer's code, and holds the balancer to its invariants
at every step: nothing is promised twice, a car gets 0 or its minimum, and no overload of ours outlasts a car's lag.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from ampherd_balancer.core import Balancer, Outcome
from ampherd_balancer.explain import Reason, explain
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
from ampherd_core.policy import Policy, Wiring

AT = datetime(2026, 1, 1, tzinfo=UTC)
REACTS_WITHIN_S = 2.0
"""What meter, balancer and agents may take together beside the car's own lag."""

BLURRED_S = 2.5
"""A slow meter may show what was up to so long before."""

Kind = Literal["state", "grant", "reading"]
House = Callable[[float], Phases]
Power = Callable[[float], float | None]
"""What a meter beside the wires shows, W; None while it is silent."""
Post = Callable[[Kind], Sequence[float]]
"""The delays (s) after which a message arrives; none: it is lost, two: it is doubled."""


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


def flat(*house: float) -> House:
    """A house that never changes."""
    one, two, three = house or ZERO
    return lambda _t: (one, two, three)


def steps(*changes: tuple[float, Phases]) -> House:
    """A house that changes at the given seconds."""

    def house(t: float) -> Phases:
        return next((load for since_s, load in reversed(changes) if t >= since_s), ZERO)

    return house


def prompt(_kind: Kind) -> Sequence[float]:
    """Every message arrives at once."""
    return (0.0,)


@dataclass
class Car:
    """A car, its wallbox and its agent.

    The agent writes a grant `confirm_s` after it came; the car follows the wallbox after `lag_s`.
    """

    id: str
    lag_s: float = 0.0
    most_a: float = 32.0
    needs_a: float = 6.0
    uses: tuple[Line, ...] | None = None
    confirm_s: float = 0.0
    step_a: float = 0.1
    is_connected: bool = True
    is_hungry: bool = True
    is_metered: bool = True
    needs_standby: bool = False
    is_silent: bool = False
    is_link_lost: bool = False
    is_deaf: bool = False
    is_stubborn: bool = False
    offer_a: float = 0.0
    drawn_a: float = 0.0
    told_max_a: float = 32.0
    applied: GrantId | None = None
    session: str = "one"
    changes: list[tuple[float, float]] = field(default_factory=list)
    lines: tuple[Line, ...] = LINES
    is_delta: bool = False
    wired: tuple[Line, ...] | None = None
    fallback_a: float = 0.0
    served_ah: float = 0.0
    _heard: GrantId | None = None
    _deadline_s: float = 0.0
    _writes: deque[tuple[float, Grant]] = field(default_factory=deque)
    _pipeline: deque[tuple[float, float]] = field(default_factory=deque)

    def hear(self, grant: Grant, now_s: float) -> None:
        """One grant comes in."""
        if self.would_take(grant, now_s):
            self._heard = grant.id
            self._deadline_s = max(self._deadline_s, grant.echo.at_s + grant.lease_s)
            offer_a = grant.offer_a if grant.may_raise else min(grant.offer_a, self._standing_a)
            self._writes.append((now_s + self.confirm_s, grant.model_copy(update={"offer_a": offer_a})))

    @property
    def _standing_a(self) -> float:
        return min([self.offer_a, *(grant.offer_a for _, grant in self._writes)])

    def would_take(self, grant: Grant, now_s: float) -> bool:
        """Whether the agent would act on it now."""
        is_ours = grant.echo.session == self.session and grant.id.is_newer_than(self._heard)
        return is_ours and not self.is_silent and now_s <= grant.echo.at_s + grant.lease_s

    def step(self, now_s: float) -> bool:
        """Write what is due, let the car follow; whether the agent has news."""
        before = self.offer_a, self.applied
        while self._writes and self._writes[0][0] <= now_s and not self.is_silent:
            _, grant = self._writes.popleft()
            if self._write(grant.offer_a, now_s):
                self.applied = grant.id
        if now_s > self._deadline_s and not self.is_silent:
            self._write(self.fallback_a, now_s)
        while self._pipeline and self._pipeline[0][0] <= now_s:
            self._follow(self._pipeline.popleft()[1])
        return before != (self.offer_a, self.applied)

    def may_take_a(self) -> float:
        """The most that its wallbox, its agent's grants, and an offer that the car has yet to see let it draw, A."""
        is_drawing = self.is_connected and self.is_hungry
        following = [min(offer_a, self.most_a) for _, offer_a in self._pipeline] if is_drawing else []
        return max([self.offer_a, self.drawn_a, *following, *(grant.offer_a for _, grant in self._writes)])

    def restart(self, session: str) -> None:
        """The agent starts anew and knows nothing; the wallbox keeps its offer."""
        self.session, self.applied, self._heard, self._deadline_s = session, None, None, 0.0
        self._writes.clear()

    def plug(self, *, is_connected: bool) -> None:
        """Plug the car in or out; a plug that is out draws nothing."""
        self.is_connected = is_connected
        self._pipeline.clear()
        self._follow(self.offer_a)

    def _write(self, offer_a: float, now_s: float) -> bool:
        if self.is_link_lost or self.is_deaf:
            return False
        offer_a = int(offer_a / self.step_a + 1e-6) * self.step_a
        if abs(offer_a - self.offer_a) > 1e-9:
            self.offer_a = offer_a
            self.changes.append((now_s, round(offer_a, 3)))
            self._pipeline.append((now_s + self.lag_s, offer_a))
        return True

    def _follow(self, offer_a: float) -> None:
        takes = self.is_connected and self.is_hungry and offer_a >= self.needs_a - 1e-6
        wanted_a = min(offer_a, self.most_a) if takes else 0.0
        self.drawn_a = max(self.drawn_a, wanted_a) if self.is_stubborn and self.is_connected else wanted_a

    @property
    def drawn(self) -> Phases:
        """What it draws from the site's lines."""
        return on_lines(self.wired or self.uses or self.lines, self.drawn_a)

    @property
    def shown(self) -> Phases:
        """What its wallbox shows, on the lines that the policy believes in; in delta wiring the one current, once."""
        return on_lines(self.lines[:1] if self.is_delta else self.uses or self.lines, self.drawn_a)

    @property
    def iec_state(self) -> IecState:
        if not self.is_connected:
            return IecState.A
        return IecState.C if self.is_hungry and (self.offer_a > 0 or self.drawn_a > 0) else IecState.B

    def state(self, now_s: float) -> ChargerState:
        """What the agent says now."""
        return ChargerState(
            charger=self.id,
            stamp=Stamp(session=self.session, at_s=now_s),
            measured_at=AT,
            link=LinkHealth.LOST if self.is_link_lost else LinkHealth.OK,
            iec_state=self.iec_state,
            offer_a=self.offer_a,
            drawn_a=self.shown if self.is_metered else None,
            max_a=self.told_max_a,
            resolution_a=self.step_a,
            needs_standby=self.needs_standby,
            applied=self.applied,
            is_fallback=now_s > self._deadline_s,
        )


class Bench:
    """A site whose house is a function of time (A per line), in steps of `step_s`."""

    def __init__(
        self,
        policy: Policy,
        cars: Sequence[Car],
        house: House,
        *,
        whole_amps: bool = False,
        meter_every_s: float = 1.0,
        step_s: float = 1.0,
        post: Post = prompt,
    ) -> None:
        self.policy, self.house, self.post = policy, house, post
        self.whole_amps, self.meter_every_s, self.step_s = whole_amps, meter_every_s, step_s
        self.circuits: dict[str, House] = {}
        self.sides: dict[str, Power] = {}
        self.soc_percent: float | None = None
        self.cars = {car.id: car for car in cars}
        for car in cars:
            charger = policy.chargers[car.id]
            car.lines, car.fallback_a, car.offer_a = charger.lines, charger.fallback_a, car.offer_a
            car.is_delta = policy.connection.wiring is Wiring.DELTA and len(charger.lines) == 2
        self.now_s = 1000.0
        self.began_s = self.now_s
        self.balancer = Balancer(policy, epoch=1, now_s=self.now_s)
        self.is_meter_on = True
        self.voltage_v: float | None = None
        self.checks_overload = self.checks_promises = True
        self.grid: list[Phases] = []
        self.decisions: list[tuple[float, Outcome]] = []
        self._post_box: list[tuple[float, int, Callable[[], object], Grant | None]] = []
        self._posted = 0
        self._metered_s = float("-inf")
        self._heard_house = house(0.0)
        self._committed = ZERO
        self._over_since_s: dict[Line, float] = {}
        self._moved_s = self._blurred_s = float("-inf")

    @property
    def t(self) -> float:
        """Seconds since the start."""
        return self.now_s - self.began_s

    @property
    def outcome(self) -> Outcome:
        """The newest decision."""
        return self.decisions[-1][1]

    @property
    def grid_now(self) -> Phases:
        """What the mains carries."""
        return self._load(self.house, self.cars)

    def reading(self) -> Reading:
        """What the grid meter shows now."""
        return self._reading("grid", MeterRole.GRID, self.grid_now)

    def offers(self) -> dict[str, float]:
        """What the wallboxes signal."""
        return {car.id: round(car.offer_a, 2) for car in self.cars.values()}

    def reason(self, car_id: str) -> Reason:
        """Why that charger gets what it gets."""
        return explain(self.balancer, self.outcome, self.balancer.desks[car_id], self.now_s)

    def run(self, seconds: float) -> Bench:
        """Let time pass."""
        for _ in range(round(seconds / self.step_s)):
            self._step()
        return self

    def run_until(self, condition: Callable[[], bool], within_s: float) -> float:
        """Let time pass until it holds; the seconds it took."""
        start_s = self.now_s
        while not condition():
            assert self.now_s - start_s < within_s, f"not within {within_s:g} s: {self.offers()}"
            self._step()
        return self.now_s - start_s

    def _step(self) -> None:
        self.now_s += self.step_s
        drawn_before_a = [car.drawn_a for car in self.cars.values()]
        for car in self.cars.values():
            car.step(self.now_s)
            self._say_state(car, self.now_s)
        if self.is_meter_on and self.now_s - self._metered_s >= self.meter_every_s - 1e-6:
            self._metered_s = self.now_s
            self._say_readings()
        self._deliver(self.now_s)
        outcome = self.balancer.decide(self.now_s)
        self.decisions.append((self.t, outcome))
        for grant in outcome.grants:
            self._check_minimum(grant)
            self._send(grant)
        if self.checks_promises:
            self._check_promises()
        self._deliver(self.now_s)
        for car in self.cars.values():
            if car.step(self.now_s):
                self._say_state(car, self.now_s + 0.01)
            car.served_ah += car.drawn_a * self.step_s / 3600
        self._deliver(self.now_s + 0.01)
        if any(car.drawn_a != before_a for car, before_a in zip(self.cars.values(), drawn_before_a, strict=True)):
            self._moved_s = self.now_s
        self._check_overload()
        self.grid.append(self.grid_now)

    def _send(self, grant: Grant) -> None:
        car = self.cars[grant.charger]
        self._mail("grant", lambda: car.hear(grant, self.now_s), grant)

    def _say_state(self, car: Car, at_s: float) -> None:
        if not car.is_silent:
            state = car.state(at_s)
            self._mail("state", lambda: self.balancer.hear_state(state, max(at_s, self.now_s)))

    def _say_readings(self) -> None:
        house = self.house(self.t)
        reading = self.reading()
        if self.now_s - self._moved_s < BLURRED_S:
            self._blurred_s = self.now_s

        def arrive() -> None:
            if self.balancer.hear_reading(reading, self.now_s):
                self._heard_house = house

        self._mail("reading", arrive)
        for circuit_id, other in self.circuits.items():
            meter = self.policy.circuits[circuit_id].meter
            assert meter is not None
            below = {c: car for c, car in self.cars.items() if circuit_id in self.policy.circuits_above(c)}
            sample = self._reading(meter, MeterRole.CIRCUIT, self._load(other, below))
            self._mail("reading", lambda sample=sample: self.balancer.hear_reading(sample, self.now_s))  # type: ignore[misc]
        for meter, power in self.sides.items():
            power_w = power(self.t)
            if power_w is not None:
                shown = self._reading(meter, self.policy.meters[meter].role, ZERO).model_copy(
                    update={"phases": (None, None, None), "power_w": power_w, "soc_percent": self.soc_percent}
                )
                self._mail("reading", lambda shown=shown: self.balancer.hear_reading(shown, self.now_s))  # type: ignore[misc]

    def _load(self, other: House, cars: Mapping[str, Car]) -> Phases:
        total = other(self.t)
        for car in cars.values():
            total = add(total, car.drawn)
        return total

    def _reading(self, meter: str, role: MeterRole, load: Phases) -> Reading:
        def sample(amps: float) -> PhaseSample:
            shown = float(int(amps)) if self.whole_amps else amps
            guard_a = shown + (1 if self.whole_amps and amps else 0)
            return PhaseSample(current_a=shown, guard_a=guard_a, voltage_v=self.voltage_v)

        one, two, three = load
        return Reading(
            meter=meter,
            role=role,
            stamp=Stamp(session="meter", at_s=self.now_s),
            measured_at=AT + timedelta(seconds=self.t),
            interval_s=self.meter_every_s,
            valid_for_s=25 if self.meter_every_s > 2 else 5,
            resolution_a=1 if self.whole_amps else 0,
            phases=(sample(one), sample(two), sample(three)),
        )

    def _mail(self, kind: Kind, arrive: Callable[[], object], grant: Grant | None = None) -> None:
        for delay_s in self.post(kind):
            self._posted += 1
            heapq.heappush(self._post_box, (self.now_s + delay_s, self._posted, arrive, grant))

    def _deliver(self, now_s: float) -> None:
        while self._post_box and self._post_box[0][0] <= now_s:
            heapq.heappop(self._post_box)[2]()

    def _check_minimum(self, grant: Grant) -> None:
        least_a = self.policy.chargers[grant.charger].min_a
        assert grant.offer_a == 0 or grant.offer_a >= least_a - 1e-6, f"{self.t:g} s: {grant.charger} below its minimum"

    def _check_promises(self) -> None:
        """What cars may still take never grows beyond the room that the newest heard house leaves."""
        committed = self._promises()
        limit_a = self.policy.connection.limit_a
        for line in self.policy.connection.lines:
            now_a, before_a, house_a = (each[line.place] for each in (committed, self._committed, self._heard_house))
            assert now_a <= max(before_a, limit_a - house_a) + 0.01, (
                f"{self.t:g} s: oversold on {line}: {now_a:.2f} A promised (before: {before_a:.2f}), "
                f"house {house_a:.2f} A, limit {limit_a:g} A; {self.offers()}"
            )
        self._committed = committed

    def _promises(self) -> Phases:
        total = ZERO
        for car in self.cars.values():
            waiting = [
                g.offer_a for _, _, _, g in self._post_box if g and g.charger == car.id and self._may_act(car, g)
            ]
            total = add(total, on_lines(car.uses or car.lines, max([car.may_take_a(), car.fallback_a, *waiting])))
        return total

    def _may_act(self, car: Car, grant: Grant) -> bool:
        """Whether a grant under way may yet raise it."""
        return grant.may_raise and car.would_take(grant, self.now_s)

    def _check_overload(self) -> None:
        """A line is over its limit by cars for no longer than a cut needs to show.

        A reading soon after a car moved may show what was before, so the next one tells: once for each excess.
        """
        slowest_s = max((car.lag_s + car.confirm_s for car in self.cars.values()), default=0.0)
        allowed_s = slowest_s + self.meter_every_s + self.step_s + REACTS_WITHIN_S
        if not self.checks_overload or any(
            c.is_silent or c.is_link_lost or c.is_deaf or c.is_stubborn for c in self.cars.values()
        ):
            return
        grid, limit_a = self.grid_now, self.policy.connection.limit_a
        for line in self.policy.connection.lines:
            is_ours = any(car.drawn[line.place] > 0 for car in self.cars.values())
            has_risen = self.house(self.t)[line.place] > self.house(self.t - self.step_s)[line.place]
            if grid[line.place] <= limit_a + 0.01 or not is_ours or has_risen:
                self._over_since_s.pop(line, None)
                continue
            since_s = self._over_since_s.setdefault(line, self.now_s)
            patience_s = allowed_s + self.meter_every_s * (self._blurred_s >= since_s)
            if self.now_s - since_s > patience_s:
                raise AssertionError(f"{self.t:g} s: {line} at {grid[line.place]:.2f} A for over {patience_s:g} s")
