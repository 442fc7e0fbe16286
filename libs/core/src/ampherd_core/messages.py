"""What travels on the bus: one frozen pydantic model a payload.

Unknown fields are ignored, so that old and new services understand each other; NaN, infinity and amps that no
home carries are refused, so that what passes needs no second check.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ampherd_core.phases import PhaseCount
from ampherd_core.units import MAX_OFFER_A, MAX_PLAUSIBLE_A, MAX_PLAUSIBLE_W, MAX_PLAUSIBLE_WH

_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT: Final = datetime(3000, 1, 1, tzinfo=UTC)
"""A clock that was never set stands at 1970; other years are a sender's fault, and the last ones leave the calendar."""

Moment = Annotated[AwareDatetime, Field(ge=_FIRST_MOMENT, lt=_LAST_MOMENT)]
Current = Annotated[float, Field(ge=-MAX_PLAUSIBLE_A, le=MAX_PLAUSIBLE_A)]
Power = Annotated[float, Field(ge=-MAX_PLAUSIBLE_W, le=MAX_PLAUSIBLE_W)]
Voltage = Annotated[float, Field(ge=0, le=1_000)]
Energy = Annotated[float, Field(ge=0, le=MAX_PLAUSIBLE_WH)]
Offer = Annotated[float, Field(ge=0, le=MAX_OFFER_A)]
Seconds = Annotated[float, Field(ge=0, le=1e10)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
ServiceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Text = Annotated[str, Field(max_length=500)]
PerLine = tuple[Current, Current, Current]
Counters = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[int, Field(ge=0, lt=2**53)]], Field(max_length=100)
]

MAX_STALE_AFTER_S: Final = 120.0
"""The longest that a policy lets a sample count: a longer promise on the wire is a fault of the sender."""


class Message(BaseModel):
    """The base of every payload."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: Literal[1] = 1

    def to_json(self) -> bytes:
        """The payload as it goes on the wire."""
        return self.model_dump_json(exclude_none=True).encode()


class Stamp(BaseModel):
    """A moment on the sender's own boot clock; comparable only within one `session` (one start of that process)."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    session: Annotated[str, Field(min_length=1, max_length=36)] = Field(description="a new one at every start")
    at_s: Seconds = Field(description="seconds on the sender's boot clock")


class MeterRole(StrEnum):
    """What a meter measures."""

    GRID = "grid"
    SOLAR = "solar"
    BATTERY = "battery"
    CIRCUIT = "circuit"
    CHARGER = "charger"


class PhaseSample(BaseModel):
    """One phase of one reading."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    current_a: Current = Field(description="signed best value, A; + is import")
    guard_a: Current = Field(
        description="signed current that is never less than the true one, A; limits are held against it"
    )
    power_w: Power | None = Field(None, description="signed active power, W; + is import")
    voltage_v: Voltage | None = Field(None, description="phase voltage, V")


class Reading(Message):
    """One sample of one meter (`meter/<m>/reading`)."""

    meter: Identifier
    role: MeterRole
    stamp: Stamp = Field(description="when the sample was complete, on the meter service's clock")
    measured_at: Moment = Field(description="the same moment in UTC, for people and history")
    interval_s: Seconds = Field(description="the meter's own period as observed, s")
    valid_for_s: Annotated[float, Field(ge=0, le=MAX_STALE_AFTER_S)] = Field(
        description="age from which this sample counts as stale, s"
    )
    resolution_a: Annotated[float, Field(ge=0, le=10)] = Field(description="step of the reported current, A; 0 = fine")
    phases: tuple[PhaseSample | None, PhaseSample | None, PhaseSample | None] = Field(
        description="L1, L2, L3; null where the meter gives no such phase"
    )
    power_w: Power | None = Field(None, description="signed total active power, W")
    energy_import_wh: Energy | None = Field(None, description="import counter, Wh")
    energy_export_wh: Energy | None = Field(None, description="export counter, Wh")
    quarter_power_w: Power | None = Field(None, description="Belgian running quarter-hour demand 1-0:1.4.0, W")
    month_peak_w: Power | None = Field(None, description="Belgian month peak 1-0:1.6.0, W")
    soc_percent: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="state of charge of a battery, %"
    )


class Health(StrEnum):
    """How a meter does."""

    OK = "ok"
    STALE = "stale"
    ERROR = "error"


class MeterStatus(Message):
    """How a meter does, and why (`meter/<m>/status`, retained)."""

    meter: Identifier
    health: Health
    why: Text = ""
    at: Moment
    interval_s: Seconds | None = Field(None, description="observed period, s")
    counters: Counters = Field(default_factory=dict, description="good samples, and bad ones by cause, since start")


class IecState(StrEnum):
    """The state of the vehicle interface (IEC 61851-1, table A)."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"

    @property
    def is_connected(self) -> bool:
        """Whether a car is plugged in."""
        return self in _CONNECTED

    @property
    def is_charging(self) -> bool:
        """Whether the car has closed its switch and may draw current."""
        return self in _CHARGING


