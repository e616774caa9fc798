"""Questions to a provider at the same time, where none needs another's answer.

Each is asked in a thread of its own: a batch's threads may all be at work, and each would wait for another.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

One = TypeVar("One")
Other = TypeVar("Other")

#: questions of one message under way at the same time, at most
WIDTH: Final = 5


@contextmanager
def beside(other: Callable[[], Other]) -> Iterator[Callable[[], Other]]:
    """Ask `other` while the block runs; what is given waits for its answer, or raises what it raised."""
    with ThreadPoolExecutor(1, thread_name_prefix="beside") as executor:
        yield executor.submit(other).result


def side_by_side(one: Callable[[], One], other: Callable[[], Other]) -> tuple[One, Other]:
    """Ask both, and wait for both; raises what `one` raises, and else what `other` does."""
    with beside(other) as answer:
        return one(), answer()


def ask_of_each(ask: Callable[[One], Other], all_of_them: Sequence[One]) -> list[Other]:
    """Ask of each, a few at a time, and wait for all; raises what the first of them raised, in their order."""
    if len(all_of_them) <= 1:
        return [ask(each) for each in all_of_them]
    with ThreadPoolExecutor(min(WIDTH, len(all_of_them)), thread_name_prefix="beside") as executor:
        return list(executor.map(ask, all_of_them))
