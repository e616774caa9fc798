"""`leaver connections`: which connections exist, and how each is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer

from leaver.connections.record import Connection, Unreadable
from leaver_cli.connections.health import health, moment, needs_a_person
from leaver_cli.connections.misfits import find_misfits, unknown_owner
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal


def connections(
    *,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every connection and how it is; what is amiss between them; exit status 1: a person is needed."""
    deployment = describe(stack, region, profile)
    found = sorted(deployment.connections.read_all(), key=lambda each: each.connection)
    records = [each for each in found if isinstance(each, Connection)]
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    console = Terminal()
    _show(console, records, unreadable, now())
    misfits = [*find_misfits(deployment), *(unknown_owner(each) for each in records if each.owner_is_unknown)]
    console.tell(misfits=[each._asdict() for each in misfits])
    for misfit in misfits:
        console.note(misfit.sentence)
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


def _show(console: Terminal, records: list[Connection], unreadable: list[Unreadable], now: datetime) -> None:
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
            also=fields_of(each, now),
        )
    for broken in unreadable:
        fields = unreadable_fields(broken)
        table.add(broken.connection, *[None] * 4, fields["health"], *[None] * 3, style="red", also=fields)
    console.print(table)
    people = sum(needs_a_person(each) for each in records) + len(unreadable)
    count = len(records) + len(unreadable)
    told = f"{count} connection{'' if count == 1 else 's'}"
    console.note(told + (f", {people} of them need{'s' if people == 1 else ''} a person" if people else ""))
