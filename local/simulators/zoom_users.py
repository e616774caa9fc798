"""Zoom's REST API on users: the few endpoints that Leaver calls, and the one that it must never call."""

import json
from datetime import timedelta

from werkzeug import Request, Response

from local.simulators.grants import digest
from local.simulators.provider import Call, bearer_digest, json_response, segments
from local.simulators.zoom_state import (
    LOGIN_TYPES,
    Caller,
    NextPage,
    User,
    UserToken,
    ZoomState,
    authenticated,
    zoom_error,
)

MAX_TTL = 31_536_000

# The scopes of which an operation wants one: granular, then classic.
_SCOPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "GET user": (("user:read:user", "user:read:user:admin"), ("user:read", "user:read:admin")),
    "GET token": (("user:read:token", "user:read:token:admin"), ("user:read", "user:read:admin")),
    "DELETE token": (("user:delete:token", "user:delete:token:admin"), ("user:write", "user:write:admin")),
    "PUT status": (("user:update:status:admin",), ("user:write:admin",)),
    "DELETE user": (("user:delete:user:admin",), ("user:write:admin",)),
    "GET users": (("user:read:list_users:admin",), ("user:read:admin",)),
}
#: Zoom, "Pagination": so many people on a page, and so long its token may be used
MAX_PAGE_SIZE = 300
PAGE_TOKEN_LIFETIME = timedelta(minutes=15)


def users(state: ZoomState, call: Call) -> Response:
    """Answer a request below /v2/users."""
    request = call.request
    if "access_token" in request.args:
        raise zoom_error(401, 124, "Invalid access token.")
    caller = authenticated(state, bearer_digest(request), call.now)
    match (request.method, *segments(request)):
        case ("GET", "v2", "users"):
            return _list_users(state, caller, call)
        case ("GET", "v2", "users", user_id):
            return _get_user(_permitted(state, caller, user_id, "GET user"))
        case ("GET", "v2", "users", user_id, "token"):
            user = _permitted(state, caller, user_id, "GET token")
            return _get_token(state, user, call)
        case ("DELETE", "v2", "users", user_id, "token"):
            user = _permitted(state, caller, user_id, "DELETE token")
            _refuse_pending(user)
            user.session = False
            return Response(status=204)
        case ("PUT", "v2", "users", user_id, "status"):
            return _put_status(_permitted(state, caller, user_id, "PUT status"), request)
        case ("DELETE", "v2", "users", user_id):
            del state.users[_permitted(state, caller, user_id, "DELETE user").id]
            return Response(status=204)
        case _:
            raise zoom_error(400, 2300, "This API endpoint is not recognized.")


def _permitted(state: ZoomState, caller: Caller, user_id: str, operation: str) -> User:
    """Find the user that the caller may do this to.

    `me` is for apps that a user authorised; without an `:admin` (or `:master`) scope an app may say nothing else.
    """
    _require_scope(caller, operation, only_admin=user_id != "me")
    wanted_user = caller.user_id if user_id == "me" and caller.user_id is not None else user_id
    user = state.find_user(wanted_user, caller.account_id)
    if user is None:
        raise zoom_error(404, 1001, f"User does not exist: {user_id}.")
    return user


def _require_scope(caller: Caller, operation: str, *, only_admin: bool) -> None:
    granular, classic = _SCOPES[operation]
    wanted = {*granular, *classic, *(scope.replace(":admin", ":master") for scope in granular)}
    held = caller.scopes & wanted
    if only_admin:
        held = frozenset(scope for scope in held if scope.endswith((":admin", ":master")))
    if not held:
        scopes = ", ".join(granular)
        raise zoom_error(400, 4711, f"Invalid access token, does not contain scopes:[{scopes}].")


