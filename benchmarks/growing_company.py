"""How what Leaver does of cases grows: of all that begins in an hour, of all that lies in the table, of all that waits.

company.py says what of it is real. Each figure compares what one case takes where there are many with what it takes
among a hundred, in the same run; the processor time is with the tables' own.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import Final

from benchmarks.company import LIMIT, Took, company
from benchmarks.figures import Figure
from leaver_cli.cases.listing import AT_ONCE

#: that leave within an hour, or are held; MostAnHour is raised for it
PEOPLE: Final = (100, 1_000, 10_000)
#: in the table, of which a few are open
CASES: Final = (100, 1_000, 10_000, 100_000)
OPEN: Final = 10
#: minutes of `watch_deadlines`, and looks at the list, of which the median counts
TIMES: Final = 5
#: what one case may take among many, to what it takes among a hundred
MOST: Final = 1.3
#: seconds of a call to AWS from somebody's desk
CALL: Final = 0.02


@dataclass(frozen=True)
class Leaving:
    """An hour in which so many leave."""

    intake: Took
    #: cases with the id that Zoom gave
    named: int
    #: `leaver cases` while all of them are open
    listed: Took


@dataclass(frozen=True)
class Released:
    """An hour in which so many who were held go on."""

    #: at the desk of whoever says so
    told: Took
    #: in start_offboarding
    begun: Took


@dataclass(frozen=True)
class Standing:
    """A table with so many cases, of which a few are open and due."""

    minutes: Sequence[Took]
    listed: Sequence[Took]


def take_in(people: int) -> Leaving:
    """Have so many leave at once."""
    _warm_up()
    with company() as office:
        office.open()
        intake, named, listed = office.hears(people), office.named, office.lists()
    return Leaving(intake, named, listed)


def release(people: int) -> Released:
    """Have so many go on who are held."""
    _warm_up()
    with company(guard=1) as office:
        office.open()
        office.hold(people)
        return Released(*office.releases())


def look_at(cases: int) -> Standing:
    """Have so many cases in the table, and look after those that are open."""
    with company() as office:
        office.settle()
        office.open()
        office.hears(OPEN)
        office.remember(cases)
        # The first of each builds what later ones find.
        office.minute()
        office.lists()
        return Standing([office.minute() for _ in range(TIMES)], [office.lists() for _ in range(TIMES)])


def run(
    progress: Callable[[str], None],
    *,
    people: Sequence[int] = PEOPLE,
    cases: Sequence[int] = CASES,
    executor: Executor | None = None,
) -> tuple[list[Figure], list[list[tuple[str, ...]]]]:
    """Find out how it grows; returns the figures, and tables with their headings.

    Two processes at once, the longest first; each counts its own processor time.
    """
    with ExitStack() as ending:
        if executor is None:
            executor = ending.enter_context(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        progress(f"{people[-1]:,} leave in an hour, and are released")
        most_first = people[::-1]
        intakes, releases = executor.map(take_in, most_first), executor.map(release, most_first)
        looks = executor.map(look_at, cases)
        leaving, released = list(intakes)[::-1], list(releases)[::-1]
        progress(f"{cases[-1]:,} cases in the table")
        standing = list(looks)
    figures = _of_leaving(leaving[0], leaving[-1])
    figures += _of_released(released[0], released[-1]) + _of_a_table(standing[0], standing[-1], cases[-1])
    return figures, [_leaving_rows(leaving), _released_rows(released), _standing_rows(standing, cases)]


def _warm_up() -> None:
    """Build what the first of any run builds."""
    with company() as office:
        office.open()
        office.hears(OPEN)
        office.lists()


def _of_leaving(few: Leaving, many: Leaving) -> list[Figure]:
    taken, people = many.intake, many.intake.cases
    refused = taken.zoom.get(429, 0) / sum(taken.zoom.values()) * 100
    where = f"intake of {people:,}"
    return [
        Figure(
            f"{where} at {LIMIT}/s: share of the limit",
            people / (LIMIT * taken.seconds),
            0.95,
            at_least=True,
            how="start_offboarding with its Zoom call; the rest is the urgent share and a cold start; virtual time",
        ),
        Figure(f"{where}: calls refused", refused, 0.1, unit="%"),
        Figure(f"{where}: cases without Zoom's name", people - many.named, 0),
        *_flat(where, few.intake, taken),
        *_flat(f"leaver cases, {people:,} of them open", few.listed, many.listed),
    ]


def _of_released(few: Released, many: Released) -> list[Figure]:
    held = f"leaver release --all of {many.begun.cases:,} held"
    return [
        *_flat(f"{held}, at the desk", few.told, many.told),
        *_flat(f"{held}, in start_offboarding", few.begun, many.begun),
    ]


def _flat(where: str, few: Took, many: Took) -> list[Figure]:
    how = f"{many.calls_each:.3g} of AWS, {few.calls_each:.3g} among {few.cases}"
    spent = f"{many.milliseconds_each:.2g} ms, {few.milliseconds_each:.2g} ms among {few.cases}"
    return [
        Figure(f"{where}: calls of a case", many.calls_each / few.calls_each, MOST, unit="x of few", how=how),
        Figure(
            f"{where}: processor time of a case",
            many.milliseconds_each / few.milliseconds_each,
            MOST,
            unit="x of few",
            how=spent,
        ),
    ]


def _of_a_table(few: Standing, many: Standing, cases: int) -> list[Figure]:
    figures = []
    for name, one, other in (
        (f"a minute of watch_deadlines, {cases:,} cases in the table", few.minutes, many.minutes),
        (f"leaver cases, {cases:,} cases in the table", few.listed, many.listed),
    ):
        how = f"to that among few; {OPEN} are open, of the others half wait for their sweep and half are done"
        units, spent = [median(took.read_units for took in each) for each in (one, other)], [_cpu(one), _cpu(other)]
        figures += [
            Figure(f"{name}: calls", _calls(other) / _calls(one), MOST, unit="x of few", how=how),
            Figure(f"{name}: read units", units[1] / units[0], MOST, unit="x of few", how=how),
            Figure(f"{name}: processor time", spent[1] / spent[0], MOST, unit="x of few", how=how),
        ]
    return figures


def _leaving_rows(leaving: Sequence[Leaving]) -> list[tuple[str, ...]]:
    heading = (
        "leave at once",
        "all have a case, s at 30/s",
        "AWS calls each",
        "ms each",
        "leaver cases: AWS calls each",
        "its ms each",
        f"it takes, s at {CALL * 1000:.0f} ms a call",
    )
    rows = [
        (
            f"{each.intake.cases:,}",
            f"{each.intake.seconds:.0f}",
            *_each(each.intake),
            *_each(each.listed),
            f"{each.listed.calls * CALL / AT_ONCE + each.listed.cpu:.1f}",
        )
        for each in leaving
    ]
    return [heading, *rows]


def _released_rows(released: Sequence[Released]) -> list[tuple[str, ...]]:
    heading = (
        "held, and released at once",
        "leaver release --all: AWS calls each",
        "its ms each",
        f"it takes, s at {CALL * 1000:.0f} ms a call",
        "all have begun, s at 30/s",
        "start_offboarding: AWS calls each",
        "its ms each",
    )
    rows = [
        (
            f"{each.told.cases:,}",
            *_each(each.told),
            f"{each.told.calls * CALL + each.told.cpu:.1f}",
            f"{each.begun.seconds:.0f}",
            *_each(each.begun),
        )
        for each in released
    ]
    return [heading, *rows]


def _standing_rows(standing: Sequence[Standing], cases: Sequence[int]) -> list[tuple[str, ...]]:
    heading = (
        f"cases in the table, {OPEN} of them open",
        "a minute of watch_deadlines: AWS calls",
        "its read units",
        "its ms",
        "leaver cases: AWS calls",
        "its read units",
        "its ms",
    )
    rows = [
        (f"{number:,}", *(text for looks in (each.minutes, each.listed) for text in _medians(looks)))
        for number, each in zip(cases, standing, strict=True)
    ]
    return [heading, *rows]


def _medians(looks: Sequence[Took]) -> tuple[str, str, str]:
    return f"{_calls(looks):.0f}", f"{median(each.read_units for each in looks):.4g}", f"{_cpu(looks) * 1000:.0f}"


def _each(took: Took) -> tuple[str, str]:
    return f"{took.calls_each:.3g}", f"{took.milliseconds_each:.2g}"


def _calls(looks: Sequence[Took]) -> float:
    return median(each.calls for each in looks)


def _cpu(looks: Sequence[Took]) -> float:
    return median(each.cpu for each in looks)
