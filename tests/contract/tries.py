"""Who tried what at a door, what should have come of it, and what did."""

from collections.abc import Iterable
from typing import NamedTuple

from tests.field import Field


class Try(NamedTuple):
    """One attempt; `expected` and `found` say whether it succeeds."""

    what: str
    expected: bool
    found: bool

    @property
    def is_wrong(self) -> bool:
        """Whether somebody is let in who is not to be, or kept out who is."""
        return self.found is not self.expected


def throw(field: Field, injected: str, tries: Iterable[Try]) -> None:
    """Record who is let in falsely, and whose message is lost because it is kept out."""
    every = list(tries)
    wrong = [each for each in every if each.is_wrong]
    let_in = sum(each.found for each in wrong)
    field("a try at a door", injected, len(every), lost=len(wrong) - let_in, false=let_in)
