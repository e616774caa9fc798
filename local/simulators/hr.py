"""BambooHR, HiBob, Gusto and Okta in one server, as far as Leaver asks them: who somebody is, and with what."""

import json
from base64 import b64encode
from datetime import date
from typing import ClassVar
from urllib.parse import urlencode

from werkzeug import Response

from local.simulators.grants import InvalidGrantError, Issued, digest
from local.simulators.hr_state import Employee, HrState
from local.simulators.provider import Call, ProviderSimulator, Refused, bearer_digest, json_response, segments

#: so often HiBob refuses a service user before it blocks where the requests come from
_BLOCKED_AFTER = 3
#: the most people on a page of Okta's
_OKTA_AT_ONCE = 200


class HrSimulator(ProviderSimulator[HrState]):
    """All four; each has paths of its own, so that one host is enough.

    `add_key("bamboohr", "k")`, `add_key("hibob", "service-user:token")`, `add_key("okta", "t")`; Gusto has apps.
    """

    CONTROLS: ClassVar[tuple[str, ...]] = (
        *ProviderSimulator.CONTROLS,
        *("add_key", "add_app", "consent", "add_person", "leaves", "returns", "hides", "shows", "authorize"),
    )

    def __init__(self, **serving: object) -> None:
        """Begin to serve."""
        super().__init__(HrState(), **serving)  # type: ignore[arg-type]  # as ProviderSimulator names them

    # -- controls

    def add_key(self, system: str, key: str) -> None:
        """Let a key work: for HiBob `id:token`."""
        pair = f"{key}:x" if system == "bamboohr" else key
        with self._lock:
            self._state.keys[system] = f"SSWS {key}" if system == "okta" else f"Basic {_base64(pair)}"

    def add_app(self, client_id: str, client_secret: str) -> None:
        """Let an app at Gusto work."""
        with self._lock:
            self._state.apps[client_id] = client_secret

    def consent(self) -> str:
        """Somebody consents to an app at Gusto; returns the code."""
        with self._lock:
            code = self._mint("code")
            self._state.codes.add(code)
            return code

    def authorize(self, client_id: str) -> dict[str, object]:
        """Make a grant of Gusto's at once; returns what Leaver keeps of it."""
        with self._lock:
            return self._state.grants.authorize(client_id, "admin", "", now=self.now(), mint=self._mint).token_set()

    def add_person(self, system: str, person: str, email: str) -> None:
        """Let a system know somebody."""
        with self._lock:
            self._state.people[system, person] = Employee(email)

    def leaves(self, system: str, person: str, last_day: str | None = None) -> None:
        """Somebody left; with a last day the end is only entered."""
        with self._lock:
            employee = self._state.people[system, person]
            employee.last_day = date.fromisoformat(last_day) if last_day else None
            employee.is_gone = last_day is None

    def returns(self, system: str, person: str) -> None:
        """Somebody is back, or has not left after all."""
        with self._lock:
            self._state.people[system, person].is_gone = False
            self._state.people[system, person].last_day = None

    def hides(self, system: str, person: str, field: str) -> None:
        """Whoever asks may not see this field of somebody."""
        with self._lock:
            self._state.people[system, person].hidden.add(field)

    def shows(self, system: str, person: str, field: str) -> None:
        """Whoever asks may see it again."""
        with self._lock:
            self._state.people[system, person].hidden.discard(field)

    # -- requests

    def _handle(self, state: HrState, call: Call) -> Response:  # noqa: PLR0911 - one return for each path
        match call.request.method, segments(call.request):
            case "GET", ("api", "v1", "employees", person):
                return _bamboohr(state, call, person)
            case "POST", ("v1", "people", person):
                return _hibob(state, call, person)
            case "GET", ("api", "v1", "users"):
                return _list_okta(state, call)
            case "GET", ("api", "v1", "users", person):
                return _okta(state, call, person)
            case "GET", ("v1", "employees", person):
                return _gusto(state, call, person)
            case "GET", ("v1", "employees", person, "terminations"):
                return _gusto_terminations(state, call, person)
            case "POST", ("oauth", "token"):
                return _gusto_token(state, call)
            case "POST", ("oauth", "revoke"):
                return _gusto_revoke(state, call)
        raise Refused(json_response(404, {"error": "no such path"}))


def _bamboohr(state: HrState, call: Call, person: str) -> Response:
    _require_key(state, call, "bamboohr")
    if call.request.headers.get("Accept") != "application/json":
        raise Refused(Response("<employee/>", status=200, mimetype="application/xml"))
    found = _person(state, "bamboohr", person)
    known = {"workEmail": found.email, "status": "Inactive" if found.is_gone else "Active"}
    asked = call.request.args.get("fields", "").split(",")
    return json_response(200, {"id": person} | _seen(found, {each: known[each] for each in asked}))


