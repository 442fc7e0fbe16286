"""Who leads, against a store that fails in every way."""

from __future__ import annotations

from ampherd_balancer.leader import Candidate
from ampherd_core.store import StoreError


class Store:
    """A lock and an epoch in memory; `is_down` makes every call fail."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.epoch = 0
        self.is_down = False

    async def acquire(self, owner: str, ttl_s: float) -> bool:
        self._answer()
        assert ttl_s > 0
        self.holder = self.holder or owner
        return self.holder == owner

    async def release(self, owner: str) -> None:
        self._answer()
        if self.holder == owner:
            self.holder = None

    async def next_epoch(self, at_least: int) -> int:
        self._answer()
        self.epoch = max(self.epoch, at_least) + 1
        return self.epoch

    def _answer(self) -> None:
        if self.is_down:
            raise StoreError("down")


async def test_the_first_leads_and_the_second_stands_by() -> None:
    store = Store()
    first, second = Candidate(store, "first"), Candidate(store, "second")
    assert await first.campaign(0)
    assert not await second.campaign(0)
    assert (first.epoch, second.epoch) == (1, None)
    assert not await first.campaign(0), "a reign begins once"


async def test_an_epoch_is_higher_than_any_heard() -> None:
    candidate = Candidate(Store(), "first")
    await candidate.campaign(41)
    assert candidate.epoch == 42


async def test_a_leader_without_the_store_goes_on_and_a_standby_never_takes_over() -> None:
    store = Store()
    first, second = Candidate(store, "first"), Candidate(store, "second")
    await first.campaign(0)
    store.is_down = True
    assert not await first.campaign(0)
    assert not await second.campaign(0)
    assert (first.epoch, second.epoch) == (1, None)


async def test_who_lost_the_lock_steps_down_and_the_next_reign_is_higher() -> None:
    store = Store()
    first, second = Candidate(store, "first"), Candidate(store, "second")
    await first.campaign(0)
    store.holder = None
    assert await second.campaign(0)
    assert not await first.campaign(0)
    assert (first.epoch, second.epoch) == (None, 2)


async def test_who_resigns_lets_the_other_at_once() -> None:
    store = Store()
    first, second = Candidate(store, "first"), Candidate(store, "second")
    await first.campaign(0)
    await first.resign()
    assert first.epoch is None
    assert await second.campaign(0)


async def test_resigning_needs_no_store() -> None:
    store = Store()
    candidate = Candidate(store, "first")
    await candidate.campaign(0)
    store.is_down = True
    await candidate.resign()
    assert candidate.epoch is None