_CHARGING: Final = frozenset({IecState.C, IecState.D})
_CONNECTED: Final = _CHARGING | {IecState.B}


class LinkHealth(StrEnum):
    """Whether the agent can talk to its wallbox."""

    STARTING = "starting"
    OK = "ok"
    LOST = "lost"


class GrantId(BaseModel):
    """Names a grant; a later leader has a higher epoch, a later grant a higher sequence number."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    epoch: Annotated[int, Field(ge=0, lt=2**53)]
    seq: Annotated[int, Field(ge=0, lt=2**53)]

    def is_newer_than(self, other: GrantId | None) -> bool:
        """Whether this grant replaces `other`."""
        return other is None or (self.epoch, self.seq) > (other.epoch, other.seq)


class Watchdog(BaseModel):
    """A wallbox's own watchdog, known to be armed: silence of its master brings it to `value_a` after `after_s`."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    value_a: Offer
    after_s: Seconds


class Grant(Message):
    """The balancer's permission to one charger (`charger/<c>/grant`), repeated every second."""

    charger: Identifier
    id: GrantId
    echo: Stamp = Field(description="the newest stamp that the balancer had heard from this agent")
    lease_s: Annotated[float, Field(gt=0, le=60)] = Field(description="lapses this long after the echoed stamp, s")
    offer_a: Offer = Field(description="A per phase; 0, or at least the charger's minimum")
    phases: PhaseCount | None = Field(
        None, description="the wallbox offers current on this count alone, and switches to it first; null: as it is"
    )
    may_raise: bool = Field(
        True, description="false from a new leader: the offer is then no more than the wallbox was last told or read"
    )


class ChargerState(Message):
    """What a charger does (`charger/<c>/state`); the agent's own clock stamps it."""

    charger: Identifier
    stamp: Stamp
    measured_at: Moment
    link: LinkHealth
    iec_state: IecState | None = Field(None, description="null until the wallbox was read")
    offer_a: Offer | None = Field(None, description="the offer read back from the wallbox, A; null until read")
    pending_a: Offer | None = Field(
        None, description="the highest order that a slow wallbox may yet take, A; null when none is"
    )
    pending_least_a: Offer | None = Field(None, description="the lowest of these orders, A")
    drawn_a: PerLine | None = Field(
        None, description="what the car draws per line of the site, A; null without a meter"
    )
    max_a: Offer | None = Field(None, description="the most that the wallbox and its cable allow, A")
    phases: PhaseCount | None = Field(
        None, description="how many phases the wallbox says it connects; null while it cannot tell"
    )
    resolution_a: Annotated[float, Field(ge=0.01, le=10)] = Field(0.1, description="step of its offers, A")
    needs_standby: bool = Field(False, description="it sees a newly plugged car only while it offers current")
    power_w: Power | None = None
    voltage_v: tuple[Voltage, Voltage, Voltage] | None = Field(None, description="per line of the site, V")
    session_wh: Energy | None = Field(None, description="energy of this charging session, Wh")
    total_wh: Energy | None = Field(None, description="the wallbox's energy counter, Wh")
    temperature_c: Annotated[float, Field(ge=-60, le=200)] | None = None
    applied: GrantId | None = Field(
        None, description="the newest grant whose offer and phases were written and read back"
    )
    is_fallback: bool = Field(False, description="no lease holds: the wallbox is at its fallback")
    error: Text | None = Field(None, description="what is wrong, for a person; null when all is well")
    watchdog: Watchdog | None = Field(None, description="the device's own watchdog, when it has one and it is armed")
    counters: Counters = Field(
        default_factory=dict, description="link quality: requests, timeouts, refusals, mismatches"
    )


