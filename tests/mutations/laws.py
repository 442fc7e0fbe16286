"""The laws of the cores, as hunters: random bytes make the examples, and nothing is replayed or shrunk."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import count

from tests.mutations.hunt import Caught
from tests.mutations.mutants import Mutant
from tests.unit import (
    test_agent_lease_laws,
    test_agent_safety_laws,
    test_balancer_book_laws,
    test_balancer_faults,
    test_balancer_transition_laws,
)

LAWS: Sequence[Callable[..., None]] = (
    test_agent_lease_laws.test_the_laws_hold_and_a_refused_grant_changes_nothing,
    test_agent_lease_laws.test_the_order_of_grants_never_goes_back_while_it_matters,
    test_agent_safety_laws.test_the_laws_hold,
    test_agent_safety_laws.test_after_a_gap_it_holds_on_no_longer_than_one_just_started,
    test_balancer_book_laws.test_all_that_a_car_may_draw_is_booked,
    test_balancer_book_laws.test_what_a_meter_saw_is_booked,
    test_balancer_transition_laws.test_an_offer_is_nothing_or_at_least_the_minimum_and_never_passes_its_target,
    test_balancer_faults.test_every_promise_is_kept_in_any_home,
)
EXAMPLE_BYTES = 4_096


def hunt_by_laws(mutant: Mutant, *, seconds: float, seed: int) -> Caught | None:
    """The first example that breaks a law with the mutant at large, the laws in turn; None when none did in time."""
    chance = random.Random(seed)
    began_s = time.process_time()
    with mutant.at_large():
        for number in count():
            law = LAWS[number % len(LAWS)]
            try:
                law.hypothesis.fuzz_one_input(chance.randbytes(EXAMPLE_BYTES))  # type: ignore[attr-defined]
            except AssertionError as err:
                took_s = time.process_time() - began_s
                said = f": {err}".splitlines()[0] if str(err) else ""
                return Caught(number + 1, took_s, law.__name__.removeprefix("test_").replace("_", " ") + said)
            if time.process_time() - began_s > seconds:
                return None
    return None
