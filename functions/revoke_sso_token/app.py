"""End a user's Zoom session."""

from dataclasses import replace
from functools import partial

from pydantic import SecretStr

from leaver import bootstrap
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import ActsOnPeople, CallsZoom, EndsAccess


class Settings(ActsOnPeople, CallsZoom, EndsAccess):
    """What `revoke_sso_token` reads from its environment."""


def revoke_sso_token(command: RevokeSsoToken, *, zoom: Zoom, tokens: AccessTokens) -> Result:
    """Log the user out of the current Zoom session; exactly 204 is `revoked`. The details say how Zoom names them.

    The session ends first: who that is can be asked again.
    """

    def end_session(_: Connection, access_token: SecretStr) -> Result:
        result = zoom.delete_user_token(command.user_id, access_token)
        if command.email is None or result.outcome is not Outcome.REVOKED:
            return result
        user = zoom.get_user(command.user_id, access_token)
        if not isinstance(user, ZoomUser):
            return result
        return replace(result, details={"address": user.email, "user_id": user.id})

    return tokens.with_token(command.connection, end_session)


def consumer() -> Consumer[RevokeSsoToken]:
    """What works through the queue `revoke-sso-token`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    operation = partial(revoke_sso_token, zoom=bootstrap.api(Zoom, settings.zoom_api_url), tokens=tokens)
    return bootstrap.paced_consumer(
        RevokeSsoToken,
        operation,
        settings,
        tokens,
        ending=settings,
    )


lambda_handler = bootstrap.serve(consumer)
