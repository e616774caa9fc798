"""`leaver disconnect`: end a connection at its provider and destroy its secrets, or say that it was not confirmed."""

import json
from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.text import Text

from leaver.connections.record import Connection, Status
from leaver.errors import LeaseHeld
from leaver_cli.connections.health import health
from leaver_cli.connections.refresh import ExistingName
from leaver_cli.connections.waiting import until
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.stack import Profile, Region, StackName


def disconnect(
    name: ExistingName,
    *,
    without_provider: Annotated[
        bool,
        typer.Option("--without-provider", help="Destroy the secrets although the provider confirms nothing."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for the provider's word.")] = 180,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Revoke a connection at the provider, then destroy its secrets; without the provider's word the secrets stay."""
    console = Console()
    deployment = describe(stack, region, profile)
    deployment.check_the_clock()
    record = deployment.connections.read(name)
    if not yes:
        typer.confirm(_question(record, without_provider=without_provider), abort=True)
    if without_provider and record.status is not Status.REVOKED:
        _removed(deployment, record)
        told = f"its grant may live on, and {record.provider.title()} has NOT confirmed its end: end it there"
        console.print(Text(f"{name} IS REMOVED; {told}"), soft_wrap=True)
        return
    if record.status is not Status.REVOKED:
        record = _revoked(deployment, record, timeout)
    if record.status is not Status.REVOKED:
        console.print(Text(f"{name} is NOT confirmed as revoked: {health(record, now())}"), soft_wrap=True)
        console.print(
            "its secrets are kept, for with them it can still be revoked: `leaver parked revoke_access_token`"
        )
        raise typer.Exit(1)
    _hold(deployment, name, lambda standing: standing if standing.status is Status.REVOKED else None)
    _forget(deployment, name)
    console.print(Text(f"{name} is {health(record, now())}; its secrets are destroyed"), soft_wrap=True)


def _question(record: Connection, *, without_provider: bool) -> str:
    uses = "Leaver works through it" if record.role == "service" else f"it is {record.owner}'s"
    does = "Destroy its secrets, and leave its grant as it is" if without_provider else "Revoke it, destroy its secrets"
    return f"{record.connection} is a {record.role} connection to {record.provider}, {uses}. {does}?"


def _revoked(deployment: Deployment, before: Connection, timeout: float) -> Connection:
    def decided(record: Connection) -> bool:
        return record.status is Status.REVOKED or (record.status is Status.REVOKING and record.orphaned_tokens)

    if decided(before):
        return before
    deployment.stack.sqs.send_message(
        QueueUrl=deployment.stack.queue_url(deployment.stack.queue_of("revoke_access_token")),
        MessageBody=json.dumps({"connection": before.connection}),
    )
    what = f"{before.connection} is being revoked …"
    return until(decided, deployment.connections, before.connection, timeout=timeout, what=what)


def _removed(deployment: Deployment, before: Connection) -> None:
    """Close the record, and claim nothing: who asks it for a revocation is told that a person has to see to it."""
    reason = f"`leaver disconnect --without-provider` destroyed its secrets: end its grant at {before.provider.title()}"
    closed = {"status": Status.REVOKED, "orphaned_tokens": True, "encrypted_refresh_token": None, "reason": reason}
    _hold(deployment, before.connection, lambda standing: standing.model_copy(update=closed))
    _forget(deployment, before.connection)


def _hold(deployment: Deployment, name: str, to: Callable[[Connection], Connection | None]) -> None:
    """Take the intent: else somebody could connect it anew, and put other secrets there that are then destroyed."""

    def held(standing: Connection) -> Connection | None:
        changed = to(standing)
        return changed and changed.leased(f"disconnect#{uuid4()}", now())

    if deployment.connections.change(name, held) is None:
        raise LeaseHeld(f"connection {name} was connected anew meanwhile")


def _forget(deployment: Deployment, name: str) -> None:
    deployment.secret_store.forget(name)
    deployment.connections.change(name, Connection.released)