def _list_users(state: ZoomState, caller: Caller, call: Call) -> Response:
    """One page of the people of one status: those who were deleted or left the account are in no list."""
    _require_scope(caller, "GET users", only_admin=True)
    asked = call.request.args
    status, size = asked.get("status", "active"), asked.get("page_size", "30")
    if status not in ("active", "inactive", "pending"):
        raise zoom_error(400, 300, "Validation Failed.", "status")
    if not (size.isascii() and size.isdigit() and 1 <= int(size) <= MAX_PAGE_SIZE):
        raise zoom_error(400, 300, "Validation Failed.", "page_size")
    start = page = 0
    if token := asked.get("next_page_token"):
        meant = state.next_pages.get(token)
        same = meant and (meant.account_id, meant.status, meant.page_size) == (caller.account_id, status, int(size))
        if meant is None or not same or meant.expires_at <= call.now:
            raise zoom_error(400, 300, "The next page token is either invalid or expired.")
        start, page = meant.start, meant.page
    listed = [each for each in state.users.values() if (each.account_id, each.status) == (caller.account_id, status)]
    end = start + int(size)
    last = state.accounts[caller.account_id].listings_end_after
    token = ""
    if end < len(listed) and (last is None or page + 1 < last):
        token = digest(call.mint("page"))[:32]
        expires_at = call.now + PAGE_TOKEN_LIFETIME
        state.next_pages[token] = NextPage(caller.account_id, status, int(size), end, page + 1, expires_at)
    body = {
        "page_size": int(size),
        "total_records": len(listed),
        "next_page_token": token,
        "users": [_listed(each, call) for each in listed[start:end]],
    }
    return json_response(200, body)


def _listed(user: User, call: Call) -> dict[str, object]:
    """What a list tells of somebody: no log-in types, of an invited person no id, and nothing that there is not."""
    told: dict[str, object] = {"email": user.email, "type": 1, "status": user.status, "verified": 1}
    if user.status == "pending":
        return told | {"created_at": f"{call.now:%Y-%m-%dT%H:%M:%SZ}"}
    told["id"] = user.id
    if user.employee_unique_id:
        told["employee_unique_id"] = user.employee_unique_id
    if user.last_login_at is not None:
        told["last_login_time"] = f"{user.last_login_at:%Y-%m-%dT%H:%M:%SZ}"
    return told


def _refuse_pending(user: User) -> None:
    if user.status == "pending":
        raise zoom_error(400, 1120, "A valid invitation to join the Zoom account was not found for this user.")


def _get_user(user: User) -> Response:
    body = {
        "id": user.id,
        "email": user.email,
        "type": 1,
        "status": user.status,
        "account_id": user.account_id,
        "login_types": [LOGIN_TYPES[user.login_type]],
    }
    return json_response(200, body)


def _get_token(state: ZoomState, user: User, call: Call) -> Response:
    _refuse_pending(user)
    asked = call.request.args
    kind = asked.get("type", "token")
    if kind not in ("token", "zak", "onbehalf"):
        raise zoom_error(400, 300, "Validation Failed.", "type")
    lifetime = _lifetime(asked.get("ttl"), kind, user)
    meeting_id = asked.get("meeting_id") if kind == "onbehalf" else None
    if meeting_id is not None and not (meeting_id.isascii() and meeting_id.isdigit()):
        raise zoom_error(400, 300, "Validation Failed.", "meeting_id")
    if user.login_type in ("google", "facebook"):
        return json_response(200, {"token": None})
    secret = call.mint(kind)
    state.user_tokens.append(UserToken(user.id, kind, digest(secret), call.now, call.now + lifetime, meeting_id))
    return json_response(200, {"token": secret})


def _lifetime(ttl: str | None, kind: str, user: User) -> timedelta:
    if kind == "token":
        return timedelta(days=14)
    if ttl is None:
        return timedelta(days=90) if user.login_type == "api" else timedelta(hours=2)
    if not (ttl.isascii() and ttl.isdigit() and 1 <= int(ttl) <= MAX_TTL):
        raise zoom_error(400, 300, "Validation Failed.", "ttl")
    return timedelta(seconds=int(ttl))


def _put_status(user: User, request: Request) -> Response:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise zoom_error(400, 300, "Request Body should be a valid JSON object.")
    if body.get("action") not in ("activate", "deactivate"):
        raise zoom_error(400, 300, "Validation Failed.", "action")
    if user.administrator:
        message = "Zoom Room and Admin users' status cannot be activated or deactivated."
        raise zoom_error(400, 200, message)
    user.status = "active" if body["action"] == "activate" else "inactive"
    return Response(status=204)
