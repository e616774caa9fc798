"""`leaver cancel` and `leaver reinstate`: a person decides that somebody stays, whatever any source says."""

from typing import Annotated, Literal

import click
import typer

from leaver.cases.record import Case
from leaver.cases.returns import NOTHING_TAKEN
from leaver.cases.states import OVER, WAITING
from leaver_cli.cases.show import read_existing, table_of
from leaver_cli.deployment import Deployment, describe
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm

CaseOrWho = Annotated[
    str, typer.Argument(metavar="CASE|WHO", help="A case, or a name that the person has: an address.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


def cancel(
    case_or_who: CaseOrWho,
    *,
    yes: Yes = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Stop a case that has not begun; the exit status is 1 if there is none."""
    _decide("cancel", case_or_who, describe(stack, region, profile), yes=yes)


def reinstate(
    case_or_who: CaseOrWho,
    *,
    yes: Yes = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Say that somebody is back: what is outstanding stops, the tombstones go; the exit status is 1 without a case."""
    _decide("reinstate", case_or_who, describe(stack, region, profile), yes=yes)


def _decide(decision: Literal["cancel", "reinstate"], case_or_who: str, deployment: Deployment, *, yes: bool) -> None:
    console = Terminal()
    case = _find(deployment, case_or_who)
    stays = case.kind != "departure"
    console.print(table_of([case], title=f"Case {case.case_id}"))
    if case.state in OVER or (decision == "cancel" and case.state not in WAITING) or (stays and decision != "cancel"):
        gives_back = NOTHING_TAKEN if stays else "leaver reinstate gives back what it took"
        hint = "" if case.state in OVER else f": {gives_back}"
        console.say(f"{case.case_id} is {case.state}{hint}")
        raise typer.Exit(1)
    if not yes:
        confirm("Whatever any source said, this person stays? What was revoked stays revoked")
    deployment.send_decisions([{"case": case.case_id, "decision": decision}])
    console.say("decided: it takes effect as soon as start_offboarding has read of it")


def _find(deployment: Deployment, case_or_who: str) -> Case:
    """Read a case by its id, or by a name of its person; raises ClickException where there is none."""
    if (found := deployment.cases.read(case_or_who)) is not None:
        return found
    person = deployment.people.read(case_or_who)
    if person is None or person.case is None:
        others = ", ".join(sorted(person.containments.values())) if person else ""
        nobody = f"nobody of that name leaves: their cases are {others}" if others else "nobody of that name has one"
        raise click.ClickException(f"there is no case {case_or_who}, and {nobody}")
    return read_existing(deployment.cases, person.case)
