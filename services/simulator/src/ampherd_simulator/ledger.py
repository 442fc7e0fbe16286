"""What is true of each wallbox, and what it was told: the monitors' own book, kept from the world and the bus alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ampherd_core.messages import ChargerState, Grant, IecState
from ampherd_core.phases import ZERO, Line, Phases, most, on_lines, subtract
from ampherd_core.units import CAR_REACTION_S

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.faults import EVERYBODY, Kind
from ampherd_simulator.judge import HIDING, LYING
from ampherd_simulator.virtual_agent import VirtualAgent
from ampherd_simulator.wallboxes.edgetech import Edgetech
from ampherd_simulator.wallboxes.smartevse_pilot import DECIAMP, State

if TYPE_CHECKING:
    from ampherd_simulator.world import World

REMEMBERS_S: Final = 15.0
QUICK_KNOWN_S: Final = 4.0
SLOW_KNOWN_S: Final = 12.0
"""What a wallbox does by itself can be known so long after: it boots 3 s, and a SmartEVSE is read every 7 s."""

LIES_LINGER_S: Final = 15.0
METERED_KNOWN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: its number, when, and how."""

    promise: int
    at_s: float
    text: str


Complain = Callable[[int, str], None]
"""Report that a promise (its number) is broken, and how."""


@dataclass(slots=True)
class Entry:
    """One wallbox: `standing_a`, `shown_a` and `drawn` of the last while, the newest state and grant that came.

    `raises` are the grants that may raise, each with the agent's clock when it lapses.
    """

    charger: SimulatedCharger
    standing_a: deque[tuple[float, float]] = field(default_factory=deque)
    shown_a: deque[tuple[float, float]] = field(default_factory=deque)
    drawn: deque[tuple[float, Phases]] = field(default_factory=deque)
    lowered_s: float = float("-inf")
    ordered_a: float = 0.0
    said: ChargerState | None = None
    held: Grant | None = None
    raises: deque[tuple[float, float]] = field(default_factory=deque)
    lease_session: str = ""
    lease_ends_s: float = float("-inf")

    @property
    def is_metered(self) -> bool:
        """Whether the wallbox measures what its car draws."""
        return isinstance(self.charger.wallbox, Edgetech)

    @property
    def is_said_to_charge(self) -> bool:
        """Whether its agent says that the car may draw."""
        return self.said is not None and self.said.iec_state is IecState.C

    @property
    def stood_a(self) -> float:
        """What stood a step ago, A."""
        return self.standing_a[-2][1] if len(self.standing_a) > 1 else standing_a(self.charger)

    def least_shown_a(self, span_s: float, now_s: float) -> float:
        """The least that a read could have shown in the last `span_s`, A.

        An idle SmartEVSE shows no offer: it stands at what it acknowledged, until a car charges and shows more.
        """
        return min([self._showing_a, *[amps for at_s, amps in self.shown_a if at_s >= now_s - span_s]])

    def highest_standing_a(self, span_s: float, now_s: float) -> float:
        """The most that stood at any time of the last `span_s`, A."""
        return max([standing_a(self.charger), *[amps for at_s, amps in self.standing_a if at_s >= now_s - span_s]])

    def note_shown(self, now_s: float) -> None:
        """One step has passed."""
        self.shown_a.append((now_s, self._showing_a))

    @property
    def _showing_a(self) -> float:
        wallbox, amps = self.charger.wallbox, standing_a(self.charger)
        is_shown = isinstance(wallbox, Edgetech) or wallbox.pilot.state is State.C
        return amps if is_shown else min(amps, self.ordered_a)


