"""What only the whole policy can tell: references, and the proof that its fallbacks are safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ampherd_core.messages import MeterRole
from ampherd_core.phases import ZERO, Phases, add, on_lines
from ampherd_core.policy import CONNECTION, Charger, Circuit, DriverName, Policy, Wiring

Path = tuple[str | int, ...]

_UNMETERED: Final = frozenset({DriverName.SMARTEVSE_V2, DriverName.SMARTEVSE_V2_LEGACY})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where in the policy, why, and what to do."""

    path: Path
    reason: str
    remedy: str


def check(policy: Policy) -> tuple[Finding, ...]:
    """Every reason not to run this policy; empty when it may run."""
    references = (*_site(policy), *_circuits(policy), *_meters(policy), *_chargers(policy))
    return references or tuple(_fallbacks(policy))


def warnings(policy: Policy) -> tuple[Finding, ...]:
    """What may run, but is worth a look."""
    found = []
    for charger_id, charger in policy.chargers.items():
        if charger.driver in _UNMETERED and charger.meter is None:
            found.append(
                Finding(
                    ("chargers", charger_id),
                    "this wallbox does not tell what the car draws: its whole offer counts as drawn while it charges",
                    "give it a meter with the role charger to free what the car leaves",
                )
            )
    return tuple(found)


def _site(policy: Policy) -> Iterator[Finding]:
    if policy.connection.margin_a >= policy.connection.rating_a:
        yield Finding(("connection", "margin_a"), "the margin leaves nothing of the rating", "lower margin_a")
    if policy.connection.wiring is Wiring.DELTA and policy.connection.phases != 3:
        yield Finding(("connection", "wiring"), "delta wiring has three lines", "set phases: 3 or wiring: star")


def _circuits(policy: Policy) -> Iterator[Finding]:
    for circuit_id, circuit in policy.circuits.items():
        path: Path = ("circuits", circuit_id)
        if circuit_id == CONNECTION:
            yield Finding(path, "`connection` names the mains itself", "choose another id")
        if circuit.parent != CONNECTION and circuit.parent not in policy.circuits:
            yield Finding((*path, "parent"), f"there is no circuit {circuit.parent!r}", _one_of(policy.circuits))
        elif _is_in_a_ring(policy, circuit_id):
            yield Finding((*path, "parent"), "the circuits feed each other in a ring", "end the chain at `connection`")
        if circuit.meter is not None and not _has_role(policy, circuit.meter, MeterRole.CIRCUIT):
            yield Finding(
                (*path, "meter"),
                f"{circuit.meter!r} is no meter with the role circuit",
                "name one, or drop it",
            )


def _is_in_a_ring(policy: Policy, start: str) -> bool:
    seen: set[str] = set()
    here = start
    while here in policy.circuits and here not in seen:
        seen.add(here)
        here = policy.circuits[here].parent
    return here in seen


def _meters(policy: Policy) -> Iterator[Finding]:
    grids = [meter_id for meter_id, meter in policy.meters.items() if meter.role is MeterRole.GRID]
    if not grids:
        yield Finding(("meters",), "no meter has the role grid", "give the mains meter `role: grid`")
    for extra in grids[1:]:
        yield Finding(
            ("meters", extra, "role"),
            f"{grids[0]!r} is the grid meter already",
            "use the role circuit for a second one",
        )
    for meter_id, meter in policy.meters.items():
        if not set(meter.lines) <= set(policy.connection.lines) and policy.connection.phases == 3:
            yield Finding(
                ("meters", meter_id, "lines"),
                "names a line twice or one that does not exist",
                "use L1, L2, L3 once each",
            )


def _chargers(policy: Policy) -> Iterator[Finding]:
    ends = Counter((charger.endpoint.bus, charger.unit) for charger in policy.chargers.values())
    meters = Counter(charger.meter for charger in policy.chargers.values() if charger.meter)
    for charger_id, charger in policy.chargers.items():
        path: Path = ("chargers", charger_id)
        if charger.circuit != CONNECTION and charger.circuit not in policy.circuits:
            yield Finding((*path, "circuit"), f"there is no circuit {charger.circuit!r}", _one_of(policy.circuits))
        if not set(charger.lines) <= set(policy.connection.lines):
            yield Finding(
                (*path, "lines"),
                f"the connection has only {', '.join(policy.connection.lines)}",
                "name lines that exist",
            )
        if ends[charger.endpoint.bus, charger.unit] > 1:
            yield Finding(
                (*path, "unit"),
                "another charger has the same link and unit",
                "give each wallbox its own address",
            )
        if charger.meter is not None and not _has_role(policy, charger.meter, MeterRole.CHARGER):
            yield Finding(
                (*path, "meter"),
                f"{charger.meter!r} is no meter with the role charger",
                "name one, or drop it",
            )
        if charger.meter is not None and meters[charger.meter] > 1:
            yield Finding(
                (*path, "meter"),
                "another charger names the same meter",
                "give each charger a meter of its own",
            )
        if charger.driver is DriverName.EDGETECH and charger.min_a != int(charger.min_a):
            yield Finding((*path, "min_a"), "this wallbox knows whole amps only", "round min_a up")
        if charger.fallback_a and charger.fallback_a > policy.connection.limit_a:
            yield Finding((*path, "fallback_a"), "is above the connection's own limit", "lower it, or set 0")


def _fallbacks(policy: Policy) -> Iterator[Finding]:
    """With every lease lapsed the chargers stand at their fallbacks: that must fit beside the largest house."""
    if not any(charger.fallback_a for charger in policy.chargers.values()):
        return
    connection = policy.connection
    if connection.house_max_a is None:
        culprit = next(charger_id for charger_id, charger in policy.chargers.items() if charger.fallback_a)
        yield Finding(
            ("chargers", culprit, "fallback_a"),
            "a fallback above 0 is not proved safe, for nothing says how much the house takes",
            "set fallback_a: 0, or give connection.house_max_a",
        )
        return
    yield from _overfull(policy, CONNECTION, connection.limit_a - connection.house_max_a)
    for circuit_id, circuit in policy.circuits.items():
        if circuit.meter is None:
            yield from _overfull(policy, circuit_id, circuit.limit_a - circuit.reserve_a)
        elif any(charger.fallback_a for charger in _below(policy, circuit_id)):
            yield from _overfull(policy, circuit_id, circuit.limit_a - connection.house_max_a)


def _overfull(policy: Policy, circuit_id: str, room_a: float) -> Iterator[Finding]:
    total: Phases = ZERO
    for charger in _below(policy, circuit_id):
        total = add(total, on_lines(charger.lines, charger.fallback_a))
    if max(total) > room_a:
        path: Path = (CONNECTION,) if circuit_id == CONNECTION else ("circuits", circuit_id)
        yield Finding(
            path,
            f"the fallbacks add up to {max(total):g} A on one phase, where {max(room_a, 0):g} A are left",
            "lower fallback_a of some chargers, or set them to 0",
        )


def _below(policy: Policy, circuit_id: str) -> Iterator[Charger]:
    for charger_id, charger in policy.chargers.items():
        if circuit_id == CONNECTION or circuit_id in policy.circuits_above(charger_id):
            yield charger


def _has_role(policy: Policy, meter_id: str, role: MeterRole) -> bool:
    return meter_id in policy.meters and policy.meters[meter_id].role is role


def _one_of(circuits: Mapping[str, Circuit]) -> str:
    return f"use one of {', '.join((CONNECTION, *circuits))}"
