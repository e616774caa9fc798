"""Zoom's REST and OAuth endpoints, one method each, and what each of their answers means."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote

from pydantic import SecretStr

from leaver.commands import USER_ID
from leaver.errors import (
    AnswerLost,
    BadMessage,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    LeaverError,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.outcomes import Outcome, Result
from leaver.tokens import GrantedTokens
from leaver.transport import Answer, BasicAuth, BearerAuth, Transport, safe_code

#: seconds: patience is cheap where an answer that comes too late costs the connection
TOKEN_READ_TIMEOUT: Final = 30.0

Clock = Callable[[], datetime]
UserTokenType = Literal["zak", "token", "onbehalf"]

Refusal = tuple[type[LeaverError], str]
#: a decision table: the key is read by Answer.row; the value is an outcome, or an error with its reason
Table = Mapping[str, Outcome | Refusal]

# A success is recognised by the method that asked for it; these tables are for everything else but 429.
_EVERYWHERE: Final[Mapping[str, Refusal]] = {
    # a permanent redirect is a wrong setting; a temporary one is a login or maintenance page before the real thing
    "301": (Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong"),
    "308": (Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong"),
    "3xx": (ProviderUnavailable, "Zoom redirects elsewhere, where we don't follow"),
    "5xx": (ProviderUnavailable, "Zoom is out of order"),
    "other": (ProviderUnavailable, "Zoom's answer makes no sense"),
}
# Zoom varies the status of one and the same code, so the code decides; the status only where there is no known code.
_REST: Final[Table] = {
    **_EVERYWHERE,
    "2xx": (ProviderUnavailable, "Zoom's answer is neither the documented success nor a refusal"),
    "4xx 124": (InvalidToken, "Zoom does not accept the access token"),
    "4xx 1001": Outcome.USER_NOT_FOUND,
    "4xx 1010": Outcome.USER_NOT_FOUND,
    "4xx 1120": (Rejected, "the user was invited to the Zoom account and has not accepted yet"),
    "4xx 4711": (Rejected, "missing scopes"),
    "4xx 4700": (Rejected, "missing scopes"),
    "4xx 104": (Rejected, "missing scopes"),
    "4xx Token cannot be empty.": (Rejected, "Zoom did not see an access token"),
    "4xx Invalid api key or secret.": (
        Rejected,
        "the connection's token is of a kind that this endpoint does not take",
    ),
    "4xx Zoom Room and Admin users' status cannot be activated or deactivated.": (
        Rejected,
        "the user is a Zoom Room or an administrator, whose status Zoom does not let anybody change",
    ),
    "4xx Only available for Paid or ZMP account": (Rejected, "the Zoom account's plan does not include this"),
    "4xx 200": (Rejected, "Zoom gives the connection no permission for this"),
    "4xx 300": (Rejected, "Zoom finds the request invalid"),
    "4xx 2300": (Rejected, "Zoom does not know the endpoint: the URL that we built is wrong"),
    "401": (InvalidToken, "Zoom does not accept the access token"),
    # without Zoom's own code it may be any web server's: a wrong URL must not make every leaver "not found"
    "404": (Rejected, "not found, but not in Zoom's words: is the URL of Zoom in the settings right?"),
    "4xx": (Rejected, "Zoom refuses, for a reason that we don't know"),
}
_APP_OFF: Final = (Rejected, "Zoom has the app switched off")
_TOKEN: Final[Mapping[str, Refusal]] = {
    **_EVERYWHERE,
    # the old refresh token may be spent: what this did is unknown
    "2xx": (AnswerLost, "Zoom's answer has no access token in it"),
    "4xx Invalid Token!": (InvalidGrant, "Zoom does not accept the refresh token"),
    "4xx invalid_grant": (InvalidGrant, "Zoom does not accept the refresh token"),
    "4xx 4711": (InvalidGrant, "the refresh token's scopes are not the app's any more"),
    "4xx 4735": (InvalidGrant, "the user who authorised the app is gone"),
    "4xx 4737": (InvalidGrant, "Zoom knows of no authorisation"),
    "4xx 4738": (InvalidGrant, "an administrator disabled the app"),
    "4xx 4740": (InvalidGrant, "the refresh token is too old"),
    "4xx 4741": (InvalidGrant, "the refresh token was revoked"),
    "4xx invalid_client": (InvalidClient, "Zoom does not accept client_id and client_secret"),
    "4xx 4702": (InvalidClient, "Zoom does not accept client_id and client_secret"),
    "4xx 4704": (InvalidClient, "Zoom does not accept client_id and client_secret"),
    "4xx 4717": _APP_OFF,
    "4xx The app is not activated": _APP_OFF,
    "4xx unauthorized_client": (Rejected, "the app may not use this grant type"),
    "4xx unsupported_grant_type": (Rejected, "the app may not use this grant type"),
    "4xx 4705": (Rejected, "the app may not use this grant type"),
    "4xx Account does not enabled the OAuth app type": (Rejected, "the account does not allow this type of app"),
    "4xx Account does not exist": (Rejected, "account_id: Zoom knows no such account"),
    "4xx Invalid Account Id": (Rejected, "account_id: Zoom knows no such account"),
    # Zoom says this for its own inner errors too: never a dead grant without one of the reasons above
    "4xx invalid_request": (ProviderUnavailable, "Zoom's token endpoint refuses without a reason"),
    "4xx *": (Rejected, "Zoom's token endpoint refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Zoom's token endpoint refuses unreadably"),
}
_ACCOUNT_TOKEN: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    "2xx": (ProviderUnavailable, "Zoom's answer has no access token in it"),
    "4xx Bad Request": (Rejected, "account_id: Zoom does not take it for one"),
}
_REVOKE: Final[Table] = {
    **_EVERYWHERE,
    "2xx": (ProviderUnavailable, "Zoom does not say that the token is revoked"),
    "4xx Invalid Token!": Outcome.ALREADY_GONE,
    "4xx invalid_token": Outcome.ALREADY_GONE,
    "4xx 124": Outcome.ALREADY_GONE,
    "4xx invalid_client": (InvalidClient, "Zoom does not accept client_id and client_secret"),
    "4xx invalid_request": (ProviderUnavailable, "Zoom's revoke endpoint refuses without a reason"),
    "4xx *": (Rejected, "Zoom's revoke endpoint refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Zoom's revoke endpoint refuses unreadably"),
}

_SCOPES: Final = re.compile(r"scopes:?\s*\[([^\]]{1,1000})\]")
_SCOPE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(?::[a-z][a-z0-9_]{0,39}){1,3}")
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class ZoomUser:
    """A person as Zoom knows them."""

    id: str
    email: str


@dataclass(frozen=True)
class UserToken:
    """The answer to "Get a user token": RETRIEVED with a token; NO_TOKEN and USER_NOT_FOUND without."""

    result: Result
    token: SecretStr | None = None


class Zoom:
    """Zoom's REST API; `transport` is for ZOOM_API_URL, which ends in /v2.

    Every method takes a user's id or e-mail address (`me` on user-level apps), and raises BadMessage where it can't be
    one, InvalidToken, Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are kinds).
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def get_user(self, user_id: str, access_token: SecretStr) -> ZoomUser | None:
        """Zoom API "Get a user": GET /users/{userId}. None where this account knows no such user."""
        answer = self._transport.request("GET", user_path(user_id), auth=BearerAuth(access_token))
        if answer.status == HTTPStatus.OK and answer.json is not None:
            found, email = answer.json.get("id"), answer.json.get("email")
            if isinstance(found, str) and found and isinstance(email, str) and email:
                return ZoomUser(found, email)
        _decided(answer, self._clock(), _REST, _rest_codes)
        return None

    def get_user_token(
        self,
        user_id: str,
        access_token: SecretStr,
        *,
        type: UserTokenType,  # noqa: A002 - the parameter's name at Zoom
        ttl: int | None = None,
        meeting_id: str | None = None,
    ) -> UserToken:
        """Zoom API "Get a user token": GET /users/{userId}/token.

        `ttl` is in seconds, 1..31536000, for `zak` and `onbehalf`; `meeting_id` goes with `onbehalf`.
        """
        asked: dict[str, str | int | None] = {"type": type, "ttl": ttl, "meeting_id": meeting_id}
        answer = self._transport.request(
            "GET",
            f"{user_path(user_id)}/token",
            auth=BearerAuth(access_token),
            params={name: value for name, value in asked.items() if value is not None},
        )
        if answer.status == HTTPStatus.OK and answer.json is not None and "token" in answer.json:
            token = answer.json["token"]
            if token is None:
                return UserToken(_result(Outcome.NO_TOKEN, answer))
            if isinstance(token, str) and token:
                return UserToken(_result(Outcome.RETRIEVED, answer), SecretStr(token))
        return UserToken(_decided(answer, self._clock(), _REST, _rest_codes))

    def delete_user_token(self, user_id: str, access_token: SecretStr) -> Result:
        """Zoom API "Revoke a user's SSO token": DELETE /users/{userId}/token. REVOKED or USER_NOT_FOUND.

        It ends the session; it does not stop the next login.
        """
        answer = self._transport.request("DELETE", f"{user_path(user_id)}/token", auth=BearerAuth(access_token))
        if answer.status == HTTPStatus.NO_CONTENT:
            return _result(Outcome.REVOKED, answer)
        return _decided(answer, self._clock(), _REST, _rest_codes)


