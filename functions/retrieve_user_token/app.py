"""Get a user's Zoom token, store it in Secrets Manager, and report where."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.people import People
from leaver.cases.user_tokens import Reservation, StoredUserTokens
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.errors import BadMessage, Rejected
from leaver.messages.commands import RetrieveUserToken
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import UserToken, Zoom
from leaver.settings import ActsOnPeople, CallsZoom, EncryptsTokens, WholeNumber
from leaver.storage.tables import timestamp
from leaver.storage.user_token_secrets import UserTokenPlace

#: seconds that a token lives when no ttl was asked for; Zoom's answer does not say (Zoom API, "Get a user token")
ASSUMED_LIFE = {"zak": 7_200, "onbehalf": 7_200, "token": 1_209_600}


class Settings(ActsOnPeople, CallsZoom, EncryptsTokens):
    """What `retrieve_user_token` reads from its environment."""

    #: seconds
    max_user_token_ttl: WholeNumber


@dataclass(frozen=True)
class Asked:
    """Whose token was asked for, and when; without an answer where the user had left by then."""

    place: UserTokenPlace
    names: tuple[str, ...]
    at: datetime
    answer: UserToken | None = None


def retrieve_user_token(
    command: RetrieveUserToken,
    *,
    zoom: Zoom,
    tokens: AccessTokens,
    people: People,
    kept: StoredUserTokens,
    max_ttl: int,
    clock: Callable[[], datetime],
) -> Result:
    """Ask Zoom for the token and keep it; the result says where it lies and when it dies, never what it is.

    REFUSED for somebody who left, or whose access was cut off since, whenever that becomes known; then nothing of it
    is kept.
    """
    ttl = life_to_ask_for(command, max_ttl)
    connection = tokens.connection_for(command.connection)
    # Counted from before the call: rather a little early than a token believed alive that is dead.
    expires_at = clock() + timedelta(seconds=ttl or ASSUMED_LIFE[command.type])

    def ask(_: Connection, access_token: SecretStr) -> Asked | Result:
        # The token is kept under Zoom's own id, so that one person has one place under whatever name they were given.
        user = zoom.get_user(command.user_id, access_token)
        if isinstance(user, Result):
            return user
        place = UserTokenPlace(user.id, connection, command.type)
        asked = Asked(place, (command.user_id, user.id, user.email), at=clock())
        if people.gone(asked.names):
            return asked
        # What can't be kept is not asked for: nobody could purge it.
        room = kept.reserve(place, names=asked.names, expires_at=expires_at)
        sent_at = clock()
        return replace(asked, at=sent_at, answer=_ask_for_token(command, ttl, access_token, room, zoom=zoom, kept=kept))

    asked = tokens.with_token(connection, ask)
    if isinstance(asked, Result):
        return asked
    if asked.answer is None:
        # An earlier run may have been killed between its write and its second look.
        return _refused("the user left", asked, kept)
    if asked.answer.token is None:
        return asked.answer.result
    arn, version = kept.keep(asked.place, asked.answer.token, expires_at=expires_at, expires_at_assumed=ttl is None)
    if because := people.refuse_what_was_asked(asked.names, asked.at):
        # The purge that follows a tombstone or a cutoff may have been here before the token was.
        return _refused(because, asked, kept)
    where: dict[str, str | int | bool] = {
        "secret_arn": arn,
        "version_id": version,
        "expires_at": timestamp(expires_at),
        "expires_at_assumed": ttl is None,
    }
    return replace(asked.answer.result, details=where)


def _ask_for_token(
    command: RetrieveUserToken,
    ttl: int | None,
    access_token: SecretStr,
    room: Reservation,
    *,
    zoom: Zoom,
    kept: StoredUserTokens,
) -> UserToken:
    """Ask Zoom; the room that was reserved is given back where Zoom says that there is nothing to keep."""
    user_id = room.token.zoom_user_id
    try:
        answer = zoom.get_user_token(user_id, access_token, type=command.type, ttl=ttl, meeting_id=command.meeting_id)
    except Rejected:
        kept.withdraw(room)
        raise
    if answer.token is None:
        kept.withdraw(room)
    return answer


def _refused(because: str, asked: Asked, kept: StoredUserTokens) -> Result:
    kept.destroy_one(asked.place)
    return Result(Outcome.REFUSED, details={"because": because})


def life_to_ask_for(command: RetrieveUserToken, max_ttl: int) -> int | None:
    """The `ttl` for Zoom, in seconds; None for Zoom's own default, where the deployment allows that much.

    Raises BadMessage where the command asks for more than the deployment allows. A `token` takes no ttl at all.
    """
    if command.ttl is not None and command.ttl > max_ttl:
        raise BadMessage(f"ttl: expected at most {max_ttl}, the deployment's MaxUserTokenTtl")
    if command.ttl is None and command.type != "token" and max_ttl < ASSUMED_LIFE[command.type]:
        return max_ttl
    return command.ttl


def consumer() -> Consumer[RetrieveUserToken]:
    """What works through the queue `retrieve-user-token`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    operation = partial(
        retrieve_user_token,
        zoom=bootstrap.api(Zoom, settings.zoom_api_url),
        tokens=tokens,
        people=bootstrap.people(settings.cases_table),
        kept=bootstrap.stored_user_tokens(settings.cases_table, settings.secret_prefix, settings.kms_key_arn),
        max_ttl=settings.max_user_token_ttl,
        clock=bootstrap.now,
    )
    return bootstrap.paced_consumer(RetrieveUserToken, operation, settings, tokens)


lambda_handler = bootstrap.serve(consumer)
