"""An executor without threads."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import Any


class OneByOne(Executor):
    """Works on the messages of a batch one after the other, in their order."""

    def map(self, function: Callable[..., Any], *given: Iterable[Any], **_: object) -> Iterator[Any]:  # type: ignore[override]  # typeshed's names can't be given
        return map(function, *given)
