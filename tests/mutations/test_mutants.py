"""The monitors see what they are there for: a product that is wrong on purpose does not live long."""

from __future__ import annotations

import pytest

from tests.mutations.hunt import hunt
from tests.mutations.laws import hunt_by_laws
from tests.mutations.mutants import MUTANTS, Mutant

SEED = 1
PATIENCE_S = 60.0

QUICK = {
    "a lower grant frees current before it is confirmed",
    "only the confirmed offer is booked, not what is granted",
    "a lapsed lease leaves the wallbox as it is",
    "a stale reading counts as fresh",
    "what was ordered counts as read back",
    "a deaf wallbox is called obedient",
    "a silent meter means 0 A",
    "a contactor does not rest",
    "phases are switched under load",
    "a telegram said again is news",
    "a whole amp is taken at its word",
    "a car gets less than its minimum",
}
"""Those that a few stories show; `make mutants` hunts them all."""

QUICK_BY_LAW = {
    "current that a car still draws counts as free",
    "a car that draws too much is not booked",
    "an agent ignores a gap in its own time",
}
"""Those that another safeguard hides from a story, and that a law of one core shows."""


@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.title in QUICK], ids=lambda each: each.title)
def test_a_wrong_product_is_found(mutant: Mutant) -> None:
    assert hunt(mutant, seconds=PATIENCE_S, seed=SEED) is not None


@pytest.mark.parametrize(
    "mutant", [each for each in MUTANTS if each.title in QUICK_BY_LAW], ids=lambda each: each.title
)
def test_a_wrong_core_is_found(mutant: Mutant) -> None:
    assert hunt_by_laws(mutant, seconds=PATIENCE_S, seed=SEED) is not None


def test_the_quick_ones_exist() -> None:
    assert {each.title for each in MUTANTS} >= QUICK | QUICK_BY_LAW
