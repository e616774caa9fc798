"""Deactivate a user's Zoom account, so that they can't log in again, and end the session once more."""

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
from leaver.errors import Rejected
from leaver.messages.commands import Command, DeactivateUser
from leaver.messages.names import name_of
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import ActsOnPeople, CallsZoom, EndsAccess

#: why somebody whom Zoom does not know may be there all the same
ADDRESS_IS_ANOTHERS: Final = (
    "Zoom knows this id no more, and HR's address is another id's: find out who that is, and end that login by a "
    "DeactivateUser of its own if it is the leaver's; then close the step"
)


class Settings(ActsOnPeople, CallsZoom, EndsAccess):
    """What `deactivate_user` reads from its environment."""


def deactivate_user(
    command: DeactivateUser, *, zoom: Zoom, tokens: AccessTokens, age_of: Callable[[Command], timedelta]
) -> Result:
    """Block the login first: a session that was ended before that may be back, and is ended after it."""

    def deactivate(connection: Connection, access_token: SecretStr) -> Result:
        if late := find_late(command, lambda: zoom.get_user(command.user_id, access_token), age_of):
            return late
        _refuse_to_deactivate_ourselves(command, connection, zoom=zoom, access_token=access_token)
        result = zoom.deactivate_user(command.user_id, access_token)
        if result.outcome is Outcome.USER_NOT_FOUND and command.email not in {None, command.user_id}:
            user = zoom.get_user(str(command.email), access_token)
            # It may be the leaver's, made anew by a sign-in, or somebody new's: they lose nothing by it.
            details = {"address_is_of": user.id, "because": ADDRESS_IS_ANOTHERS} if isinstance(user, ZoomUser) else None
            return replace(result, outcome=Outcome.NOT_SEARCHABLE, details=details) if details else result
        if result.outcome is not Outcome.DEACTIVATED:
            return result
        session = zoom.delete_user_token(command.user_id, access_token)
        return replace(result, details={"session": session.outcome})

    return tokens.with_token(command.connection, deactivate)


def _refuse_to_deactivate_ourselves(
    command: DeactivateUser, connection: Connection, *, zoom: Zoom, access_token: SecretStr
) -> None:
    """Raise Rejected for the user on whose consent Leaver's own connection rests: nobody could be cut off any more."""
    if connection.role != "service" or connection.grant_type != "refresh_token":
        return
    user = zoom.get_user(command.user_id, access_token)
    names = {command.user_id, *((user.id, user.email) if isinstance(user, ZoomUser) else ())}
    if name_of(connection.owner) in {name_of(name) for name in names}:
        raise Rejected(
            f"Leaver itself works through this user's consent: connect {connection.connection} with another owner first"
        )


def consumer() -> Consumer[DeactivateUser]:
    """What works through the queue `deactivate-user`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    age_of = partial(tell_age, cases=bootstrap.cases(settings.cases_table), clock=bootstrap.now)
    zoom = bootstrap.api(Zoom, settings.zoom_api_url)
    operation = partial(deactivate_user, zoom=zoom, tokens=tokens, age_of=age_of)
    return bootstrap.paced_consumer(
        DeactivateUser,
        operation,
        settings,
        tokens,
        ending=settings,
    )


lambda_handler = bootstrap.serve(consumer)
