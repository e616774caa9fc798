"""`leaver door`: which senders may post, where, and how their secrets are."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import typer

from leaver.errors import Rejected
from leaver.webhooks.places import Place
from leaver.webhooks.secrets import DoorSecret
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.door.refusals import refusals
from leaver_cli.door.rotate import rotate
from leaver_cli.door.silence import silence
from leaver_cli.door.trial import try_out
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Cell, Column, Table
from leaver_cli.terminal import Terminal

COLUMNS: Final = (
    Column("connection"),
    Column("address"),
    Column("secrets", spare=1, prose=True),
    Column("secrets since", spare=3),
    Column("last event", spare=2, prose=True),
    Column("silence", spare=4, prose=True),
)

door = typer.Typer(help="Show who may post to the front door, try it, and rotate what they sign with.")
door.command()(rotate)
door.command()(silence)
door.command("test")(try_out)


@door.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every connection of the front door: address, secrets and their age, silence; and what was refused."""
    if context.invoked_subcommand is not None:
        return
    deployment = describe(stack, region, profile)
    refused = refusals(deployment, now())
    console = Terminal()
    console.tell(refused=refused)
    if deployment.door_url is None:
        console.note("nothing listens: the parameter FrontDoor is none")
    table = Table("connections", COLUMNS)
    for row in _connections(deployment):
        table.add(*row)
    console.print(table)
    for each in refused:
        console.note(f"refused within a day: {each['source']} {each['reason']}: {each['count']}")


def _connections(deployment: Deployment) -> Iterator[tuple[Cell, ...]]:
    at, connected = now(), deployment.places.connected()
    changed = dict(deployment.webhook_places())
    for place in sorted({*connected, *changed}):
        told, changed_at = connected.get(place), changed.get(place)
        yield (
            place,
            f"{deployment.door_url}/{place}" if deployment.door_url else None,
            _secrets(deployment, place),
            moment(changed_at) + _days(changed_at, at),
            "not connected: leaver door silence" if told is None else moment(told.spoke_at) or "none yet",
            None if told is None else _silence(told, at),
        )


def _days(since: datetime | None, at: datetime) -> str:
    return "" if since is None else f" ({(at - since).days} days)"


def _silence(place: Place, at: datetime) -> str:
    told = f"{place.silent_for(at).days} days"
    if not place.silent_after:
        return f"{told}, and never rings"
    return f"{told} of {place.silent_after.days}{': rings' if place.is_silent(at) else ''}"


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
