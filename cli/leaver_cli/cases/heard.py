"""`leaver heard`: which HR events of a day have no fate yet."""

from datetime import datetime
from typing import Annotated

import typer

from leaver_cli.connections.health import moment
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal


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
    for each in found:
        said = f"{each.source} {each.event_id or ''}" if each.source else "nobody can read it"
        line = f"{moment(each.heard_at)} message {each.message_id}: {said}"
        console.say(line)
    console.say(f"{len(found)} without a fate")
    if found:
        raise typer.Exit(1)
