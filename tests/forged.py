"""What was forged, and by what it was found: rows that tests record at run time, and the table of them."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tests.recorded import recorded

#: by which name a test's report carries its row
PROPERTY: Final = "forged"


class Forged(NamedTuple):
    """One row; `place` is its place in the table."""

    place: int
    forged: str
    found: str


def forged_in(report: str) -> Iterator[Forged]:
    """Read the rows that the tests of a report of pytest's recorded."""
    yield from (Forged(*each) for each in recorded(report).get(PROPERTY, ()))


def markdown(rows: Iterable[Forged]) -> list[str]:
    """Return the table for a page."""
    told = sorted(rows)
    if not told:
        return []
    return [
        "## What was forged, and what finds it",
        "",
        "Whoever forges has every right but `kms:Sign`: to the tables, the bucket, the folder and its pages.",
        "",
        "| what was forged | what `verify.py` says |",
        "|---|---|",
        *(f"| {each.forged} | {each.found} |" for each in told),
        "",
    ]
