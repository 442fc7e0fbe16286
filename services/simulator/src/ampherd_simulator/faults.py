"""What goes wrong and when, as data: a story of faults that a world lives through and a person can read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

EVERYBODY: Final = ""
"""The `who` of a fault that spares nobody."""

METER: Final = "meter"
BALANCERS: Final = ("balancer-1", "balancer-2")
"""The names of the processes beside the agents, which are named like their chargers."""


class Kind(StrEnum):
    """Every kind of fault; `who` is a process or a charger, and `amount` what the kind's line says."""

    MESSAGES_LOST = "messages-lost"  # the share of them
    MESSAGES_LATE = "messages-late"  # by up to so many s, so that they overtake each other
    MESSAGES_DOUBLED = "messages-doubled"  # again within so many s
    MESSAGES_REPLAYED = "messages-replayed"  # those of the last so many s, all at once
    BROKER_GONE = "broker-gone"
    CUT_OFF = "cut-off"  # one process from the broker
    STORE_GONE = "store-gone"  # for everybody, or for one balancer
    STORE_LOST = "store-lost"  # it comes back empty
    KILLED = "killed"  # 1: told to stop
    FROZEN = "frozen"  # 1: between its next decision and the deed
    HOST_SUSPENDED = "host-suspended"
    HOST_RESTARTED = "host-restarted"
    WALL_CLOCK_JUMPED = "wall-clock-jumped"  # by so many s
    METER_SILENT = "meter-silent"
    METER_FROZEN = "meter-frozen"
    METER_HALF_MISSING = "meter-half-missing"
    METER_SIGN_WRONG = "meter-sign-wrong"
    METER_GARBAGE = "meter-garbage"
    METER_SLOW = "meter-slow"  # a telegram every so many s
    LINK_SILENT = "link-silent"  # 1: though what is written arrives
    LINK_LATE = "link-late"
    LINK_PREVIOUS = "link-previous"
    LINK_GARBAGE = "link-garbage"
    WRITES_IGNORED = "writes-ignored"
    WALLBOX_REBOOTED = "wallbox-rebooted"
    REGISTERS_LOST = "registers-lost"
    PHASES_STUCK = "phases-stuck"  # though its settings say otherwise
    CURRENTS_STALE = "currents-stale"
    CAR_GHOST = "car-ghost"
    CAR_OVERDRAWS = "car-overdraws"  # times its offer
    CAR_SLOW = "car-slow"  # its lag, s
    CAR_STOPS = "car-stops"
    CAR_STUBBORN = "car-stubborn"
    CAR_GONE = "car-gone"


_TOLD: Final = {
    Kind.MESSAGES_LOST: "{amount:.0%} of the messages of {who} are lost",
    Kind.MESSAGES_LATE: "messages of {who} are late by up to {amount:g} s",
    Kind.MESSAGES_DOUBLED: "messages of {who} come twice, the second time up to {amount:g} s late",
    Kind.MESSAGES_REPLAYED: "{who} gets the messages of the last {amount:g} s once more",
    Kind.BROKER_GONE: "the broker is gone",
    Kind.CUT_OFF: "{who} cannot reach the broker",
    Kind.STORE_GONE: "{who} cannot reach the store",
    Kind.STORE_LOST: "the store restarts, empty",
    Kind.KILLED: "{who} is killed",
    Kind.FROZEN: "{who} freezes",
    Kind.HOST_SUSPENDED: "the host sleeps",
    Kind.HOST_RESTARTED: "the host restarts",
    Kind.WALL_CLOCK_JUMPED: "the wall clock jumps by {amount:+g} s",
    Kind.METER_SILENT: "the grid meter is silent",
    Kind.METER_FROZEN: "the grid meter repeats its last telegram",
    Kind.METER_HALF_MISSING: "the grid meter shows one phase of three",
    Kind.METER_SIGN_WRONG: "the grid meter shows import as export",
    Kind.METER_GARBAGE: "the grid meter sends garbage",
    Kind.METER_SLOW: "the grid meter speaks every {amount:g} s",
    Kind.LINK_SILENT: "wallbox {who} does not answer",
    Kind.LINK_LATE: "wallbox {who} answers a second late",
    Kind.LINK_PREVIOUS: "wallbox {who} answers with the previous answer",
    Kind.LINK_GARBAGE: "wallbox {who} answers with garbage",
    Kind.WRITES_IGNORED: "wallbox {who} acknowledges writes and ignores them",
    Kind.WALLBOX_REBOOTED: "wallbox {who} reboots to full current",
    Kind.REGISTERS_LOST: "wallbox {who} forgets its limit",
    Kind.PHASES_STUCK: "wallbox {who} says that it switches its phases and does not",
    Kind.CURRENTS_STALE: "wallbox {who} reports stale currents",
    Kind.CAR_GHOST: "wallbox {who} reports its car for ever",
    Kind.CAR_OVERDRAWS: "car {who} draws {amount:g} times its offer",
    Kind.CAR_SLOW: "car {who} follows its offer after {amount:g} s",
    Kind.CAR_STOPS: "car {who} stops by itself",
    Kind.CAR_STUBBORN: "car {who} ignores lower offers",
    Kind.CAR_GONE: "car {who} leaves",
}
_ONE_MORE: Final = {
    (Kind.KILLED, 1.0): "{who} is told to stop",
    (Kind.FROZEN, 1.0): "{who} freezes between its next decision and the deed",
    (Kind.LINK_SILENT, 1.0): "wallbox {who} obeys and does not answer",
}

