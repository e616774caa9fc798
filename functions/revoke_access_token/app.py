"""Revoke a connection's OAuth tokens at the provider and retire the connection."""

from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from leaver import bootstrap
from leaver.connections.grants import ProviderGrants
from leaver.connections.lease import take_lease
from leaver.connections.record import Connection, Connections, Status
from leaver.connections.token_versions import read_latest
from leaver.consuming.consumer import Consumer
from leaver.errors import (
    NO_RESPONSE,
    BadMessage,
    CredentialStale,
    LeaverError,
    NeedsReauthorization,
    ProviderResponse,
    Throttled,
)
from leaver.messages.commands import RevokeAccessToken
from leaver.outcomes import Outcome, Result
from leaver.providers.sources import CONNECTABLE
from leaver.settings import Consumes, EndsAccess, RequestsRefreshes, UsesConnections
from leaver.storage.secrets import SecretStore


class Settings(Consumes, UsesConnections, RequestsRefreshes, EndsAccess):
    """What `revoke_access_token` reads from its environment, beside the hosts that the providers' entries name."""


def revoke_access_token(
    command: RevokeAccessToken,
    *,
    grants: ProviderGrants,
    connections: Connections,
    secret_store: SecretStore,
    holder: str,
    clock: Callable[[], datetime],
) -> Result:
    """Revoke what the connection holds; `already_gone` only where there is no refresh token that could live on.

    Where the grant that is meant was replaced, what is said is how that one ended.
    Raises BadMessage for a service connection that nobody has confirmed, LeaseHeld while another run changes the
    connection's tokens, CredentialStale where only the refresher can revoke, Throttled as long as that has to wait, and
    NeedsReauthorization where nobody but a person can.
    """

    def is_meant(current: Connection) -> bool:
        return command.owner is None or current.grant == command.grant

    def begin(current: Connection) -> Connection | None:
        if not is_meant(current):
            # Whoever authorized this one has not left, or has it by a step of its own.
            return None
        if current.status in {Status.REVOKING, Status.REVOKED}:
            return None
        if current.role == "service" and command.confirm is None:
            raise BadMessage(f'confirm: expected the words "{command.CONFIRMATION}"')
        return current.as_revoking()

    # First, and whoever has the lease: what is being revoked must not be renewed.
    record = connections.change(command.connection, begin) or connections.read(command.connection)
    if not is_meant(record):
        return _end_of_replaced(record, command, grants)
    if ended := record.revocation():
        return ended
    if record.orphaned_tokens:
        raise NeedsReauthorization(record.reason or "tokens that nobody holds can't be revoked")
    lease = take_lease(connections, record, holder=holder, now=clock())
    try:
        result = _revoke_latest_tokens(lease.record, grants=grants, secret_store=secret_store, now=clock())
    except LeaverError:
        lease.release()
        raise
    connections.change(
        command.connection,
        lambda current: None if current.status is Status.REVOKED else current.as_revoked(result),
    )
    return result


def _end_of_replaced(record: Connection, command: RevokeAccessToken, grants: ProviderGrants) -> Result:
    """How the grant ended that was replaced before this command came; raises NeedsReauthorization where nobody says."""
    # One that replaced another under its own address was given by somebody new, or at another account.
    is_replaced = record.replaced_owner == record.owner
    is_same = record.owner == command.owner and not is_replaced and not _is_anothers(record, command)
    if is_same and grants.ends_by_consent(record):
        return Result(Outcome.ALREADY_GONE)
    if record.replaced_owner == command.owner and record.replaced_outcome is not None:
        return Result(record.replaced_outcome, details={"said": record.replaced_description or ""})
    raise NeedsReauthorization("this grant was replaced by another, and nobody has confirmed that it ended")


def _is_anothers(record: Connection, command: RevokeAccessToken) -> bool:
    """Whether somebody else has the owner's address by now: the provider's own ids differ."""
    return len({record.owner_id, command.owner_id} - {None}) > 1


def _revoke_latest_tokens(
    record: Connection, *, grants: ProviderGrants, secret_store: SecretStore, now: datetime
) -> Result:
    # A refresher that was killed may have left newer tokens than the record names, and these are the living ones.
    latest = read_latest(secret_store, record, now)
    version, tokens = latest.id, latest.tokens
    if record.encrypted_refresh_token or (tokens.refresh_token is not None and tokens.expires_at <= now):
        raise _stale_until_refreshed(record, version, "has expired", now=now)
    result = grants.revoke(record, tokens.access_token)
    if grants.proves_end(record, tokens, result.outcome):
        return result
    if result.outcome is Outcome.REVOKED:
        raise _stale_until_refreshed(
            record, version, "is called revoked by a provider that says so of any token", now=now
        )
    raise _stale_until_refreshed(
        record, version, "is refused, which says nothing of its refresh token", now=now, response=result.response
    )


def _stale_until_refreshed(
    record: Connection, version: str, why: str, *, now: datetime, response: ProviderResponse = NO_RESPONSE
) -> LeaverError:
    if record.failures and record.refresh_at > now:
        # Until then the refresher would refuse to ask the provider.
        return Throttled(f"connection {record.connection} is left alone: {record.reason}", until=record.refresh_at)
    return CredentialStale(
        f"connection {record.connection} is to be revoked, and its access token {why}",
        response,
        connection=record.connection,
        version=version,
        for_revocation=True,
    )


def consumer() -> Consumer[RevokeAccessToken]:
    """What works through the queue `revoke-access-token`."""
    settings = bootstrap.settings_of(Settings)
    secret_store = bootstrap.secret_store(settings.secret_prefix)
    grants = bootstrap.provider_grants(CONNECTABLE, secret_store)
    connections = bootstrap.connections(settings.connections_table)

    def operation(command: RevokeAccessToken) -> Result:
        # Two commands for one connection may be in one batch: each is a holder of its own.
        holder = f"revoke#{uuid4()}"
        return revoke_access_token(
            command,
            grants=grants,
            connections=connections,
            secret_store=secret_store,
            holder=holder,
            clock=bootstrap.now,
        )

    return bootstrap.consumer(
        RevokeAccessToken,
        operation,
        settings,
        cases_table=settings.cases_table,
        refresh_queue_url=settings.refresh_queue_url,
        ending=settings,
    )


lambda_handler = bootstrap.serve(consumer)
