"""`leaver door silence`: say for how long a source may post nothing before somebody is told."""

from datetime import timedelta
from typing import Annotated

import typer

from leaver.webhooks.secrets import DoorSecret
from leaver_cli.deployment import describe, now
from leaver_cli.door.rotate import ConnectionName
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal


def silence(
    connection: ConnectionName,
    days: Annotated[int, typer.Argument(min=0, max=366, help="Days; 0: it never rings, as of a source that is gone.")],
    *,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Set after how many days of silence a source rings; a week, unless it is told otherwise."""
    deployment, console = describe(stack, region, profile), Terminal()
    # What the table lost is connected again by this, without another secret.
    is_there = connection in deployment.places.connected()
    if not is_there and deployment.secret_store.find_webhook_secret(connection, DoorSecret) is None:
        console.say(f"{connection}: is not connected: leaver door rotate {connection}")
        raise typer.Exit(1)
    deployment.places.connect(connection, now(), silent_after=timedelta(days=days))
    console.say(
        f"{connection}: rings after {days} days of silence" if days else f"{connection}: may be silent for ever"
    )
