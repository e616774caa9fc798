"""Zoom, simulated: its OAuth server and its users API, what a test sets up in it, and what one may ask it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug import Request, Response

from local.simulators import zoom_oauth, zoom_users
from local.simulators.faults import Fault
from local.simulators.grants import Rotation, TokenKind
from local.simulators.provider import Call, ProviderSimulator, Refused, bearer_digest, json_response, segments
from local.simulators.zoom_state import (
    Account,
    App,
    LoginType,
    User,
    UserStatus,
    UserToken,
    Visitor,
    ZoomState,
    admit,
    admit_listing,
    authenticated,
    rate_headers,
    zoom_error,
    zoom_grants,
)

_CONCURRENT_DELETE = "Too many concurrent requests. A request to disassociate this user has already been made."


class ZoomSimulator(ProviderSimulator[ZoomState]):
    """https://zoom.us/oauth and https://api.zoom.us/v2 under one address.

    Its `ZOOM_OAUTH_URL` is `url`, its `ZOOM_API_URL` is `api_url`.
    """

    CONTROLS: ClassVar[tuple[str, ...]] = (
        *ProviderSimulator.CONTROLS,
        "add_account",
        "add_app",
        "add_user",
        "authorize",
        "end_listings_after",
        "has_session",
        "live_token_kind",
        "live_tokens",
        "sessions",
        "set_rate_limit",
        "set_rotation",
        "set_scopes",
        "set_visitor",
        "sign_in",
        "user_tokens",
        "users",
    )

    def __init__(
        self,
        *,
        rotation: Rotation = Rotation.STRICT,
        refresh_kills_access: bool = False,
        access_lifetime: timedelta = timedelta(seconds=3599),
        refresh_lifetime: timedelta = timedelta(days=90),
        **provider: Any,
    ) -> None:
        """Begin to serve; `provider` is what every simulator takes (catalogue, clock, ..., tls)."""
        grants = zoom_grants(
            rotation=rotation,
            refresh_kills_access=refresh_kills_access,
            access_lifetime=access_lifetime,
            refresh_lifetime=refresh_lifetime,
        )
        # Before the server begins to serve.
        self._being_deleted: set[str | None] = set()
        self._requests = 0
        super().__init__(ZoomState(grants), **provider)
        self.api_url = f"{self.url}/v2"

    # -- what a test sets up

    def add_account(self, account_id: str) -> None:
        """Add an account, without rate limits."""
        with self._lock:
            self._state.accounts[account_id] = Account(account_id)

    def add_app(
        self,
        client_id: str,
        client_secret: str,
        *,
        account_id: str,
        scopes: Sequence[str],
        server_to_server: bool = False,
        redirect_uris: Sequence[str] = (),
    ) -> None:
        """Add an OAuth app, or replace it (its secret was rotated, say): tokens that it holds stay as they are.

        After consent a browser goes back to loopback, or to one of the `redirect_uris`.
        """
        with self._lock:
            self._known_account(account_id)
            self._state.apps[client_id] = App(
                client_id, client_secret, account_id, tuple(scopes), server_to_server, tuple(redirect_uris)
            )

    def add_user(
        self,
        user_id: str,
        email: str,
        *,
        account_id: str,
        login_type: LoginType = "sso",
        status: UserStatus = "active",
        session: bool = True,
        administrator: bool = False,
        employee_unique_id: str = "",
        last_login_at: str | None = None,
    ) -> None:
        """Add a user, signed in unless told otherwise; `last_login_at` as ISO-8601 has it."""
        seen = datetime.fromisoformat(last_login_at) if last_login_at else None
        with self._lock:
            self._known_account(account_id)
            self._state.users[user_id] = User(
                user_id, email, account_id, login_type, status, session, administrator, employee_unique_id, seen
            )

    def authorize(self, client_id: str, user: str) -> dict[str, object]:
        """Let a user (id or e-mail) authorise an app; an earlier authorisation of that app by that user ends.

        Returns the JSON of a `tokens` secret: `access_token`, `refresh_token`, `expires_at`, `scope`. It is the only
        answer that ever shows a token.
        """
        with self._lock:
            app, owner = self._state.apps[client_id], self._state.known_user(user)
            return zoom_oauth.authorized(self._state, app, owner.id, now=self.now(), mint=self._mint).token_set()

    def set_scopes(self, client_id: str, scopes: Sequence[str]) -> None:
        """Change what an app may do: for tokens minted from now on, as if every user had consented anew."""
        with self._lock:
            self._state.apps[client_id].scopes = tuple(scopes)
            for grant in self._state.grants:
                if grant.client_id == client_id:
                    grant.scope = " ".join(scopes)

    def set_rotation(self, rotation: str) -> None:
        """Choose what becomes of a refresh token used twice: "strict", "grace" or "reuse-detecting"."""
        with self._lock:
            self._state.grants.rotation = Rotation(rotation)

    def set_rate_limit(
        self,
        account_id: str,
        *,
        per_second: int | None = None,
        per_day: int | None = None,
        headers: bool = True,
        medium_per_second: int | None = None,
    ) -> None:
        """Limit the account's REST requests (None: no limit), telling it in headers or not."""
        with self._lock:
            account = self._known_account(account_id)
            account.per_second, account.per_day, account.rate_headers = per_second, per_day, headers
            account.medium_per_second = medium_per_second

    def end_listings_after(self, account_id: str, pages: int | None) -> None:
        """Let each listing of people end after so many pages, although its total says more; None: as it should be."""
        with self._lock:
            self._known_account(account_id).listings_end_after = pages

    def sign_in(self, user: str) -> None:
        """Let a user (id or e-mail) sign in. Raise ValueError if the user is not active."""
        with self._lock:
            person = self._state.known_user(user)
            if person.status != "active":
                raise ValueError(f"a user who is {person.status} cannot sign in")
            person.session, person.last_login_at = True, self.now()

    def set_visitor(self, user: str | None, *, consents: bool = True) -> None:
        """Say who (id or e-mail) sits before the browser that opens the consent page; None: nobody is signed in."""
        with self._lock:
            self._state.visitor = None if user is None else Visitor(self._state.known_user(user).id, consents)

    # -- what one may ask

    def sessions(self, account_id: str | None = None) -> list[str]:
        """Return the ids of the users who are signed in, of one account or of all."""
        with self._lock:
            users = self._state.users.values()
            return [user.id for user in users if user.session and account_id in (None, user.account_id)]

    def has_session(self, user: str) -> bool:
        """Whether this user (id or e-mail) is signed in. Raise LookupError if there is no such user."""
        with self._lock:
            return self._state.known_user(user).session

    def users(self) -> list[dict[str, object]]:
        """Return every user: `id`, `email`, `account_id`, `login_type`, `status`, `session`, `administrator`."""
        with self._lock:
            return [asdict(user) for user in self._state.users.values()]

    def live_tokens(self, client_id: str | None = None) -> dict[TokenKind, list[str]]:
        """Return the SHA-256 digests of the `access` and `refresh` tokens that work now, of one app or of all."""
        with self._lock:
            return self._state.grants.live_tokens(self.now(), client_id)

    def live_token_kind(self, digest: str) -> TokenKind | None:
        """Tell whether the token with this SHA-256 (hex) works: "access" or "refresh"; None: it does not."""
        return next((kind for kind, digests in self.live_tokens().items() if digest in digests), None)

    def user_tokens(self, user: str | None = None) -> list[UserToken]:
        """Return what was minted by `GET /users/{id}/token`, oldest first, for one user (id or e-mail) or for all."""
        with self._lock:
            owner = None if user is None else self._state.known_user(user).id
            return [token for token in self._state.user_tokens if owner in (None, token.user_id)]

    # -- how it answers

    def _known_account(self, account_id: str) -> Account:
        return self._state.accounts[account_id]

    def _process(self, request: Request, fault: Fault) -> Response:
        if segments(request)[:1] == ("v2",):
            response = self._admitted(request, fault)
        else:
            response = super()._process(request, fault)
        with self._lock:
            self._requests += 1
            response.headers["x-zm-trackingid"] = f"WEB_{self._requests:032x}"
        return response

    def _admitted(self, request: Request, fault: Fault) -> Response:
        """Handle a REST request within its account's limits, one DELETE per user at a time."""
        with self._lock:
            account = self._account_of(request)
            limit = admit_listing if segments(request) == ("v2", "users") else admit
            too_many = None if account is None else limit(account, self.now())
            deleted = None if account is None or too_many is not None else self._user_to_delete(request, account)
            if deleted in self._being_deleted:
                too_many, deleted = zoom_error(429, 429, _CONCURRENT_DELETE).response, None
            headers = {} if account is None or limit is admit_listing else rate_headers(account)
            if deleted is not None:
                self._being_deleted.add(deleted)
        try:
            if too_many is None:
                response = super()._process(request, fault)
            else:
                self._wait(fault)
                response = too_many
        finally:
            with self._lock:
                self._being_deleted.discard(deleted)
        response.headers.update(headers)
        return response

    def _account_of(self, request: Request) -> Account | None:
        try:
            caller = authenticated(self._state, bearer_digest(request), self.now())
        except Refused:
            return None
        return self._state.accounts[caller.account_id]

    def _user_to_delete(self, request: Request, account: Account) -> str | None:
        match (request.method, *segments(request)):
            case ("DELETE", "v2", "users", user_id, *_):
                user = self._state.find_user(user_id, account.id)
                return None if user is None else user.id
        return None

    def _handle(self, state: ZoomState, call: Call) -> Response:
        match (call.request.method, *segments(call.request)):
            case ("GET", "oauth", "authorize"):
                return zoom_oauth.authorize(state, call)
            case ("POST", "oauth", "token"):
                return zoom_oauth.token(state, call, self.url)
            case ("POST", "oauth", "revoke"):
                return zoom_oauth.revoke(state, call)
            case (_, "v2", *_):
                return zoom_users.users(state, call)
            case _:
                return json_response(404, {"code": 404, "message": "Not Found"})
