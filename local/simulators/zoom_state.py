"""What Zoom knows: accounts, apps, users, the grants among them, and the user tokens that it handed out."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from werkzeug import Response

from local.simulators.grants import Grants, Rotation
from local.simulators.provider import Refused, json_response

LoginType = Literal["sso", "work_email", "google", "facebook", "api"]
UserStatus = Literal["active", "inactive", "pending"]

#: Zoom's numbers for `login_types`
LOGIN_TYPES: dict[LoginType, int] = {"facebook": 0, "google": 1, "api": 99, "work_email": 100, "sso": 101}


@dataclass
class Account:
    """A Zoom account and its rate limits (of the Light category, shared by all its apps). None: unlimited."""

    id: str
    per_second: int | None = None
    per_day: int | None = None
    #: whether answers carry `X-RateLimit-*` and `Retry-After`
    rate_headers: bool = True
    second: datetime | None = None
    in_this_second: int = 0
    day: datetime | None = None
    on_this_day: int = 0
    #: of the Medium category, which lists people: limited apart
    medium_per_second: int | None = None
    medium_second: datetime | None = None
    medium_in_this_second: int = 0
    #: after so many pages a listing says that there are no more, whatever is left; None: it tells all
    listings_end_after: int | None = None


@dataclass
class App:
    """An OAuth app of an account; without `server_to_server` it acts for the user who authorised it."""

    client_id: str
    client_secret: str = field(repr=False)
    account_id: str
    scopes: tuple[str, ...]
    server_to_server: bool
    #: where a browser may be sent back to, besides loopback
    redirect_uris: tuple[str, ...] = ()


@dataclass
class User:
    """A user of an account."""

    id: str
    email: str
    account_id: str
    login_type: LoginType
    status: UserStatus
    #: whether the user is signed in
    session: bool
    #: an administrator's status can't be changed by API, nor can a Zoom Room's
    administrator: bool = False
    #: the company's own number of them
    employee_unique_id: str = ""
    last_login_at: datetime | None = None


@dataclass(frozen=True)
class NextPage:
    """What a `next_page_token` stands for: the same question, from that person on, for a quarter of an hour."""

    account_id: str
    status: str
    page_size: int
    start: int
    page: int
    expires_at: datetime


@dataclass(frozen=True)
class Visitor:
    """Who sits before the browser that opens Zoom's consent page, and what they will say."""

    user_id: str
    consents: bool


@dataclass(frozen=True)
class AuthorizationCode:
    """What a user consented to, until the app exchanges the code for tokens."""

    client_id: str
    user_id: str
    redirect_uri: str
    #: RFC 7636, S256; None: the app does not use PKCE
    code_challenge: str | None
    expires_at: datetime


@dataclass(frozen=True)
class UserToken:
    """A token (ZAK and its kin) that was minted for a user: its SHA-256, never the token."""

    user_id: str
    type: str
    digest: str
    minted_at: datetime
    expires_at: datetime
    meeting_id: str | None


@dataclass
class ZoomState:
    """All of it."""

    grants: Grants
    accounts: dict[str, Account] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    user_tokens: list[UserToken] = field(default_factory=list)
    #: None: nobody is signed in there
    visitor: Visitor | None = None
    #: by the SHA-256 of the code
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    #: by the token
    next_pages: dict[str, NextPage] = field(default_factory=dict)

    def find_user(self, id_or_email: str, account_id: str | None = None) -> User | None:
        """Find a user by id (verbatim) or e-mail address (in any letter case), in one account or in any.

        One address may belong to a user in each of two accounts.
        """
        users = [user for user in self.users.values() if account_id in {None, user.account_id}]
        email = id_or_email.casefold()
        by_id = (user for user in users if user.id == id_or_email)
        return next(by_id, None) or next((user for user in users if user.email.casefold() == email), None)

    def known_user(self, id_or_email: str) -> User:
        """Find a user for a set-up call or a question. Raise LookupError."""
        user = self.find_user(id_or_email)
        if user is None:
            raise LookupError(f"no Zoom user {id_or_email}")
        return user


