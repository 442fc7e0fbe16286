"""What the API answers: pydantic models around the documents of the bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from ampherd_core.messages import (
    ChargerState,
    Decision,
    Event,
    MeterRole,
    MeterStatus,
    Reading,
    ServiceStatus,
    Severity,
    SiteState,
)
from ampherd_core.phases import Line
from ampherd_core.plans import PlanState
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Age = Annotated[float | None, Field(description="how long ago it was heard, s; null until it was")]


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(frozen=True)


class SiteDocument(Answer):
    """The site: what the policy says of it, and what the balancer sees."""

    id: str
    name: str
    timezone: str
    phases: int
    rating_a: float = Field(description="main fuse, A per phase")
    limit_a: float = Field(description="rating less its margin: what every phase is held under, A")
    voltage_v: float
    state: SiteState | None = None
    state_age_s: Age = None


class ChargerDocument(Answer):
    """One charger: what the policy says of it, what it does, and what it gets and why."""

    id: str
    name: str
    driver: str
    circuit: str
    lines: tuple[Line, ...]
    min_a: float
    max_a: float
    switches_phases: bool
    state: ChargerState | None = None
    state_age_s: Age = None
    decision: Decision | None = None
    decision_age_s: Age = None
    battery_kwh: float | None = Field(None, description="capacity of its car's battery, kWh; plans in % need it")
    plan: PlanState | None = None


class MeterDocument(Answer):
    """One meter: what the policy says of it, its newest reading, and its health."""

    id: str
    role: MeterRole
    driver: str
    lines: tuple[Line, ...]
    reading: Reading | None = None
    reading_age_s: Age = None
    status: MeterStatus | None = None


class Headline(Answer):
    """The site in one sentence."""

    severity: Severity
    text: str


class Change(Answer):
    """What is new since an earlier revision; a section that is absent did not change."""

    revision: int
    is_bus_connected: bool
    headline: Headline
    site: SiteDocument | None = None
    chargers: dict[str, ChargerDocument] = Field(default_factory=dict)
    meters: dict[str, MeterDocument] = Field(default_factory=dict)
    services: dict[str, ServiceStatus] = Field(default_factory=dict)
    events: tuple[Event, ...] = Field((), description="newest first")


class Snapshot(Change):
    """The whole live picture."""

    at: AwareDatetime
    site: SiteDocument


class Failure(Answer):
    """Why a request was not served."""

    error: str = Field(description="a code for programs")
    message: str = Field(description="a sentence for people")
    details: object = None


def failures(texts: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """These statuses as the OpenAPI document lists them."""
    return {status: {"model": Failure, "description": text} for status, text in texts.items()}
