"""How fast virtual time passes: a day of four chargers in steps of one second, with the real cores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from ampherd_embedded.simulated import Ports, policy_of
from ampherd_simulator.scenario import Scenario
from ampherd_simulator.world import World

from benchmarks.figures import Figure

DAY_S: Final = 86_400.0
GOAL_S: Final = 10.0

EVENING: Final = Scenario.model_validate(
    {
        "starts_at": "2026-06-01T12:00:00+02:00",
        "chargers": {
            f"box-{place}": {"driver": "edgetech", "car": {"arrives_s": 3_600 * (4 + place), "battery_wh": 60_000}}
            for place in range(1, 5)
        },
    }
)


def measure() -> Iterator[Figure]:
    """From noon to noon: four cars come home one after the other and charge through the night."""
    ports = Ports(chargers=dict.fromkeys(EVENING.chargers, ""), p1="tcp://127.0.0.1:2001")
    policy = policy_of(EVENING, _apart(ports))
    began = time.perf_counter()
    report = World(policy, EVENING, seed=1).run(DAY_S)
    took_s = time.perf_counter() - began
    yield Figure("a day of four chargers in steps of 1 s", f"{took_s:.1f} s", f"<= {GOAL_S:.0f} s", took_s <= GOAL_S)
    energy_kwh = sum(charger.energy_wh for charger in report.chargers.values()) / 1000
    yield Figure("  its outcome", f"{energy_kwh:.1f} kWh charged, {report.our_excess_as:.1f} A s over by our doing")


def _apart(ports: Ports) -> Ports:
    """Each wallbox on a port of its own, as a policy wants it; nothing listens there."""
    links = {charger: f"tcp://127.0.0.1:{place}" for place, charger in enumerate(ports.chargers, start=5001)}
    return ports.model_copy(update={"chargers": links})
