"""`leaver release`: let the cases go on that the blast-radius guard holds, or throw them away."""

from collections.abc import Iterator
from typing import Annotated, Final

import click
import typer
from botocore.exceptions import ClientError

from leaver.cases.states import State
from leaver.errors import AboveCeiling
from leaver_cli.cases.show import table_of
from leaver_cli.cases.which import HELP, find_case, read_existing
from leaver_cli.deployment import describe
from leaver_cli.parked.dead_letters import DeadLetterQueue
from leaver_cli.stack import Place, Profile, Region, Stack, StackName
from leaver_cli.terminal import Terminal, confirm

#: whose commands the ceiling stops, where they belong to no case
STOPPED: Final[tuple[Place, ...]] = (
    "revoke_sso_token",
    "revoke_access_token",
    "revoke_grants",
    "purge_user_tokens",
    "deactivate_user",
)


def release(
    case_or_who: Annotated[str | None, typer.Argument(metavar="[CASE|WHO]", help=HELP)] = None,
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
    """Show which cases are held, and let one or all of them go on; the exit status is 1 if one is not held.

    Commands that the ceiling dead-lettered belong to no case: shown is what sends them back.
    """
    if case_or_who and every:
        raise click.UsageError("either a case or --all")
    console = Terminal()
    deployment = describe(stack, region, profile)
    if case_or_who:
        found = [find_case(deployment, case_or_who, {State.HELD})]
        if found[0].state is not State.HELD:
            console.say(f"{found[0].case_id} is not held: it is {found[0].state}")
            raise typer.Exit(1)
    else:
        found = [read_existing(deployment.cases, each) for each in deployment.cases.find_held()]
    # The index is behind the table: what was released a moment ago is not asked about again.
    held = [each for each in found if each.state is State.HELD]
    if not case_or_who:
        for line in _above_ceiling(deployment.stack):
            console.say(line)
    if not held:
        console.say("no case is held")
        return
    console.print(table_of(sorted(held, key=lambda each: each.requested_at), title="Held"))
    if not (case_or_who or every):
        console.say(f"{len(held)} held: `leaver release CASE|WHO` or `leaver release --all`, --discard to drop them")
        return
    if not yes:
        confirm(_question(len(held), discard=discard))
    decision = "discard" if discard else "release"
    deployment.send_decisions([{"case": each.case_id, "decision": decision} for each in held])
    console.say(f"{len(held)} {'are discarded' if discard else 'go on'} as soon as start_offboarding has read of it")


def _above_ceiling(stack: Stack) -> Iterator[str]:
    for function in STOPPED:
        try:
            count = sum(_count_above_ceiling(each) for each in stack.parkings(function))
        except ClientError as error:
            yield f"what the ceiling dead-lettered can't be seen here: {error.response['Error']['Code']}"
            return
        if count:
            yield (
                f"{count} of {function} dead-lettered above the ceiling:"
                f" `leaver redrive {function} --error {AboveCeiling.__name__}` sends back what is meant"
            )


def _count_above_ceiling(parking: DeadLetterQueue) -> int:
    # To look hides messages from others for a moment, and an empty queue is the rule.
    if not parking.count():
        return 0
    with parking.messages() as messages:
        return sum(each.error == AboveCeiling.__name__ for each in messages)


def _question(count: int, *, discard: bool) -> str:
    who = "this leaver's case (1)" if count == 1 else f"these {count} leavers' cases"
    if discard:
        return f"Throw {who} away? Their access STAYS, and only another HR event ends it"
    return f"Let {who} go on? Their access is ended at once, and nothing brings it back"
