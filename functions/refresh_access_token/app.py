"""Refresh one connection's tokens and put the rotated pair back in the vault."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from leaver import bootstrap
from leaver.commands import RefreshAccessToken
from leaver.connections import Connection, Connections, Status
from leaver.consumer import BatchFailures, LambdaContext
from leaver.errors import InvalidGrant
from leaver.grants import Grants
from leaver.outcomes import Outcome, Result
from leaver.settings import RefreshAccessTokenSettings
from leaver.tokens import TokenSet
from leaver.vault import Vault

#: the part of a token's life after which it is replaced; spread, so that the fleet does not refresh in step
REFRESH_AFTER = (0.75, 0.85)


def refresh_access_token(
    command: RefreshAccessToken,
    *,
    grants: Grants,
    connections: Connections,
    vault: Vault,
    clock: Callable[[], datetime],
    jitter: Callable[[float, float], float] = random.uniform,
) -> Result | None:
    """Replace the tokens if they are due, refused or asked for; None where it served a revocation, which tells."""
    record = connections.read(command.connection)
    if not _may_refresh(record, command):
        return Result(Outcome.REFUSED, details={"status": record.status})
    if not _is_needed(record, command, clock()):
        return Result(Outcome.STILL_FRESH)
    if command.for_revocation:
        connections.begin_revoking(record.connection)
        record = connections.read(record.connection)
    try:
        version, tokens = _renewed(record, grants=grants, vault=vault, now=clock())
    except InvalidGrant as dead:
        return _without_grant(record, command, dead, connections)

    now = clock()
    refresh_at = now + (tokens.expires_at - now) * jitter(*REFRESH_AFTER)
    recorded = connections.record_refreshed(
        record, version=version, expires_at=tokens.expires_at, refresh_at=refresh_at
    )
    if not recorded and connections.read(record.connection).version == version:
        return Result(Outcome.STILL_FRESH)
    if recorded and not command.for_revocation:
        return Result(Outcome.REFRESHED, details={"version_id": version})
    # Somebody revokes this connection: what was just issued on its grant must not live on.
    connections.retire(record.connection, grants.revoke(record, tokens.access_token))
    return None


def _may_refresh(record: Connection, command: RefreshAccessToken) -> bool:
    match record.status:
        case Status.REVOKING:
            return command.for_revocation
        case Status.REVOKED | Status.NEEDS_REAUTHORIZATION:
            return False
    return True


def _is_needed(record: Connection, command: RefreshAccessToken, now: datetime) -> bool:
    asked = command.force or command.for_revocation
    return asked or record.refresh_at <= now or command.failed_version == record.version


def _renewed(record: Connection, *, grants: Grants, vault: Vault, now: datetime) -> tuple[str, TokenSet]:
    """Get the successor of the record's tokens, from the vault if an earlier run was killed after its write."""
    version = vault.newest(record.connection, record.version)
    held = vault.tokens(record.connection, version)
    if version != record.version and held.expires_at > now:
        return version, held
    granted = grants.refresh(record, held)
    # The provider has retired the old refresh token: nothing may come between that answer and the write.
    tokens = TokenSet(
        access_token=granted.access_token,
        refresh_token=granted.refresh_token or held.refresh_token,
        expires_at=granted.expires_at,
        scope=granted.scope,
    )
    return vault.succeed(record.connection, version, tokens), tokens


def _without_grant(
    record: Connection, command: RefreshAccessToken, dead: InvalidGrant, connections: Connections
) -> Result | None:
    if command.for_revocation:
        # Refusing the refresh token is the provider's word that nothing of this grant is left.
        connections.retire(record.connection, Result.told_by(dead, Outcome.ALREADY_GONE))
        return None
    if connections.needs_reauthorization(record):
        raise dead
    # Somebody else won the race, or revokes the connection: then it is no news that the old refresh token is refused.
    standing = connections.read(record.connection)
    if standing.version != record.version:
        return Result(Outcome.STILL_FRESH)
    return Result(Outcome.REFUSED, details={"status": standing.status})


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the FIFO queue `refresh-access-token`, one connection at a time."""
    settings = bootstrap.settings_of(RefreshAccessTokenSettings)
    vault = bootstrap.vault(settings.secret_prefix)
    operation = partial(
        refresh_access_token,
        grants=Grants(
            zoom=bootstrap.zoom_oauth(settings.zoom_oauth_url),
            venafi=bootstrap.venafi(settings.venafi_url, settings.venafi_ca_bundle),
            vault=vault,
        ),
        connections=bootstrap.connections(settings.connections_table),
        vault=vault,
        clock=bootstrap.now,
    )
    return bootstrap.consumer(RefreshAccessToken, operation, settings).consume(event, context)
