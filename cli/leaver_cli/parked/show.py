"""`leaver parked`: what waits for a person, why, and what to do about it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated

import typer

from leaver_cli.parked.dead_letters import DeadLetterQueue, ParkedMessage
from leaver_cli.parked.remedies import remedy
from leaver_cli.stack import PLACES, Place, Profile, Region, Stack, StackName, reach
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal

#: why there can be more than were shown
UNSEEN = "more could not be seen: somebody else looks at them, or they lie behind ten of their FIFO group"


def parked(
    function: Annotated[
        Place | None, typer.Argument(metavar="[FUNCTION]", help="One function, or `unrouted`; else all, by reason.")
    ] = None,
    *,
    show_body: Annotated[bool, typer.Option("--show-body", help="Bodies too; they can hold personal data.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show what is parked, by reason, or each message of one function; the exit status is 1 if anything is."""
    console = Terminal()
    reached = reach(stack, region, profile)
    if function is None:
        total = _show_by_reason(console, reached)
    else:
        total = sum(_list(console, parking, show_body=show_body) for parking in reached.parkings(function))
    if total:
        raise typer.Exit(1)


def _show_by_reason(console: Terminal, stack: Stack) -> int:
    table = Table(
        "parked",
        (
            Column("function"),
            Column("parked"),
            Column("error", spare=2),
            Column("reason", spare=1, prose=True),
            Column("since", spare=3),
            Column("what to do", prose=True),
        ),
    )
    total = 0
    for place in PLACES:
        for parking in stack.parkings(place):
            # To look hides messages from others for a moment, and an empty queue is the rule.
            count = parking.count()
            total += count
            found = _seen(parking) if count else []
            for (error, reason), messages in _by_reason(found).items():
                since = min(each.since for each in messages)
                table.add(place, len(messages), error, reason, since, remedy(error), style="bold")
            if len(found) < count:
                table.add(place, count - len(found), "", UNSEEN, None, "look again in a minute")
    console.print(table)
    console.note(f"{total} parked: `leaver parked FUNCTION` shows each" if total else "nothing is parked")
    return total


def _seen(parking: DeadLetterQueue) -> list[ParkedMessage]:
    with parking.messages() as messages:
        return list(messages)


def _by_reason(messages: Iterable[ParkedMessage]) -> dict[tuple[str, str], list[ParkedMessage]]:
    groups: dict[tuple[str, str], list[ParkedMessage]] = defaultdict(list)
    for each in messages:
        groups[each.error, each.reason].append(each)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def _list(console: Terminal, parking: DeadLetterQueue, *, show_body: bool) -> int:
    found = _seen(parking)
    console.print(described(found, show_body=show_body))
    if show_body:
        for message in found:
            console.note(f"{message.message_id} {message.body}")
    unseen = max(0, parking.count() - len(found))
    more = f"; about {unseen} {UNSEEN}" if unseen else ""
    console.note(f"{len(found)} parked in {parking.name}{more}")
    return len(found) + unseen


def described(messages: Iterable[ParkedMessage], *, show_body: bool = False) -> Table:
    """One row for each message: who it is, since when, what stopped it and why, and the queue that it came from."""
    table = Table(
        "parked",
        (
            Column("message id"),
            Column("error", spare=2),
            Column("reason", prose=True),
            Column("since", spare=3),
            Column("queue", spare=4),
            Column("what to do", spare=1, prose=True),
        ),
    )
    for each in messages:
        body = {"body": each.body} if show_body else {}
        table.add(each.message_id, each.error, each.reason, each.since, each.queue, remedy(each.error), also=body)
    return table
