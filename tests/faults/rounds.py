"""Rounds of random process faults against a whole site, judged by the current that the simulated cars really draw.

`python -m tests.faults --rounds 100 --seed 1` (`make faults`) runs many and prints a table; the tests run a few.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from ampherd_core.phases import LINES

from tests.support.history import readings_at_s
from tests.support.sites import FRESH_S, WholeSite, whole_site
from tests.support.wait import wait_for

RATING_A: Final = 40.0
CAR: Final = {"lag_s": 1, "is_away": True, "battery_wh": 1e9}
SCENARIO: Final[dict[str, object]] = {
    "rating_a": RATING_A,
    "house": {"base_a": 1, "liveliness": 3, "appliances": ["fridge", "kettle", "hob"]},
    "chargers": {
        "left": {"driver": "edgetech", "car": CAR},
        "right": {"driver": "edgetech", "lines": ["L2", "L3", "L1"], "car": CAR},
        "garage": {"driver": "smartevse-v2-legacy", "lines": ["L3", "L1", "L2"], "car": CAR},
        "guest": {"driver": "smartevse-v2-legacy", "lines": ["L2"], "car": CAR | {"phases": 1}},
    },
}
POLICY: Final[dict[str, object]] = {"timings": {"hold_s": 5, "return_after_s": 5, "min_off_s": 5, "min_on_s": 10}}

AGENTS: Final = tuple(f"agent-{charger}" for charger in ("left", "right", "garage", "guest"))
VICTIMS: Final = ("meter", "balancer", "api", "broker", "store", *AGENTS)

MOST_FROZEN_S: Final = 16.0
STEP_A: Final = 14.0
STEP_FOR_S: Final = 14.0
WELL_WITHIN_S: Final = 15.0

BLIND_S: Final = {"meter": 5.0, "balancer": 10.0, "broker": 10.0, **dict.fromkeys(AGENTS, 5.0)}
"""How long the house may rise unanswered: a reading holds 5 s, a grant its lease, and a cut counts for a car's 5 s."""

GAP_S: Final = 1.5
"""A telegram comes every second."""

REACTION_S: Final = 4.0
"""A car's second, a meter's second, the next telegram, and a busy machine."""


class Kind(StrEnum):
    """What happens to a process."""

    KILLED = "killed"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Fault:
    """One round: who is hit and how; a load of the house comes on a moment later, on `line`."""

    kind: Kind
    victims: tuple[str, ...]
    for_s: float
    line: str

    def __str__(self) -> str:
        frozen = f" for {self.for_s:.0f} s" if self.kind is Kind.FROZEN else ""
        return f"{' and '.join(self.victims)} {self.kind}{frozen}, +{STEP_A:g} A on {self.line}"

    @property
    def blind_s(self) -> float:
        """For how long nobody can be asked to answer the house's rise, s."""
        return max(BLIND_S.get(victim, 0.0) for victim in self.victims)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round did: our share of the excess on the worst line, and how long until all was well."""

    fault: Fault
    our_longest_s: float
    ours_as: float
    well_after_s: float
    began_at: float
    ended_at: float

    @property
    def faults(self) -> list[str]:
        """What should not have been, in words; history is another question."""
        allowed_s = self.fault.blind_s + REACTION_S
        found = []
        if self.our_longest_s > allowed_s:
            found.append(f"{self.fault}: over the limit by our doing for {self.our_longest_s:.0f} s")
        if self.well_after_s > WELL_WITHIN_S:
            found.append(f"{self.fault}: well again after {self.well_after_s:.0f} s only")
        return found


def random_faults(rounds: int, seed: int) -> Iterator[Fault]:
    """As many, each from the seed alone."""
    chance = random.Random(seed)
    for _ in range(rounds):
        kind = chance.choice(tuple(Kind))
        victims = tuple(chance.sample(VICTIMS, 2 if chance.random() < 0.25 else 1))
        yield Fault(kind, victims, round(chance.uniform(1.0, MOST_FROZEN_S), 1), str(chance.choice(LINES)))


@contextlib.asynccontextmanager
async def site_with_four_cars(directory: Path) -> AsyncIterator[WholeSite]:
    """A whole site on which four cars charge."""
    async with whole_site(directory, SCENARIO, policy=POLICY) as site:
        await site.plug_in_all()
        await site.charging(4)
        yield site


async def play(site: WholeSite, fault: Fault) -> Outcome:
    """One round; AssertionError when all is not well for long."""
    await site.charging(4)
    began, began_at = await site.truth(), time.time()
    pids = {victim: site.running.supervisor.pids[victim] for victim in fault.victims}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL if fault.kind is Kind.KILLED else signal.SIGSTOP)
    await site.command(do="step", line=fault.line, current_a=STEP_A, for_s=STEP_FOR_S)
    if fault.kind is Kind.FROZEN:
        await site.until(began["at_s"] + fault.for_s)
        for pid in pids.values():
            os.kill(pid, signal.SIGCONT)
    ended_at = time.time()

    async def is_well() -> bool:
        now = site.running.supervisor.pids
        is_replaced = all(
            (now.get(name) not in {None, pid}) is (fault.kind is Kind.KILLED) for name, pid in pids.items()
        )
        return is_replaced and await site.is_well(min(time.time() - ended_at, FRESH_S))

    await wait_for(is_well, 2 * WELL_WITHIN_S, f"all is well again: {fault}")
    well_after_s = time.time() - ended_at
    await site.until(began["at_s"] + STEP_FOR_S)
    site.read_log()
    ours_as = max(after - before for before, after in zip(_ours_as(began), _ours_as(await site.truth()), strict=True))
    return Outcome(fault, longest_ours_s(site.truths, began["at_s"]), ours_as, well_after_s, began_at, ended_at)


def longest_ours_s(truths: Sequence[dict[str, Any]], since_s: float) -> float:
    """The longest run over the limit, on any line, that the house alone would not have caused, s (to a second)."""
    longest_s = 0.0
    for line in LINES:
        run_s = 0.0
        for before, now in pairwise(truth for truth in truths if truth["at_s"] >= since_s):
            is_ours = now["grid_a"][line.place] > RATING_A >= now["house_a"][line.place]
            run_s = run_s + now["at_s"] - before["at_s"] if is_ours else 0.0
            longest_s = max(longest_s, run_s)
    return longest_s


def doubled_or_lost(site: WholeSite, outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong with history: readings recorded twice, and gaps while the meter service was not hit."""
    blind = [(o.began_at, o.ended_at + WELL_WITHIN_S) for o in outcomes if "meter" in o.fault.victims]
    times_s = readings_at_s(site.history_file, "grid")
    wrong = []
    for at_s, later_s in pairwise(times_s):
        is_excused = any(from_s <= later_s and at_s <= to_s for from_s, to_s in blind)
        if later_s == at_s:
            wrong.append(f"the reading of {at_s:.0f} twice")
        elif later_s - at_s > GAP_S and not is_excused:
            wrong.append(f"nothing from {at_s:.0f} to {later_s:.0f}")
    return wrong


def _ours_as(truth: dict[str, Any]) -> list[float]:
    return [values["ours_as"] for values in truth["excess"]["connection"].values()]
