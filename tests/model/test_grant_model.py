"""The model of the grant protocol holds in every state within its bounds, and fails wherever it is broken on purpose.

AMPHERD_MODEL=full adds the bounds that take minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import REPOSITORY, needs_program

MODEL = REPOSITORY / "model/grants.pml"
DEEPEST = 20_000
MEMORY_MB = 12_000
BITES_WITHIN_S = 60

ONE_CHARGER = "-DN=1 -DROOM=1 -DREIGNS=1 -DCOVER"

pytestmark = pytest.mark.needs("spin")


class Verdict:
    """What the search found: the assertion that failed, None where it saw every state and all held."""

    def __init__(self, text: str) -> None:
        failed = re.search(r"assertion violated +(.*) \(at depth", text)
        self.failed = failed[1] if failed else None
        stored = re.search(r"^ *([\d.e+]+) states, stored", text, re.MULTILINE)
        assert stored, text
        self.states = float(stored[1])
        self.is_complete = "errors: 0" in text and "too small" not in text and "not completed" not in text


def search(folder: Path, flags: str, *, within_s: float, storage: str = "COLLAPSE") -> Verdict:
    """Every state of the model under `flags`; `storage` is how Spin keeps them (HC4 overlooks some)."""
    spin, options = needs_program("spin"), flags.split()
    for command in (
        [spin, "-a", *options, str(MODEL)],
        ["gcc", "-O2", "-w", "-DSAFETY", f"-D{storage}", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"],
    ):
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
    run = [f"{folder}/pan", f"-m{DEEPEST}"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=within_s, check=False)
    return Verdict(done.stdout)


@pytest.mark.parametrize(
    ("flags", "least_states"),
    [
        ("-DN=3 -DFAULTS=0 -DCOVER", 2_000),
        ("-DN=3 -DFAULTS=1 -DCOVER", 200_000),
        ("-DN=1 -DTOP=2 -DROOM=2 -DFAULTS=2 -DCOVER -DDERATE", 100_000),
        (f"{ONE_CHARGER} -DFAULTS=5 -DDERATE", 1_000_000),
    ],
)
def test_every_promise_holds_in_every_state(tmp_path: Path, flags: str, least_states: int) -> None:
    verdict = search(tmp_path, flags, within_s=110)
    assert verdict.failed is None
    assert verdict.is_complete
    assert verdict.states > least_states, "a search that sees little proves little"


@pytest.mark.timeout(2400)
@pytest.mark.skipif(os.environ.get("AMPHERD_MODEL") != "full", reason="takes minutes: AMPHERD_MODEL=full")
@pytest.mark.parametrize(
    ("flags", "storage"),
    [
        ("-DN=3 -DFAULTS=2 -DCOVER", "COLLAPSE"),
        ("-DN=3 -DFAULTS=3", "HC4"),
        ("-DN=2 -DTOP=2 -DROOM=3 -DFAULTS=2 -DCOVER", "COLLAPSE"),
        (f"{ONE_CHARGER} -DFAULTS=6 -DLATEST=5", "COLLAPSE"),
    ],
)
def test_every_promise_holds_within_wider_bounds(tmp_path: Path, flags: str, storage: str) -> None:
    verdict = search(tmp_path, flags, within_s=2300, storage=storage)
    assert verdict.failed is None
    assert verdict.is_complete


OVERSOLD = r"\(n<=2\)"
UNBOOKED = r"\(off\[c\]<=n\)"
UNFENCED = r"met\[s\]>=epoch\[l\]"


@pytest.mark.parametrize(
    ("mutation", "bounds", "broken"),
    [
        ("SKIP_CONFIRM", "-DN=3", rf"{OVERSOLD}|{UNFENCED}"),
        ("FREE_ON_SILENCE", "-DN=3", OVERSOLD),
        ("EXTEND_LEASE", "-DN=3", r"lease\[c\]>1"),
        ("FORGET_EPOCH", "-DN=3", r"k>=once\[c\]"),
        ("FORGET_SEQ", "-DN=3", r"k==once\[c\]"),
        ("RAISE_BEFORE_FENCE", "-DN=3", UNFENCED),
        ("STALE_INHERITANCE", "-DN=3", OVERSOLD),
        ("FENCE_RAISES", "-DN=3", OVERSOLD),
        ("STORE_WIPED", "-DN=3", OVERSOLD),
        ("PATIENT_BOOK_LOW", "-DN=3", UNFENCED),
        ("PATIENT_BOOK_LOW", "-DN=1 -DROOM=1 -DCOVER -DPATIENCE_SHORT", UNBOOKED),
        ("FREE_APPLIED", f"{ONE_CHARGER} -DDERATE -DFAULTS=5", UNBOOKED),
        ("PENDING_UNTOLD", f"{ONE_CHARGER} -DFAULTS=5", UNBOOKED),
        ("SESSION_RETURNS", f"{ONE_CHARGER} -DFAULTS=6 -DLATEST=5", UNBOOKED),
    ],
)
def test_a_broken_protocol_is_caught(tmp_path: Path, mutation: str, bounds: str, broken: str) -> None:
    verdict = search(tmp_path, f"{bounds} -D{mutation}", within_s=BITES_WITHIN_S)
    assert verdict.failed is not None, f"the search saw nothing wrong in {verdict.states:g} states"
    assert re.search(broken, verdict.failed), verdict.failed


@pytest.mark.parametrize(
    "sight",
    [
        pytest.param(1, id="a raise"),
        pytest.param(2, id="current moves from one charger to another"),
        pytest.param(3, id="a raise after a fail-over"),
        pytest.param(4, id="a raise while a charger is silent"),
        pytest.param(5, id="a lease lapses"),
        pytest.param(6, id="a late grant of an older epoch is outlived"),
        pytest.param(7, id="a leader yields to a higher epoch"),
    ],
)
def test_what_should_happen_can_happen(tmp_path: Path, sight: int) -> None:
    assert search(tmp_path, f"-DN=3 -DFAULTS=2 -DSHOW={sight}", within_s=BITES_WITHIN_S).failed == "0"