@dataclass(frozen=True)
class Caller:
    """Who a bearer token speaks for."""

    account_id: str
    #: None: a server-to-server app, which is nobody's
    user_id: str | None
    scopes: frozenset[str]


def authenticated(state: ZoomState, token_digest: str | None, now: datetime) -> Caller:
    """Tell whose token this is. Refuses with 401 / code 124, as Zoom does for any token that does not work."""
    held = None if token_digest is None else state.grants.of_access_token(token_digest)
    if held is None:
        raise zoom_error(401, 124, "Invalid access token.")
    grant, access = held
    if access.expires_at <= now:
        raise zoom_error(401, 124, "Access token is expired.")
    app = state.apps[grant.client_id]
    return Caller(app.account_id, grant.subject or None, frozenset(access.scope.split()))


def zoom_error(status: int, code: int, message: str, *invalid_fields: str) -> Refused:
    """Build the REST API's error answer; with fields, as for `Validation Failed.`."""
    body: dict[str, object] = {"code": code, "message": message}
    if invalid_fields:
        body["errors"] = [{"field": name, "message": "Invalid field."} for name in invalid_fields]
    return Refused(json_response(status, body))


def admit(account: Account, now: datetime) -> Response | None:
    """Count a request against its account's limits (per second and day of the clock, UTC); the 429 if one is over."""
    second, day = now.replace(microsecond=0), now.replace(hour=0, minute=0, second=0, microsecond=0)
    if account.second != second:
        account.second, account.in_this_second = second, 0
    if account.day != day:
        account.day, account.on_this_day = day, 0
    if account.per_day is not None and account.on_this_day >= account.per_day:
        message = (
            "You have reached the maximum daily rate limit for this API. "
            "Refer to the response header for details on when you can make another request."
        )
        answer = json_response(429, {"code": 429, "message": message})
        if account.rate_headers:
            answer.headers["X-RateLimit-Type"] = "Daily-limit"
            answer.headers["Retry-After"] = (day + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return answer
    if account.per_second is not None and account.in_this_second >= account.per_second:
        message = "You have reached the maximum per-second rate limit for this API. Try again later."
        answer = json_response(429, {"code": 429, "message": message})
        if account.rate_headers:
            answer.headers["X-RateLimit-Type"] = "QPS"
        return answer
    account.in_this_second += 1
    account.on_this_day += 1
    return None


def admit_listing(account: Account, now: datetime) -> Response | None:
    """Count a request of the Medium category, which has no daily limit of its own here; the 429 if one is over."""
    second = now.replace(microsecond=0)
    if account.medium_second != second:
        account.medium_second, account.medium_in_this_second = second, 0
    if account.medium_per_second is not None and account.medium_in_this_second >= account.medium_per_second:
        message = "You have reached the maximum per-second rate limit for this API. Try again later."
        answer = json_response(429, {"code": 429, "message": message})
        if account.rate_headers:
            answer.headers.update({"X-RateLimit-Category": "Medium", "X-RateLimit-Type": "QPS"})
        return answer
    account.medium_in_this_second += 1
    return None


def rate_headers(account: Account) -> dict[str, str]:
    """Return the headers that tell of the account's bucket; none if it keeps them to itself or has no limit."""
    limit, used = account.per_second, account.in_this_second
    if account.per_day is not None:
        limit, used = account.per_day, account.on_this_day
    if limit is None or not account.rate_headers:
        return {}
    return {
        "X-RateLimit-Category": "Light",
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(limit - used),
    }


def zoom_grants(
    *, rotation: Rotation, refresh_kills_access: bool, access_lifetime: timedelta, refresh_lifetime: timedelta
) -> Grants:
    """Make the grants of Zoom's authorisation server: they never end by themselves, their refresh tokens do."""
    return Grants(access_lifetime, refresh_lifetime, None, rotation, refresh_kills_access)
