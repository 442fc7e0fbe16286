"""What must outlive a restart: settings, epoch, the leader's lock, and history not yet written.

The only module that names Redis and the only one that spells its keys. Every call fails fast: nothing in the
control path may wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

_TIMEOUT_S: Final = 0.5
_STREAM_MAX: Final = 4_000_000
"""About a week of one site's points at 1 Hz; the oldest fall out first."""


_Rows: TypeAlias = list[tuple[bytes, dict[bytes, bytes]]]


class StoreError(Exception):
    """The store did not answer, or refused."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history stream."""

    id: str
    payload: bytes


class Settings(Protocol):
    """Small documents by name, which outlive a restart."""

    async def load(self, name: str) -> bytes | None:
        """The document, or None where none was saved; raises StoreError."""
        ...

    async def save(self, name: str, document: bytes) -> None:
        """Replace the document; raises StoreError."""
        ...


class Leadership(Protocol):
    """Who leads, and how often that changed."""

    async def acquire(self, owner: str, ttl_s: float) -> bool:
        """Take or keep the lock for `ttl_s`; False while another holds it; raises StoreError."""
        ...

    async def release(self, owner: str) -> None:
        """Give the lock back if it is ours; raises StoreError."""
        ...

    async def next_epoch(self, at_least: int) -> int:
        """An epoch higher than any before and than `at_least`; raises StoreError."""
        ...


class Spool(Protocol):
    """The stream that keeps history until the database has taken it."""

    async def append(self, payloads: Sequence[bytes]) -> None:
        """Add at the end; raises StoreError."""
        ...

    async def oldest(self, count: int) -> Sequence[Entry]:
        """The oldest entries, not removed; raises StoreError."""
        ...

    async def drop(self, ids: Sequence[str]) -> None:
        """Remove entries that the database has taken; raises StoreError."""
        ...

    async def length(self) -> int:
        """How many wait; raises StoreError."""
        ...


class RedisStore:
    """Settings, leadership and spool in one Redis; `url` as redis-py takes it (`redis://…`, `unix://…`)."""

    def __init__(self, url: str, site: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._prefix = f"ampherd:{site}"

    async def close(self) -> None:
        """Let go of the connection."""
        await self._redis.aclose()

    async def load(self, name: str) -> bytes | None:
        """The document, or None where none was saved; raises StoreError."""
        try:
            value = cast(bytes | None, await self._redis.get(f"{self._prefix}:setting:{name}"))
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot load {name}: {err}") from err
        return value

    async def save(self, name: str, document: bytes) -> None:
        """Replace the document; raises StoreError."""
        try:
            await self._redis.set(f"{self._prefix}:setting:{name}", document)
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot save {name}: {err}") from err

    async def acquire(self, owner: str, ttl_s: float) -> bool:
        """Take or keep the lock for `ttl_s`; False while another holds it; raises StoreError."""
        try:
            return bool(await self._redis.eval(_ACQUIRE, 1, f"{self._prefix}:leader", owner, str(int(ttl_s * 1000))))
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot take the lock: {err}") from err

    async def release(self, owner: str) -> None:
        """Give the lock back if it is ours; raises StoreError."""
        try:
            await self._redis.eval(_RELEASE, 1, f"{self._prefix}:leader", owner)
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot release the lock: {err}") from err

    async def next_epoch(self, at_least: int) -> int:
        """An epoch higher than any before and than `at_least`; raises StoreError."""
        try:
            return int(await self._redis.eval(_NEXT_EPOCH, 1, f"{self._prefix}:epoch", str(at_least)))
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot take an epoch: {err}") from err

    async def append(self, payloads: Sequence[bytes]) -> None:
        """Add at the end; raises StoreError."""
        try:
            pipe = self._redis.pipeline(transaction=False)
            for payload in payloads:
                pipe.xadd(self._stream, {"p": payload}, maxlen=_STREAM_MAX, approximate=True)
            await pipe.execute()
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot spool history: {err}") from err

    async def oldest(self, count: int) -> Sequence[Entry]:
        """The oldest entries, not removed; raises StoreError."""
        try:
            rows = cast(_Rows, await self._redis.xrange(self._stream, count=count))
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot read the spool: {err}") from err
        return [Entry(row_id.decode(), fields[b"p"]) for row_id, fields in rows]

    async def drop(self, ids: Sequence[str]) -> None:
        """Remove entries that the database has taken; raises StoreError."""
        try:
            if ids:
                await self._redis.xdel(self._stream, *ids)
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot shorten the spool: {err}") from err

    async def length(self) -> int:
        """How many wait; raises StoreError."""
        try:
            return int(await self._redis.xlen(self._stream))
        except (RedisError, OSError) as err:
            raise StoreError(f"cannot measure the spool: {err}") from err

    @property
    def _stream(self) -> str:
        return f"{self._prefix}:history"


_ACQUIRE: Final = """
local holder = redis.call('get', KEYS[1])
if holder == false or holder == ARGV[1] then
  redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
  return 1
end
return 0
"""

_RELEASE: Final = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""

_NEXT_EPOCH: Final = """
local last = tonumber(redis.call('get', KEYS[1]) or '0')
local next = math.max(last, tonumber(ARGV[1])) + 1
redis.call('set', KEYS[1], next)
return next
"""