def _hibob(state: HrState, call: Call, person: str) -> Response:
    if state.refused >= _BLOCKED_AFTER:
        raise Refused(json_response(403, {"error": "blocked"}))
    if call.request.headers.get("Authorization") != state.keys.get("hibob"):
        state.refused += 1
        raise Refused(json_response(401, {"error": "unauthorized"}))
    found = _person(state, "hibob", person)
    status = "Terminated" if found.is_gone else "Employed"
    known = {"root.id": person, "root.email": found.email, "internal.lifecycleStatus": status}
    asked = json.loads(call.request.get_data())["fields"]
    told = _seen(found, {each: known[each] for each in asked})
    return json_response(200, {f"/{name.replace('.', '/')}": {"value": value} for name, value in told.items()})


def _okta(state: HrState, call: Call, person: str) -> Response:
    _require_key(state, call, "okta")
    found = _person(state, "okta", person)
    told = _seen(found, {"email": found.email, "login": found.email})
    return json_response(200, {"id": person, "status": "DEPROVISIONED" if found.is_gone else "ACTIVE", "profile": told})


def _list_okta(state: HrState, call: Call) -> Response:
    """One page of everybody: who was deprovisioned is left out, unless the filter asks for nobody else."""
    _require_key(state, call, "okta")
    asked = call.request.args
    limit, wanted = int(asked.get("limit", "200")), asked.get("filter", "")
    if not 1 <= limit <= _OKTA_AT_ONCE or wanted not in ("", 'status eq "DEPROVISIONED"'):
        raise Refused(json_response(400, {"errorCode": "E0000001"}))
    people = [(id_, each) for (system, id_), each in state.people.items() if system == "okta"]
    listed = [(id_, each) for id_, each in people if each.is_gone == bool(wanted)]
    start = int(asked.get("after", "0"))
    told = [
        {
            "id": id_,
            "status": "DEPROVISIONED" if each.is_gone else "ACTIVE",
            "profile": _seen(each, {"email": each.email, "login": each.email}),
        }
        for id_, each in listed[start : start + limit]
    ]
    answer = json_response(200, told)
    answer.headers.add("Link", f'<{call.request.base_url}?limit={limit}>; rel="self"')
    if start + limit < len(listed):
        following = urlencode({"after": start + limit, "limit": limit} | ({"filter": wanted} if wanted else {}))
        answer.headers.add("Link", f'<{call.request.base_url}?{following}>; rel="next"')
    return answer


def _gusto(state: HrState, call: Call, person: str) -> Response:
    _use(state, call)
    found = _person(state, "gusto", person)
    known = {"work_email": found.email, "terminated": found.is_gone}
    return json_response(200, {"uuid": person, "email": found.private_email} | _seen(found, known))


def _gusto_terminations(state: HrState, call: Call, person: str) -> Response:
    _use(state, call)
    found = _person(state, "gusto", person)
    entered = [{"effective_date": found.last_day.isoformat(), "active": found.is_gone}] if found.last_day else []
    return json_response(200, entered)


def _use(state: HrState, call: Call) -> None:
    """Take an access token: its first use ends the refresh token that was there before."""
    held = state.grants.of_access_token(bearer_digest(call.request) or "")
    if held is None or held[1].expires_at <= call.now:
        raise Refused(json_response(401, {"error": "invalid_token"}))
    grant, access = held
    if access is list(grant.access_tokens.values())[-1]:
        grant.superseded = None


def _gusto_token(state: HrState, call: Call) -> Response:
    asked = _asked_by_app(state, call)
    try:
        if asked.get("grant_type") == "authorization_code":
            state.codes.remove(asked.get("code", ""))
            issued = state.grants.authorize(asked["client_id"], "admin", "", now=call.now, mint=call.mint)
        else:
            presented = asked.get("refresh_token", "")
            issued = state.grants.refresh(presented, asked["client_id"], now=call.now, mint=call.mint)
    except (KeyError, InvalidGrantError):
        raise Refused(json_response(400, {"error": "invalid_grant"})) from None
    return json_response(200, _tokens(issued, call))


def _gusto_revoke(state: HrState, call: Call) -> Response:
    held = state.grants.of_access_token(digest(_asked_by_app(state, call).get("token", "")))
    if held is not None:
        state.grants.revoke(held[0])
    # RFC 7009, section 2.2: whatever token it was.
    return json_response(200, {})


def _asked_by_app(state: HrState, call: Call) -> dict[str, str]:
    if call.request.args:
        raise Refused(json_response(400, {"error": "invalid_request"}))
    asked: dict[str, str] = json.loads(call.request.get_data())
    client_id = asked.get("client_id", "")
    if client_id not in state.apps or state.apps[client_id] != asked.get("client_secret"):
        raise Refused(json_response(401, {"error": "invalid_client"}))
    return asked


def _tokens(issued: Issued, call: Call) -> dict[str, object]:
    return {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": int((issued.access.expires_at - call.now).total_seconds()),
        "refresh_token": issued.refresh_token,
    }


def _require_key(state: HrState, call: Call, system: str) -> None:
    if call.request.headers.get("Authorization") != state.keys.get(system):
        raise Refused(json_response(401, {"error": "unauthorized"}))


def _person(state: HrState, system: str, person: str) -> Employee:
    found = state.people.get((system, person))
    if found is None:
        raise Refused(json_response(404, {"error": "not found"}))
    return found


def _seen(found: Employee, known: dict[str, object] | dict[str, str]) -> dict[str, object]:
    return {name: value for name, value in known.items() if name not in found.hidden}


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
