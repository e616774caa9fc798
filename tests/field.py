"""What the field throws at Leaver: a test says how much it injected, and counts what became of it."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import astuple, dataclass, replace
from functools import reduce
from typing import Any, Final, TypeAlias

import pytest

#: by which name a test's report carries its rows
PROPERTY: Final = "field"
#: what must never become of anything; None: this test does not look for it
HARMS: Final = ("lost", "false", "leaked", "crashed")
Harm: TypeAlias = int | Sized | None


@dataclass(frozen=True)
class Thrown:
    """One row of the table: what was injected, how often, and how often it did which harm."""

    kind: str
    injected: str
    test: str
    times: int
    lost: int | None = None
    false: int | None = None
    leaked: int | None = None
    crashed: int | None = None

    @property
    def harms(self) -> dict[str, int]:
        """How often it did which harm, if any."""
        return {harm: count for harm in HARMS if (count := getattr(self, harm))}


class Field:
    """A test's own way to the table: `field("kill", "SIGKILL in a call", times=4, lost=len(lost))`."""

    def __init__(self, test: str, properties: list[tuple[str, object]]) -> None:
        """Take the test's id, and the properties of its report."""
        self._test = test.partition("[")[0]
        self._properties = properties
        #: whether anything was recorded
        self.thrown = False

    def __call__(
        self,
        kind: str,
        injected: str,
        times: int,
        *,
        lost: Harm = None,
        false: Harm = None,
        leaked: Harm = None,
        crashed: Harm = None,
    ) -> None:
        """Record it, and fail where nothing was injected, or where it did any harm.

        Each harm is how often it was done, or to whom; None: this test does not look for it.
        """
        row = Thrown(kind, injected, self._test, int(times), *map(_counted, (lost, false, leaked, crashed)))
        self.thrown = True
        self._properties.append((PROPERTY, list(astuple(row))))
        assert row.times > 0, f"nothing was injected: {kind}, {injected}"
        assert row.harms == {}, row


def _counted(harm: Harm) -> int | None:
    return harm if harm is None else int(harm) if isinstance(harm, int) else len(harm)


def harms_of(test: Callable[[Field], None]) -> dict[str, int]:
    """Run a test for which harm was planted, which must make it fail; returns what its rows say."""
    properties: list[tuple[str, object]] = []
    with pytest.raises(AssertionError):
        test(Field("planted", properties))
    rows: list[Any] = [row for _, row in properties]
    return {harm: count for row in added_up(rows) for harm, count in row.harms.items()}


def added_up(rows: Iterable[Iterable[Any]]) -> list[Thrown]:
    """Return a row for all that one test injected of a kind, whatever its parameters."""
    total: dict[tuple[str, str, str], Thrown] = {}
    for cells in rows:
        row = Thrown(*cells)
        key = (row.kind, row.injected, row.test)
        total[key] = _sum(total[key], row) if key in total else row
    return [total[key] for key in sorted(total)]


def lines(rows: Iterable[Thrown]) -> Iterator[str]:
    """Return the table for a terminal."""
    table = list(_table(rows))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def markdown(rows: Iterable[Thrown]) -> Iterator[str]:
    """Return the table for a page."""
    head, *body = _table(rows)
    for row in (head, ("---",) * len(head), *body):
        yield f"| {' | '.join(row)} |"


def _table(rows: Iterable[Thrown]) -> Iterator[tuple[str, ...]]:
    every = list(rows)
    yield ("kind", "what was injected", "times", *HARMS, "test")
    for row in every:
        yield (row.kind, row.injected, *_counts(row), row.test)
    if every:
        whole = reduce(_sum, every)
        yield ("in all", "", *_counts(whole), f"{len({row.test for row in every})} tests")


def _counts(row: Thrown) -> Iterator[str]:
    for count in ("times", *HARMS):
        yield "-" if (number := getattr(row, count)) is None else f"{number:,}"


def _sum(one: Thrown, other: Thrown) -> Thrown:
    counts: dict[str, Any] = {each: _plus(getattr(one, each), getattr(other, each)) for each in ("times", *HARMS)}
    return replace(one, **counts)


def _plus(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other
