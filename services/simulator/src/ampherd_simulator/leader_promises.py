"""What a balancer promises, held against the truth at each of its decisions: 1, 2, 4, 5, 7 and 8 of docs/safety.md."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from ampherd_balancer.core import Balancer
from ampherd_core.messages import ChargerState, Grant, IecState, LinkHealth, Stamp
from ampherd_core.phases import LINES, ZERO, Line, Phases
from ampherd_core.policy import CONNECTION

from ampherd_simulator.faults import Kind
from ampherd_simulator.judge import HIDING, LYING
from ampherd_simulator.ledger import Complain, Ledger, standing_a
from ampherd_simulator.p1 import P1Kind
from ampherd_simulator.virtual_balancer import VirtualBalancer

NOISE_A: Final = 0.3
WHOLE_AMP_A: Final = 1.5
"""What a whole-amp meter may hide, and its rounding."""

SILENT_AFTER_S: Final = 3.0
FENCE_PATIENCE_S: Final = 20.0
SEEN_LATE_S: Final = 2.0
"""A reign is seen at the first message or decision of its leader."""

SENSED_S: Final = 40.0
"""A reading older than this is heard by nobody."""

CALM_S: Final = 90.0
"""So long after the last fault a site has forgotten it."""

_CARS_OWN: Final = frozenset({Kind.CAR_OVERDRAWS, Kind.CAR_STUBBORN, Kind.CAR_SLOW})


class Sensed(NamedTuple):
    """What a meter sensed at one moment, A per line, and what of it was really the house's.

    `unused` is what each car that nobody measures left of its offer; those in `charging` were said to charge then.
    """

    at_s: float
    house_a: Phases = ZERO
    load_a: Phases = ZERO
    unused: Mapping[str, Phases] = MappingProxyType({})
    charging: frozenset[str] = frozenset()


_NOTHING: Final = Sensed(float("-inf"))


@dataclass(slots=True)
class Reign:
    """What a leader was told since it began."""

    core: Balancer
    began_s: float
    ends_s: float = math.inf
    ended_by: int = 0
    has_reading: bool = False
    newest_said_s: float = float("-inf")
    least_delay_s: float = 0.0
    sensed: Sensed = _NOTHING
    confirmed: set[str] = field(default_factory=set)
    newest: dict[str, ChargerState] = field(default_factory=dict)
    before: dict[str, tuple[float, ChargerState | None]] = field(default_factory=dict)
    heard_s: dict[str, float] = field(default_factory=dict)
    spoke_s: dict[str, float] = field(default_factory=dict)
    told_a: dict[str, float] = field(default_factory=dict)
    said_a: dict[str, float] = field(default_factory=dict)
    stopped_s: dict[str, float] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The epoch it leads under."""
        return self.core.epoch

    def hear(self, state: ChargerState, now_s: float) -> None:
        """A charger's newer state; what stood before this step is kept, for a decision may have come in between."""
        name = state.charger
        if self.before.get(name, (None,))[0] != now_s:
            self.before[name] = now_s, self.newest.get(name)
        self.newest[name] = state

    def knew_to_charge(self, name: str, now_s: float) -> bool:
        """Whether it may have decided on the word that the car charges."""
        return any(state is not None and state.iec_state is IecState.C for state in self._known(name, now_s))

    def knew_lost(self, name: str, now_s: float) -> bool:
        """Whether it surely decided on the word that the wallbox does not answer."""
        return all(state is not None and state.link is LinkHealth.LOST for state in self._known(name, now_s))

    def _known(self, name: str, now_s: float) -> Sequence[ChargerState | None]:
        """Its newest word of a charger, and the one before where the newest came in this very step."""
        came_s, before = self.before.get(name, (None, None))
        newest = self.newest.get(name)
        return (newest, before) if came_s == now_s else (newest,)


