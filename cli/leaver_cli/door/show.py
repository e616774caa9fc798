"""`leaver door`: which senders may post, where, and how their secrets are."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from leaver.errors import Rejected
from leaver.webhooks.secrets import DoorSecret
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.door.rotate import rotate
from leaver_cli.door.silence import silence
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, show_json

door = typer.Typer(help="Show who may post to the front door, and rotate what they sign with.")
door.command()(rotate)
door.command()(silence)


@door.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every connection of the front door: its address, its secrets, and since when they are as they are."""
    if context.invoked_subcommand is not None:
        return
    deployment = describe(stack, region, profile)
    found = list(_connections(deployment))
    if as_json:
        show_json(found)
        return
    console = Terminal()
    if deployment.door_url is None:
        console.say("nothing listens: the parameter FrontDoor is none")
    table = Table()
    for column in ("connection", "address", "secrets", "since"):
        table.add_column(column, overflow="fold")
    for each in found:
        table.add_row(*(str(each[name] or "") for name in ("connection", "address", "secrets", "since")))
    console.print(table)


def _connections(deployment: Deployment) -> Iterator[Mapping[str, Any]]:
    for place, changed_at in sorted(deployment.webhook_places()):
        yield {
            "connection": place,
            "address": f"{deployment.door_url}/{place}" if deployment.door_url else None,
            "secrets": _secrets(deployment, place),
            "since": moment(changed_at),
        }


def _secrets(deployment: Deployment, place: str) -> str:
    """Say which secrets there are, and never what they are."""
    try:
        secret = deployment.secret_store.find_webhook_secret(place, DoorSecret)
    except Rejected as rejected:
        return f"can't be used: {rejected.reason}"
    return "none" if secret is None else _state(secret, now())


def _state(secret: DoorSecret, now: datetime) -> str:
    told = [name for name in ("current", "previous") if getattr(secret, name) is not None]
    if secret.offered is not None:
        told.append("one is offered: `leaver door rotate` shows it")
    if secret.open_until is not None and secret.open_until > now:
        told.append(f"waits for the sender's until {moment(secret.open_until)}")
    return ", ".join(told) or "none"
