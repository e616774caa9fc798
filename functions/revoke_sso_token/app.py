"""End a user's Zoom session."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import SecretStr

from leaver import bootstrap
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import BatchFailures, Consumer, LambdaContext
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Result
from leaver.providers.zoom.api import Zoom
from leaver.settings import RevokeSsoTokenSettings


def revoke_sso_token(command: RevokeSsoToken, *, zoom: Zoom, tokens: AccessTokens) -> Result:
    """Log the user out of the current Zoom session; exactly 204 is `revoked`."""

    def end_session(connection: Connection, access_token: SecretStr) -> Result:
        connection.accepts(command.user_id)
        return zoom.delete_user_token(command.user_id, access_token)

    return tokens.with_token(command.connection, end_session)


def consumer() -> Consumer[RevokeSsoToken]:
    """What works through the queue `revoke-sso-token`."""
    settings = bootstrap.settings_of(RevokeSsoTokenSettings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, usual="zoom")
    operation = partial(
        revoke_sso_token,
        zoom=bootstrap.api(Zoom, settings.zoom_api_url),
        tokens=tokens,
    )
    return bootstrap.consumer(
        RevokeSsoToken,
        operation,
        settings,
        cases_table=settings.cases_table,
        refresh_queue_url=settings.refresh_queue_url,
        missing_user_is_done=settings.missing_user_is_done == "true",
        rate_limiter=bootstrap.rate_limiter(settings.pace_table, settings.requests_per_second, tokens),
        tokens=tokens,
    )


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the queue `revoke-sso-token`."""
    return consumer().consume(event, context)


bootstrap.in_init(consumer)
