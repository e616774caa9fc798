"""`leaver release`: let the cases go on that the blast-radius guard holds, or throw them away."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final

import click
import typer
from botocore.exceptions import ClientError

from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.cases.table import Cases, ListedCase, UnreadableCase
from leaver.errors import AboveCeiling
from leaver_cli.cases.which import HELP, find_case
from leaver_cli.connections.health import moment
from leaver_cli.deployment import describe
from leaver_cli.parked.dead_letters import DeadLetterQueue
from leaver_cli.stack import Place, Profile, Region, Stack, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal, confirm

COLUMNS: Final = (
    Column("case"),
    Column("who"),
    Column("source", spare=1),
    Column("since", spare=3),
    Column("why", spare=2, prose=True),
    Column("kind", spare=4),
    Column("urgency", spare=5),
    Column("event", spare=6),
)
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
    """Show which cases are held, and let one or all of them go on.

    The exit status is 1 if some are held and none was named, or if the one that was named is not held.

    Commands that the ceiling dead-lettered belong to no case: shown is what sends them back.
    """
    if case_or_who and every:
        raise click.UsageError("either a case or --all")
    console = Terminal()
    deployment = describe(stack, region, profile)
    if case_or_who:
        found = find_case(deployment, case_or_who, {State.HELD})
        if found.state is not State.HELD:
            console.say(f"{found.case_id} is not held: it is {found.state}")
            raise typer.Exit(1)
        held: list[Case | ListedCase] = [found]
    else:
        for line in _above_ceiling(deployment.stack):
            console.say(line)
        held = list(_find_held(deployment.cases, console))
    if not held:
        console.say("no case is held")
        return
    console.print(_table_of(held))
    for line in _by_hour(held):
        console.note(line)
    if not (case_or_who or every):
        console.note(f"{len(held)} held: `leaver release CASE|WHO` or `leaver release --all`, --discard to drop them")
        raise typer.Exit(1)
    if not yes:
        confirm(_question(len(held), discard=discard))
    decision = "discard" if discard else "release"
    deployment.send_decisions([{"case": each.case_id, "decision": decision} for each in held])
    console.say(f"{len(held)} {'are discarded' if discard else 'go on'} as soon as start_offboarding has read of it")


def _find_held(cases: Cases, console: Terminal) -> Iterator[ListedCase]:
    """Find what is held by the index alone, which tells a thousand cases at once.

    It is a moment behind the table: of what was just released start_offboarding refuses a second decision.
    """
    for each in cases.find_in(State.HELD):
        if isinstance(each, UnreadableCase):
            console.say(f"{each.case_id} can not be read, and stays held: {each.reason}")
        else:
            yield each


def _table_of(held: Sequence[Case | ListedCase]) -> Table:
    """Who is held, by which source's word, and why."""
    table = Table("cases", COLUMNS)
    for each in sorted(held, key=_since):
        why = each.because or "more began in that hour than RoutineCasesAnHour or MostAnHour allows"
        table.add(each.case_id, each.email, each.source, _since(each), why, each.kind, each.urgency, each.event_id)
    return table


def _by_hour(held: Sequence[Case | ListedCase]) -> Iterator[str]:
    """How many in which hour, of which source."""
    counts = Counter((_since(each).replace(minute=0, second=0, microsecond=0), each.source) for each in held)
    for (hour, source), count in sorted(counts.items()):
        yield f"{count} of {source} in the hour from {moment(hour)}"


def _since(case: Case | ListedCase) -> datetime:
    return max(case.requested_at, case.effective_at)


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
