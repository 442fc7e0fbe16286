"""Every edge under the inputs that are kept, and under some thousands of fresh ones; `make fuzz` feeds a million."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.fuzz.campaign import campaign, replay
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.kept import CORPUS
from tests.fuzz.runner import Result

FRESH: Mapping[str, tuple[int, int]] = {
    "telegrams": (3_000, 8),
    "values": (6_000, 6),
    "replies": (3_000, 7),
    "balancer": (6_000, 6),
    "agent": (6_000, 7),
    "api": (5_000, 4),
    "stored": (5_000, 6),
    "plans": (3_000, 7),
    "policies": (1_500, 2),
    "requests": (1_500, 8),
}
"""How many, and how many classes of outcome they reach at least."""

MAX_CORPUS_BYTES = 1_000_000


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_breaks_nothing(name: str) -> None:
    assert not _told(replay(name))


@pytest.mark.parametrize("name", TARGETS)
def test_fresh_inputs_break_nothing_and_each_refusal_says_why(name: str) -> None:
    inputs, classes = FRESH[name]
    result = campaign(name, inputs, seed=1)
    assert not _told(result)
    assert result.causes["taken"] > 0
    assert len(result.causes) >= classes, result.causes
    silent = {"taken", "ignored", "nothing", "nothing new", "no answer"}
    assert all(why for cause, why in result.examples.items() if cause not in silent and not cause.startswith("30"))


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < MAX_CORPUS_BYTES
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)


def _told(result: Result) -> list[str]:
    return [f"{finding.kind}: {finding.what}: {finding.data[:200]!r}" for finding in result.findings]
