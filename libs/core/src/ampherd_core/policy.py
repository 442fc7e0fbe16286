"""The site policy: everything a user tunes, with its unit, default and bounds.

The models hold what one field can say of itself; `policy_check` holds what only the whole can tell; `policy_file`
turns a file into a policy, or into errors that give file, line, field, reason and remedy.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ampherd_core.endpoint import Endpoint, Transport, parse_endpoint
from ampherd_core.messages import MAX_STALE_AFTER_S, Breaker, Identifier, MeterRole, Mode
from ampherd_core.phases import LINES, Line
from ampherd_core.plans import MAX_ENERGY_KWH
from ampherd_core.policy_limits import Limits
from ampherd_core.policy_section import Section
from ampherd_core.policy_solar import Solar
from ampherd_core.policy_tariff import StandingPlan, Tariff
from ampherd_core.policy_values import PasswordFile, TopicValues

CONNECTION: Final = "connection"
"""The id of the tree's root; no circuit may take it."""

METER_TRANSPORTS: Final = {
    "dsmr": frozenset({Transport.SERIAL, Transport.TCP, Transport.FILE}),
    "sensorbox": frozenset({Transport.TCP, Transport.RTU, Transport.RTU_OVER_TCP}),
    "mqtt": frozenset({Transport.MQTT, Transport.MQTTS, Transport.BUS}),
}
CHARGER_TRANSPORTS: Final = frozenset({Transport.TCP, Transport.RTU, Transport.RTU_OVER_TCP})


_TIMEZONE: Final = "Europe/Amsterdam"


def _is_timezone(name: str) -> bool:
    """Whether the machine's time zone database has `name`; always False on a machine without one."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return True


def _each_line_once(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    if not lines or len(set(lines)) != len(lines):
        wrong = "names a line more than once" if lines else "names no line"
        raise ValueError(f"{wrong}; name each once, like [L2, L3, L1]")
    return lines


Lines = Annotated[tuple[Line, ...], AfterValidator(_each_line_once)]


class Wiring(StrEnum):
    """How the connection's lines feed a load."""

    STAR = "star"
    DELTA = "delta"


class Site(Section):
    """Who and where."""

    id: Identifier = Field("home", description="names the site on the bus: `ampherd/<id>/…`")
    name: str = Field("Home", max_length=80, description="the title of the page")
    timezone: str = Field(_TIMEZONE, max_length=64, description="IANA time zone, for times of day")

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, timezone: str) -> str:
        if not _is_timezone(timezone) and _is_timezone(_TIMEZONE):
            raise ValueError(f"{timezone!r} is no time zone; write one like {_TIMEZONE}")
        return timezone