class Ledger:
    """An entry for each charger of the policy."""

    def __init__(self, world: World, step_s: float) -> None:
        self.world = world
        self.step_s = step_s
        self.entries = {charger_id: Entry(world.site.chargers[charger_id]) for charger_id in world.policy.chargers}
        self.offers_a: dict[tuple[str, int, int], float] = {}

    def grant_came(self, grant: Grant, now_s: float) -> None:
        """A grant has reached its agent's socket."""
        agent, entry = self.world.agents.get(grant.charger), self.entries[grant.charger]
        if agent is None or grant.echo.session != agent.session:
            return
        ends_s = grant.echo.at_s + grant.lease_s
        if entry.lease_session != agent.session:
            entry.lease_session, entry.lease_ends_s, entry.held = agent.session, float("-inf"), None
            entry.raises.clear()
        entry.lease_ends_s = max(entry.lease_ends_s, ends_s)
        if grant.may_raise:
            entry.raises.append((ends_s, grant.offer_a))
        is_newer = entry.held is None or grant.id.is_newer_than(entry.held.id)
        if is_newer and ends_s > agent.clock_s(now_s):
            entry.held = grant

    def note(self, now_s: float) -> None:
        """One step has passed."""
        for name, entry in self.entries.items():
            agent, amps = self.world.agents.get(name), standing_a(entry.charger)
            if agent is not None and agent.written_a is not None:
                entry.ordered_a = agent.written_a
            if entry.standing_a and amps < entry.standing_a[-1][1]:
                entry.lowered_s = now_s
            entry.standing_a.append((now_s, amps))
            entry.drawn.append((now_s, entry.charger.load_a))
            entry.note_shown(now_s)
            while entry.standing_a[0][0] < now_s - REMEMBERS_S:
                entry.standing_a.popleft()
                entry.shown_a.popleft()
                entry.drawn.popleft()

    def lines(self, name: str) -> tuple[Line, ...]:
        """The lines that the car uses; of an empty wallbox all."""
        car, wired = self.entries[name].charger.car, self.world.policy.chargers[name].lines
        return wired if car.iec_state is IecState.A else wired[: car.phases]

    def committed_a(self, name: str, line: Line, now_s: float) -> float:
        """The most that the wallbox was, or may yet be, told; what it has by itself counts once it can be known."""
        if line not in self.lines(name):
            return 0.0
        entry = self.entries[name]
        known_s = QUICK_KNOWN_S if entry.is_metered else SLOW_KNOWN_S
        is_as_told = abs(entry.ordered_a - standing_a(entry.charger)) < 0.5
        return max(
            entry.least_shown_a(known_s, now_s),
            entry.ordered_a if is_as_told else 0.0,
            self._granted_a(name, entry, now_s),
        )

    def following_a(self, name: str, line: Line, now_s: float) -> float:
        """What a car that was told to take less still takes: while a standard car may, or as far as it is measured.

        What nobody measures counts up to what its wallbox offered: above that the car overdraws, it does not follow.
        """
        entry = self.entries[name]
        since_s = now_s - METERED_KNOWN_S - self.step_s
        recent_a = [drawn[line.place] for at_s, drawn in entry.drawn if at_s >= since_s]
        drawn_a = min([entry.charger.load_a[line.place], *recent_a])
        is_following = now_s - entry.lowered_s < CAR_REACTION_S - self.step_s
        if entry.is_metered:
            return drawn_a if is_following or not self.has_recent(HIDING, 10.0) else 0.0
        return min(drawn_a, entry.highest_standing_a(CAR_REACTION_S, now_s)) if is_following else 0.0

    def unused(self) -> Mapping[str, Phases]:
        """What each car behind a wallbox without a meter leaves of its offer, A per line.

        While it charges that passes for drawn (docs/safety.md).
        """
        return {name: self._unused(name, entry) for name, entry in self.entries.items() if not entry.is_metered}

    def said_to_charge(self) -> frozenset[str]:
        """The chargers whose agents say that the car may draw."""
        return frozenset([name for name, entry in self.entries.items() if entry.is_said_to_charge])

    def is_lied_about(self, name: str) -> bool:
        """Whether its wallbox or line told, or did, what its agent could not know."""
        kinds = LYING | {Kind.WALLBOX_REBOOTED, Kind.REGISTERS_LOST, Kind.LINK_LATE}
        return self.has_recent(kinds, LIES_LINGER_S, name)

    def has_recent(self, kinds: Collection[Kind], span_s: float, name: str | None = None) -> bool:
        """Whether a fault of these kinds acted in the last `span_s`, on anybody or on `name`."""
        now_s = self.world.now_s
        for fault in self.world.faults.all:
            if fault.at_s > now_s:
                return False
            if (
                fault.kind in kinds
                and fault.ends_s >= now_s - span_s
                and (name is None or fault.who in {EVERYBODY, name})
            ):
                return True
        return False

    def _unused(self, name: str, entry: Entry) -> Phases:
        highest_a = max((amps for _, amps in entry.standing_a), default=0.0)
        offered = on_lines(self.world.policy.chargers[name].lines, highest_a)
        return most(ZERO, subtract(offered, entry.charger.load_a))

    def _granted_a(self, name: str, entry: Entry, now_s: float) -> float:
        """The most of the grants that the agent has, or may get, and may act on."""
        agent = self.world.agents.get(name)
        if agent is None or entry.held is None:
            return 0.0
        coming = [message for message in agent.mail if isinstance(message, Grant)]
        coming += [grant for to, grant in self.world.bus.grants_under_way() if to is agent]
        newer = [grant for grant in coming if grant.id.is_newer_than(entry.held.id)]
        return max((each.offer_a for each in (entry.held, *newer) if _is_open(each, agent, now_s)), default=0.0)


def standing_a(charger: SimulatedCharger) -> float:
    """What a wallbox offers, or will offer by what it was told, A."""
    wallbox = charger.wallbox
    if isinstance(wallbox, Edgetech):
        return wallbox.offer_a
    pilot = wallbox.pilot
    if not pilot.has_access:
        return pilot.offer_a
    told_a = pilot.override_da / DECIAMP or float(pilot.max_a)
    return max(told_a, pilot.offer_a) if pilot.state is State.C else told_a


def _is_open(grant: Grant, agent: VirtualAgent, now_s: float) -> bool:
    """Whether an agent that follows the contract may act on it now or later."""
    return grant.echo.session == agent.session and grant.echo.at_s + grant.lease_s > agent.clock_s(now_s)
