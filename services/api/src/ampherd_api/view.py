"""The live picture of the site, built from the bus: pure, with the time as an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from ampherd_core.messages import ChargerState, Decision, Event, MeterStatus, Reading, ServiceStatus, SiteState
from ampherd_core.plans import PlanState, UsualLoad
from ampherd_core.policy import Policy

from ampherd_api.documents import Change, ChargerDocument, MeterDocument, SiteDocument, Snapshot
from ampherd_api.headline import headline
from ampherd_api.inbox import Document

EVENTS_KEPT: Final = 100
"""What a person scrolls through; older events are in the log."""

_SERVICES_KEPT: Final = 100
"""More than any site runs; a flood of invented names ends here."""

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Heard(Generic[D]):
    """A document, when it was true (s on our boot clock), and the revision that it made."""

    document: D
    at_s: float
    revision: int


class View:
    """What the site last said; every document taken makes a new `revision`."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.revision = 0
        self.site: Heard[SiteState] | None = None
        self.readings: dict[str, Heard[Reading]] = {}
        self.meter_status: dict[str, Heard[MeterStatus]] = {}
        self.states: dict[str, Heard[ChargerState]] = {}
        self.decisions: dict[str, Heard[Decision]] = {}
        self.plans: dict[str, Heard[PlanState]] = {}
        self.usual: UsualLoad | None = None
        self.services: dict[str, Heard[ServiceStatus]] = {}
        self.events: deque[Heard[Event]] = deque(maxlen=EVENTS_KEPT)

    def take(self, document: Document, at_s: float) -> None:
        """Remember a document that was true at `at_s`."""
        self.revision += 1
        match document:
            case SiteState():
                self.site = self._heard(document, at_s)
            case Reading():
                self.readings[document.meter] = self._heard(document, at_s)
            case MeterStatus():
                self.meter_status[document.meter] = self._heard(document, at_s)
            case ChargerState() | Decision() | PlanState():
                self._take_of_charger(document, at_s)
            case UsualLoad():
                self.usual = document
            case Event():
                self.events.appendleft(self._heard(document, at_s))
            case ServiceStatus():
                if document.service in self.services or len(self.services) < _SERVICES_KEPT:
                    self.services[document.service] = self._heard(document, at_s)

    def adopt(self, policy: Policy) -> None:
        """Go on with a new policy; what it no longer knows is forgotten."""
        self.policy = policy
        self.revision += 1
        for known, books in (
            (set(policy.chargers), (self.states, self.decisions, self.plans)),
            (set(policy.meters), (self.readings, self.meter_status)),
        ):
            for book in books:
                for stranger in set(book) - known:
                    del book[stranger]

    def snapshot(self, now_s: float, at: datetime, *, is_bus_connected: bool) -> Snapshot:
        """The whole picture."""
        return Snapshot(
            at=at,
            revision=self.revision,
            is_bus_connected=is_bus_connected,
            headline=headline(self, now_s, is_bus_connected=is_bus_connected),
            site=self.site_document(now_s),
            chargers=self.charger_documents(now_s),
            meters=self.meter_documents(now_s),
            services={name: heard.document for name, heard in self.services.items()},
            events=tuple(heard.document for heard in self.events),
        )

    def change(self, since: int, now_s: float, *, is_bus_connected: bool) -> Change:
        """What is new after revision `since`."""
        chargers = _newer(self.states, since) | _newer(self.decisions, since) | _newer(self.plans, since)
        meters = _newer(self.readings, since) | _newer(self.meter_status, since)
        return Change(
            revision=self.revision,
            is_bus_connected=is_bus_connected,
            headline=headline(self, now_s, is_bus_connected=is_bus_connected),
            site=self.site_document(now_s) if self.site is not None and self.site.revision > since else None,
            chargers={charger: self.charger_document(charger, now_s) for charger in chargers},
            meters={meter: self.meter_document(meter, now_s) for meter in meters},
            services={name: self.services[name].document for name in _newer(self.services, since)},
            events=tuple(heard.document for heard in self.events if heard.revision > since),
        )

    def site_document(self, now_s: float) -> SiteDocument:
        """The site now."""
        site, connection = self.policy.site, self.policy.connection
        return SiteDocument(
            id=site.id,
            name=site.name,
            timezone=site.timezone,
            phases=connection.phases,
            rating_a=connection.rating_a,
            limit_a=connection.limit_a,
            voltage_v=connection.voltage_v,
            state=_document(self.site),
            state_age_s=age_s(self.site, now_s),
        )

    def charger_documents(self, now_s: float) -> dict[str, ChargerDocument]:
        """Every charger of the policy."""
        return {charger: self.charger_document(charger, now_s) for charger in self.policy.chargers}

    def charger_document(self, charger_id: str, now_s: float) -> ChargerDocument:
        """One charger; KeyError where the policy knows no such charger."""
        charger = self.policy.chargers[charger_id]
        state, decision = self.states.get(charger_id), self.decisions.get(charger_id)
        return ChargerDocument(
            id=charger_id,
            name=charger.name or charger_id,
            driver=charger.driver,
            circuit=charger.circuit,
            lines=charger.lines,
            min_a=charger.min_a,
            max_a=charger.max_a,
            switches_phases=charger.switches_phases,
            state=_document(state),
            state_age_s=age_s(state, now_s),
            decision=_document(decision),
            decision_age_s=age_s(decision, now_s),
            battery_kwh=charger.battery_kwh,
            plan=_document(self.plans.get(charger_id)),
        )

    def meter_documents(self, now_s: float) -> dict[str, MeterDocument]:
        """Every meter of the policy."""
        return {meter: self.meter_document(meter, now_s) for meter in self.policy.meters}

    def meter_document(self, meter_id: str, now_s: float) -> MeterDocument:
        """One meter; KeyError where the policy knows no such meter."""
        meter, reading = self.policy.meters[meter_id], self.readings.get(meter_id)
        return MeterDocument(
            id=meter_id,
            role=meter.role,
            driver=meter.driver,
            lines=meter.lines,
            reading=_document(reading),
            reading_age_s=age_s(reading, now_s),
            status=_document(self.meter_status.get(meter_id)),
        )

    def _take_of_charger(self, document: ChargerState | Decision | PlanState, at_s: float) -> None:
        match document:
            case ChargerState():
                self.states[document.charger] = self._heard(document, at_s)
            case Decision():
                self.decisions[document.charger] = self._heard(document, at_s)
            case PlanState():
                self.plans[document.charger] = self._heard(document, at_s)

    def _heard(self, document: D, at_s: float) -> Heard[D]:
        return Heard(document, at_s, self.revision)


def age_s(heard: Heard[D] | None, now_s: float) -> float | None:
    """How old a document is, s; None where none was heard."""
    return None if heard is None else round(max(0.0, now_s - heard.at_s), 3)


def _document(heard: Heard[D] | None) -> D | None:
    return None if heard is None else heard.document


def _newer(book: Mapping[str, Heard[D]], since: int) -> set[str]:
    return {name for name, heard in book.items() if heard.revision > since}
