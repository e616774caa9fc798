"""Two questions to a provider at the same time, where neither needs the other's answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Other = TypeVar("Other")


def side_by_side(one: Callable[[], One], other: Callable[[], Other]) -> tuple[One, Other]:
    """Ask both, and wait for both; raises what `one` raises, and else what `other` does.

    The other is asked in a thread of its own: a batch's threads may all be at work, and each would wait for another.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="beside") as executor:
        beside = executor.submit(other)
        return one(), beside.result()
