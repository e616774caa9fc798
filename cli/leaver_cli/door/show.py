"""`leaver door`: which senders may post, where, and how their secrets are."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Table

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
from leaver_cli.terminal import Terminal, show_json

COLUMNS: Final = ("connection", "address", "secrets", "secrets_since", "last_event", "silence")

door = typer.Typer(help="Show who may post to the front door, try it, and rotate what they sign with.")
door.command()(rotate)
door.command()(silence)
door.command("test")(try_out)


@door.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every connection of the front door: address, secrets and their age, silence; and what was refused."""
    if context.invoked_subcommand is not None:
        return
    deployment = describe(stack, region, profile)
    found = list(_connections(deployment))
    refused = refusals(deployment, now())
    if as_json:
        show_json({"connections": found, "refused": refused})
        return
    console = Terminal()
    if deployment.door_url is None:
        console.say("nothing listens: the parameter FrontDoor is none")
    table = Table()
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), overflow="fold")
    for each in found:
        table.add_row(*(str(each[name] or "") for name in COLUMNS))
    console.print(table)
    for each in refused:
        console.say(f"refused within a day: {each['source']} {each['reason']}: {each['count']}")


def _connections(deployment: Deployment) -> Iterator[Mapping[str, Any]]:
    at, connected = now(), deployment.places.connected()
    changed = dict(deployment.webhook_places())
    for place in sorted({*connected, *changed}):
        told, changed_at = connected.get(place), changed.get(place)
        yield {
            "connection": place,
            "address": f"{deployment.door_url}/{place}" if deployment.door_url else None,
            "secrets": _secrets(deployment, place),
            "secrets_since": moment(changed_at) + _days(changed_at, at),
            "last_event": "not connected: leaver door silence" if told is None else moment(told.spoke_at) or "none yet",
            "silence": None if told is None else _silence(told, at),
        }


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
