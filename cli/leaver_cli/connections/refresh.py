"""`leaver refresh`: have a connection's tokens replaced now, and report what came of it."""

from typing import Annotated

import typer

from leaver.connections.record import IN_USE, Connection, Status
from leaver_cli.connections.connect import connection_name
from leaver_cli.connections.health import health, moment
from leaver_cli.connections.waiting import wait_until
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal

ExistingName = Annotated[str, typer.Argument(metavar="NAME", callback=connection_name, help="The connection.")]


def refresh(
    name: ExistingName,
    *,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for it.")] = 120,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Refresh a connection's tokens although nothing is due, and wait for the new ones."""
    console = Terminal()
    deployment = describe(stack, region, profile)
    before = deployment.connections.read(name)
    if before.status not in IN_USE:
        console.say(f"{name} is not refreshed: {health(before, now())}")
        raise typer.Exit(1)
    deployment.force_refresh(name)

    def is_decided(record: Connection) -> bool:
        changed = record.version != before.version or record.failures > before.failures
        return record.lease_holder is None and (changed or record.status not in IN_USE)

    record = wait_until(
        is_decided, deployment.connections, name, timeout=timeout, message=f"{name} is being refreshed …"
    )
    if is_decided(record) and record.status is Status.ACTIVE:
        console.say(f"{name} is refreshed, its access token lives until {moment(record.expires_at)}")
        return
    late = "" if is_decided(record) else f" within {timeout} seconds; the message still waits in its queue"
    console.say(f"{name} is not refreshed{late}: {health(record, now())}")
    raise typer.Exit(1)
