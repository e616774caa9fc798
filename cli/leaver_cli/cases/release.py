"""`leaver release`: let the cases go on that the blast-radius guard holds, or throw them away."""

from typing import Annotated

import click
import typer

from leaver.cases.states import State
from leaver_cli.cases.show import read_existing, table_of
from leaver_cli.deployment import describe
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm


def release(
    case_id: Annotated[str | None, typer.Argument(metavar="[CASE_ID]", help="One held case.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every case that is held.")] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw them away instead: nothing of theirs is ended.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show which cases are held, and let one or all of them go on; the exit status is 1 if one is not held."""
    if case_id and every:
        raise click.UsageError("either a case or --all")
    console = Terminal()
    deployment = describe(stack, region, profile)
    wanted = [case_id] if case_id else list(deployment.cases.find_held())
    # The index is behind the table: what was released a moment ago is not asked about again.
    found = [read_existing(deployment.cases, each) for each in wanted]
    held = [each for each in found if each.state is State.HELD]
    for each in found:
        if case_id and each.state is not State.HELD:
            console.say(f"{each.case_id} is not held: it is {each.state}")
            raise typer.Exit(1)
    if not held:
        console.say("no case is held")
        return
    console.print(table_of(sorted(held, key=lambda each: each.requested_at), title="Held"))
    if not (case_id or every):
        console.say(f"{len(held)} held: `leaver release CASE_ID` or `leaver release --all`, and --discard to drop them")
        return
    if not yes:
        confirm(_question(len(held), discard=discard))
    decision = "discard" if discard else "release"
    deployment.send_decisions([{"case": each.case_id, "decision": decision} for each in held])
    console.say(f"{len(held)} {'are discarded' if discard else 'go on'} as soon as start_offboarding has read of it")


def _question(count: int, *, discard: bool) -> str:
    who = "this leaver's case (1)" if count == 1 else f"these {count} leavers' cases"
    if discard:
        return f"Throw {who} away? Their access STAYS, and only another HR event ends it"
    return f"Let {who} go on? Their access is ended at once, and nothing brings it back"
