"""What was tried, what a case says now, and what lives: rows that tests record at run time, and the table of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from tests.recorded import recorded

#: by which name a test's report carries its row
PROPERTY: Final = "tried"


class Tried(NamedTuple):
    """One row; `place` is its place in the table."""

    place: int
    group: str
    tried: str
    says: str
    lives: str


def tried_in(report: str) -> Iterator[Tried]:
    """Read the rows that the tests of a report of pytest's recorded."""
    yield from (Tried(*each) for each in recorded(report).get(PROPERTY, ()))


def lines(rows: Iterable[Tried]) -> list[str]:
    """Return the table for a terminal: a paragraph for each row."""
    found = []
    for group, of_group in _grouped(rows):
        found += ["", f"{group}:"]
        for each in of_group:
            found += [f"  {each.tried}", f"      says: {each.says}", f"     lives: {each.lives}"]
    return found


def markdown(rows: Iterable[Tried]) -> list[str]:
    """Return the table for a page, one for each group."""
    found = []
    for group, of_group in _grouped(rows):
        found += [f"### {group}", "", "| what was tried | what a case says now | what lives |", "|---|---|---|"]
        found += [f"| {each.tried} | {each.says} | {each.lives} |" for each in of_group]
        found.append("")
    return found


def _grouped(rows: Iterable[Tried]) -> Iterator[tuple[str, Sequence[Tried]]]:
    for group, of_group in groupby(sorted(rows), key=lambda each: each.group):
        yield group, list(of_group)
