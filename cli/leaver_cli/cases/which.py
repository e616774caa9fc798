"""Which case a person at the command line means: by its id, or by a name of whoever it is about."""

from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Final

import click
import typer

from leaver.cases.people import Name
from leaver.cases.record import Case
from leaver.cases.states import UNDER_WAY, State
from leaver.cases.table import Cases
from leaver_cli.deployment import Deployment

HELP: Final = "A case's id, or a name of its person: an address."
CaseOrWho = Annotated[str, typer.Argument(metavar="CASE|WHO", help=HELP)]


def read_existing(cases: Cases, case_id: str) -> Case:
    """Read a case; raises ClickException for one that is not there."""
    if (found := cases.read(case_id)) is None:
        raise click.ClickException(f"there is no case {case_id}")
    return found


def every_case(person: Name) -> Iterable[str]:
    """All cases that are remembered of a person."""
    return person.cases


def the_departure(person: Name) -> Iterable[str]:
    """The case by which a person leaves; of somebody who does not, all that are remembered."""
    return [person.case] if person.case else person.cases


def find_case(
    deployment: Deployment,
    case_or_who: str,
    states: Collection[State] = UNDER_WAY,
    of: Callable[[Name], Iterable[str]] = every_case,
) -> Case:
    """Find a case by its id, or the one of a person that is in such a state; where none is, the newest one of theirs.

    Raises ClickException where there is none, or where several are meant.
    """
    if (found := deployment.cases.read(case_or_who)) is not None:
        return found
    person = deployment.people.read(case_or_who)
    known = (deployment.cases.read(each) for each in (of(person) if person else ()))
    theirs = sorted((each for each in known if each), key=lambda each: (each.requested_at, each.case_id))
    if not theirs:
        raise click.ClickException(f"there is no case {case_or_who}, and nobody of that name has one")
    meant = [each for each in theirs if each.state in states]
    if len(meant) > 1:
        several = ", ".join(f"{each.case_id} ({each.kind}, {each.state})" for each in meant)
        raise click.ClickException(f"{case_or_who} has several cases: say which: {several}")
    return meant[0] if meant else theirs[-1]
