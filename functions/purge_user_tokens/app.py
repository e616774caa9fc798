"""Destroy every token of a user that Leaver keeps: our copies, for good."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.late import find_late, tell_age
from leaver.cases.user_tokens import StoredUserTokens
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.messages.commands import Command, PurgeUserTokens
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import ActsOnPeople, CallsZoom, EndsAccess
from leaver.storage.tables import timestamp


class Settings(ActsOnPeople, CallsZoom, EndsAccess):
    """What `purge_user_tokens` reads from its environment."""


def purge_user_tokens(
    command: PurgeUserTokens,
    *,
    zoom: Zoom,
    tokens: AccessTokens,
    kept: StoredUserTokens,
    age_of: Callable[[Command], timedelta],
) -> Result:
    """Destroy what is kept; the result says how many there were, and until when those handed out live on at Zoom.

    A user whom Zoom does not know is purged under the names that were given: it is about our copies.
    """
    # A misspelt connection has nothing to purge, and that must not look like success.
    tokens.require_own(tokens.connection_for(command.connection))
    details: dict[str, str | int | bool] = {}
    names = {command.user_id, command.email or command.user_id}
    if command.names_somebody:
        found = _find_user(command, zoom=zoom, tokens=tokens, age_of=age_of)
        if isinstance(found, ZoomUser):
            names |= {found.id, found.email}
        elif found.outcome is Outcome.NOT_SEARCHABLE:
            return found
        else:
            details["zoom"] = found.outcome
    destroyed, alive_until = kept.destroy_all(names)
    details["destroyed"] = destroyed
    if alive_until:
        details["handed_out_until"] = timestamp(alive_until)
    return Result(Outcome.PURGED, details=details)


def _find_user(
    command: PurgeUserTokens, *, zoom: Zoom, tokens: AccessTokens, age_of: Callable[[Command], timedelta]
) -> ZoomUser | Result:
    def ask(_: Connection, access_token: SecretStr) -> ZoomUser | Result:
        find = partial(zoom.get_user, command.user_id, access_token)
        return find_late(command, find, age_of) or find()

    return tokens.with_token(command.connection, ask)


def consumer() -> Consumer[PurgeUserTokens]:
    """What works through the queue `purge-user-tokens`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    operation = partial(
        purge_user_tokens,
        zoom=bootstrap.api(Zoom, settings.zoom_api_url),
        tokens=tokens,
        kept=bootstrap.stored_user_tokens(settings.cases_table, settings.secret_prefix),
        age_of=partial(tell_age, cases=bootstrap.cases(settings.cases_table), clock=bootstrap.now),
    )
    return bootstrap.paced_consumer(
        PurgeUserTokens,
        operation,
        settings,
        tokens,
        ending=settings,
    )


lambda_handler = bootstrap.serve(consumer)