class ZoomOAuth:
    """Zoom's OAuth endpoints; `transport` is for ZOOM_OAUTH_URL, the host.

    Every method raises InvalidClient, Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are
    kinds).
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def refresh(self, client_id: str, client_secret: SecretStr, refresh_token: SecretStr) -> GrantedTokens:
        """Zoom OAuth "Refresh access token": POST /oauth/token (RFC 6749, section 6).

        Zoom retires the refresh token at once, so this is the one call here that is not safe to repeat. Raises also
        InvalidGrant where Zoom refuses the refresh token: it is dead, or somebody else used it first. AnswerLost, also
        for a success without a token, means that nobody knows whether it was used.
        """
        form: dict[str, str | SecretStr] = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._granted(BasicAuth(client_id, client_secret), form, _TOKEN)

    def account_credentials(self, client_id: str, client_secret: SecretStr, account_id: str) -> GrantedTokens:
        """Zoom OAuth "Server-to-server": POST /oauth/token. There is no refresh token; earlier tokens stay good."""
        form = {"grant_type": "account_credentials", "account_id": account_id}
        return self._granted(BasicAuth(client_id, client_secret), form, _ACCOUNT_TOKEN)

    def revoke(self, client_id: str, client_secret: SecretStr, token: SecretStr) -> Result:
        """Zoom OAuth "Revoke an access token": POST /oauth/revoke. REVOKED, or ALREADY_GONE for an invalid token.

        An expired access token is invalid too, and says nothing about its refresh token.
        """
        answer = self._transport.request(
            "POST", "/oauth/revoke", auth=BasicAuth(client_id, client_secret), form={"token": token}
        )
        if answer.status == HTTPStatus.OK and answer.json is not None and answer.json.get("status") == "success":
            return _result(Outcome.REVOKED, answer)
        return _decided(answer, self._clock(), _REVOKE, _oauth_codes)

    def _granted(
        self, auth: BasicAuth, form: Mapping[str, str | SecretStr], table: Mapping[str, Refusal]
    ) -> GrantedTokens:
        asked_at = self._clock()
        answer = self._transport.request("POST", "/oauth/token", auth=auth, form=form, read_timeout=TOKEN_READ_TIMEOUT)
        if answer.status == HTTPStatus.OK:
            tokens = GrantedTokens.from_answer(answer.json, asked_at=asked_at, tracking_id=answer.tracking_id)
            if tokens is not None:
                return tokens
        refusal = answer.row(table, *_oauth_codes(answer))
        raise _error(answer, self._clock(), refusal, _safest(_oauth_codes(answer)))


def user_path(user_id: str) -> str:
    """Build /users/{userId}, the one place where a user id gets into a path.

    Danger: DELETE of that path without /token removes the user, so an id that is empty, dots, or holds a slash is
    refused (BadMessage, without the value) before it is percent-encoded.
    """
    if not USER_ID.fullmatch(user_id):
        raise BadMessage("user_id: expected a Zoom user id or an e-mail address")
    return f"/users/{quote(user_id, safe='')}"


def _decided(answer: Answer, now: datetime, table: Table, codes: Callable[[Answer], tuple[str, ...]]) -> Result:
    """Look up what an answer means that is not the wanted one: a Result, or the error is raised."""
    meaning = answer.row(table, *codes(answer))
    if isinstance(meaning, Outcome):
        return _result(meaning, answer, _safest(codes(answer)))
    raise _error(answer, now, meaning, _safest(codes(answer)))


def _error(answer: Answer, now: datetime, refusal: Refusal, code: str | None) -> LeaverError:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _throttled(answer, now, code)
    error, reason = refusal
    scopes = _scopes(answer)
    return error(
        f"{reason}: {', '.join(scopes)}" if scopes else reason,
        provider_status=answer.status,
        provider_code=code,
        tracking_id=answer.tracking_id,
    )


def _throttled(answer: Answer, now: datetime, code: str | None) -> Throttled:
    """Say until when: as Retry-After says, else the next second, or the next 00:00 UTC for a daily limit.

    The headers are optional, and the only remaining sign of a daily limit is then the message. Spreading the retries
    is the consumer's business.
    """
    message = _text(answer, "message").lower()
    daily = answer.headers.get("X-RateLimit-Type", "").lower() == "daily-limit" or "daily" in message
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    until = answer.retry_after or (midnight if daily else now)
    if daily:
        reason = "Zoom's daily limit is reached"
    elif "concurrent" in message:
        reason = "Zoom is busy with another request for this user"
    else:
        reason = "Zoom's limit per second is reached"
    return Throttled(
        reason,
        until=max(until, now + _SECOND),
        provider_status=answer.status,
        provider_code=code,
        tracking_id=answer.tracking_id,
    )


def _rest_codes(answer: Answer) -> tuple[str, ...]:
    """Return message and code, as the REST API spells them: the message tells apart what code 200 mixes."""
    return _text(answer, "message"), _text(answer, "code")


def _oauth_codes(answer: Answer) -> tuple[str, ...]:
    """Return reason, code and error, as the OAuth endpoints spell them: the reason is the most exact."""
    return _text(answer, "reason"), _text(answer, "code"), _text(answer, "error")


def _safest(codes: tuple[str, ...]) -> str | None:
    """Choose what may be shown as the provider's code: the last, least exact one that can't be anything else."""
    return next((code for code in reversed(codes) if safe_code(code)), None)


def _text(answer: Answer, key: str) -> str:
    value = (answer.json or {}).get(key)
    return str(value) if isinstance(value, str | int) else ""


def _scopes(answer: Answer) -> list[str]:
    """Name the scopes that Zoom's message asks for, and nothing of it that is not a scope."""
    listed = _SCOPES.search(_text(answer, "message"))
    names = [name.strip() for name in listed.group(1).split(",")] if listed else []
    return [name for name in names if _SCOPE.fullmatch(name)]


def _result(outcome: Outcome, answer: Answer, code: str | None = None) -> Result:
    return Result(outcome, provider_status=answer.status, provider_code=code, tracking_id=answer.tracking_id)
