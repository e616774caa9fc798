"""Zoom's authorisation server: https://zoom.us/oauth/... (the provider's view of RFC 6749, 7009 and 7636)."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from html import escape
from urllib.parse import urlencode, urlsplit

from werkzeug import Request, Response

from local.http_server import LOOPBACK
from local.simulators.grants import InvalidGrantError, Issued, TokenMint, digest
from local.simulators.provider import Call, Refused, json_response
from local.simulators.zoom_state import App, AuthorizationCode, Visitor, ZoomState, zoom_error

# Refused in the query since 14 February 2023: they end up in logs.
_BODY_ONLY = frozenset({"access_token", "refresh_token", "token", "code", "client_id", "client_secret"})

CODE_LIFETIME = timedelta(minutes=5)

INVALID_CLIENT = (400, "invalid_client", "Invalid client_id or client_secret")
INVALID_TOKEN = (400, "invalid_grant", "Invalid Token!")
INVALID_CODE = (400, "invalid_grant", "Invalid authorization code")
UNSUPPORTED_GRANT_TYPE = (400, "unsupported_grant_type", "unsupported grant type")
MALFORMED_ACCOUNT = (400, "invalid_request", "Bad Request")
FOREIGN_ACCOUNT = (400, "invalid_request", "Account does not exist")
UNKNOWN_TO_REVOKE = (400, "invalid_token", "Invalid Token!")


def authorize(state: ZoomState, call: Call) -> Response:
    """Answer `GET /oauth/authorize`: the visitor consents or declines, and their browser goes back to the app."""
    asked = call.request.args
    app = state.apps.get(asked.get("client_id", ""))
    redirect_uri = asked.get("redirect_uri", "")
    # Nobody is sent anywhere by an app that can't prove where it belongs (RFC 6749, section 4.1.2.1).
    if app is None or app.server_to_server:
        return _page(400, "Invalid client_id (4,702)")
    if not _is_loopback(redirect_uri) and redirect_uri not in app.redirect_uris:
        return _page(400, "Invalid redirect (4,709)")
    visitor = _signed_in(state, asked.get("signed_in_as")) or state.visitor
    if visitor is None or not state.users[visitor.user_id].session:
        return _page(200, f"Sign in to Zoom{_buttons(state, app, asked)}")
    challenge = asked.get("code_challenge")
    if asked.get("response_type") != "code" or (challenge and asked.get("code_challenge_method") != "S256"):
        told = {"error": "invalid_request"}
    elif not visitor.consents:
        told = {"error": "access_denied"}
    else:
        code = call.mint("code")
        state.codes[digest(code)] = AuthorizationCode(
            app.client_id, visitor.user_id, redirect_uri, challenge, call.now + CODE_LIFETIME
        )
        told = {"code": code}
    if "state" in asked:
        told["state"] = asked["state"]
    separator = "&" if urlsplit(redirect_uri).query else "?"
    return Response(status=302, headers={"Location": f"{redirect_uri}{separator}{urlencode(told)}"})


def authorized(state: ZoomState, app: App, user_id: str, *, now: datetime, mint: TokenMint) -> Issued:
    """Make the grant of a user to an app; what that user granted it before ends (Zoom's 4741: the last one wins)."""
    for grant in state.grants:
        if (grant.client_id, grant.subject) == (app.client_id, user_id):
            state.grants.revoke(grant)
    return state.grants.authorize(app.client_id, user_id, " ".join(app.scopes), now=now, mint=mint)


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


def _code_exchanged(state: ZoomState, app: App, call: Call) -> Issued:
    form = call.request.form
    # Whoever presents it, and however wrongly: it has been seen, and is good for nothing any more.
    code = state.codes.pop(digest(form.get("code", "")), None)
    if code is None or code.client_id != app.client_id or code.expires_at <= call.now:
        raise _oauth_error(INVALID_CODE)
    if form.get("redirect_uri") != code.redirect_uri:
        # Zoom's number for it is documented, its body is not.
        raise zoom_error(400, 4709, "Redirect URI mismatch")
    if code.code_challenge is not None and _challenge(form.get("code_verifier", "")) != code.code_challenge:
        raise _oauth_error(INVALID_CODE)
    user = state.users.get(code.user_id)
    if user is None or user.status != "active":
        raise _oauth_error(INVALID_CODE)
    return authorized(state, app, user.id, now=call.now, mint=call.mint)


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
    "authorization_code": _code_exchanged,
    "refresh_token": _refreshed,
    "account_credentials": _account_token,
}


def _challenge(code_verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).decode().rstrip("=")


def _is_loopback(redirect_uri: str) -> bool:
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and parts.hostname in {LOOPBACK, "localhost"}


def _signed_in(state: ZoomState, email: str | None) -> Visitor | None:
    """Whoever pressed the button of that name, and consents by it."""
    user = state.find_user(email) if email else None
    return Visitor(user.id, consents=True) if user else None


def _buttons(state: ZoomState, app: App, asked: Mapping[str, str]) -> str:
    """A button for some who are of the app's account: whoever is at a browser signs in and consents by one of them."""
    kept = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in asked.items()
    )
    people = [each.email for each in state.users.values() if each.account_id == app.account_id and each.session][:20]
    buttons = "".join(
        f'<button name="signed_in_as" value="{escape(each)}">Sign in as {escape(each)}</button>' for each in people
    )
    return f"<form>{kept}{buttons}</form>" if people else ""


def _page(status: int, text: str) -> Response:
    return Response(f"<html><body>{text}</body></html>", status=status, mimetype="text/html")


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
