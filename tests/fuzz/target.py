"""What a fuzzer needs to know of one edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol, TypeAlias

TAKEN: Final = "taken"
"""The class of what was not refused."""

Mutation: TypeAlias = Callable[[Random, bytes], bytes]


class BrokenPromiseError(AssertionError):
    """The product did with an input what it promises never to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input: its class as the product counts it, and the product's own words for a refusal."""

    cause: str = TAKEN
    why: str = ""


class Target(Protocol):
    """One edge of the product."""

    @property
    def seeds(self) -> Sequence[bytes]:
        """Good inputs to start from."""
        ...

    @property
    def words(self) -> Sequence[bytes]:
        """Pieces that this edge gives a meaning to."""
        ...

    @property
    def mutations(self) -> Sequence[Mutation]:
        """Changes that keep the form of an input and spoil what it says."""
        ...

    def feed(self, data: bytes) -> Outcome:
        """Give one input to the edge; raises what the product should never raise, or BrokenPromiseError."""
        ...


OpenTarget: TypeAlias = Callable[[], AbstractContextManager[Target]]


def promise(is_kept: bool, what: str) -> None:
    """Raise BrokenPromiseError unless it is kept."""
    if not is_kept:
        raise BrokenPromiseError(what)
