"""One real instance of each message, as the documents show it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Final

from ampherd_core.messages import (
    ChargerState,
    Decision,
    Event,
    Grant,
    GrantId,
    Health,
    HistoryRequest,
    IecState,
    LimitState,
    LinkHealth,
    Message,
    MeterRole,
    MeterStatus,
    Mode,
    PhaseSample,
    QuarterState,
    Reading,
    ServiceStatus,
    SetResult,
    Severity,
    SiteState,
    Stamp,
    Watchdog,
)
from ampherd_core.plans import Plan, PlannedPart, PlanState, UsualLoad, Weekday

_AT: Final = datetime(2026, 6, 21, 18, 30, 5, 120_000, tzinfo=UTC)
_BALANCED_BY: Final = GrantId(epoch=7, seq=4211)
_AGENT_STAMP: Final = Stamp(session="3f2a9c1be07d4a55", at_s=86_412.031)

_READING: Final = Reading(
    meter="grid",
    role=MeterRole.GRID,
    stamp=Stamp(session="b81d5e0c97f24613", at_s=86_412.344),
    measured_at=_AT,
    interval_s=1.0,
    valid_for_s=5.0,
    resolution_a=1.0,
    phases=(
        PhaseSample(current_a=18.2, guard_a=19.0, power_w=4190, voltage_v=230.4),
        PhaseSample(current_a=21.6, guard_a=22.0, power_w=4950, voltage_v=229.1),
        PhaseSample(current_a=-3.1, guard_a=-2.0, power_w=-720, voltage_v=232.0),
    ),
    power_w=8420,
    energy_import_wh=12_345_678,
    energy_export_wh=2_345_678,
)

_METER_STATUS: Final = MeterStatus(
    meter="grid",
    health=Health.STALE,
    why="no telegram for 12 s; check the P1 cable",
    at=_AT,
    interval_s=1.0,
    counters={"good": 86_012, "bad_crc": 3},
)

_SITE_STATE: Final = SiteState(
    at=_AT,
    epoch=7,
    is_grid_fresh=True,
    grid_a=(18.2, 21.6, -3.1),
    grid_w=8420,
    house_a=(2.2, 5.6, -3.1),
    drawn_a=(16.0, 16.0, 0.0),
    limits=(
        LimitState(
            circuit="connection",
            limit_a=(24.0, 24.0, 24.0),
            load_a=(19.0, 22.0, -2.0),
            other_a=(3.4, 7.1, -1.8),
            headroom_a=(5.0, 2.0, 26.0),
        ),
    ),
    quarter=QuarterState(ends_at=datetime(2026, 6, 21, 18, 45, tzinfo=UTC), used_w=810, target_w=2500, room_w=1900),
    limited_by="L2 of the connection: 22 of 24 A",
)

_GRANT: Final = Grant(
    charger="garage",
    id=_BALANCED_BY,
    echo=_AGENT_STAMP,
    lease_s=10,
    offer_a=13.5,
)

_CHARGER_STATE: Final = ChargerState(
    charger="garage",
    stamp=_AGENT_STAMP,
    measured_at=_AT,
    link=LinkHealth.OK,
    iec_state=IecState.C,
    offer_a=13.5,
    drawn_a=(13.2, 13.1, 13.2),
    max_a=16,
    power_w=9090,
    session_wh=4_210,
    total_wh=1_204_300,
    temperature_c=34,
    applied=_BALANCED_BY,
    watchdog=Watchdog(value_a=0, after_s=60),
    counters={"requests": 41_002, "timeouts": 2},
)

_DECISION: Final = Decision(
    charger="garage",
    at=_AT,
    mode=Mode.FAST,
    priority=5,
    max_a=16,
    target_a=14.0,
    offer_a=13.5,
    booked_a=13.5,
    limited_by="connection",
    reason="L2 of the connection is full",
)

_PLAN_STATE: Final = PlanState(
    charger="garage",
    at=_AT,
    plan=Plan(energy_kwh=20, time_of_day=time(7, 0), weekdays=(Weekday.MON, Weekday.TUE)),
    due=datetime(2026, 6, 22, 5, 0, tzinfo=UTC),
    wanted_wh=15_790,
    charged_wh=4_210,
    is_met=True,
    ready_at=datetime(2026, 6, 22, 1, 29, 38, tzinfo=UTC),
    cost=2.84,
    unit="EUR",
    code="met",
    reason="Charges 02:00 to 03:29: 15.8 kWh by Mon 07:00 for 2.84 EUR.",
    parts=(
        PlannedPart(
            start=datetime(2026, 6, 22, 0, 0, tzinfo=UTC),
            end=datetime(2026, 6, 22, 1, 29, 38, tzinfo=UTC),
            offer_a=16,
            power_w=10_598,
        ),
    ),
)

_USUAL_LOAD: Final = UsualLoad(
    at=_AT, mean_a=((1.2, 0.8, 2.1), (1.1, 0.8, 2.0), None), high_a=((2.4, 1.3, 9.6), (2.2, 1.3, 9.1), None)
)

_SERVICE_STATUS: Final = ServiceStatus(service="balancer", is_online=True, version="0.1.0", since=_AT)

_SET_RESULT: Final = SetResult(
    is_accepted=False, error="mode: 'turbo' is not a mode; use one of off, fast, solar, min_solar"
)

_EVENT: Final = Event(
    at=_AT,
    service="balancer",
    code="meter-stale",
    severity=Severity.WARNING,
    text="The grid meter is silent: every charger is at its fallback.",
    meter="grid",
)

EXAMPLES: Final[dict[type[Message], Message]] = {
    type(example): example
    for example in (
        _READING,
        _METER_STATUS,
        _SITE_STATE,
        _GRANT,
        _CHARGER_STATE,
        _DECISION,
        _PLAN_STATE,
        _USUAL_LOAD,
        _SERVICE_STATUS,
        _SET_RESULT,
        _EVENT,
        HistoryRequest(since=_AT),
    )
}