MOMENTS: Final = frozenset(
    {
        Kind.MESSAGES_REPLAYED,
        Kind.STORE_LOST,
        Kind.WALL_CLOCK_JUMPED,
        Kind.WALLBOX_REBOOTED,
        Kind.REGISTERS_LOST,
    }
)
"""Faults of one moment: `for_s` says nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at `at_s`, for `for_s`; `who` and `amount` as the kind says."""

    kind: Kind
    at_s: float
    for_s: float = 0.0
    who: str = EVERYBODY
    amount: float = 0.0

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s

    def tell(self) -> str:
        """One line for a person."""
        text = _ONE_MORE.get((self.kind, self.amount)) or _TOLD[self.kind]
        lasting = "" if self.kind in MOMENTS else f" for {self.for_s:g} s"
        return text.format(who=self.who or "everybody", amount=self.amount) + lasting


class Faults:
    """The faults of a story as time passes: which act now, which begin and which end at this step."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.all = tuple(sorted(faults, key=lambda fault: fault.at_s))
        self.active: list[Fault] = []
        self._next = 0
        self._on: frozenset[tuple[Kind, str]] = frozenset()
        self.has_bus_fault = False

    def advance(self, now_s: float) -> tuple[Collection[Fault], Collection[Fault]]:
        """Live until `now_s`: what begins, and what ends."""
        begun: list[Fault] = []
        while self._next < len(self.all) and self.all[self._next].at_s <= now_s:
            begun.append(self.all[self._next])
            self._next += 1
        ended = [fault for fault in self.active if fault.ends_s <= now_s] if self.active else []
        if begun or ended:
            self._act([fault for fault in (*self.active, *begun) if fault.ends_s > now_s])
        return begun, ended

    def put_off(self, fault: Fault, now_s: float) -> float:
        """What it waited for has come just now: from here on it acts as long as it was to; until when."""
        longer = replace(fault, for_s=now_s - fault.at_s + fault.for_s)
        self.all = tuple([longer if each is fault else each for each in self.all])
        self._act([*(each for each in self.active if each is not fault), longer])
        return longer.ends_s

    def _act(self, active: list[Fault]) -> None:
        self.active = active
        self._on = frozenset((fault.kind, fault.who) for fault in active)
        self.has_bus_fault = any(fault.kind in _BUS for fault in active)

    def is_on(self, kind: Kind, who: str = EVERYBODY) -> bool:
        """Whether a fault acts on `who` now."""
        return bool(self._on) and ((kind, who) in self._on or (kind, EVERYBODY) in self._on)

    def on_messages(self, sender: str, receiver: str) -> list[Fault]:
        """The faults that act on a message from one process to another."""
        names = (EVERYBODY, sender, receiver)
        return [fault for fault in self.active if fault.kind in _BUS and fault.who in names]


_BUS: Final = frozenset({Kind.MESSAGES_LOST, Kind.MESSAGES_LATE, Kind.MESSAGES_DOUBLED, Kind.BROKER_GONE, Kind.CUT_OFF})
