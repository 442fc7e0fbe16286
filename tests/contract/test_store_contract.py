"""What the services rely on from a store, on each server: Valkey always, Redis where it is installed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from ampherd_core.store import RedisStore, StoreError

from tests.support.stores import StoreServer
from tests.support.wait import wait_for

FAILS_WITHIN_S = 1.0


@pytest.fixture
async def any_store(any_store_server: StoreServer) -> AsyncIterator[RedisStore]:
    connection = RedisStore(any_store_server.url, "home")
    yield connection
    await connection.close()


async def is_back(store: RedisStore) -> bool:
    """The first call on a connection that died with its server fails; the next makes a new one."""
    try:
        await store.length()
    except StoreError:
        return False
    return True


async def test_a_setting_is_kept_as_it_was_saved(any_store: RedisStore) -> None:
    assert await any_store.load("modes") is None
    await any_store.save("modes", b'{"garage": "off"}')
    await any_store.save("modes", b'{"garage": "fast"}')
    assert await any_store.load("modes") == b'{"garage": "fast"}'


async def test_sites_share_a_server_and_nothing_else(any_store: RedisStore, any_store_server: StoreServer) -> None:
    other = RedisStore(any_store_server.url, "cabin")
    await any_store.save("modes", b"home")
    await any_store.acquire("a", 10)
    assert await other.load("modes") is None
    assert await other.acquire("b", 10)
    assert await other.next_epoch(0) == await any_store.next_epoch(0)
    await other.close()


async def test_one_leader_at_a_time(any_store: RedisStore) -> None:
    assert await any_store.acquire("first", 10)
    assert not await any_store.acquire("second", 10)
    assert await any_store.acquire("first", 10), "a leader keeps its lock"
    await any_store.release("second")
    assert not await any_store.acquire("second", 10), "only its holder gives the lock back"
    await any_store.release("first")
    assert await any_store.acquire("second", 10)


async def test_the_lock_of_a_dead_leader_lapses(any_store: RedisStore) -> None:
    assert await any_store.acquire("dead", 0.3)
    await wait_for(lambda: any_store.acquire("heir", 10), 3)


async def test_epochs_only_rise(any_store: RedisStore) -> None:
    epochs = [await any_store.next_epoch(heard) for heard in (0, 0, 41, 7, 0)]
    assert epochs == sorted(set(epochs))
    assert epochs[2] > 41


async def test_the_spool_gives_the_oldest_first_and_drops_what_was_taken(any_store: RedisStore) -> None:
    await any_store.append([f"{number}".encode() for number in range(10)])
    oldest = await any_store.oldest(4)
    assert [entry.payload for entry in oldest] == [b"0", b"1", b"2", b"3"]
    assert await any_store.length() == 10, "reading removes nothing"
    await any_store.drop([entry.id for entry in oldest])
    await any_store.drop([])
    assert [entry.payload for entry in await any_store.oldest(1)] == [b"4"]
    assert await any_store.length() == 6


async def test_what_was_kept_outlives_a_clean_restart(any_store: RedisStore, any_store_server: StoreServer) -> None:
    await any_store.save("modes", b"kept")
    await any_store.append([b"point"])
    epoch = await any_store.next_epoch(5)
    any_store_server.stop()
    any_store_server.start()
    await wait_for(lambda: is_back(any_store))
    assert await any_store.load("modes") == b"kept"
    assert [entry.payload for entry in await any_store.oldest(9)] == [b"point"]
    assert await any_store.next_epoch(0) > epoch


async def test_what_a_second_old_is_outlives_a_crash(any_store: RedisStore, any_store_server: StoreServer) -> None:
    """What the server has written to its append-only file survives the server's own death."""
    await any_store.save("modes", b"kept")
    any_store_server.kill()
    any_store_server.start()
    await wait_for(lambda: is_back(any_store))
    assert await any_store.load("modes") == b"kept"


@pytest.mark.parametrize("trouble", ["dead", "hung"])
async def test_fails_fast_and_heals(any_store: RedisStore, any_store_server: StoreServer, trouble: str) -> None:
    await any_store.save("modes", b"kept")
    if trouble == "dead":
        any_store_server.stop()
    else:
        any_store_server.freeze()
    for call in (
        any_store.load("modes"),
        any_store.save("modes", b""),
        any_store.acquire("me", 1),
        any_store.release("me"),
        any_store.next_epoch(1),
        any_store.append([b"point"]),
        any_store.oldest(1),
        any_store.drop(["1-1"]),
        any_store.length(),
    ):
        began_s = time.monotonic()
        with pytest.raises(StoreError):
            await call
        assert time.monotonic() - began_s < FAILS_WITHIN_S
    if trouble == "dead":
        any_store_server.start()
    else:
        any_store_server.thaw()

    async def is_healed() -> bool:
        # A server that was just started says for a moment that it is loading its data.
        with contextlib.suppress(StoreError):
            return await any_store.load("modes") is not None
        return False

    await wait_for(is_healed, 10, "the store gives what it kept")
