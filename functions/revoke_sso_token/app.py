"""End a user's Zoom session."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.late import find_late, tell_age
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.consuming.previews import Previews
from leaver.messages.commands import Command, RevokeSsoToken
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import ActsOnPeople, CallsZoom, EndsAccess
from leaver.storage.tables import Value

#: why somebody whom Zoom does not know may be there all the same
ADDRESS_IS_ANOTHERS: Final = (
    "Zoom knows this id no more, and HR's address is another id's: find out who that is, and end that session by a "
    "RevokeSsoToken of its own if it is the leaver's; then close the step"
)


class Settings(ActsOnPeople, CallsZoom, EndsAccess):
    """What `revoke_sso_token` reads from its environment."""


def revoke_sso_token(
    command: RevokeSsoToken, *, zoom: Zoom, tokens: AccessTokens, age_of: Callable[[Command], timedelta]
) -> Result:
    """Log the user out of the current Zoom session; exactly 204 is `revoked`. The details say how Zoom names them.

    The session ends first. That nobody has the id any more says nothing of whoever has the address.
    """

    def end_session(_: Connection, access_token: SecretStr) -> Result:
        if late := find_late(command, lambda: zoom.get_user(command.user_id, access_token), age_of):
            return late
        result = zoom.delete_user_token(command.user_id, access_token)
        is_gone = result.outcome is Outcome.USER_NOT_FOUND
        if command.email is None or (is_gone and command.email == command.user_id):
            return result
        user = zoom.get_user(command.email if is_gone else command.user_id, access_token)
        if not isinstance(user, ZoomUser):
            return result
        if is_gone:
            # It may be somebody new's: they lose nothing by it.
            details = {"address_is_of": user.id, "because": ADDRESS_IS_ANOTHERS}
            return replace(result, outcome=Outcome.NOT_SEARCHABLE, details=details)
        return replace(result, details={"address": user.email, "user_id": user.id})

    return tokens.with_token(command.connection, end_session)


def look_for_user(command: RevokeSsoToken, *, zoom: Zoom, tokens: AccessTokens) -> dict[str, Value]:
    """Find who is meant at this account, and by which scopes; Zoom tells of nobody whether they are signed in."""

    def look(connection: Connection, access_token: SecretStr) -> dict[str, Value]:
        user = zoom.get_user(command.user_id, access_token)
        who: dict[str, Value] = {"user": user.id} if isinstance(user, ZoomUser) else {"nobody": True}
        return who | {"scope": tokens.scope_of(connection)}

    return tokens.with_token(command.connection, look)


def consumer() -> Consumer[RevokeSsoToken]:
    """What works through the queue `revoke-sso-token`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    age_of = partial(tell_age, cases=bootstrap.cases(settings.cases_table), clock=bootstrap.now)
    zoom = bootstrap.api(Zoom, settings.zoom_api_url)
    operation = partial(revoke_sso_token, zoom=zoom, tokens=tokens, age_of=age_of)
    return bootstrap.paced_consumer(
        RevokeSsoToken,
        operation,
        settings,
        tokens,
        ending=settings,
        previews=Previews(
            partial(look_for_user, zoom=zoom, tokens=tokens), bootstrap.preview_answers(settings.deliveries_table)
        ),
    )


lambda_handler = bootstrap.serve(consumer)
