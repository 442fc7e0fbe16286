"""One run of one target in this process: the kept corpus first, then fresh inputs."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.kept import kept
from tests.fuzz.mutator import Mutator
from tests.fuzz.runner import Result, Runner


def campaign(name: str, inputs: int, seed: int, *, limit_s: float = math.inf) -> Result:
    """Feed `inputs` fresh inputs after the seeds and the corpus; the same for the same seed, but for the time.

    After `limit_s` it ends, however many there were.
    """
    end_s = time.monotonic() + limit_s
    random.seed(seed)
    with TARGETS[name]() as target:
        runner = Runner(target, inputs)
        corpus = list(kept(name).values())
        feed_all(runner, [*target.seeds, *corpus])
        mutator = Mutator([*target.seeds, *corpus], target.words, target.mutations, seed)
        while runner.result.inputs < inputs and time.monotonic() < end_s:
            data = mutator.next()
            if runner.feed(data):
                mutator.keep(data)
        return runner.finish()


def replay(name: str) -> Result:
    """Feed the kept corpus alone."""
    with TARGETS[name]() as target:
        runner = Runner(target, 0)
        feed_all(runner, kept(name).values())
        return runner.finish()


def feed_all(runner: Runner, inputs: Iterable[bytes]) -> None:
    """Feed them in order."""
    for data in inputs:
        runner.feed(data)
