"""What only the whole policy can tell: references, wires, and the proof that its fallbacks are safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from ampherd_core.messages import MeterRole
from ampherd_core.phases import LINES, ZERO, Line, add, on_lines
from ampherd_core.policy import CONNECTION, Charger, Circuit, DriverName, Policy, Wiring
from ampherd_core.policy_fault import Finding, Path
from ampherd_core.policy_solar import Accounting, SolarFeed
from ampherd_core.policy_sources import sources
from ampherd_core.policy_wires import wires

__all__ = ["Finding", "Path", "check", "warnings"]

_UNMETERED: Final = frozenset({DriverName.SMARTEVSE_V2, DriverName.SMARTEVSE_V2_LEGACY})

_SWITCHING: Final = frozenset({DriverName.EDGETECH})

_ROUNDING_A: Final = 1e-6
"""Tenths of amps do not add up exactly in binary."""


def check(policy: Policy) -> tuple[Finding, ...]:
    """Every reason not to run this policy; empty when it may run."""
    references = (
        *_site(policy),
        *_circuits(policy),
        *_meters(policy),
        *_chargers(policy),
        *_limits(policy),
        *_sun(policy),
        *wires(policy),
        *sources(policy),
    )
    return references or (*_circuit_meters(policy), *_fallbacks(policy))


def warnings(policy: Policy) -> tuple[Finding, ...]:
    """What may run, but is worth a look; `policy` has passed `check`."""
    return (*_unmetered(policy), *_starved(policy))


def _unmetered(policy: Policy) -> Iterator[Finding]:
    for charger_id, charger in policy.chargers.items():
        if charger.driver in _UNMETERED and charger.meter is None:
            yield Finding(
                ("chargers", charger_id),
                "this wallbox does not tell what the car draws: its whole offer counts as drawn while it charges",
                "give it a meter with the role charger to free what the car leaves",
            )


def _starved(policy: Policy) -> Iterator[Finding]:
    for charger_id, charger in policy.chargers.items():
        rooms_a = {CONNECTION: policy.connection.limit_a}
        for circuit_id in policy.circuits_above(charger_id):
            rooms_a[circuit_id] = policy.circuits[circuit_id].limit_a - _reserve_a(policy.circuits[circuit_id])
        tightest = min(rooms_a, key=lambda each: rooms_a[each])
        if rooms_a[tightest] < charger.min_a:
            yield Finding(
                ("chargers", charger_id, "circuit"),
                f"{tightest!r} has {rooms_a[tightest]:g} A for it, and it needs {charger.min_a:g} A: it never charges",
                "raise that limit, or lower min_a",
            )


def _site(policy: Policy) -> Iterator[Finding]:
    if policy.connection.margin_a >= policy.connection.rating_a:
        yield Finding(("connection", "margin_a"), "the margin leaves nothing of the rating", "lower margin_a")
    if policy.connection.wiring is Wiring.DELTA and policy.connection.phases != 3:
        yield Finding(("connection", "wiring"), "delta wiring has three lines", "set phases: 3 or wiring: star")


def _limits(policy: Policy) -> Iterator[Finding]:
    connection = policy.connection
    if policy.limits.imbalance_a is not None and (connection.phases == 1 or connection.wiring is Wiring.DELTA):
        yield Finding(("limits", "imbalance_a"), "only three phases with neutral can be unequal", "leave it out")
    for window_id, window in policy.limits.windows.items():
        if len(set(window.days)) < len(window.days):
            yield Finding(("limits", "windows", window_id, "days"), "names a day more than once", "name each once")


def _circuits(policy: Policy) -> Iterator[Finding]:
    meters = Counter(circuit.meter for circuit in policy.circuits.values() if circuit.meter)
    for circuit_id, circuit in policy.circuits.items():
        path: Path = ("circuits", circuit_id)
        if circuit_id == CONNECTION:
            yield Finding(path, "`connection` names the mains itself", "choose another id")
        if circuit.parent != CONNECTION and circuit.parent not in policy.circuits:
            yield Finding((*path, "parent"), f"there is no circuit {circuit.parent!r}", _one_of(policy.circuits))
        elif _is_in_a_ring(policy, circuit_id):
            yield Finding((*path, "parent"), "the circuits feed each other in a ring", "end the chain at `connection`")
        if circuit.reserve_a >= circuit.limit_a:
            yield Finding((*path, "reserve_a"), "the reserve leaves nothing of the limit", "lower reserve_a")
        if circuit.meter is not None:
            yield from _named_meter(policy, path, circuit.meter, MeterRole.CIRCUIT, meters[circuit.meter])


def _is_in_a_ring(policy: Policy, start: str) -> bool:
    seen: set[str] = set()
    here = policy.circuits[start].parent
    while here in policy.circuits and here not in seen:
        seen.add(here)
        here = policy.circuits[here].parent
    return start in seen


def _circuit_meters(policy: Policy) -> Iterator[Finding]:
    for circuit_id, circuit in policy.circuits.items():
        if circuit.meter is not None:
            lines = {line for charger in _below(policy, circuit_id) for line in charger.lines}
            yield from _blind(policy, ("circuits", circuit_id, "meter"), circuit.meter, lines)


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
        path: Path = ("meters", meter_id, "lines")
        # Left out, a meter's lines are all three, and a one-phase meter fills only the first.
        if meter.lines != LINES:
            yield from _existing(policy, path, meter.lines)
        if meter_id in grids:
            yield from _blind(policy, path, meter_id, policy.connection.lines)


def _chargers(policy: Policy) -> Iterator[Finding]:
    meters = Counter(charger.meter for charger in policy.chargers.values() if charger.meter)
    for charger_id, charger in policy.chargers.items():
        path: Path = ("chargers", charger_id)
        if charger.circuit != CONNECTION and charger.circuit not in policy.circuits:
            yield Finding((*path, "circuit"), f"there is no circuit {charger.circuit!r}", _one_of(policy.circuits))
        yield from _existing(policy, (*path, "lines"), charger.lines)
        if policy.connection.wiring is Wiring.DELTA and len(charger.lines) == 1:
            second = LINES[(charger.lines[0].place + 1) % len(LINES)]
            yield Finding(
                (*path, "lines"),
                "without neutral a one-phase wallbox stands between two lines",
                f"name both, like [{charger.lines[0]}, {second}]",
            )
        yield from _amps(path, charger)
        yield from _switching(policy, path, charger)
        if charger.meter is not None:
            yield from _named_meter(policy, path, charger.meter, MeterRole.CHARGER, meters[charger.meter])
            yield from _blind(policy, (*path, "meter"), charger.meter, charger.lines)


def _sun(policy: Policy) -> Iterator[Finding]:
    solar = policy.solar
    roles = {meter.role for meter in policy.meters.values()}
    if solar.feed is SolarFeed.GENERATION and MeterRole.SOLAR not in roles:
        yield Finding(("solar", "feed"), "no meter has the role solar", "add one, or set feed: grid")
    if solar.accounting is Accounting.PER_PHASE and policy.connection.wiring is Wiring.DELTA:
        yield Finding(("solar", "accounting"), "without neutral no phase has a power of its own", "set accounting: net")


def _amps(path: Path, charger: Charger) -> Iterator[Finding]:
    low_a, high_a, fallback_a = charger.min_a, charger.max_a, charger.fallback_a
    if low_a > high_a:
        yield Finding((*path, "min_a"), f"is above max_a ({high_a:g} A)", "lower min_a or raise max_a")
    elif fallback_a and not low_a <= fallback_a <= high_a:
        yield Finding(
            (*path, "fallback_a"),
            f"{fallback_a:g} A is neither 0 nor between min_a and max_a",
            f"set 0, or {low_a:g} to {high_a:g}",
        )
    if charger.driver is DriverName.EDGETECH:
        for name, value_a in (("min_a", low_a), ("fallback_a", fallback_a)):
            if value_a != int(value_a):
                yield Finding((*path, name), "this wallbox knows whole amps only", f"write {int(value_a) + 1}")


def _switching(policy: Policy, path: Path, charger: Charger) -> Iterator[Finding]:
    if not charger.switches_phases:
        return
    path = (*path, "switches_phases")
    if charger.driver not in _SWITCHING:
        yield Finding(path, f"a {charger.driver} cannot switch its phases", "drop it, or set it to false")
    elif policy.connection.wiring is not Wiring.STAR:
        yield Finding(path, "without neutral one phase of the wallbox has no return", "drop it, or set it to false")
    elif len(charger.lines) != len(LINES):
        yield Finding(path, f"the wallbox has {len(charger.lines)} of three lines", "name three lines, or drop it")


def _existing(policy: Policy, path: Path, lines: Collection[Line]) -> Iterator[Finding]:
    existing = ", ".join(policy.connection.lines)
    if not set(lines) <= set(policy.connection.lines):
        yield Finding(path, f"the connection has only {existing}", f"write lines: [{existing}]")


def _named_meter(policy: Policy, owner: Path, meter_id: str, role: MeterRole, users: int) -> Iterator[Finding]:
    path = (*owner, "meter")
    if meter_id not in policy.meters or policy.meters[meter_id].role is not role:
        yield Finding(path, f"{meter_id!r} is no meter with the role {role}", "name one, or drop it")
    elif users > 1:
        yield Finding(path, f"another {role} names the same meter", f"give each {role} a meter of its own")


def _blind(policy: Policy, path: Path, meter_id: str, lines: Collection[Line]) -> Iterator[Finding]:
    """A line that a meter should see, and does not."""
    meter = policy.meters.get(meter_id)
    missing = [line for line in LINES if meter is not None and line in lines and line not in meter.lines]
    if missing:
        wanted = ", ".join(line for line in LINES if line in lines)
        yield Finding(path, f"the meter does not see {', '.join(missing)}", f"its lines must have {wanted}")


def _fallbacks(policy: Policy) -> Iterator[Finding]:
    """With every lease lapsed the chargers stand at their fallbacks: that must fit beside the largest house."""
    some = next((charger_id for charger_id, charger in policy.chargers.items() if charger.fallback_a), None)
    if some is None:
        return
    connection = policy.connection
    if connection.house_max_a is None:
        yield Finding(
            ("chargers", some, "fallback_a"),
            "a fallback above 0 is not proved safe, for nothing says how much the house takes",
            "set fallback_a: 0, or give connection.house_max_a",
        )
        return
    yield from _overfull(policy, CONNECTION, connection.limit_a - connection.house_max_a)
    for circuit_id, circuit in policy.circuits.items():
        others_a = connection.house_max_a if circuit.meter else circuit.reserve_a
        yield from _overfull(policy, circuit_id, circuit.limit_a - others_a)


def _overfull(policy: Policy, circuit_id: str, room_a: float) -> Iterator[Finding]:
    total = ZERO
    for charger in _below(policy, circuit_id):
        total = add(total, on_lines(charger.lines, charger.fallback_a))
    worst = max(LINES, key=lambda line: total[line.place])
    worst_a = total[worst.place]
    if worst_a > max(room_a, 0.0) + _ROUNDING_A:
        path: Path = (CONNECTION,) if circuit_id == CONNECTION else ("circuits", circuit_id)
        yield Finding(
            path,
            f"the fallbacks add up to {worst_a:g} A on {worst}, where {max(room_a, 0.0):g} A are left",
            "lower fallback_a of some chargers, or set them to 0",
        )


def _below(policy: Policy, circuit_id: str) -> Iterator[Charger]:
    for charger_id, charger in policy.chargers.items():
        if circuit_id == CONNECTION or circuit_id in policy.circuits_above(charger_id):
            yield charger


def _reserve_a(circuit: Circuit) -> float:
    return 0.0 if circuit.meter else circuit.reserve_a


def _one_of(circuits: Mapping[str, Circuit]) -> str:
    return f"use one of {', '.join((CONNECTION, *circuits))}"
