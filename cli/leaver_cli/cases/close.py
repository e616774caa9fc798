"""`leaver close`: a person's word that a step of a case is done with, where no provider's word will end it."""

from typing import Annotated

import typer

from leaver.cases.states import State
from leaver_cli.cases.show import show_case
from leaver_cli.cases.which import CaseOrWho, find_case
from leaver_cli.deployment import describe
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm


def close(
    case_or_who: CaseOrWho,
    steps: Annotated[
        list[str], typer.Argument(metavar="STEP…", help="Outstanding steps of it, as `leaver case` names them.")
    ],
    *,
    because: Annotated[str, typer.Option("--because", help="Why it is done with, in a sentence: it is kept for ever.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show the case, and close steps: they are never called revoked. The exit status is 1 if one does not match."""
    console = Terminal()
    deployment = describe(stack, region, profile)
    case = find_case(deployment, case_or_who, {State.OPEN})
    show_case(console, case, deployment.cases.read_stored(case.case_id))
    for step in steps:
        if case.state is not State.OPEN or step not in case.outstanding:
            console.say(f"{step} is no outstanding step of an open case")
            raise typer.Exit(1)
    if not yes:
        what = "this step" if len(steps) == 1 else f"these {len(steps)} steps"
        confirm(f"Close {what}? Nothing is ended by that, and your word stands in the sealed case")
    deployment.send_decisions(
        {"case": case.case_id, "decision": "close", "step": step, "because": because} for step in steps
    )
    console.say("closed as soon as start_offboarding has read of it; a case of which nothing is left ends then")
