"""Feeds a target input after input, and holds each to what every edge promises: no crash, no hang, no growth."""

from __future__ import annotations

import gc
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

import psutil

from tests.fuzz.target import BrokenPromiseError, Outcome, Target

CPU_S: Final = 2.0
"""An input takes milliseconds; one that keeps the processor for so long keeps a safety loop from turning."""

GROWTH_MB: Final = 24.0
"""Caches and the allocator's slack; a leak of 25 bytes an input shows within a million."""

_WARM_SHARE: Final = 0.1
_WARM_LEAST: Final = 200
_PARTICULAR: Final = re.compile(r"""\d+|'[^']*'|"[^"]*"|setting .*""")
"""What differs from input to input in a message that says the same."""

_FINDINGS: Final = 20
_CAUSES: Final = 200


class HangError(BrokenPromiseError):
    """An input kept the processor too long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise, and the input that broke it."""

    kind: str
    what: str
    data: bytes


@dataclass(slots=True)
class Result:
    """A run's account; `examples` holds the product's own words for each class of refusal."""

    inputs: int = 0
    seconds: float = 0.0
    causes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    before_mb: float = 0.0
    after_mb: float = 0.0
    slowest_s: float = 0.0
    findings: list[Finding] = field(default_factory=list)


class Runner:
    """Feeds one target and keeps the account."""

    def __init__(self, target: Target, expected: int) -> None:
        self.result = Result()
        self._target = target
        self._warm_after = max(_WARM_LEAST, int(expected * _WARM_SHARE))
        self._effects: set[tuple[str, str]] = set()
        self._kinds: set[str] = set()
        self._began_s = time.perf_counter()

    def feed(self, data: bytes) -> bool:
        """Feed one input; True when its effect was never seen before."""
        result = self.result
        if result.inputs == self._warm_after:
            result.before_mb = rss_mb()
        result.inputs += 1
        outcome = self._outcome(data)
        if outcome is None:
            return False
        result.causes[outcome.cause if len(result.causes) < _CAUSES else "other"] += 1
        effect = (outcome.cause, _PARTICULAR.sub("#", outcome.why[:80]))
        if effect in self._effects or len(self._effects) > 5_000:
            return False
        self._effects.add(effect)
        result.examples.setdefault(outcome.cause, outcome.why)
        return True

    def finish(self) -> Result:
        """The account, closed."""
        result = self.result
        result.seconds = time.perf_counter() - self._began_s
        result.after_mb = rss_mb()
        grown_mb = result.after_mb - result.before_mb
        if result.inputs > self._warm_after and grown_mb > GROWTH_MB:
            result.findings.append(Finding("growth", f"{grown_mb:.1f} MB more than after the first tenth", b""))
        return result

    def _outcome(self, data: bytes) -> Outcome | None:
        began_s = time.process_time()
        try:
            with at_most(CPU_S):
                return self._target.feed(data)
        except Exception as err:  # noqa: BLE001 - whatever comes out is the finding
            self._find(err, data)
            return None
        finally:
            self.result.slowest_s = max(self.result.slowest_s, time.process_time() - began_s)

    def _find(self, err: Exception, data: bytes) -> None:
        kind = f"{type(err).__name__} {_place(err)} {_PARTICULAR.sub('#', str(err))[:60]}"
        if kind not in self._kinds and len(self._kinds) < _FINDINGS:
            self._kinds.add(kind)
            self.result.findings.append(Finding(type(err).__name__, f"{err} ({_place(err)})"[:300], data))


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """Raise HangError in a block that keeps the processor longer; a busy machine does not matter."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"no end after {cpu_s:g} s of processor time")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def rss_mb() -> float:
    """What this process holds in memory, without its garbage."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def _place(err: Exception) -> str:
    trace, place = err.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "ampherd" in code.co_filename or not place:
            place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
