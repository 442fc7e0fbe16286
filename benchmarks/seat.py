"""Seats a rival where the balancer sits: the same readings and states come in, its offers go out as grants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ampherd_core.messages import ChargerState, Grant, GrantId, Reading
from ampherd_core.phases import ZERO, Phases
from ampherd_core.policy import Charger, Policy

from benchmarks.rivals.seen import Goal, Rate, Rival, Seen, SeenCharger, Site
from benchmarks.user import Wish

RivalMaker: TypeAlias = Callable[[Site, tuple[str, ...]], Rival]
"""Makes a rival for a site and the ids of its chargers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a decision; a rival never yields."""

    grants: tuple[Grant, ...]
    must_yield: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """A maker of minds for a world: what the rival is told beside the policy.

    `most_w` is a cap on the connection's power; `rates` and `wishes` are what the user of one that plans has and says.
    """

    make: RivalMaker
    most_w: float | None = None
    rates: Sequence[Rate] = ()
    wishes: Sequence[Wish] = ()

    def __call__(self, policy: Policy, *, epoch: int, now_s: float) -> Seated:
        """A fresh rival under this policy; the day begins at `now_s` of its clock."""
        connection = policy.connection
        rates = [Rate(rate.start_s + now_s, rate.end_s + now_s, rate.price) for rate in self.rates]
        site = Site(connection.rating_a, connection.phases, connection.voltage_v, self.most_w, rates)
        return Seated(
            self.make(site, tuple(policy.chargers)), policy, epoch, [_later(each, now_s) for each in self.wishes]
        )


class Seated:
    """A rival on the balancer's seat; the agents and their safety stay as they are."""

    def __init__(self, rival: Rival, policy: Policy, epoch: int, wishes: Sequence[Wish]) -> None:
        self._rival = rival
        self._policy = policy
        self._wishes = wishes
        self._id = GrantId(epoch=epoch, seq=0)
        self._states: dict[str, ChargerState] = {}
        self._read: tuple[Reading, float] | None = None

    def take_policy(self, policy: Policy, now_s: float) -> None:
        """Rivals are told once."""
        del now_s
        self._policy = policy

    def hear_reading(self, reading: Reading, now_s: float) -> bool:
        """The grid meter is all that a rival reads."""
        if reading.meter == self._policy.grid_meter:
            self._read = reading, now_s
        return True

    def hear_state(self, state: ChargerState, now_s: float) -> bool:
        """The newest state of each charger."""
        del now_s
        self._states[state.charger] = state
        return True

    def hear_grant(self, grant: Grant) -> None:
        """Nobody else grants."""

    def decide(self, now_s: float) -> Answer:
        """Every charger's grant, once the meter and all chargers have been heard."""
        if self._read is None or set(self._states) != set(self._policy.chargers):
            return Answer(())
        reading, read_s = self._read
        seen = Seen(
            read_s=read_s,
            grid_a=_currents(reading),
            grid_w=reading.power_w or 0.0,
            chargers=tuple(
                _seen(charger_id, charger, self._states[charger_id], self._goal(charger_id, now_s))
                for charger_id, charger in self._policy.chargers.items()
            ),
        )
        return Answer(self._grants(self._rival.decide(seen, now_s)))

    def _goal(self, charger_id: str, now_s: float) -> Goal | None:
        """What the user wants of that charger now."""
        own = (wish for wish in self._wishes if wish.charger == charger_id)
        return next((wish.goal for wish in own if wish.at_s <= now_s < wish.goal.by_s), None)

    def _grants(self, offers: Mapping[str, float]) -> tuple[Grant, ...]:
        grants = []
        for charger_id, offer_a in offers.items():
            self._id = GrantId(epoch=self._id.epoch, seq=self._id.seq + 1)
            state = self._states[charger_id]
            grants.append(
                Grant(
                    charger=charger_id,
                    id=self._id,
                    echo=state.stamp,
                    lease_s=self._policy.timings.lease_s,
                    offer_a=_in_steps(offer_a, state.resolution_a, self._policy.chargers[charger_id].min_a),
                )
            )
        return tuple(grants)


def _later(wish: Wish, by_s: float) -> Wish:
    return wish._replace(at_s=wish.at_s + by_s, goal=wish.goal._replace(by_s=wish.goal.by_s + by_s))


def _seen(charger_id: str, charger: Charger, state: ChargerState, goal: Goal | None) -> SeenCharger:
    iec_state = state.iec_state
    return SeenCharger(
        id=charger_id,
        lines=charger.lines,
        min_a=charger.min_a,
        max_a=min(charger.max_a, state.max_a or charger.max_a),
        mode=charger.mode,
        is_connected=iec_state is not None and iec_state.is_connected,
        is_charging=iec_state is not None and iec_state.is_charging,
        offer_a=state.offer_a or 0.0,
        drawn_a=state.drawn_a or ZERO,
        goal=goal,
    )


def _currents(reading: Reading) -> Phases:
    one, two, three = (phase.current_a if phase is not None else 0.0 for phase in reading.phases)
    return one, two, three


def _in_steps(offer_a: float, step_a: float, min_a: float) -> float:
    """Down to what the wallbox can signal; below the minimum it is 0."""
    floored_a = round(int(offer_a / step_a + 1e-6) * step_a, 3)
    return floored_a if floored_a >= min_a else 0.0
