"""The same targets under atheris: libFuzzer's mutations, guided by the lines of the product that an input reaches."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris

from tests.fuzz.runner import Result

_PACKAGES = ["ampherd_core", "ampherd_meter", "ampherd_balancer", "ampherd_charger_agent", "ampherd_api"]


def guided(name: str, inputs: int, seed: int, tell: Callable[[Result], None]) -> None:
    """Feed `inputs` inputs, tell the result, and end the process: libFuzzer never returns."""
    with atheris.instrument_imports(include=_PACKAGES):
        from tests.fuzz.catalogue import TARGETS
        from tests.fuzz.kept import kept
        from tests.fuzz.mutator import Mutator
        from tests.fuzz.runner import Runner

    opened = TARGETS[name]()
    target = opened.__enter__()
    runner = Runner(target, inputs)
    corpus = [*target.seeds, *kept(name).values()]
    mutator, random = Mutator(corpus, target.words, target.mutations, seed), Random(seed)

    def mutate(data: bytes, max_size: int, _seed: int) -> bytes:
        changed = mutator.mutate(data) if random.random() < 0.5 else atheris.Mutate(data, len(data) + 8)
        return bytes(changed[:max_size])

    def feed(data: bytes) -> None:
        runner.feed(data)
        if runner.result.inputs >= inputs:
            tell(runner.finish())
            # libFuzzer never returns, and would skip what atexit has to do.
            opened.__exit__(None, None, None)
            os._exit(0)

    directory = Path(tempfile.mkdtemp(prefix="ampherd-fuzz-"))
    for number, data in enumerate(corpus):
        (directory / f"{number}").write_bytes(data)
    options = [f"-seed={seed}", "-max_len=70000", "-rss_limit_mb=2048", "-verbosity=0", str(directory)]
    atheris.Setup(["fuzz", *options], feed, custom_mutator=mutate)
    atheris.Fuzz()
