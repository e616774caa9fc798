"""Zoom's authorisation server: https://zoom.us/oauth/token and /oauth/revoke (provider-side view of RFC 6749, 7009)."""

from collections.abc import Callable

from werkzeug import Request, Response

from local.simulators.grants import InvalidGrantError, Issued, digest
from local.simulators.provider import Call, Refused, json_response
from local.simulators.zoom_state import App, ZoomState, zoom_error

# Refused in the query since 14 February 2023: they end up in logs.
_BODY_ONLY = frozenset({"access_token", "refresh_token", "token", "code", "client_id", "client_secret"})

INVALID_CLIENT = (400, "invalid_client", "Invalid client_id or client_secret")
INVALID_TOKEN = (400, "invalid_grant", "Invalid Token!")
UNSUPPORTED_GRANT_TYPE = (400, "unsupported_grant_type", "unsupported grant type")
MALFORMED_ACCOUNT = (400, "invalid_request", "Bad Request")
FOREIGN_ACCOUNT = (400, "invalid_request", "Account does not exist")
UNKNOWN_TO_REVOKE = (400, "invalid_token", "Invalid Token!")


def token(state: ZoomState, call: Call, api_url: str) -> Response:
    """Answer `POST /oauth/token`."""
    app = _client(state, call.request)
    grant_type = _GRANT_TYPES.get(call.request.form.get("grant_type", ""))
    if grant_type is None:
        raise _oauth_error(UNSUPPORTED_GRANT_TYPE)
    issued = grant_type(state, app, call)
    body: dict[str, object] = {"access_token": issued.access_token, "token_type": "bearer"}
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    body["expires_in"] = int((issued.access.expires_at - call.now).total_seconds())
    return json_response(200, body | {"scope": issued.access.scope, "api_url": api_url})


def revoke(state: ZoomState, call: Call) -> Response:
    """Answer `POST /oauth/revoke`: end the grant of an access token that works.

    What Zoom says of any other token is not documented; this refuses it with the reason `Invalid Token!`.
    """
    app = _client(state, call.request)
    held = state.grants.of_access_token(digest(call.request.form.get("token", "")))
    if held is None:
        raise _oauth_error(UNKNOWN_TO_REVOKE)
    grant, access = held
    if grant.client_id != app.client_id or access.expires_at <= call.now:
        raise _oauth_error(UNKNOWN_TO_REVOKE)
    state.grants.revoke(grant)
    return json_response(200, {"status": "success"})


def _refreshed(state: ZoomState, app: App, call: Call) -> Issued:
    presented = call.request.form.get("refresh_token", "")
    grant = state.grants.of_refresh_token(digest(presented))
    # Zoom's 4735: when the user who authorised an app goes, the app's tokens go.
    if grant is None or grant.subject not in state.users or state.users[grant.subject].status != "active":
        raise _oauth_error(INVALID_TOKEN)
    try:
        return state.grants.refresh(presented, app.client_id, now=call.now, mint=call.mint)
    except InvalidGrantError:
        raise _oauth_error(INVALID_TOKEN) from None


def _account_token(state: ZoomState, app: App, call: Call) -> Issued:
    if not app.server_to_server:
        raise _oauth_error(UNSUPPORTED_GRANT_TYPE)
    account_id = call.request.form.get("account_id", "")
    if account_id not in state.accounts:
        raise _oauth_error(MALFORMED_ACCOUNT)
    if account_id != app.account_id:
        raise _oauth_error(FOREIGN_ACCOUNT)
    # Each token is a grant of its own: since June 2023 a new one leaves the others alone.
    return state.grants.authorize(
        app.client_id, "", " ".join(app.scopes), now=call.now, mint=call.mint, renewable=False
    )


_GRANT_TYPES: dict[str, Callable[[ZoomState, App, Call], Issued]] = {
    "refresh_token": _refreshed,
    "account_credentials": _account_token,
}


def _client(state: ZoomState, request: Request) -> App:
    if _BODY_ONLY & set(request.args):
        raise zoom_error(401, 124, "Invalid access token.")
    basic = request.authorization
    app = None if basic is None or basic.type != "basic" else state.apps.get(basic.username or "")
    if basic is None or app is None or basic.password != app.client_secret:
        raise _oauth_error(INVALID_CLIENT)
    return app


def _oauth_error(answer: tuple[int, str, str]) -> Refused:
    status, error, reason = answer
    return Refused(json_response(status, {"reason": reason, "error": error}))
