"""`leaver connections`: which connections exist, and how each is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from leaver.connections.record import Connection, Unreadable
from leaver_cli.connections.health import health, moment, needs_a_person
from leaver_cli.connections.misfits import find_misfits, unknown_owner
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal, show_json


def connections(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, for programs.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every connection and how it is; what is amiss between them; exit status 1: a person is needed."""
    deployment = describe(stack, region, profile)
    found = sorted(deployment.connections.read_all(), key=lambda each: each.connection)
    records = [each for each in found if isinstance(each, Connection)]
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    at = now()
    if as_json:
        show_json([fields_of(each, at) for each in records] + [unreadable_fields(each) for each in unreadable])
    else:
        _show(records, unreadable, at)
    misfits = [*find_misfits(deployment), *(unknown_owner(each) for each in records if each.owner_is_unknown)]
    # The JSON is the list of the connections alone; `leaver doctor --json` tells of the rest.
    for misfit in () if as_json else misfits:
        Terminal().note(misfit.sentence)
    if unreadable or any(needs_a_person(each) for each in records) or any(each.to_do for each in misfits):
        raise typer.Exit(1)


def fields_of(record: Connection, now: datetime) -> Mapping[str, Any]:
    """Return what programs may know of a record: of an encrypted token only that there is one."""
    health_fields = {"health": health(record, now), "needs_a_person": needs_a_person(record)}
    return (
        record.model_dump(mode="json", exclude={"encrypted_refresh_token"})
        | {"encrypted_refresh_token": record.encrypted_refresh_token is not None}
        | health_fields
    )


def unreadable_fields(record: Unreadable) -> Mapping[str, Any]:
    """Return what programs may know of a record that can't be read: why not, and none of its values."""
    health = f"needs a person: its record can't be read ({record.reason})"
    return {"connection": record.connection, "health": health, "needs_a_person": True}


def _show(records: list[Connection], unreadable: list[Unreadable], now: datetime) -> None:
    table = Table(
        "connections",
        (
            Column("connection"),
            Column("provider", spare=2),
            Column("account", spare=3),
            Column("role", spare=5),
            Column("owner", spare=1),
            Column("health", prose=True),
            Column("expires", spare=6),
            Column("refreshed", spare=7),
            Column("held by", spare=4),
        ),
    )
    for each in records:
        holder = (each.lease_holder or "").partition("#")[0]
        lease = f"{holder} since {moment(each.leased_at)}" if holder else ""
        table.add(
            *(each.connection, each.provider, each.account, each.role, each.owner, health(each, now)),
            *(each.expires_at, each.refreshed_at, lease),
            style="red" if needs_a_person(each) else "",
        )
    for broken in unreadable:
        told = unreadable_fields(broken)["health"]
        table.add(broken.connection, *[None] * 4, told, *[None] * 3, style="red")
    console = Terminal()
    console.print(table)
    people = sum(needs_a_person(each) for each in records) + len(unreadable)
    console.note(
        f"{len(records) + len(unreadable)} connections" + (f", {people} of them need a person" if people else "")
    )
