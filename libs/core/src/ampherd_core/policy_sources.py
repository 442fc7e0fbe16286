"""What is wrong with meters that are read from topics: their broker, and what they must tell for their role."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from ampherd_core.endpoint import Transport
from ampherd_core.messages import MeterRole
from ampherd_core.policy import Meter, Policy, Wiring
from ampherd_core.policy_fault import Finding, Path
from ampherd_core.policy_values import CURRENTS, POWERS, VOLTAGES, Quantity

_GUARDS: Final = frozenset({MeterRole.GRID, MeterRole.CIRCUIT, MeterRole.CHARGER})
"""Limits, or what a car draws, are held against these."""

_SHAPES: Final = (frozenset[int](), frozenset({0}), frozenset({0, 1, 2}))
_DELTA_SHAPES: Final = (*_SHAPES, frozenset({0, 2}))


def sources(policy: Policy) -> Iterator[Finding]:
    """What is wrong with the meters' topics and brokers."""
    for meter_id, meter in policy.meters.items():
        path: Path = ("meters", meter_id)
        if meter.driver != "mqtt":
            yield from _needless(path, meter)
        elif meter.values is None or not meter.values.named:
            yield Finding(
                (*path, "values"),
                "names no topic",
                "name one for each quantity, like power: {topic: emon/emonpi/power1}",
            )
        else:
            yield from _broker(path, meter)
            yield from _told((*path, "values"), meter, meter.values.named, policy)


def _needless(path: Path, meter: Meter) -> Iterator[Finding]:
    for name in ("values", "user", "password_file"):
        if getattr(meter, name) is not None:
            yield Finding((*path, name), "only the driver mqtt reads topics", "drop it, or set driver: mqtt")


def _broker(path: Path, meter: Meter) -> Iterator[Finding]:
    for name in ("user", "password_file"):
        if getattr(meter, name) is not None and meter.endpoint.transport is Transport.BUS:
            yield Finding((*path, name), "Ampherd's own broker is read with the service's account", "drop it")
    if meter.password_file is not None and meter.user is None:
        yield Finding((*path, "password_file"), "a password without a user", "name the user, too")


def _told(path: Path, meter: Meter, named: Collection[Quantity], policy: Policy) -> Iterator[Finding]:
    shapes = _DELTA_SHAPES if policy.connection.wiring is Wiring.DELTA else _SHAPES
    for group in (POWERS, CURRENTS, VOLTAGES):
        phases = frozenset(place for place, quantity in enumerate(group) if quantity in named)
        if phases not in shapes:
            has = " and ".join(group[place] for place in sorted(phases))
            yield Finding(path, f"has {has} alone", f"name {group[0]} for one phase, or all three")
            return
    if meter.role in _GUARDS:
        yield from _guarding(path, meter, named, policy)
    elif not {Quantity.POWER, POWERS[0], CURRENTS[0]} & set(named):
        yield Finding(path, "tells no power", "name the topic of power, or of power_l1 to power_l3")
    if Quantity.SOC in named and meter.role is not MeterRole.BATTERY:
        yield Finding((*path, "soc"), "only a battery has a state of charge", "drop it, or set role: battery")


def _guarding(path: Path, meter: Meter, named: Collection[Quantity], policy: Policy) -> Iterator[Finding]:
    is_delta = policy.connection.wiring is Wiring.DELTA
    is_one_phase = policy.connection.phases == 1 or len(meter.lines) == 1
    if is_delta:
        enough = CURRENTS[0] in named
    elif is_one_phase:
        enough = bool({Quantity.POWER, POWERS[0], CURRENTS[0]} & set(named))
    else:
        enough = CURRENTS[-1] in named or POWERS[-1] in named
    if enough:
        return
    if is_delta:
        yield Finding(path, "without neutral only currents guard the lines", "name current_l1 to current_l3")
    elif is_one_phase:
        yield Finding(path, "tells neither power nor current", "name the topic of power or of current_l1")
    else:
        yield Finding(
            path,
            "tells no power or current of each phase, so no limit can be held with it",
            "name power_l1 to power_l3, or current_l1 to current_l3; a meter of one phase has one of lines",
        )
