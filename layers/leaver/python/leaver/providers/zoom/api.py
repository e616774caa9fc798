"""Zoom's REST endpoints, one method each, and what each of their answers means."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote

from pydantic import SecretStr

from leaver.errors import BadMessage, InvalidToken, ProviderUnavailable, Rejected
from leaver.messages.commands import USER_ID, UserTokenType
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer
from leaver.providers.authorization import BearerAuth
from leaver.providers.listing import LONGEST_PAGE, Holding
from leaver.providers.transport import Transport
from leaver.providers.zoom.answers import EVERYWHERE, Clock, Table, decided, result_of, word

# Zoom varies the status of one and the same code, so the code decides; the status only where there is no known code.
_REST: Final[Table] = {
    **EVERYWHERE,
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


#: the most that Zoom gives at once
PAGE_SIZE: Final = 300


@dataclass(frozen=True)
class ZoomUser:
    """A person as Zoom knows them."""

    id: str
    email: str
    account_id: str | None = None


@dataclass(frozen=True)
class UserToken:
    """The answer to "Get a user token": RETRIEVED with a token; NO_TOKEN and USER_NOT_FOUND without."""

    result: Result
    token: SecretStr | None = None


UserStatus = Literal["active", "inactive", "pending"]


@dataclass(frozen=True)
class UsersPage:
    """Some of the people of one status, and how many of that status Zoom says there are."""

    users: tuple[Holding, ...]
    total: int
    #: empty: this was the last
    next_page_token: str


class PageExpired(Rejected):
    """Zoom does not know the page's token any more: the listing begins anew."""


class Zoom:
    """Zoom's REST API; `transport` is for ZOOM_API_URL, which ends in /v2.

    Every method takes a user's id or e-mail address (`me` on user-level apps), and raises BadMessage where it can't be
    one, InvalidToken, Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are kinds).
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def get_user(self, user_id: str, access_token: SecretStr) -> ZoomUser | Result:
        """Zoom API "Get a user": GET /users/{userId}. USER_NOT_FOUND where this account knows no such user."""
        answer = self._transport.request("GET", user_path(user_id), auth=BearerAuth(access_token))
        if answer.status == HTTPStatus.OK and answer.json is not None:
            found, email, account_id = (answer.json.get(key) for key in ("id", "email", "account_id"))
            if isinstance(found, str) and found and isinstance(email, str) and email:
                return ZoomUser(found, email, account_id if isinstance(account_id, str) else None)
        return decided(answer, self._clock(), _REST, _rest_codes)

    def list_users(self, status: UserStatus, next_page_token: str, access_token: SecretStr) -> UsersPage:
        """Zoom API "List users": GET /users, up to 300 of one status. Raises PageExpired where the token is too old."""
        asked: dict[str, str | int] = {"status": status, "page_size": PAGE_SIZE}
        if next_page_token:
            asked["next_page_token"] = next_page_token
        answer = self._transport.request(
            "GET", "/users", auth=BearerAuth(access_token), params=asked, max_body=LONGEST_PAGE
        )
        told = answer.json or {}
        users, total, token = (told.get(key) for key in ("users", "total_records", "next_page_token"))
        if answer.status == HTTPStatus.OK and isinstance(users, list) and type(total) is int:
            listed = tuple(_listed(each, status) for each in users)
            if all(listed):
                return UsersPage(tuple(each for each in listed if each), total, token if isinstance(token, str) else "")
        if next_page_token and word(answer, "code") == "300":
            raise PageExpired("Zoom takes the token of the listing's next page no more", answer.response("300"))
        decided(answer, self._clock(), _REST, _rest_codes)
        raise ProviderUnavailable("Zoom's answer is no list of people", answer.response())

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
                return UserToken(result_of(Outcome.NO_TOKEN, answer))
            if isinstance(token, str) and token:
                return UserToken(result_of(Outcome.RETRIEVED, answer), SecretStr(token))
        return UserToken(decided(answer, self._clock(), _REST, _rest_codes))

    def delete_user_token(self, user_id: str, access_token: SecretStr) -> Result:
        """Zoom API "Revoke a user's SSO token": DELETE /users/{userId}/token. REVOKED or USER_NOT_FOUND.

        It ends the session; it does not stop the next login.
        """
        answer = self._transport.request("DELETE", f"{user_path(user_id)}/token", auth=BearerAuth(access_token))
        if answer.status == HTTPStatus.NO_CONTENT:
            return result_of(Outcome.REVOKED, answer)
        return decided(answer, self._clock(), _REST, _rest_codes)

    def deactivate_user(self, user_id: str, access_token: SecretStr) -> Result:
        """Zoom API "Update user status": PUT /users/{userId}/status, deactivate. DEACTIVATED or USER_NOT_FOUND.

        It blocks the login and takes the licences away; `activate` takes it back.
        """
        answer = self._transport.request(
            "PUT", f"{user_path(user_id)}/status", auth=BearerAuth(access_token), json={"action": "deactivate"}
        )
        if answer.status == HTTPStatus.NO_CONTENT:
            return result_of(Outcome.DEACTIVATED, answer)
        return decided(answer, self._clock(), _REST, _rest_codes)


def _listed(told: object, status: UserStatus) -> Holding | None:
    """Somebody of a list; None where it tells no address: they may be anybody."""
    fields = told if isinstance(told, dict) else {}
    text = {name: value for name, value in fields.items() if isinstance(value, str) and value}
    if "email" not in text:
        return None
    return Holding(
        kind="account",
        # An invited person has none.
        id=text.get("id"),
        email=text["email"],
        employee_id=text.get("employee_unique_id"),
        what=status,
        # An invitation can still be accepted.
        is_alive=status != "inactive",
        last_seen_at=text.get("last_login_time"),
    )


def user_path(user_id: str) -> str:
    """Build /users/{userId}, the one place where a user id gets into a path.

    Danger: DELETE of that path without /token removes the user, so an id that is empty, dots, or holds a slash is
    refused (BadMessage, without the value) before it is percent-encoded.
    """
    if not USER_ID.fullmatch(user_id):
        raise BadMessage("user_id: expected a Zoom user id or an e-mail address")
    return f"/users/{quote(user_id, safe='')}"


def _rest_codes(answer: Answer) -> tuple[str, ...]:
    """Return message and code, as the REST API spells them: the message tells apart what code 200 mixes."""
    return word(answer, "message"), word(answer, "code")
