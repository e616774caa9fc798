"""`leaver watch`: what becomes of a case, or of all that are not done, a line for each change as it happens."""

import time
from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple

import typer

from leaver.cases.states import State
from leaver.cases.table import Cases, ListedCase, receipts_of
from leaver_cli.cases.listing import NOT_DONE
from leaver_cli.cases.show import outcome_of
from leaver_cli.cases.to_do import about_the_case, about_the_steps
from leaver_cli.cases.which import find_case, read_existing
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import text_of, value_of
from leaver_cli.terminal import Terminal, say_under_way

#: seconds between two looks
POLL_INTERVAL: Final = 1.0


class Change(NamedTuple):
    """What is so since the last look."""

    case: str
    who: str
    #: a step, or the case itself
    what: str
    became: str


def watch(
    case_or_who: Annotated[
        str | None,
        typer.Argument(metavar="[CASE|WHO]", help="One case, until it is over; else all that are not done."),
    ] = None,
    *,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show how it is now, and each change as it happens; of one case until it is over, else until Ctrl-C.

    With --json it prints one JSON object for each change, a line each.
    """
    deployment, console = describe(stack, region, profile), Terminal()
    known = deployment.cases
    say_under_way("every case goes on without this command")
    for change in _steps_of(known, find_case(deployment, case_or_who).case_id) if case_or_who else _all(known):
        at = now()
        cells: tuple[str, ...] = (text_of(at), *change)
        if console.is_terminal:
            # Of one case each line would say the same of whom it is about, of all what it is about.
            cells = (f"{at:%H:%M:%SZ}", change.what if case_or_who else change.who, change.became)
        console.row(*cells, widths=[9], also={"at": value_of(at), **change._asdict()})


def _steps_of(cases: Cases, case_id: str) -> Iterator[Change]:
    """What one case becomes, step by step; ends with the case."""
    seen: dict[str, str] = {}
    while True:
        # The case first: a receipt that comes in between is told at the next look, and none is missed.
        case = read_existing(cases, case_id)
        receipts = receipts_of(case, cases.read_stored(case_id))
        to_do = dict(about_the_steps(case, receipts, now()))
        is_now = {step.name: outcome_of(step, receipts.get(step.name), case) for step in case.steps}
        is_now |= {step: f"{is_now[step]}; what to do: {told}" for step, told in to_do.items()}
        for what, became in {**is_now, "case": str(case.state)}.items():
            if seen.get(what) != became:
                yield Change(case_id, case.email, what, became)
        seen = {**is_now, "case": str(case.state)}
        if case.state not in NOT_DONE:
            return
        time.sleep(POLL_INTERVAL)


def _all(cases: Cases) -> Iterator[Change]:
    """What every case becomes that is not done; never ends."""
    seen: dict[str, Change] = {}
    while True:
        is_now = {each.case: each for each in _not_done(cases)}
        for name, change in is_now.items():
            if seen.get(name) != change:
                yield change
        for gone in seen.keys() - is_now.keys():
            case = read_existing(cases, gone)
            # One that begins between two questions to the index is in neither answer: it is not gone.
            if case.state in NOT_DONE:
                is_now[gone] = seen[gone]
            else:
                yield Change(gone, case.email, "case", str(case.state))
        seen = is_now
        time.sleep(POLL_INTERVAL)


def _not_done(cases: Cases) -> Iterator[Change]:
    for state in NOT_DONE:
        for each in cases.find_in(state):
            if isinstance(each, ListedCase):
                yield Change(each.case_id, each.email, "case", _so_far(each))
            else:
                yield Change(each.case_id, "", "case", f"{state}, cannot be read: {each.reason}")


def _so_far(case: ListedCase) -> str:
    to_do = about_the_case(case, now())
    outstanding = f", outstanding: {', '.join(case.outstanding)}" if case.state is State.OPEN else ""
    return f"{case.state}{outstanding}{f'; what to do: {to_do}' if to_do else ''}"
