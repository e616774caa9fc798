"""`leaver door`: which senders may post, where, and how their secrets are."""

from collections.abc import Iterator
from datetime import datetime

import typer

from leaver.errors import Rejected
from leaver.webhooks.secrets import DoorSecret
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.door.rotate import rotate
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Cell, Column, Table
from leaver_cli.terminal import Terminal

door = typer.Typer(help="Show who may post to the front door, and rotate what they sign with.")
door.command()(rotate)


@door.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every connection of the front door: its address, its secrets, and since when they are as they are."""
    if context.invoked_subcommand is not None:
        return
    deployment = describe(stack, region, profile)
    console = Terminal()
    if deployment.door_url is None:
        console.note("nothing listens: the parameter FrontDoor is none")
    table = Table(
        "door", (Column("connection"), Column("address"), Column("secrets", prose=True), Column("since", spare=1))
    )
    for each in _connections(deployment):
        table.add(*each)
    console.print(table)


def _connections(deployment: Deployment) -> Iterator[tuple[Cell, ...]]:
    for place, changed_at in sorted(deployment.webhook_places()):
        address = f"{deployment.door_url}/{place}" if deployment.door_url else None
        yield place, address, _secrets(deployment, place), changed_at


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
