"""`leaver heard`: which HR events of a day have no fate yet."""

from datetime import datetime
from typing import Annotated, Final

import typer

from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal

COLUMNS: Final = (Column("when", spare=2), Column("message id"), Column("source"), Column("event id", spare=1))


def heard(
    *,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which it was heard, in UTC; else today.")
    ] = None,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show the HR events that nothing became of yet; the exit status is 1 if there are any."""
    found = list(describe(stack, region, profile).heard.find_open(day or now()))
    console = Terminal()
    table = Table("heard", COLUMNS)
    for each in found:
        table.add(each.heard_at, each.message_id, each.source or "nobody can read it", each.event_id)
    console.print(table)
    console.note(f"{len(found)} without a fate")
    if found:
        raise typer.Exit(1)
