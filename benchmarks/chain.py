"""From a telegram's last byte to the Modbus write of the slowest charger, with every service a process of its own.

The house rises with each telegram until the chargers stand at their minimum, then falls back: so every telegram of a
rise asks each charger for one write. The cars themselves take 6 A throughout: the offers move, not what the meter
sees, or cuts that it cannot show yet would be waited for. The simulator stamps both ends on one clock.
"""

from __future__ import annotations

import asyncio
import tempfile
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure, percentile, spread
from tests.support.sites import WholeSite, whole_site

TELEGRAMS_A_SECOND: Final = 5.0
CHARGERS: Final = 4
STEP_A: Final = 1.0
"""A telegram of a rise takes one ampere from each charger, the step that an Edgetech knows."""

MIN_A: Final = 6
MAX_A: Final = 32
RISE_STEPS: Final = MAX_A - MIN_A
REST_STEPS: Final = 40
"""From 32 A down to 6 A, and time to come back up: the balancer trusts that the house has calmed down after 6 s."""

CYCLE_STEPS: Final = REST_STEPS + RISE_STEPS

ANSWER_WITHIN_S: Final = 0.9 / TELEGRAMS_A_SECOND
"""A write that comes later than this after a telegram is not its answer."""

IMPATIENT: Final = {
    "hold_s": 0,
    "return_after_s": 0,
    "reclaim_after_s": 600,
    "rise_every_s": 1,
    "rise_step_a": 80,
    "deadband_a": 0,
    "min_off_s": 0,
    "car_lag_s": 1,
}
"""So that the chargers come back quickly between two rises; falling knows no patience anyway."""

BITS_PER_CHARACTER: Final = 11
REQUEST_CHARACTERS: Final = 8
"""FC06 (Modbus over serial line 1.02, section 2.5.1)."""

GAP_CHARACTERS: Final = 3.5
RTU_BAUD: Final = 9600
RTU_WIRE_S: Final = (REQUEST_CHARACTERS + GAP_CHARACTERS) * BITS_PER_CHARACTER / RTU_BAUD
"""The request alone with its gap; a simulated line has the bytes at once, so it is added to what was measured."""


async def measure(telegrams: int) -> AsyncIterator[Figure]:
    """The chain over Modbus TCP, then one charger on a 9600 baud line."""
    tcp = await _run(telegrams, {"kind": "tcp"}, CHARGERS)
    is_met = percentile(tcp, 0.5) <= 0.005 and percentile(tcp, 0.99) <= 0.025
    goal = "p50 <= 5 ms, p99 <= 25 ms"
    yield Figure("telegram's last byte to slowest of 4 Modbus TCP writes", spread(tcp, "ms", 1e3), goal, is_met)
    line = {"kind": "rtu", "baud": RTU_BAUD}
    rtu = [delay_s + RTU_WIRE_S for delay_s in await _run(max(telegrams // 5, 50), line, 1)]
    ratio = percentile(rtu, 0.5) / RTU_WIRE_S
    yield Figure(
        "the same to one charger on RTU at 9600 baud",
        f"{spread(rtu, 'ms', 1e3)}; {ratio:.1f} x the request's wire time",
    )


async def _run(telegrams: int, line: Mapping[str, object], chargers: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="ampherd-bench-") as name:
        directory = Path(name)
        house = directory / "house.csv"
        house.write_text(_sawtooth(telegrams, chargers), encoding="ascii")
        async with whole_site(directory, _scenario(house, line, chargers), policy=_policy()) as site:
            over_s = asyncio.get_running_loop().time() + 2 * _cycles(telegrams) * CYCLE_STEPS / TELEGRAMS_A_SECOND
            answers: list[float] = []
            while len(answers) < telegrams:
                await asyncio.sleep(1.0)
                site.read_log()
                answers = _answers(site, chargers)
                if asyncio.get_running_loop().time() > over_s:
                    raise TimeoutError(f"only {len(answers)} of {telegrams} telegrams were answered by every charger")
            return answers[:telegrams]


def _policy() -> dict[str, object]:
    return {"timings": IMPATIENT}


def _scenario(house: Path, line: Mapping[str, object], chargers: int) -> dict[str, object]:
    car = {"max_a": MIN_A, "lag_s": 0, "ramp_up_a_s": 1000, "under_a": 0, "battery_wh": 1e9, "soc": 0.1}
    point = {"driver": "edgetech", "line": dict(line), "max_a": MAX_A, "is_32a": True, "car": car}
    return {
        "speed": TELEGRAMS_A_SECOND,
        "rating_a": (MAX_A + 0.5) * chargers,
        "house": {"recording": str(house)},
        "p1": {"kind": "be"},
        "chargers": {f"box-{place}": point for place in range(1, chargers + 1)},
    }


def _sawtooth(telegrams: int, chargers: int) -> str:
    """The house as a recording in scenario seconds, one telegram each; long enough whatever is missed."""
    rows, at_s = ["t_s,l1_a,l2_a,l3_a"], 0
    for _ in range(2 * _cycles(telegrams)):
        for step in range(CYCLE_STEPS):
            amps = STEP_A * chargers * max(0, step - REST_STEPS + 1)
            rows.append(f"{at_s},{amps:.2f},{amps:.2f},{amps:.2f}")
            at_s += 1
    return "\n".join(rows) + "\n"


def _cycles(telegrams: int) -> int:
    """The rises that it takes when each of their telegrams is answered, and one."""
    return 1 + -(-telegrams // RISE_STEPS)


def _answers(site: WholeSite, chargers: int) -> list[float]:
    """For each telegram that every charger answered with a write: the time to the last of them, s."""
    by_charger: dict[str, list[float]] = {}
    for write in site.writes:
        by_charger.setdefault(write["charger"], []).append(write["boot_s"])
    if len(by_charger) < chargers:
        return []
    found = []
    for telegram in site.telegrams:
        delays = [_delay(telegram, times) for times in by_charger.values()]
        whole = [delay for delay in delays if delay is not None]
        if len(whole) == chargers:
            found.append(max(whole))
    return found


def _delay(telegram: Mapping[str, Any], times: Sequence[float]) -> float | None:
    sent_s = float(telegram["boot_s"])
    place = bisect_right(times, sent_s)
    delay = times[place] - sent_s if place < len(times) else None
    return delay if delay is not None and delay < ANSWER_WITHIN_S else None
