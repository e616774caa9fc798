"""Destroy every token of a user that Leaver keeps: our copies, for good."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.user_tokens import StoredUserTokens
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import BatchFailures, Consumer, LambdaContext
from leaver.messages.commands import PurgeUserTokens
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import PurgeUserTokensSettings
from leaver.storage.tables import timestamp


def purge_user_tokens(command: PurgeUserTokens, *, zoom: Zoom, tokens: AccessTokens, kept: StoredUserTokens) -> Result:
    """Destroy what is kept; the result says how many there were, and until when those handed out live on at Zoom.

    A user whom Zoom does not know is purged under the id that was given: it is about our copies.
    """
    # A misspelt connection has nothing to purge, and that must not look like success.
    tokens.connections.read(command.connection)
    told: dict[str, str | int | bool] = {}
    user_id = command.user_id
    if command.names_somebody:
        found = _found(command, zoom=zoom, tokens=tokens)
        if isinstance(found, ZoomUser):
            user_id = found.id
        else:
            told["zoom"] = found.outcome
    destroyed, alive_until = kept.destroy_all(command.connection, user_id)
    told["destroyed"] = destroyed
    if alive_until:
        told["handed_out_until"] = timestamp(alive_until)
    return Result(Outcome.PURGED, details=told)


def _found(command: PurgeUserTokens, *, zoom: Zoom, tokens: AccessTokens) -> ZoomUser | Result:
    def ask(connection: Connection, access_token: SecretStr) -> ZoomUser | Result:
        connection.accepts(command.user_id)
        return zoom.get_user(command.user_id, access_token)

    return tokens.with_token(command.connection, ask)


def consumer() -> Consumer[PurgeUserTokens]:
    """What works through the queue `purge-user-tokens`."""
    settings = bootstrap.settings_of(PurgeUserTokensSettings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, usual="zoom")
    operation = partial(
        purge_user_tokens,
        zoom=bootstrap.api(Zoom, settings.zoom_api_url),
        tokens=tokens,
        kept=bootstrap.stored_user_tokens(settings.cases_table, settings.secret_prefix),
    )
    return bootstrap.consumer(
        PurgeUserTokens,
        operation,
        settings,
        cases_table=settings.cases_table,
        refresh_queue_url=settings.refresh_queue_url,
        rate_limiter=bootstrap.rate_limiter(settings.pace_table, settings.requests_per_second, tokens),
        tokens=tokens,
    )


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the queue `purge-user-tokens`."""
    return consumer().consume(event, context)


bootstrap.in_init(consumer)
