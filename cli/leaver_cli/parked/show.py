"""`leaver parked`: what waits for a person, and why."""

from typing import Annotated

import typer
from rich.table import Table

from leaver.storage.tables import timestamp
from leaver_cli.parked.dead_letters import DeadLetterQueue, ParkedMessage
from leaver_cli.stack import PLACES, Place, Profile, Region, Stack, StackName, reach
from leaver_cli.terminal import Terminal, stacked

#: why there can be more than were shown
UNSEEN = "more could not be seen: somebody else looks at them, or they lie behind ten of their FIFO group"


def parked(
    function: Annotated[
        Place | None, typer.Argument(metavar="[FUNCTION]", help="One function, or `unrouted`; else a count of all.")
    ] = None,
    *,
    show_body: Annotated[bool, typer.Option("--show-body", help="Bodies too; they can hold personal data.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show what is parked: how much with each function, or each message of one."""
    console = Terminal()
    reached = reach(stack, region, profile)
    if function is None:
        console.print(_overview(reached))
        return
    for parking in reached.parkings(function):
        _list(console, parking, show_body=show_body)


def _overview(stack: Stack) -> Table:
    table = Table(title=f"Parked in {stack.name}")
    table.add_column("function", no_wrap=True)
    table.add_column("parked", justify="right")
    for place in PLACES:
        count = sum(parking.count() for parking in stack.parkings(place))
        table.add_row(place, str(count), style="bold" if count else "dim")
    return table


def _list(console: Terminal, parking: DeadLetterQueue, *, show_body: bool) -> None:
    with parking.messages() as messages:
        found = list(messages)
    if found:
        console.print(described(found, title=parking.name))
    if show_body:
        for message in found:
            console.say(f"{message.message_id} {message.body}")
    unseen = max(0, parking.count() - len(found))
    more = f"; about {unseen} {UNSEEN}" if unseen else ""
    console.say(f"{len(found)} parked in {parking.name}{more}")


def described(messages: list[ParkedMessage], *, title: str) -> Table:
    """One row for each message: who it is, since when, what stopped it and why, and the queue that it came from."""
    table = Table(title=title)
    table.add_column("message id, since", no_wrap=True)
    table.add_column("error", no_wrap=True)
    table.add_column("reason, queue", overflow="fold")
    for each in messages:
        why = stacked(each.reason, each.queue) if each.queue else each.reason
        table.add_row(stacked(each.message_id, timestamp(each.since)), each.error, why)
    return table
