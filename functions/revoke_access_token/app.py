"""Revoke a connection's OAuth tokens at the provider and retire the connection."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from leaver import bootstrap
from leaver.commands import RevokeAccessToken
from leaver.connections import Connections
from leaver.consumer import BatchFailures, LambdaContext
from leaver.errors import CredentialStale
from leaver.grants import Grants
from leaver.outcomes import Result
from leaver.settings import RevokeAccessTokenSettings
from leaver.vault import Vault


def revoke_access_token(
    command: RevokeAccessToken,
    *,
    grants: Grants,
    connections: Connections,
    vault: Vault,
    clock: Callable[[], datetime],
) -> Result:
    """Revoke what the connection holds; `already_gone` only where no stored refresh token could prove it wrong."""
    record = connections.read(command.connection)
    if ended := record.revocation():
        return ended
    connections.begin_revoking(record.connection)
    # A refresher that was killed may have left newer tokens than the record names, and these are the living ones.
    held = vault.tokens(record.connection, vault.newest(record.connection, record.version))
    if held.refresh_token and held.expires_at <= clock():
        # "Invalid token" would only mean "expired", while the refresh token can still bring new ones.
        raise CredentialStale(
            f"connection {record.connection} is to be revoked, and its access token has expired",
            connection=record.connection,
            version=record.version,
            for_revocation=True,
        )
    result = grants.revoke(record, held.access_token)
    connections.retire(record.connection, result)
    return result


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the queue `revoke-access-token`."""
    settings = bootstrap.settings_of(RevokeAccessTokenSettings)
    vault = bootstrap.vault(settings.secret_prefix)
    operation = partial(
        revoke_access_token,
        grants=Grants(
            zoom=bootstrap.zoom_oauth(settings.zoom_oauth_url),
            venafi=bootstrap.venafi(settings.venafi_url, settings.venafi_ca_bundle),
            vault=vault,
        ),
        connections=bootstrap.connections(settings.connections_table),
        vault=vault,
        clock=bootstrap.now,
    )
    return bootstrap.consumer(
        RevokeAccessToken,
        operation,
        settings,
        cases_table=settings.cases_table,
        refresh_queue_url=settings.refresh_queue_url,
    ).consume(event, context)