class LeaderPromises:
    """Give it what reaches the balancers and what they decide."""

    def __init__(self, ledger: Ledger, complain: Complain) -> None:
        self._ledger = ledger
        self._world = ledger.world
        self._complain = complain
        self._reigns: dict[int, Reign] = {}
        self._sensed: deque[Sensed] = deque()
        policy = self._world.policy
        self._limits_a = {CONNECTION: policy.connection.limit_a} | {
            circuit_id: circuit.limit_a for circuit_id, circuit in policy.circuits.items()
        }
        self._below = {
            node: [name for name in policy.chargers if node == CONNECTION or node in policy.circuits_above(name)]
            for node in self._limits_a
        }

    def watch(self, now_s: float) -> None:
        """See who leads, though it speaks to nobody, and what a meter senses now: who knows when its reading comes."""
        if self._sensed and self._sensed[-1].at_s == now_s:
            return
        for name in self._world.balancers:
            self._reign(name, now_s)
        while self._sensed and self._sensed[0].at_s <= now_s - SENSED_S:
            self._sensed.popleft()
        site, ledger = self._world.site, self._ledger
        self._sensed.append(Sensed(now_s, site.house_a, site.grid_a, ledger.unused(), ledger.said_to_charge()))

    def reading_came(self, to: str, said_s: float, now_s: float) -> None:
        """A reading, said then, has reached a balancer's socket."""
        if said_s == now_s:  # one that is said again may come before the site has moved on
            self.watch(now_s)
        reign = self._reign(to, now_s)
        if reign is None or said_s <= reign.newest_said_s:
            return
        delay_s = now_s - said_s
        reign.least_delay_s = min(reign.least_delay_s, delay_s) if reign.has_reading else delay_s
        reign.has_reading, reign.newest_said_s = True, said_s
        reign.sensed = next((sensed for sensed in self._sensed if sensed.at_s == said_s), reign.sensed)

    def state_came(self, state: ChargerState, to: str, said_s: float, now_s: float) -> None:
        """A state, said then, has reached a balancer's socket."""
        reign = self._reign(to, now_s)
        if reign is None:
            return
        newest = reign.newest.get(state.charger)
        if newest is not None and not _is_news(state.stamp, newest.stamp):
            return
        reign.hear(state, now_s)
        reign.heard_s[state.charger], reign.spoke_s[state.charger] = now_s, said_s
        reign.said_a[state.charger] = state.offer_a or 0.0
        if state.applied is not None and state.applied.epoch == reign.epoch:
            reign.confirmed.add(state.charger)
        elif state.applied is not None:
            self.epoch_came(state.applied.epoch, to, now_s)

    def epoch_came(self, epoch: int, to: str, now_s: float) -> None:
        """Word of an epoch has reached a balancer's socket."""
        reign = self._reign(to, now_s)
        if reign is not None and epoch > reign.epoch and math.isinf(reign.ends_s):
            reign.ends_s, reign.ended_by = now_s, epoch

    def decided(self, balancer: VirtualBalancer, grants: Collection[Grant]) -> None:
        """A leader wants these grants to be sent."""
        now_s = self._world.now_s
        reign = self._reign(balancer.name, now_s)
        if reign is None:
            return
        if grants and now_s > reign.ends_s:
            self._complain(7, f"epoch {reign.epoch} goes on, though it heard of epoch {reign.ended_by}")
        for grant in grants:
            self._ledger.offers_a[grant.charger, grant.id.epoch, grant.id.seq] = grant.offer_a
            self._check_minimum(grant)
            self._check_freshness(reign, grant, now_s)
            self._check_spared(reign, grant, now_s)
        raised = [grant for grant in grants if grant.may_raise and self._is_raise(reign, grant)]
        if raised and not self._is_unheard(balancer.name):
            for grant in raised:
                self._check_fence(reign, grant, now_s)
                self._check_over(reign, grant, now_s)
            self._check_room(reign, raised, grants, now_s)
        for grant in grants:
            reign.told_a[grant.charger] = grant.offer_a

    def _check_minimum(self, grant: Grant) -> None:
        if 0 < grant.offer_a < self._world.policy.chargers[grant.charger].min_a - 1e-6:
            self._complain(8, f"{grant.charger} is granted {grant.offer_a:g} A, below its minimum")

    def _check_freshness(self, reign: Reign, grant: Grant, now_s: float) -> None:
        """Without a fresh reading nobody is granted more than the fallback."""
        fallback_a = self._world.policy.chargers[grant.charger].fallback_a
        age_s = now_s - reign.newest_said_s
        oldest_s = self._world.valid_for_s + reign.least_delay_s + 1.0 + self._ledger.step_s
        if reign.has_reading and grant.offer_a > fallback_a and age_s > oldest_s:
            self._complain(5, f"{grant.charger} is granted {grant.offer_a:g} A on a reading {age_s:.1f} s old")

    def _check_spared(self, reign: Reign, grant: Grant, now_s: float) -> None:
        """A contactor that was opened rests; nobody is stopped while all would fit."""
        name, before_a = grant.charger, reign.told_a.get(grant.charger, 0.0)
        if before_a > 0 and grant.offer_a == 0 and self._ledger.entries[name].is_said_to_charge:
            reign.stopped_s[name] = now_s
            may_wait = name in self._world.planned or self._world.policy.chargers[name].mode.follows_sun
            if not may_wait and not self._is_switched(grant) and self._is_calm(now_s) and self._would_fit():
                self._complain(8, f"{name} is stopped although every car's minimum fits")
        elif before_a == 0 and grant.offer_a > 0 and name in reign.stopped_s:
            rested_s = now_s - reign.stopped_s.pop(name)
            if rested_s < self._world.policy.timings.min_off_s - 1.0 and self._is_calm(now_s):
                self._complain(8, f"{name} starts again after {rested_s:.1f} s")

    def _check_fence(self, reign: Reign, grant: Grant, now_s: float) -> None:
        """Nothing is raised before a fresh reading, and before every wallbox that is heard has confirmed the epoch.

        What comes late was said long ago: who is heard of by that alone may be silent by now.
        """
        if not reign.has_reading:
            self._complain(7, f"epoch {reign.epoch} raises {grant.charger} to {grant.offer_a:g} A without a reading")
        reigned_s = now_s - reign.began_s
        if reigned_s >= FENCE_PATIENCE_S - SEEN_LATE_S:
            return
        since_s = now_s - SILENT_AFTER_S + self._ledger.step_s
        missing = [
            name
            for name in self._ledger.entries
            if name not in reign.confirmed
            and reign.spoke_s.get(name, float("-inf")) >= since_s
            and (newest := reign.newest.get(name)) is not None
            and newest.link is LinkHealth.OK
        ]
        is_too_soon = reigned_s < SILENT_AFTER_S and len(reign.confirmed) < len(self._ledger.entries)
        if missing or is_too_soon:
            self._complain(7, f"epoch {reign.epoch} raises {grant.charger} before {missing or 'all'} confirmed it")

    def _check_over(self, reign: Reign, grant: Grant, now_s: float) -> None:
        """Over a limit nobody is raised on that line."""
        is_news = now_s - reign.newest_said_s <= self._ledger.step_s
        if not is_news or self._ledger.has_recent(LYING | HIDING | _CARS_OWN, CALM_S):
            return
        for line in self._ledger.lines(grant.charger):
            if reign.sensed.load_a[line.place] > self._limits_a[CONNECTION] + NOISE_A:
                self._complain(4, f"{grant.charger} is raised while {line} is over its limit")

    def _check_room(self, reign: Reign, raised: Collection[Grant], grants: Collection[Grant], now_s: float) -> None:
        """No overselling, and break before make."""
        if self._ledger.has_recent(LYING, CALM_S):
            return
        asked = {grant.charger: grant.offer_a for grant in grants}
        lines_raised = {(grant.charger, line) for grant in raised for line in self._ledger.lines(grant.charger)}
        named = ", ".join(f"{grant.charger} to {grant.offer_a:g} A" for grant in raised)
        for node, below in self._below.items():
            for line in LINES:
                if not any((name, line) in lines_raised for name in below):
                    continue
                room_a = self._room_a(node, line, reign)
                promised = {name: self._promised_a(name, line, asked, reign) for name in below}
                promised_a = sum(promised.values())
                drawn_a = sum(max(promised[name], self._ledger.following_a(name, line, now_s)) for name in below)
                if promised_a > room_a + NOISE_A:
                    self._complain(1, f"{node} {line}: {promised_a:.1f} A promised for {room_a:.1f} A left; {named}")
                elif drawn_a > room_a + NOISE_A:
                    self._complain(2, f"{node} {line}: {drawn_a:.1f} A still drawn for {room_a:.1f} A left; {named}")

    def _room_a(self, node: str, line: Line, reign: Reign) -> float:
        if node != CONNECTION:
            return self._limits_a[node]
        sensed, now_s = reign.sensed, self._world.now_s
        passes = [name for name in sensed.unused if name in sensed.charging or reign.knew_to_charge(name, now_s)]
        unused_a = sum(sensed.unused[name][line.place] for name in passes)
        return self._limits_a[node] - sensed.house_a[line.place] + unused_a

    def _promised_a(self, name: str, line: Line, asked: dict[str, float], reign: Reign) -> float:
        """What is asked for it now, what it may be told yet, and all that it may take while nobody reaches it."""
        if line not in self._ledger.lines(name):
            return 0.0
        now_s = self._world.now_s
        unseen_a = self._most_a(name) if self._is_out_of_reach(name, reign, now_s) else 0.0
        return max(asked.get(name, 0.0), self._ledger.committed_a(name, line, now_s), unseen_a)

    def _is_out_of_reach(self, name: str, reign: Reign, now_s: float) -> bool:
        is_silent = now_s - reign.heard_s.get(name, reign.began_s) > SILENT_AFTER_S + self._ledger.step_s
        return is_silent or reign.knew_lost(name, now_s)

    def _most_a(self, name: str) -> float:
        charger = self._world.policy.chargers[name]
        return max(charger.max_a, charger.failsafe_a or 0.0, charger.fallback_a)

    def _is_raise(self, reign: Reign, grant: Grant) -> bool:
        """Whether it is more than the charger has by this leader, its own newest word, or in truth, and its fallback.

        A grant that may not raise is none, whatever it says: that is the agent's promise.
        """
        name = grant.charger
        own_a = reign.told_a.get(name, 0.0), reign.said_a.get(name, 0.0), standing_a(self._ledger.entries[name].charger)
        return grant.offer_a > max(*own_a, self._world.policy.chargers[name].fallback_a) + 1e-6

    def _would_fit(self) -> bool:
        """Whether every car's minimum fitted all the time of the last while, as far as the meter can tell."""
        policy = self._world.policy
        is_known = self._world.meter_kind is not P1Kind.DSMR_4  # no voltages: its currents are known to a tenth
        for place, line in enumerate(policy.connection.lines):
            minima_a = sum(charger.min_a for charger in policy.chargers.values() if line in charger.lines)
            peak_a = self._world.house_peak_a(place, CALM_S)
            is_known = is_known and minima_a + peak_a + WHOLE_AMP_A <= policy.connection.limit_a
        for node, below in self._below.items():
            minima_a = sum(policy.chargers[name].min_a for name in below)
            is_known = is_known and (node == CONNECTION or minima_a <= self._limits_a[node])
        return is_known and all(entry.is_metered for entry in self._ledger.entries.values())

    def _is_switched(self, grant: Grant) -> bool:
        """Whether it asks for other phases than the wallbox says: that needs a stop."""
        said = self._ledger.entries[grant.charger].said
        return grant.phases is not None and said is not None and said.phases != grant.phases

    def _is_calm(self, now_s: float) -> bool:
        return now_s > CALM_S and not self._ledger.has_recent(frozenset(Kind), CALM_S)

    def _is_unheard(self, name: str) -> bool:
        """Whether what this leader says cannot be heard now, so that it is no promise."""
        faults = self._world.faults
        return faults.is_on(Kind.BROKER_GONE) or faults.is_on(Kind.CUT_OFF, name)

    def _reign(self, name: str, now_s: float) -> Reign | None:
        """The reign of a balancer that leads and is awake."""
        balancer = self._world.balancers.get(name)
        core = balancer.core if balancer is not None else None
        if balancer is None or core is None or balancer.is_frozen(now_s):
            return None
        reign = self._reigns.get(id(core))
        if reign is None:
            has_rival = any(each.epoch == core.epoch for each in self._reigns.values())
            if has_rival and not self._ledger.has_recent({Kind.STORE_LOST}, now_s):
                self._complain(7, f"two leaders under epoch {core.epoch}")
            reign = self._reigns[id(core)] = Reign(core, now_s)
        return reign


def _is_news(stamp: Stamp, newest: Stamp) -> bool:
    return stamp.session != newest.session or stamp.at_s > newest.at_s
