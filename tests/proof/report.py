"""What a proof found, as the table on the terminal and as docs/proof.md."""

from collections.abc import Sequence
from dataclasses import astuple

from tests import field, forged, tried
from tests.field import Thrown
from tests.proof.run import ROOT, Ran

PAGE = ROOT / "docs" / "proof.md"


def shown(ran: Sequence[Ran]) -> str:
    """Return what was tried, a line for each part, what was shortened, and what the field threw."""
    lines = [
        f"{'passed' if each.passed else 'FAILED'}  {each.part.name}: {each.length} of {each.part.full} "
        f"{each.part.unit}, {each.seconds:.0f} s. {each.found}"
        for each in ran
    ]
    shortened = [each.part.name for each in ran if each.length < each.part.full]
    attempts = tried.lines(row for each in ran for row in each.tried)
    table = ["", "What the field throws at it:", *field.lines(_thrown(ran))]
    return "\n".join([*attempts, "", *lines, f"Shortened: {'; '.join(shortened) or 'nothing'}.", *table])


def as_markdown(ran: Sequence[Ran]) -> str:
    """Return the page that is kept: how far each part went, at which commit, and what it found."""
    rows = [
        f"| {each.part.name} | {each.part.full:,} {each.part.unit} | {each.length:,} | "
        f"{'' if each.passed else '**FAILED** '}{each.found} | {each.seconds:.0f} | {each.commit} |"
        for each in ran
    ]
    days = dict.fromkeys((each.commit, each.on) for each in ran)
    return "\n".join(
        [
            "# What `make proof` found",
            "",
            "Each part as it last went the whole way, at the commit that its row names. `make proof PART=demo` repeats",
            "those whose name says *demo*. `make test` runs the same explorations and goes part of the way.",
            "",
            *(f"- {commit}: {on}." for commit, on in days),
            "",
            "| part | asked for | ran | found | seconds | commit |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "## What was tried, to have a case completed while access lives",
            "",
            "A test wrote each row as it ran: the case as it was read, and what lives, as the providers were asked.",
            "",
            *tried.markdown(row for each in ran for row in each.tried),
            *forged.markdown(row for each in ran for row in each.forged),
            "## What the field throws at it",
            "",
            "Each test counts what it injected, and what became of it. A dash: that test does not look for that harm.",
            "",
            *field.markdown(_thrown(ran)),
            "",
        ]
    )


def _thrown(ran: Sequence[Ran]) -> list[Thrown]:
    return field.added_up(astuple(row) for each in ran for row in each.thrown)


def write(page: str) -> None:
    """Keep it."""
    PAGE.write_text(page)
