"""What may travel on the bus, and what the edge refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time

import pytest
from ampherd_core.bus import MAX_PAYLOAD_BYTES, Inbound
from ampherd_core.messages import (
    ChargerState,
    Decision,
    Event,
    Grant,
    GrantId,
    Health,
    HistoryRequest,
    IecState,
    LinkHealth,
    Message,
    MeterRole,
    MeterStatus,
    Mode,
    PhaseSample,
    Reading,
    ServiceStatus,
    SetResult,
    Severity,
    SiteState,
    Stamp,
)
from ampherd_core.plans import Plan, PlannedPart, PlanState, UsualLoad, Weekday
from ampherd_core.wire import Wire
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
STAMP = Stamp(session="s", at_s=12.5)
SAMPLE = PhaseSample(current_a=-3.0, guard_a=-2.0, power_w=-690, voltage_v=230)

READING = Reading(
    meter="grid",
    role=MeterRole.GRID,
    stamp=STAMP,
    measured_at=AT,
    interval_s=1,
    valid_for_s=5,
    resolution_a=1,
    phases=(SAMPLE, None, SAMPLE),
    power_w=-690,
)
GRANT = Grant(charger="left", id=GrantId(epoch=1, seq=2), echo=STAMP, lease_s=10, offer_a=16)
STATE = ChargerState(
    charger="left",
    stamp=STAMP,
    measured_at=AT,
    link=LinkHealth.OK,
    iec_state=IecState.C,
    offer_a=16,
    drawn_a=(15.5, 0, 0),
    applied=GrantId(epoch=1, seq=2),
)
EACH: tuple[Message, ...] = (
    READING,
    GRANT,
    STATE,
    MeterStatus(meter="grid", health=Health.OK, at=AT, counters={"good": 3}),
    Decision(
        charger="left",
        at=AT,
        mode=Mode.OFF,
        priority=5,
        max_a=16,
        target_a=0,
        offer_a=0,
        booked_a=6,
        limited_by="mode",
        reason="switched off",
    ),
    SiteState(at=AT, epoch=1, is_grid_fresh=False, drawn_a=(0, 0, 0)),
    PlanState(
        charger="left",
        at=AT,
        plan=Plan(energy_kwh=20, time_of_day=time(7), weekdays=(Weekday.MON,)),
        due=AT,
        code="met",
        reason="charges",
        parts=(PlannedPart(start=AT, end=AT, offer_a=16, power_w=11_040),),
    ),
    UsualLoad(at=AT, mean_a=((1, 2, 3), None), high_a=((1, 2, 3), None)),
    ServiceStatus(service="balancer", is_online=True, version="0.1.0", since=AT),
    Event(at=AT, service="meter", code="meter-stale", severity=Severity.ALARM, text="The meter is silent."),
    SetResult(is_accepted=False, error="no such mode"),
    HistoryRequest(since=AT),
)


def heard(payload: bytes) -> Inbound:
    return Inbound("ampherd/home/anything", payload)


def edited(message: Message, **changes: object) -> bytes:
    return json.dumps({**json.loads(message.to_json()), **changes}).encode()


def test_each_message_of_the_language_is_tried_here() -> None:
    assert {type(message) for message in EACH} == set(Message.__subclasses__())


@pytest.mark.parametrize("message", EACH, ids=lambda message: type(message).__name__)
def test_survives_the_wire(message: Message) -> None:
    wire = Wire()
    assert wire.read(type(message), heard(message.to_json())) == message
    assert not wire.refused


@pytest.mark.parametrize("message", EACH, ids=lambda message: type(message).__name__)
def test_a_later_versions_field_is_ignored(message: Message) -> None:
    assert Wire().read(type(message), heard(edited(message, colour={"of": ["the", "future"]}))) == message


@pytest.mark.parametrize("message", EACH, ids=lambda message: type(message).__name__)
def test_cannot_be_changed(message: Message) -> None:
    with pytest.raises(ValidationError):
        setattr(message, next(iter(type(message).model_fields)), 1)


@pytest.mark.parametrize("message", EACH, ids=lambda message: type(message).__name__)
def test_another_schema_version_is_refused(message: Message) -> None:
    assert Wire().read(type(message), heard(edited(message, schema_version=2))) is None


ABSURD: dict[str, tuple[type[Message], bytes]] = {
    "empty": (Grant, b""),
    "not JSON": (Grant, b"16 A"),
    "the last year": (Reading, edited(READING, measured_at="9999-12-31T23:59:59-23:59")),
    "the first year": (HistoryRequest, b'{"since": "0001-01-01T00:00:00Z"}'),
    "a step too fine to count": (ChargerState, edited(STATE, resolution_a=1e-320)),
    "a count without end": (ChargerState, edited(STATE, counters={"requests": 2**70})),
    "counts without end": (ChargerState, edited(STATE, counters={f"c{place}": 1 for place in range(101)})),
    "cut short": (Grant, GRANT.to_json()[:-5]),
    "a number": (Grant, b"16"),
    "a list": (Grant, b"[]"),
    "null": (Grant, b"null"),
    "not UTF-8": (Grant, GRANT.to_json().replace(b"left", b"\xff\xfe")),
    "not UTF-8 in a text": (ChargerState, edited(STATE, error="@").replace(b"@", b"\xc3\x28")),
    "nested without end": (Grant, b'{"a":' * 10_000),
    "NaN offer": (Grant, edited(GRANT, offer_a="@").replace(b'"@"', b"NaN")),
    "infinite offer": (Grant, edited(GRANT, offer_a="@").replace(b'"@"', b"Infinity")),
    "overflowing offer": (Grant, edited(GRANT, offer_a="@").replace(b'"@"', b"1e999")),
    "negative offer": (Grant, edited(GRANT, offer_a=-6)),
    "offer above the standard": (Grant, edited(GRANT, offer_a=81)),
    "offer as text": (Grant, edited(GRANT, offer_a="16")),
    "offer as a truth": (Grant, edited(GRANT, offer_a=True)),
    "offer left out": (Grant, edited(GRANT, offer_a=None)),
    "endless lease": (Grant, edited(GRANT, lease_s=86_400)),
    "lease of nothing": (Grant, edited(GRANT, lease_s=0)),
    "negative sequence": (Grant, edited(GRANT, id={"epoch": 1, "seq": -1})),
    "broken sequence": (Grant, edited(GRANT, id={"epoch": 1, "seq": 1.5})),
    "sequence beyond exact numbers": (Grant, edited(GRANT, id={"epoch": 1, "seq": 2**53})),
    "NaN stamp": (Grant, edited(GRANT, echo={"session": "s", "at_s": "@"}).replace(b'"@"', b"NaN")),
    "no session": (Grant, edited(GRANT, echo={"session": "", "at_s": 1})),
    "id that is a wildcard": (Grant, edited(GRANT, charger="+")),
    "id with a level": (Grant, edited(GRANT, charger="a/b")),
    "text without end": (ChargerState, edited(STATE, error="x" * 501)),
    "current beyond any home": (Reading, edited(READING, phases=[{"current_a": 501, "guard_a": 0}, None, None])),
    "NaN current": (
        Reading,
        edited(READING, phases=[{"current_a": "@", "guard_a": 0}, None, None]).replace(b'"@"', b"NaN"),
    ),
    "two phases only": (Reading, edited(READING, phases=[None, None])),
    "four phases": (Reading, edited(READING, phases=[None] * 4)),
    "reading valid for ever": (Reading, edited(READING, valid_for_s=1e9)),
    "reading of no time zone": (Reading, edited(READING, measured_at="2026-01-02T03:04:05")),
    "unknown role": (Reading, edited(READING, role="moon")),
    "unknown IEC state": (ChargerState, edited(STATE, iec_state="Z")),
    "drawn on two lines": (ChargerState, edited(STATE, drawn_a=[1, 2])),
    "molten wallbox": (ChargerState, edited(STATE, temperature_c=5_000)),
}


@pytest.mark.parametrize("situation", ABSURD)
def test_what_is_absurd_is_refused_and_counted(situation: str) -> None:
    model, payload = ABSURD[situation]
    wire = Wire()
    assert wire.read(model, heard(payload)) is None
    assert wire.refused == {"malformed": 1}


def test_what_is_oversized_is_refused_unread() -> None:
    wire = Wire()
    payload = GRANT.to_json()
    assert wire.read(Grant, heard(payload + b" " * (MAX_PAYLOAD_BYTES - len(payload)))) == GRANT
    assert wire.read(Grant, heard(payload + b" " * (MAX_PAYLOAD_BYTES - len(payload) + 1))) is None
    assert wire.refused == {"oversized": 1}


def test_counts_each_cause() -> None:
    wire = Wire()
    for _ in range(3):
        wire.read(Grant, heard(b"?"))
    wire.refuse("unauthorised", "a/b", "no")
    assert wire.refused == {"malformed": 3, "unauthorised": 1}


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_quietly(payload: bytes) -> None:
    assert Wire().read(Grant, heard(payload)) is None


@pytest.mark.parametrize(
    ("newer", "older"), [((2, 0), (1, 9)), ((1, 2), (1, 1)), ((1, 1), None)], ids=["epoch", "sequence", "first"]
)
def test_a_grant_replaces_only_older_ones(newer: tuple[int, int], older: tuple[int, int] | None) -> None:
    new = GrantId(epoch=newer[0], seq=newer[1])
    old = GrantId(epoch=older[0], seq=older[1]) if older else None
    assert new.is_newer_than(old)
    assert not new.is_newer_than(new)
    assert old is None or not old.is_newer_than(new)


@pytest.mark.parametrize(
    ("state", "is_connected", "is_charging"),
    [
        (IecState.A, False, False),
        (IecState.B, True, False),
        (IecState.C, True, True),
        (IecState.D, True, True),
        (IecState.E, False, False),
        (IecState.F, False, False),
    ],
)
def test_iec_states_say_whether_a_car_is_there_and_charges(
    state: IecState, is_connected: bool, is_charging: bool
) -> None:
    assert (state.is_connected, state.is_charging) == (is_connected, is_charging)