class Connection(Section):
    """The mains: what must never be exceeded."""

    phases: Literal[1, 3] = Field(3, description="number of phases")
    rating_a: Annotated[float, Field(ge=6, le=200)] = Field(description="main fuse or breaker, A per phase")
    margin_a: Annotated[float, Field(ge=0, le=50)] = Field(0.5, description="kept free below the rating, A per phase")
    voltage_v: Annotated[float, Field(ge=100, le=260)] = Field(230, description="nominal voltage a charger sees, V")
    wiring: Wiring = Field(
        Wiring.STAR,
        description="`star`: with neutral; `delta`: 3 x 230 V without, a one-phase charger loads two lines",
    )
    breaker: Breaker | None = Field(
        None, description="its curve, noted and shown; no limit is ever exceeded on the strength of it"
    )
    house_max_a: Annotated[float, Field(ge=0, le=200)] | None = Field(
        None,
        description="the most the house alone ever takes, A per phase; needed only to prove fallbacks above 0",
    )

    @property
    def limit_a(self) -> float:
        """What the balancer holds every phase under, A."""
        return self.rating_a - self.margin_a

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that exist."""
        return LINES[: self.phases]


class Circuit(Section):
    """A part of the installation with a limit of its own, below the connection or another circuit."""

    parent: Identifier = Field(CONNECTION, description="the circuit that feeds this one; `connection` is the mains")
    limit_a: Annotated[float, Field(ge=6, le=200)] = Field(
        description="breaker of this circuit less its margin, A per phase"
    )
    breaker: Breaker | None = Field(
        None, description="its curve, noted and shown; no limit is ever exceeded on the strength of it"
    )
    meter: Identifier | None = Field(None, description="meter (role circuit) that measures the whole circuit")
    reserve_a: Annotated[float, Field(ge=0, le=200)] = Field(
        0,
        description="without a meter: the most that loads other than chargers take here and below, A per phase",
    )


class DsmrVersion(StrEnum):
    """Which P1 dialect a meter speaks."""

    AUTO = "auto"
    V2_2 = "2.2"
    V4 = "4"
    V5 = "5"
    BELGIUM = "be"
    LUXEMBOURG = "lu"
    SWEDEN = "se"


class Meter(Section):
    """A device that measures."""

    role: MeterRole = Field(description="what it measures: grid, solar, battery, circuit or charger")
    driver: Literal["dsmr", "sensorbox", "mqtt"] = Field(description="which driver reads it")
    source: str = Field(
        max_length=200,
        description="where it is: serial, tcp or file for dsmr; tcp, rtu or rtu+tcp for sensorbox; "
        "for mqtt `bus`, which is Ampherd's own broker, or mqtt://host:port or mqtts://host:port of another",
    )
    user: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="mqtt: the account at another broker"
    )
    password_file: PasswordFile | None = Field(
        None, description="mqtt: the file with its password, beside the policy; its name ends with `password`"
    )
    values: TopicValues | None = Field(None, description="mqtt: which topic tells what")
    dsmr: DsmrVersion = Field(DsmrVersion.AUTO, description="P1 dialect; `auto` reads it from the telegram")
    unit: Annotated[int, Field(ge=1, le=247)] = Field(10, description="Modbus unit address, for sensorbox")
    currents: Literal["auto", "p1", "ct"] = Field("auto", description="sensorbox: which block gives the currents")
    ct_ratio: Annotated[float, Field(gt=0, le=10)] = Field(1, description="sensorbox: 2 for 200 A clamps")
    lines: Lines = Field(LINES, description="the site line of each of the meter's phases, in the meter's order")
    stale_after_s: Annotated[float, Field(ge=2, le=MAX_STALE_AFTER_S)] | None = Field(
        None,
        description="age from which a sample is stale, s; default 5 for meters of 1 or 2 s, 25 for meters of 10 s",
    )

    @property
    def endpoint(self) -> Endpoint:
        """The source, taken apart."""
        return parse_endpoint(self.source, METER_TRANSPORTS[self.driver])

    @field_validator("source")
    @classmethod
    def _source_fits(cls, source: str, info: ValidationInfo) -> str:
        driver = info.data.get("driver")
        if driver is not None:
            parse_endpoint(source, METER_TRANSPORTS[driver])
        return source


class DriverName(StrEnum):
    """The wallboxes that an agent can drive."""

    SMARTEVSE_V2 = "smartevse-v2"
    SMARTEVSE_V2_LEGACY = "smartevse-v2-legacy"
    EDGETECH = "edgetech"


class Charger(Section):
    """One wallbox."""

    name: str = Field("", max_length=80, description="shown to people; default: the id")
    driver: DriverName = Field(description="which wallbox it is")
    link: str = Field(max_length=200, description="where it is: tcp://host:port, rtu:///dev/…, rtu+tcp://host:port")
    unit: Annotated[int, Field(ge=0, le=247)] = Field(1, description="Modbus unit address")
    circuit: Identifier = Field(CONNECTION, description="the circuit that feeds it")
    lines: Lines = Field(
        LINES,
        description="phase rotation: the site line on each terminal L1, L2, L3 of the wallbox; "
        "one entry for one phase, two in delta wiring",
    )
    min_a: Annotated[float, Field(ge=6, le=80)] = Field(
        6, description="the least that its car charges at, A (a Zoe needs 8)"
    )
    max_a: Annotated[float, Field(ge=6, le=80)] = Field(
        16, description="the most that wallbox, cable and breaker allow, A"
    )
    fallback_a: Annotated[float, Field(ge=0, le=80)] = Field(
        0, description="offer when no lease holds, A: 0, or a value that the policy proves safe"
    )
    failsafe_a: Annotated[float, Field(ge=0, le=80)] | None = Field(
        None, description="what the wallbox itself offers after a reboot without us, A; default: max_a"
    )
    switches_phases: bool = Field(
        False, description="may charge on one phase or three, as the sun allows: wallbox and car bear the switch"
    )
    priority: Annotated[int, Field(ge=1, le=9)] = Field(5, description="1 is served first; equals share")
    mode: Mode = Field(Mode.FAST, description="mode until a user chooses another")
    meter: Identifier | None = Field(None, description="meter (role charger) that measures what this charger draws")
    battery_kwh: Annotated[float, Field(gt=0, le=MAX_ENERGY_KWH)] | None = Field(
        None, description="capacity of its car's battery, kWh; plans in % need it"
    )
    plan: StandingPlan | None = Field(None, description="a charging plan that holds until a user sets another")

    @property
    def endpoint(self) -> Endpoint:
        """The link, taken apart."""
        return parse_endpoint(self.link, CHARGER_TRANSPORTS)

    @field_validator("link")
    @classmethod
    def _link_fits(cls, link: str) -> str:
        parse_endpoint(link, CHARGER_TRANSPORTS)
        return link


class Timings(Section):
    """How long things take, and how patient the balancer is."""

    lease_s: Annotated[float, Field(ge=3, le=30)] = Field(
        10, description="a grant lapses this long after the stamp it echoes, s"
    )
    car_lag_s: Annotated[float, Field(ge=0, le=20)] = Field(
        6, description="a cut counts as done for this long before it shows, s"
    )
    hold_s: Annotated[float, Field(ge=0, le=600)] = Field(
        30,
        description="the house counts at its highest of this long, s; longer for a load that comes back after pauses",
    )
    return_after_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        120,
        description="a car that was stopped comes back when the house has left it room for this long, s; "
        "longer pauses of a load are not waited out",
    )
    rise_every_s: Annotated[float, Field(ge=1, le=60)] = Field(
        5, description="least time between two raises of a charger, s"
    )
    rise_step_a: Annotated[float, Field(ge=0.5, le=80)] = Field(4, description="largest raise at a time, A")
    deadband_a: Annotated[float, Field(ge=0, le=5)] = Field(0.5, description="smaller raises are left alone, A")
    min_on_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        300, description="a car that started charges at least so long, s"
    )
    min_off_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        120, description="a car that was stopped waits at least so long, s"
    )
    switch_every_s: Annotated[float, Field(ge=300, le=86_400)] = Field(
        600, description="least time between two switches of a charger's phases, s"
    )
    turn_s: Annotated[float, Field(ge=60, le=14_400)] = Field(
        900, description="length of a turn when not all cars fit, s"
    )
    reclaim_after_s: Annotated[float, Field(ge=5, le=600)] = Field(
        60, description="current that a car leaves unused this long is given to others, s"
    )
    probe_every_s: Annotated[float, Field(ge=30, le=7200)] = Field(
        600,
        description="how often a car that left current unused is offered more, s; one that takes nothing more seldom",
    )


class Policy(Section):
    """The whole of `site.yaml`."""

    version: Literal[1] = Field(description="of this format")
    site: Site = Field(default_factory=Site, description="who and where")
    connection: Connection = Field(description="the mains")
    circuits: dict[Identifier, Circuit] = Field(default_factory=dict, description="sub-circuits by id")
    meters: dict[Identifier, Meter] = Field(description="meters by id; exactly one has the role grid")
    chargers: dict[Identifier, Charger] = Field(
        max_length=64, description="chargers by id, in the order of their agents' slots"
    )
    timings: Timings = Field(default_factory=Timings, description="delays and patience")
    limits: Limits = Field(default_factory=Limits, description="what tariff, network operator and rules ask")
    solar: Solar = Field(default_factory=Solar, description="how the modes solar and min_solar follow the sun")
    tariff: Tariff = Field(default_factory=Tariff, description="what energy costs, for charging plans")

    @cached_property
    def grid_meter(self) -> str:
        """The id of the meter with the role grid."""
        return next(meter_id for meter_id, meter in self.meters.items() if meter.role is MeterRole.GRID)

    def circuits_above(self, charger_id: str) -> tuple[str, ...]:
        """The circuits that feed a charger, innermost first, without the connection."""
        path: list[str] = []
        circuit_id = self.chargers[charger_id].circuit
        while circuit_id != CONNECTION:
            path.append(circuit_id)
            circuit_id = self.circuits[circuit_id].parent
        return tuple(path)
