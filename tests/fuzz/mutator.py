"""New inputs from old ones: bytes, numbers, words of the format, pieces of other inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.fuzz.target import Mutation

MAX_BYTES: Final = 70_000
"""A little more than any edge takes."""

_POOL: Final = 2_000
_KEPT_BYTES: Final = 4_000
_NUMBER: Final = re.compile(rb"-?\d+(?:\.\d+)?")
_NUMBERS: Final = (
    b"0", b"-1", b"1e999", b"-1e999", b"NaN", b"Infinity", b"1e-320", b"9" * 400, b"4294967296", b"9007199254740993",
    b"-0.0", b"0x10", b"1_000", b"00012", b"500.0001", b"79.99999999999999", b"5.999999", b".5", b"6.",
    b"253402300800", b"\xd9\xa3",
)  # fmt: skip
"""Where parsers differ, and where amps, seconds and years end; the last is a digit three, in Arabic."""

_BYTES: Final = (
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\r\n",
)


class Mutator:
    """An endless source of inputs, the same for the same seed."""

    def __init__(
        self, seeds: Sequence[bytes], words: Sequence[bytes], mutations: Sequence[Mutation], seed: int
    ) -> None:
        self._random = Random(seed)
        self._seeds = list(seeds)
        self._pool = list(seeds)
        self._words = [*words, *_BYTES]
        self._own = tuple(mutations)
        self._plain: tuple[Mutation, ...] = (
            _flip, _put, _remove, _double, _swap, _truncate, _renumber, self._insert_word, self._splice
        )  # fmt: skip

    def next(self) -> bytes:
        """The next input."""
        return self.mutate(self._random.choice(self._seeds if self._random.random() < 0.6 else self._pool))

    def mutate(self, data: bytes) -> bytes:
        """This input with a few changes."""
        if self._own and self._random.random() < 0.6:
            data = self._random.choice(self._own)(self._random, data)
            if self._random.random() < 0.7:
                return data[:MAX_BYTES]
        for _ in range(self._random.choice((1, 1, 2, 3, 8))):
            data = self._random.choice(self._plain)(self._random, data)
        return data[:MAX_BYTES]

    def keep(self, data: bytes) -> None:
        """An input that had a new effect is worth changing further."""
        if len(self._pool) < _POOL and len(data) <= _KEPT_BYTES:
            self._pool.append(data)

    def _insert_word(self, random: Random, data: bytes) -> bytes:
        at = random.randint(0, len(data))
        return data[:at] + random.choice(self._words) + data[at + random.choice((0, 0, 1, 4)) :]

    def _splice(self, random: Random, data: bytes) -> bytes:
        other = random.choice(self._pool)
        return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _flip(random: Random, data: bytes) -> bytes:
    if not data:
        return b"\0"
    at = random.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]


def _put(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.choice((1, 2, 4, 40))) + data[at + random.randint(0, 4) :]


def _remove(random: Random, data: bytes) -> bytes:
    at, size = _span(random, data)
    return data[:at] + data[at + size :]


def _double(random: Random, data: bytes) -> bytes:
    at, size = _span(random, data)
    times = random.choice((1, 1, 2, 50)) if len(data) < 4_000 else 1
    return data[: at + size] + data[at : at + size] * times + data[at + size :]


def _swap(random: Random, data: bytes) -> bytes:
    (one, size), (two, _) = _span(random, data), _span(random, data)
    low, high = sorted((one, two))
    if low + size > high:
        return data
    return (
        data[:low] + data[high : high + size] + data[low + size : high] + data[low : low + size] + data[high + size :]
    )


def _truncate(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _renumber(random: Random, data: bytes) -> bytes:
    numbers = list(_NUMBER.finditer(data[:8_000]))
    if not numbers:
        return data
    number = random.choice(numbers)
    return data[: number.start()] + random.choice(_NUMBERS) + data[number.end() :]


def _span(random: Random, data: bytes) -> tuple[int, int]:
    at = random.randint(0, len(data))
    return at, random.choice((1, 2, 3, 8, 40, 400))
