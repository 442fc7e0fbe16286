"""Live through random stories until one shows that the product is wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count

from ampherd_simulator.trial import try_story

from tests.mutations.mutants import Mutant


@dataclass(frozen=True)
class Caught:
    """A mutant that a story or an example showed: its number, the processor time it took, and what was seen."""

    number: int
    took_s: float
    how: str


def hunt(mutant: Mutant, *, seconds: float, seed: int) -> Caught | None:
    """The first story, from `seed` on, that breaks a promise with the mutant at large; None when none did in time."""
    began_s = time.process_time()
    with mutant.at_large():
        for number in count():
            verdict = try_story(mutant.invent(seed + number), stops_early=True)
            took_s = time.process_time() - began_s
            if verdict.broken:
                first = verdict.broken[0]
                return Caught(number + 1, took_s, f"{first.promise or 'limit'}: {first.text}")
            if took_s > seconds:
                return None
    return None
