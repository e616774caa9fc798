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
from leaver.consuming.previews import COUNT, Previews
from leaver.messages.commands import Command, PurgeUserTokens
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import ActsOnPeople, CallsZoom, EndsAccess
from leaver.storage.tables import Value, timestamp


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
    found = _find_user(command, zoom=zoom, tokens=tokens, age_of=age_of)
    if isinstance(found, Result) and found.outcome is Outcome.NOT_SEARCHABLE:
        return found
    names, details = _names_of(command, found)
    destroyed, alive_until = kept.destroy_all(names)
    details["destroyed"] = destroyed
    if alive_until:
        details["handed_out_until"] = timestamp(alive_until)
    return Result(Outcome.PURGED, details=details)


def look_for_tokens(
    command: PurgeUserTokens, *, zoom: Zoom, tokens: AccessTokens, kept: StoredUserTokens
) -> dict[str, Value]:
    """Count the tokens that would be destroyed, and change nothing."""
    tokens.require_own(tokens.connection_for(command.connection))
    names, details = _names_of(command, _find_user(command, zoom=zoom, tokens=tokens, age_of=lambda _: timedelta()))
    return {**details, COUNT: len(kept.find_all(names))}


def _names_of(
    command: PurgeUserTokens, found: ZoomUser | Result | None
) -> tuple[set[str], dict[str, str | int | bool]]:
    """The person's names, given and found, and what Zoom says where it knows nobody."""
    names = {command.user_id, command.email or command.user_id}
    if found is None:
        return names, {}
    if isinstance(found, ZoomUser):
        return names | {found.id, found.email}, {}
    return names, {"zoom": found.outcome}


def _find_user(
    command: PurgeUserTokens, *, zoom: Zoom, tokens: AccessTokens, age_of: Callable[[Command], timedelta]
) -> ZoomUser | Result | None:
    """Ask Zoom whose the name is; None where it names nobody."""
    if not command.names_somebody:
        return None

    def ask(_: Connection, access_token: SecretStr) -> ZoomUser | Result:
        find = partial(zoom.get_user, command.user_id, access_token)
        return find_late(command, find, age_of) or find()

    return tokens.with_token(command.connection, ask)


def consumer() -> Consumer[PurgeUserTokens]:
    """What works through the queue `purge-user-tokens`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    zoom = bootstrap.api(Zoom, settings.zoom_api_url)
    kept = bootstrap.stored_user_tokens(settings.cases_table, settings.secret_prefix)
    age_of = partial(tell_age, cases=bootstrap.cases(settings.cases_table), clock=bootstrap.now)
    operation = partial(purge_user_tokens, zoom=zoom, tokens=tokens, kept=kept, age_of=age_of)
    look = partial(look_for_tokens, zoom=zoom, tokens=tokens, kept=kept)
    return bootstrap.paced_consumer(
        PurgeUserTokens,
        operation,
        settings,
        tokens,
        ending=settings,
        previews=Previews(look, bootstrap.preview_answers(settings.deliveries_table)),
    )


lambda_handler = bootstrap.serve(consumer)
