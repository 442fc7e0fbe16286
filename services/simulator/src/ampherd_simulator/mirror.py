"""A scenario that matches a policy: its wallboxes, wiring and limits, with a house and cars of one's choice."""

from __future__ import annotations

from collections.abc import Mapping

from ampherd_core.policy import Policy

from ampherd_simulator.scenario import CarPart, ChargerPart, CircuitPart, HousePart, Scenario


def mirror(policy: Policy, *, house: HousePart | None = None, cars: Mapping[str, CarPart] | None = None) -> Scenario:
    """One charging point for each of the policy's; a charger that `cars` leaves out gets an ordinary car."""
    return Scenario(
        rating_a=policy.connection.rating_a,
        voltage_v=policy.connection.voltage_v,
        wiring=policy.connection.wiring,
        timezone=policy.site.timezone,
        house=house or HousePart(),
        circuits={
            circuit_id: CircuitPart(parent=circuit.parent, limit_a=circuit.limit_a)
            for circuit_id, circuit in policy.circuits.items()
        },
        chargers={
            charger_id: ChargerPart(
                driver=charger.driver,
                unit=charger.unit,
                circuit=charger.circuit,
                lines=charger.lines,
                max_a=round(charger.failsafe_a or charger.max_a),
                is_32a=charger.max_a > 16,
                car=(cars or {}).get(charger_id, CarPart()),
            )
            for charger_id, charger in policy.chargers.items()
        },
    )
