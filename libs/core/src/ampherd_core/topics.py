"""The bus's topics: the one place that knows how they are spelt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel

from ampherd_core.messages import (
    ChargerState,
    Decision,
    Event,
    Grant,
    HistoryRequest,
    MeterStatus,
    Reading,
    ServiceStatus,
    SetResult,
    SiteState,
)
from ampherd_core.plans import PlanState, UsualLoad

Qos = Literal[0, 1]

SETTINGS: Final = ("mode", "max_current", "priority", "phases", "plan", "soc")
"""What a user may set per charger, at `charger/<c>/<setting>/set`."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site: each method names one topic, `any` for an id gives a filter."""

    site: str

    @property
    def root(self) -> str:
        """The prefix of every topic."""
        return f"ampherd/{self.site}"

    def reading(self, meter: str) -> str:
        """A meter's sample."""
        return f"{self.root}/meter/{meter}/reading"

    def meter_status(self, meter: str) -> str:
        """A meter's health."""
        return f"{self.root}/meter/{meter}/status"

    @property
    def site_state(self) -> str:
        """The site as the balancer sees it."""
        return f"{self.root}/site/state"

    def grant(self, charger: str) -> str:
        """The permission to a charger."""
        return f"{self.root}/charger/{charger}/grant"

    def charger_state(self, charger: str) -> str:
        """What a charger does."""
        return f"{self.root}/charger/{charger}/state"

    def decision(self, charger: str) -> str:
        """What the balancer wants of a charger, and why."""
        return f"{self.root}/charger/{charger}/decision"

    def set(self, charger: str, setting: str) -> str:
        """Where anyone changes a setting."""
        return f"{self.root}/charger/{charger}/{setting}/set"

    def set_error(self, charger: str, setting: str) -> str:
        """Where a refused change is explained."""
        return f"{self.root}/charger/{charger}/{setting}/error"

    def plan(self, charger: str) -> str:
        """A charger's plan and what will be done about it."""
        return f"{self.root}/charger/{charger}/plan"

    @property
    def usual(self) -> str:
        """What the house usually takes."""
        return f"{self.root}/site/usual"

    @property
    def prices_set(self) -> str:
        """Where anyone gives a list of prices."""
        return f"{self.root}/site/prices/set"

    @property
    def prices_error(self) -> str:
        """Where a refused list is explained."""
        return f"{self.root}/site/prices/error"

    @property
    def limit_set(self) -> str:
        """Where the network operator's signal arrives."""
        return f"{self.root}/site/limit/set"

    @property
    def limit_error(self) -> str:
        """Where a refused signal is explained."""
        return f"{self.root}/site/limit/error"

    def service_status(self, service: str) -> str:
        """Whether a service runs."""
        return f"{self.root}/service/{service}/status"

    @property
    def event(self) -> str:
        """What a person would want to know."""
        return f"{self.root}/event"

    def evcc(self, charger: str, name: str) -> str:
        """A scalar for evcc's custom charger."""
        return f"{self.root}/evcc/{charger}/{name}"

    @property
    def history_request(self) -> str:
        """Where a recorder asks for what it missed."""
        return f"{self.root}/history/request"

    def backlog(self, topic: str) -> str:
        """Where a service says again, for the recorder alone, what it had said on `topic`."""
        return f"{self.root}/backlog/{topic.removeprefix(self.root + '/')}"

    def parse(self, topic: str) -> tuple[str, ...] | None:
        """The topic's levels below the root, or None where it belongs to another site."""
        head = self.root + "/"
        return tuple(topic[len(head) :].split("/")) if topic.startswith(head) else None


ANY: Final = "+"
"""Stands for any id in a subscription filter."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One row of the bus's contract: who says what, how, and on which topic."""

    topic: str
    sender: str
    model: type[BaseModel] | None
    qos: Qos
    is_retained: bool
    summary: str


def channels() -> tuple[Channel, ...]:
    """The whole contract, with `{…}` for the ids."""
    t = Topics("{site}")
    return (
        Channel(t.reading("{meter}"), "meter", Reading, 0, False, "One sample of one meter."),
        Channel(t.meter_status("{meter}"), "meter", MeterStatus, 1, True, "A meter's health, and why."),
        Channel(t.site_state, "balancer", SiteState, 0, True, "Phases against their limits, and what limits now."),
        Channel(
            t.grant("{charger}"),
            "balancer",
            Grant,
            0,
            False,
            "A charger's permission; expires with its lease.",
        ),
        Channel(t.charger_state("{charger}"), "charger-agent", ChargerState, 0, True, "What a charger does."),
        Channel(t.decision("{charger}"), "balancer", Decision, 0, True, "What a charger gets, and why."),
        Channel(
            t.set("{charger}", "{setting}"),
            "anyone",
            None,
            1,
            False,
            "Change a setting: a plain scalar or JSON.",
        ),
        Channel(
            t.set_error("{charger}", "{setting}"),
            "balancer",
            SetResult,
            1,
            False,
            "Why a change was refused.",
        ),
        Channel(t.plan("{charger}"), "balancer", PlanState, 1, True, "A charger's plan, and when it will charge."),
        Channel(t.usual, "balancer", UsualLoad, 1, True, "What the house usually takes, by the quarter-hour."),
        Channel(t.prices_set, "anyone", None, 1, False, "A list of prices: [{start, end, price}, …]; may be retained."),
        Channel(t.prices_error, "balancer", SetResult, 1, False, "Why a list of prices was refused."),
        Channel(t.limit_set, "anyone", None, 1, False, "The network operator's signal: on, off, watts or JSON."),
        Channel(t.limit_error, "balancer", SetResult, 1, False, "Why a signal was refused."),
        Channel(
            t.service_status("{service}"),
            "each service",
            ServiceStatus,
            1,
            True,
            "Online or offline (last will).",
        ),
        Channel(t.event, "each service", Event, 1, False, "What a person would want to know."),
        Channel(t.history_request, "api", HistoryRequest, 1, True, "The recorder asks for what it missed."),
        Channel(t.backlog(t.reading("{meter}")), "meter", Reading, 1, False, "A reading said again for the recorder."),
        Channel(
            t.backlog(t.charger_state("{charger}")), "charger-agent", ChargerState, 1, False, "A state said again."
        ),
        Channel(t.backlog(t.site_state), "balancer", SiteState, 1, False, "A site's state said again."),
        Channel(t.evcc("{charger}", "{name}"), "charger-agent, balancer", None, 0, True, "Scalars for evcc."),
    )


_CONTRACT: Final = tuple((channel.topic.split("/"), channel.qos) for channel in channels())


def subscription_qos(topic_filter: str) -> Qos:
    """How to hear a filter: as the contract says it; 1 where it is no topic of ours.

    A broker may deliver at the QoS of the subscription whatever the sender's was (iotcore does), and then each
    reading and grant would be acknowledged by everyone who hears it.
    """
    asked = topic_filter.split("/")
    for levels, qos in _CONTRACT:
        if len(levels) == len(asked) and all(map(_is_level, levels, asked)):
            return qos
    return 1


def _is_level(level: str, asked: str) -> bool:
    return level == asked or level.startswith("{")
