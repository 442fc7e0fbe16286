"""The cars of a day: who comes when, for how long, and wants how much; read from a YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from ampherd_core.plans import MAX_ENERGY_KWH
from ampherd_core.policy import Policy
from ampherd_core.policy_fault import Finding, PolicyError, PolicyFault, findings
from ampherd_core.policy_yaml import Document, YamlError, read_yaml
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from ampherd_simulator.books import WH_PER_KWH
from ampherd_simulator.scenario import CarPart, Part, VisitPart
from ampherd_simulator.whatif.clock_time import FORMS, is_time, moment, on_day, time_of_day
from ampherd_simulator.whatif.day import Day
from ampherd_simulator.whatif.plans import Wish

MANUAL: Final = "docs/simulate.md"

_LONGEST_AHEAD: Final = timedelta(days=7)
"""No balancer takes a plan for later."""


class TimetableError(PolicyError):
    """A file of cars that cannot be used; `str()` gives one line a fault: file:line: field: reason. Remedy."""


def _written_time(text: str) -> str:
    if not is_time(text):
        raise ValueError(f"{text!r} is no time; write it like {FORMS}")
    return text


Written = Annotated[str, AfterValidator(_written_time)]


class Call(Part):
    """A time at the wallbox; a bare time of day is meant every day."""

    arrives: Written = Field(description="when it is plugged in")
    leaves: Written | None = Field(None, description="when it is unplugged; null: it stays until the end")
    wants_kwh: Annotated[float, Field(gt=0, le=1_000)] | None = Field(
        None, description="what it takes; null: until its battery is full"
    )
    by: Written | None = Field(
        None, description="its driver sets a plan when it comes: `wants_kwh` by then; null: none"
    )

    @model_validator(mode="after")
    def _has_energy_by_then(self) -> Call:
        if self.by is not None and (self.wants_kwh is None or self.wants_kwh > MAX_ENERGY_KWH):
            raise ValueError(f"a plan with `by` needs wants_kwh, {MAX_ENERGY_KWH:g} at most")
        return self


class Guest(Part):
    """A car."""

    phases: Literal[1, 2, 3] = Field(3, description="phases of its on-board charger")
    max_a: Annotated[float, Field(ge=6, le=80)] = Field(16, description="the most it takes, A per phase")
    min_a: Annotated[float, Field(ge=6, le=80)] = Field(6, description="it takes nothing on less, A (a Zoe: 8)")
    lag_s: Annotated[float, Field(ge=0, le=60)] = Field(2, description="before it follows a changed offer, s")
    battery_kwh: Annotated[float, Field(gt=0, le=1_000)] = Field(60, description="battery, kWh")
    soc: Annotated[float, Field(ge=0, le=1)] = Field(0.3, description="state of charge when it first comes")
    visits: tuple[Call, ...] = Field(description="when it is there")


ORDINARY: Final = Guest(visits=(Call(arrives="18:00", leaves="07:00", wants_kwh=15.0),))
"""Home from work with a hundred kilometres to replace."""

_GUESTS: Final = TypeAdapter(dict[str, Guest])


def read_timetable(path: Path, policy: Policy) -> Mapping[str, Guest]:
    """The cars by charger; raises TimetableError. A charger that the file leaves out has no car."""
    try:
        document = read_yaml(path.read_bytes())
    except YamlError as err:
        raise TimetableError(path.name, tuple(map(_pointed, err.faults))) from err
    except OSError as err:
        fault = PolicyFault(1, "file", f"cannot be read ({err.strerror})", "check its path and permissions")
        raise TimetableError(path.name, (fault,)) from err
    try:
        guests = _GUESTS.validate_python(document.plain)
    except ValidationError as err:
        raise _error(path, document, list(findings(err.errors(include_url=False), _part_of))) from err
    known = ", ".join(policy.chargers)
    strangers = [
        Finding((charger_id,), "the policy has no such charger", f"choose from {known}")
        for charger_id in guests
        if charger_id not in policy.chargers
    ]
    if strangers:
        raise _error(path, document, strangers)
    return guests


def cars_of(guests: Mapping[str, Guest] | None, policy: Policy, day: Day) -> Mapping[str, CarPart]:
    """The cars as the simulator knows them; None puts an ordinary one at each charger. ValueError for bad times."""
    known = dict.fromkeys(policy.chargers, ORDINARY) if guests is None else guests
    away = CarPart(is_away=True)
    zone = ZoneInfo(policy.site.timezone)
    return {
        charger_id: _car(known[charger_id], day, zone) if charger_id in known else away
        for charger_id in policy.chargers
    }


def wishes_of(guests: Mapping[str, Guest] | None, policy: Policy, day: Day) -> tuple[Wish, ...]:
    """What drivers set when they plug in; ValueError for a plan that no balancer would take."""
    zone = ZoneInfo(policy.site.timezone)
    known = {} if guests is None else guests
    return tuple(
        wish
        for charger_id, guest in known.items()
        if charger_id in policy.chargers
        for wish in _wishes(charger_id, guest, day, zone)
    )


def _wishes(charger_id: str, guest: Guest, day: Day, zone: ZoneInfo) -> Iterator[Wish]:
    for call, arrives, leaves in _stays(guest, day, zone):
        if call.by is None or call.wants_kwh is None:
            continue
        by = moment(call.by, zone, arrives + timedelta(seconds=1))
        if not arrives < by <= (leaves or by) or by > arrives + _LONGEST_AHEAD:
            raise ValueError(
                f"{charger_id}: by {call.by} is no time of the stay from {call.arrives}, seven days at most"
            )
        if by > day.starts_at:
            yield Wish(max(0.0, day.second_of(arrives)), charger_id, call.wants_kwh * WH_PER_KWH, by)


def _car(guest: Guest, day: Day, zone: ZoneInfo) -> CarPart:
    visits = sorted(_visits(guest, day, zone), key=lambda visit: visit.arrives_s)
    return CarPart(
        phases=guest.phases,
        max_a=guest.max_a,
        min_a=guest.min_a,
        lag_s=guest.lag_s,
        battery_wh=guest.battery_kwh * WH_PER_KWH,
        soc=guest.soc,
        visits=tuple(visits),
        is_away=not visits,
    )


def _visits(guest: Guest, day: Day, zone: ZoneInfo) -> Iterator[VisitPart]:
    for call, arrives, leaves in _stays(guest, day, zone):
        yield VisitPart(
            arrives_s=max(0.0, day.second_of(arrives)),
            leaves_s=None if leaves is None else max(0.0, day.second_of(leaves)),
            wants_wh=None if call.wants_kwh is None else call.wants_kwh * WH_PER_KWH,
        )


def _stays(guest: Guest, day: Day, zone: ZoneInfo) -> Iterator[tuple[Call, datetime, datetime | None]]:
    """Those of the day, from when until when; one that is under way when it begins is among them."""
    for call in guest.visits:
        for arrives in _times(call.arrives, day, zone):
            leaves = None if call.leaves is None else moment(call.leaves, zone, arrives + timedelta(seconds=1))
            if leaves is None or not arrives < leaves <= day.starts_at:
                yield call, arrives, leaves


def _times(written: str, day: Day, zone: ZoneInfo) -> Iterator[datetime]:
    """Every moment that `written` means: each day of the simulated ones, or the one that it names."""
    clock = time_of_day(written)
    if clock is None:
        at = moment(written, zone, day.starts_at)
        if at < day.ends_at:
            yield at
        return
    at = on_day(day.starts_at.astimezone(zone).date(), clock, zone, day.starts_at)
    while at < day.ends_at:
        yield at
        at = on_day(at.date() + timedelta(days=1), clock, zone, at)


def _part_of(path: tuple[str | int, ...]) -> type[Part]:
    return Call if "visits" in path else Guest


def _error(path: Path, document: Document, wrong: list[Finding]) -> TimetableError:
    faults = [
        PolicyFault(document.line(each.path), ".".join(map(str, each.path)), each.reason, each.remedy) for each in wrong
    ]
    return TimetableError(path.name, tuple(map(_pointed, sorted(faults, key=lambda fault: fault.line))))


def _pointed(fault: PolicyFault) -> PolicyFault:
    """The remedy names the manual of this file, not that of the policy."""
    remedy = fault.remedy.replace("docs/policy.md", MANUAL).replace("site.example.yaml", f"the example in {MANUAL}")
    return PolicyFault(fault.line, fault.field, fault.reason, remedy)