class Mode(StrEnum):
    """What the user asks of a charger."""

    OFF = "off"
    FAST = "fast"
    SOLAR = "solar"
    MIN_SOLAR = "min_solar"

    @property
    def follows_sun(self) -> bool:
        """Whether surplus decides how much it charges."""
        return self in _SUNNY


_SUNNY: Final = frozenset({Mode.SOLAR, Mode.MIN_SOLAR})


class Decision(Message):
    """What the balancer wants for one charger, and why (`charger/<c>/decision`, retained)."""

    charger: Identifier
    at: Moment
    mode: Mode
    priority: Annotated[int, Field(ge=1, le=9)]
    max_a: Offer = Field(description="the user's own ceiling, A")
    target_a: Offer = Field(description="where the offer is heading, A")
    offer_a: Offer = Field(description="the offer now granted, A")
    booked_a: Offer = Field(description="what is reserved for this charger while it is uncertain, A")
    limited_by: Text = Field(description="the code of what limits it")
    reason: Text = Field(description="the same, as a sentence")
    turn_ends_in_s: Seconds | None = None


class Breaker(StrEnum):
    """What trips or blows: a fuse, or a breaker by its curve."""

    GG = "gG"
    B = "B"
    C = "C"
    D = "D"


class LimitState(BaseModel):
    """One limit of the site, line by line."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    circuit: Identifier = Field(description="`connection`, or the circuit's id")
    limit_a: PerLine
    load_a: PerLine = Field(description="guard current now, A")
    other_a: PerLine = Field(description="the load that the balancer cannot command, upper bound, A")
    headroom_a: PerLine = Field(description="limit minus load, A")
    breaker: Breaker | None = Field(None, description="its curve, where the policy notes it; the limit is what counts")


class QuarterState(BaseModel):
    """The running quarter-hour under the peak that it may make."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    ends_at: Moment
    used_w: Power = Field(description="energy so far over the whole quarter, W: its mean if nothing more is used")
    target_w: Power = Field(description="the mean that it may end with, W: the month's peak or the floor")
    room_w: Power = Field(description="what all cars together may take now, W; 0 while what is left is the house's")


class OperatorState(BaseModel):
    """The network operator's cap while it holds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    limit_w: Power = Field(description="what all cars together may draw from the grid, W")
    ends_in_s: Seconds | None = Field(None, description="null where it holds until the operator says otherwise")


class SiteState(Message):
    """The site as the balancer sees it (`site/state`, retained)."""

    at: Moment
    epoch: Annotated[int, Field(ge=0, lt=2**53)]
    is_grid_fresh: bool
    grid_a: PerLine | None = None
    grid_w: Power | None = None
    house_a: PerLine | None = Field(None, description="grid minus drawn, best value, A")
    drawn_a: PerLine
    solar_w: Power | None = None
    battery_w: Power | None = None
    surplus_w: Power | None = Field(
        None, description="what the sun has left for cars in solar modes, below 0 where it has none, W"
    )
    sun_cars_w: Power | None = Field(None, description="what the cars in solar modes take, W")
    quarter_power_w: Power | None = None
    quarter: QuarterState | None = Field(None, description="null where the policy holds no quarter-hour's peak")
    operator: OperatorState | None = Field(None, description="null while the network operator asks for nothing")
    limits: tuple[LimitState, ...] = ()
    limited_by: Text = Field("", description="what limits the site now, as a sentence")
    alarms: tuple[Text, ...] = ()


class ServiceStatus(Message):
    """Whether a service runs (`service/<s>/status`, retained; its last will says offline)."""

    service: ServiceName
    is_online: bool
    version: Text
    since: Moment | None = None
    detail: Text = ""
    policy_error: Text | None = Field(None, description="why the newest site.yaml was refused")
    is_sealed: bool | None = Field(
        None, description="false: it has no seal key and believes whoever may write; null where seals do not matter"
    )


class Severity(StrEnum):
    """How loud an event is."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


class Event(Message):
    """What a person would want to know (`event`)."""

    at: Moment
    service: ServiceName
    code: Identifier
    severity: Severity
    text: Text
    charger: Identifier | None = None
    meter: Identifier | None = None


class HistoryRequest(Message):
    """A recorder that was away asks every service to say again what it said since (`history/request`)."""

    since: Moment


class SetResult(Message):
    """The answer to a `…/set`, on the MQTT 5 response topic; refusals go to `…/error` too."""

    is_accepted: bool
    error: Text | None = None
