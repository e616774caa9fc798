"""`leaver disconnect`: end a connection at its provider and destroy its secrets, or report what is not confirmed."""

import json
from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import click
import typer

from leaver.connections.record import Connection, Status, Unreadable
from leaver.errors import LeaseHeld
from leaver.messages.commands import RevokeAccessToken
from leaver.providers.registry import PROVIDERS
from leaver_cli.connections.health import health
from leaver_cli.connections.refresh import ExistingName
from leaver_cli.connections.waiting import wait_until
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm


def disconnect(
    name: ExistingName,
    *,
    without_provider: Annotated[
        bool,
        typer.Option("--without-provider", help="Destroy the secrets although the provider confirms nothing."),
    ] = False,
    give_up_account: Annotated[
        bool,
        typer.Option(
            "--give-up-account", help="The company has left this account: leavers lose nothing there any more."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for the provider's word.")] = 180,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Revoke a connection at the provider, then destroy its secrets; without the provider's word the secrets stay."""
    console = Terminal()
    deployment = describe(stack, region, profile)
    deployment.check_the_clock()
    record = deployment.connections.read(name)
    if give_up_account and record.role != "service":
        raise click.UsageError("--give-up-account: expected a service connection, for no other counts for an account")
    if not yes:
        question = _question(record, without_provider=without_provider, give_up_account=give_up_account)
        confirm(question)
    if without_provider and record.status is not Status.REVOKED:
        _remove(deployment, record)
        warning = f"its grant may live on, and {record.provider.title()} has NOT confirmed its end: end it there"
        console.say(f"{name} IS REMOVED; {warning}")
        if give_up_account:
            _give_up_account(deployment, record, console)
        return
    if record.status is not Status.REVOKED:
        record = _revoke(deployment, record, timeout)
    if record.status is not Status.REVOKED:
        console.say(f"{name} is NOT confirmed as revoked: {health(record, now())}")
        console.say("its secrets are kept, for with them it can still be revoked: `leaver parked revoke_access_token`")
        raise typer.Exit(1)
    _take_lease(deployment, name, lambda current: current if current.status is Status.REVOKED else None)
    _destroy_secrets(deployment, record)
    console.say(f"{name} is {health(record, now())}; its secrets are destroyed")
    if give_up_account:
        _give_up_account(deployment, record, console)
    elif (
        record.provider in PROVIDERS
        and record.role == "service"
        and deployment.connections.usable(record.provider, record.account) is None
    ):
        wanted = f"leavers' cases wait for a connection to account {record.account}: `leaver connect {record.provider}`"
        left = f"if the company has left it, `leaver disconnect {name} --give-up-account`"
        console.say(f"{wanted}; {left}")


def _question(record: Connection, *, without_provider: bool, give_up_account: bool) -> str:
    uses = "Leaver works through it" if record.role == "service" else f"it is {record.owner}'s"
    does = "Destroy its secrets, and leave its grant as it is" if without_provider else "Revoke it, destroy its secrets"
    if give_up_account:
        does += (
            f", and give up account {record.account}: whoever leaves keeps what they have there,"
            " and their cases are completed without it"
        )
    return f"{record.connection} is a {record.role} connection to {record.provider}, {uses}. {does}?"


def _revoke(deployment: Deployment, before: Connection, timeout: float) -> Connection:
    """Ask for the revocation, and wait for the provider's word, or for the reason why there will be none."""

    def is_decided(record: Connection) -> bool:
        return record.status is Status.REVOKED or (record.status is Status.REVOKING and record.orphaned_tokens)

    if is_decided(before):
        return before
    deployment.stack.sqs.send_message(
        QueueUrl=deployment.stack.queue_url(deployment.stack.queue_of("revoke_access_token")),
        MessageBody=json.dumps({"connection": before.connection, "confirm": RevokeAccessToken.CONFIRMATION}),
    )
    message = f"{before.connection} is being revoked …"
    return wait_until(is_decided, deployment.connections, before.connection, timeout=timeout, message=message)


def _remove(deployment: Deployment, before: Connection) -> None:
    """Close the record without the provider's word, and destroy the secrets."""
    reason = f"`leaver disconnect --without-provider` destroyed its secrets: end its grant at {before.provider.title()}"
    _take_lease(deployment, before.connection, lambda current: current.as_removed(reason))
    _destroy_secrets(deployment, before)


def _give_up_account(deployment: Deployment, record: Connection, console: Terminal) -> None:
    """Count the record for its account no more; exits with 1 where another one still does."""
    connections = deployment.connections

    def give_up(current: Connection) -> Connection | None:
        return current.as_given_up(now()) if current.status is Status.REVOKED else None

    if connections.change(record.connection, give_up) is None:
        raise LeaseHeld(f"connection {record.connection} was connected anew meanwhile")
    others = sorted(
        each.connection
        for each in connections.service_connections(record.provider)
        if each.connection != record.connection and each.account == record.account and not _is_given_up(each)
    )
    account = f"account {record.account} at {record.provider.title()}"
    if others:
        said = (
            f"{account} is NOT given up, for {', '.join(others)} still counts for it: disconnect that in the same way"
        )
        console.say(said)
        raise typer.Exit(1)
    console.say(f"{account} is given up: nothing is ended there for whoever leaves")


def _is_given_up(record: Connection | Unreadable) -> bool:
    return isinstance(record, Connection) and record.given_up_at is not None


def _take_lease(deployment: Deployment, name: str, change: Callable[[Connection], Connection | None]) -> None:
    """Take the lease: else somebody could connect it anew, and store other secrets that are then destroyed."""

    def lease(current: Connection) -> Connection | None:
        changed = change(current)
        return changed and changed.with_lease(f"disconnect#{uuid4()}", now())

    if deployment.connections.change(name, lease) is None:
        raise LeaseHeld(f"connection {name} was connected anew meanwhile")


def _destroy_secrets(deployment: Deployment, record: Connection) -> None:
    deployment.secret_store.destroy(record.place)
    deployment.connections.change(record.connection, Connection.without_lease)
