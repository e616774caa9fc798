"""Revoke a connection's OAuth tokens at the provider and retire the connection."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from leaver import bootstrap
from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection, Connections, Status
from leaver.consuming.consumer import BatchFailures, Consumer, LambdaContext
from leaver.errors import CredentialStale, LeaseHeld, LeaverError, NeedsReauthorization
from leaver.messages.commands import RevokeAccessToken
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from leaver.settings import RevokeAccessTokenSettings
from leaver.storage.secrets import SecretStore


def revoke_access_token(
    command: RevokeAccessToken,
    *,
    grants: ProviderGrants,
    connections: Connections,
    secret_store: SecretStore,
    holder: str,
    clock: Callable[[], datetime],
) -> Result:
    """Revoke what the connection holds; `already_gone` only where nothing could prove it wrong.

    Raises LeaseHeld while somebody else changes the connection's tokens, CredentialStale where only the refresher can
    do it.
    """
    # First, and whoever holds an intent: what is being revoked must not be renewed.
    before = connections.change(command.connection, _revoking) or connections.read(command.connection)
    if ended := before.revocation():
        return ended
    if before.orphaned_tokens:
        raise NeedsReauthorization(before.reason or "tokens that nobody holds can't be revoked")
    record = connections.compare_and_swap(before, before.leased(holder, clock()))
    if record is None:
        raise LeaseHeld(f"connection {command.connection} was changed at the same moment")
    try:
        result = _revoked(record, grants=grants, secret_store=secret_store, now=clock())
    except LeaverError:
        connections.change(record.connection, lambda standing: _free(standing, record))
        raise
    connections.change(record.connection, lambda standing: _retired(standing, result))
    return result


def _revoked(record: Connection, *, grants: ProviderGrants, secret_store: SecretStore, now: datetime) -> Result:
    # A refresher that was killed may have left newer tokens than the record names, and these are the living ones.
    version = secret_store.newest(record.connection, record.version)
    held = secret_store.tokens(record.connection, version)
    renewable = held.refresh_token is not None
    if record.encrypted_refresh_token or (renewable and held.expires_at <= now):
        # "Invalid token" would only mean "expired", while the refresh token can still bring new ones.
        raise _only_by_refreshing(record, version, "has expired")
    result = grants.revoke(record, held.access_token)
    if renewable and not grants.proves_revocation(record):
        raise _only_by_refreshing(record, version, "is called revoked by a provider that says so of any token")
    unanswered = record.unanswered_since is not None and version == record.version
    if result.outcome is Outcome.ALREADY_GONE and renewable and unanswered:
        # A refresh whose answer was lost may have replaced it: then newer tokens live that nobody has revoked.
        raise _only_by_refreshing(record, version, "is refused after a refresh that was never answered")
    return result


def _only_by_refreshing(record: Connection, version: str, why: str) -> CredentialStale:
    return CredentialStale(
        f"connection {record.connection} is to be revoked, and its access token {why}",
        connection=record.connection,
        version=version,
        for_revocation=True,
    )


def _revoking(standing: Connection) -> Connection | None:
    if standing.status in {Status.REVOKING, Status.REVOKED}:
        return None
    return standing.model_copy(update={"status": Status.REVOKING})


def _retired(standing: Connection, result: Result) -> Connection | None:
    return None if standing.status is Status.REVOKED else standing.retired(result)


def _free(standing: Connection, record: Connection) -> Connection | None:
    return standing.released() if standing.lease_holder == record.lease_holder else None


def consumer() -> Consumer[RevokeAccessToken]:
    """What works through the queue `revoke-access-token`."""
    settings = bootstrap.settings_of(RevokeAccessTokenSettings)
    secret_store = bootstrap.secret_store(settings.secret_prefix)
    grants = bootstrap.provider_grants(PROVIDERS, secret_store)
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
    )


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the queue `revoke-access-token`."""
    return consumer().consume(event, context)


bootstrap.in_init(consumer)
