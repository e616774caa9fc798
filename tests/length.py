"""How long the explorations run: `make test` goes the short way, `make proof` says how far (LEAVER_LENGTH)."""

import os
from collections.abc import Iterable
from typing import Final, TypeVar

import pytest

T = TypeVar("T")

#: marks what `make test` leaves to `make proof`: it takes longer than it may, and goes no shorter way
at_length: Final = pytest.mark.at_length


def length(short: int) -> int:
    """Return how many nights, leavers or examples to play: `short`, or what `make proof` asks for."""
    return int(os.environ.get("LEAVER_LENGTH", short))


def some(cases: Iterable[T], short: int | None = None, first: int = 0) -> list[T]:
    """Return `short` of the cases, or all, or what `make proof` asks for.

    They are evenly spread, the same each time, and one of them is number `first`.
    """
    every = list(cases)
    count = min(length(short or len(every)), len(every))
    return [every[(first + place * len(every) // count) % len(every)] for place in range(count)]
