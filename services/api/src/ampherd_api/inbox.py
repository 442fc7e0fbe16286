"""From a message of the bus to the document that it carries, or a counted refusal."""

from __future__ import annotations

from typing import Final, TypeAlias

from ampherd_core.bus import Inbound
from ampherd_core.messages import ChargerState, Decision, Event, MeterStatus, Reading, ServiceStatus, SiteState
from ampherd_core.plans import PlanState, UsualLoad
from ampherd_core.policy import Policy
from ampherd_core.topics import ANY, Topics
from ampherd_core.wire import Wire

Document: TypeAlias = (
    Reading | MeterStatus | SiteState | ChargerState | Decision | PlanState | UsualLoad | ServiceStatus | Event
)

_MODELS: Final[dict[tuple[str, str], type[Document]]] = {
    ("meter", "reading"): Reading,
    ("meter", "status"): MeterStatus,
    ("charger", "state"): ChargerState,
    ("charger", "decision"): Decision,
    ("charger", "plan"): PlanState,
    ("service", "status"): ServiceStatus,
}


def filters(topics: Topics) -> tuple[str, ...]:
    """One filter a kind: an embedded broker delivers few retained documents per subscription."""
    return (
        topics.backlog(topics.reading(ANY)),
        topics.backlog(topics.charger_state(ANY)),
        topics.backlog(topics.site_state),
        topics.reading(ANY),
        topics.meter_status(ANY),
        topics.site_state,
        topics.charger_state(ANY),
        topics.decision(ANY),
        topics.plan(ANY),
        topics.usual,
        topics.service_status(ANY),
        topics.event,
    )


class Inbox:
    """Reads what the site says; senders that the policy does not know, or that do not own the topic, are refused."""

    def __init__(self, topics: Topics, policy: Policy) -> None:
        self.policy = policy
        self.wire = Wire()
        self._topics = topics

    def is_backlog(self, message: Inbound) -> bool:
        """Whether the message is said again for history alone."""
        return message.topic.startswith(self._topics.backlog(""))

    def read(self, message: Inbound) -> Document | None:
        """The document, said for the first time or again, or None after counting the refusal."""
        levels = self._topics.parse(message.topic) or ()
        match levels[1:] if levels[:1] == ("backlog",) else levels:
            case ("site", "state"):
                return self.wire.read(SiteState, message)
            case ("site", "usual"):
                return self.wire.read(UsualLoad, message)
            case ("event",):
                return self.wire.read(Event, message)
            case (noun, sender, kind) if (noun, kind) in _MODELS:
                document = self.wire.read(_MODELS[noun, kind], message)
                return document if document is not None and self._is_known(noun, sender, document) else None
        self.wire.refuse("unknown-topic", message.topic, "no document of ours")
        return None

    def _is_known(self, noun: str, sender: str, document: Document) -> bool:
        if getattr(document, noun) != sender:
            self.wire.refuse("mismatch", f"{noun}/{sender}", f"the document names another {noun}")
            return False
        known = {"meter": set(self.policy.meters), "charger": set(self.policy.chargers)}.get(noun)
        if known is not None and sender not in known:
            self.wire.refuse("stranger", f"{noun}/{sender}", f"the policy knows no such {noun}")
            return False
        return True
