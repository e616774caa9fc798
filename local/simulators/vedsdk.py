"""TPP's Web SDK: the OAuth and Identity methods that Leaver calls.

Method names are matched in any letter case; the names of parameters are not, and unknown ones are ignored. So a
misspelt `granteePrefixedUniversal` beside an `ApplicationId` revokes the grants of everybody.
"""

from werkzeug import Response

from local.simulators.grants import Grant
from local.simulators.provider import Call, json_response
from local.simulators.venafi_state import (
    Caller,
    Identity,
    Role,
    VenafiState,
    authenticated,
    body_of,
    covers,
    venafi_error,
)

#: OAuth result codes that this simulator gives by itself
SUCCESS, APPLICATION_NOT_FOUND, GRANT_NOT_FOUND = 0, 2, 3


def revoke_grants(state: VenafiState, call: Call) -> Response:
    """Answer `POST oauth/RevokeGrants`. Both parameters at once are not documented: this takes the worse of it."""
    caller = _allowed(state, call, state.revoke_grants_scope)
    body = body_of(call.request)
    grantee, application_id = _parameter(body, "GranteePrefixedUniversal"), _parameter(body, "ApplicationId")
    if grantee is None and application_id is None:
        raise venafi_error(400, "invalid_request", "The request is missing a required parameter")
    _require_rights(state, caller, grantee, application_id)
    if application_id is not None and application_id not in state.applications:
        return _result(APPLICATION_NOT_FOUND, error="Application not found")
    doomed = state.live_grants(call.now, grantee=grantee) if grantee is not None else []
    if application_id is not None:
        doomed += [grant for grant in state.live_grants(call.now, application=application_id) if grant not in doomed]
    if not doomed and state.result_for_no_grants:
        return _result(state.result_for_no_grants, error="Grant not found")
    for grant in doomed:
        state.grants.revoke(grant)
    return _result(SUCCESS)


def get_grants(state: VenafiState, call: Call) -> Response:
    """Answer `POST oauth/GetGrants`: one page of an identity's grants."""
    caller = _allowed(state, call, "admin")
    body = body_of(call.request)
    grantee, application_id = _parameter(body, "GranteePrefixedUniversal"), _parameter(body, "ApplicationId")
    if grantee is None:
        raise venafi_error(400, "invalid_request", "GranteePrefixedUniversal is missing")
    _require_rights(state, caller, grantee, None)
    return _page(state, body, state.live_grants(call.now, grantee=grantee, application=application_id), call)


def enumerate_grants(state: VenafiState, call: Call) -> Response:
    """Answer `POST oauth/EnumerateGrants`: one page of an application's grants."""
    caller = _allowed(state, call, "admin")
    body = body_of(call.request)
    application_id = _parameter(body, "ApplicationId")
    if application_id is None:
        raise venafi_error(400, "invalid_request", "ApplicationId is missing")
    _require_rights(state, caller, None, application_id)
    if application_id not in state.applications:
        return _result(APPLICATION_NOT_FOUND, error="Application not found")
    return _page(state, body, state.live_grants(call.now, application=application_id), call)


def grant_count(state: VenafiState, call: Call) -> Response:
    """Answer `POST oauth/GrantCount`: how many grants an application has."""
    caller = _allowed(state, call, "admin")
    application_id = _parameter(body_of(call.request), "ApplicationId")
    if application_id is None:
        raise venafi_error(400, "invalid_request", "ApplicationId is missing")
    _require_rights(state, caller, None, application_id)
    if application_id not in state.applications:
        return _result(APPLICATION_NOT_FOUND, error="Application not found")
    count = len(state.live_grants(call.now, application=application_id)) + state.uncounted
    return json_response(200, {"Count": count, "Result": SUCCESS, "Success": True})


def enumerate_applications(state: VenafiState, call: Call) -> Response:
    """Answer `POST oauth/EnumerateApplications`: one page of those for which the caller has a role."""
    caller = _allowed(state, call, "admin")
    body = body_of(call.request)
    start, count = body.get("Start"), body.get("Count")
    if not isinstance(start, int) or not isinstance(count, int):
        raise venafi_error(400, "invalid_request", "Start or Count is missing or malformed")
    sees_all = caller.identity.role in (Role.AUDITOR, Role.GRANT_ADMIN, Role.ADMIN)
    seen = [
        {"ApplicationId": each.id, "Name": each.id, "AccessValidityDays": 90}
        for each in state.applications.values()
        if sees_all or _owns(caller.identity, each.owners)
    ]
    return json_response(200, {"Applications": seen[start : start + count], "Result": SUCCESS, "Success": True})


def get_role(state: VenafiState, call: Call) -> Response:
    """Answer `POST oauth/GetRole`: what the caller may do with grants; any token will do."""
    identity = authenticated(state, call).identity
    owned = [application.id for application in state.applications.values() if _owns(identity, application.owners)]
    role = {
        "Grantee": identity.prefixed_universal,
        "OwnedApplications": [{"ApplicationId": name, "Role": Role.OWNER} for name in owned],
        "Role": identity.role,
    }
    return json_response(200, {"Result": SUCCESS, "Role": role, "Success": True})


def browse(state: VenafiState, call: Call) -> Response:
    """Answer `POST Identity/Browse`: by the beginning of a name or an address, in the caller's own identity provider.

    Who is of a directory finds local users as well, but by their names alone. `Limit` counts in each provider.
    """
    caller = _allowed(state, call, "configuration")
    body = body_of(call.request)
    limit, wanted, searched = body.get("Limit", 500), body.get("IdentityType", 1), body.get("Filter")
    if not isinstance(limit, int) or not isinstance(wanted, int) or not isinstance(searched, str):
        raise venafi_error(400, "invalid_request", "Filter, Limit or IdentityType is missing or malformed")
    beginning, own = searched.rstrip("*").casefold(), caller.identity.prefix

    def found_in(prefix: str) -> list[dict[str, object]]:
        return [
            each.record()
            for each in state.identities.values()
            if each.prefix == prefix
            and each.type & wanted
            and any(
                text.casefold().startswith(beginning)
                for text in (each.name, each.full_name, *([each.email] if prefix == own else []))
            )
        ][:limit]

    prefixes = dict.fromkeys((own, "local"))
    return json_response(200, {"Identities": [each for prefix in prefixes for each in found_in(prefix)]})


def validate(state: VenafiState, call: Call) -> Response:
    """Answer `POST Identity/Validate`: the one identity, of any provider, in TPP's spelling; an empty body for nobody.

    It is kinder than `RevokeGrants`, which minds every letter of an id.
    """
    _allowed(state, call, "configuration")
    wanted = _identity_of(body_of(call.request))
    if "PrefixedUniversal" in wanted:
        found = state.find_identity(wanted["PrefixedUniversal"])
    else:
        found = state.find_name(wanted.get("PrefixedName"))
    return json_response(200, {"ID": found.record()}) if found else Response(status=200)


def read_attribute(state: VenafiState, call: Call) -> Response:
    """Answer `POST Identity/ReadAttribute`: what the identity has under a name, whose letter case counts."""
    _allowed(state, call, "configuration")
    body = body_of(call.request)
    name = _parameter(body, "AttributeName")
    if name is None:
        raise venafi_error(400, "invalid_request", "AttributeName is missing")
    found = state.find_identity(_identity_of(body).get("PrefixedUniversal"))
    value = found.attributes.get(name) if found else None
    return json_response(200, {"Attributes": [value] if value else []})


def self_(state: VenafiState, call: Call) -> Response:
    """Answer `GET Identity/Self`."""
    return json_response(200, {"Identities": [authenticated(state, call).identity.record()]})


def _allowed(state: VenafiState, call: Call, scope: str) -> Caller:
    caller = authenticated(state, call)
    if not covers(caller.access.scope, scope):
        description = f"The request requires a greater scope than provided by the access token: {scope}"
        raise venafi_error(403, "insufficient_scope", description)
    return caller


def _require_rights(state: VenafiState, caller: Caller, grantee: str | None, application_id: str | None) -> None:
    identity = caller.identity
    if identity.role in (Role.GRANT_ADMIN, Role.ADMIN):
        return
    application = state.applications.get(application_id or "")
    owned = application is not None and _owns(identity, application.owners)
    own = grantee == identity.prefixed_universal
    if (grantee is not None and not own) or (application_id is not None and not owned):
        description = "The underlying user account does not have sufficient permissions for this request"
        raise venafi_error(401, "insufficient_rights", description)


def _owns(identity: Identity, owners: frozenset[str]) -> bool:
    return identity.prefixed_universal in owners


def _identity_of(body: dict[str, object]) -> dict[str, object]:
    identity = body.get("ID")
    if not isinstance(identity, dict):
        raise venafi_error(400, "invalid_request", "ID is missing or malformed")
    return identity


def _parameter(body: dict[str, object], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise venafi_error(400, "invalid_request", f"{name} is malformed")
    return value


def _result(code: int, *, error: str | None = None) -> Response:
    body: dict[str, object] = {"Result": code, "Success": code == SUCCESS}
    return json_response(200, body if error is None else body | {"Error": error})


def _page(state: VenafiState, body: dict[str, object], grants: list[Grant], call: Call) -> Response:
    start, count = body.get("Start", 0), body.get("Count", 100)
    if not isinstance(start, int) or not isinstance(count, int):
        raise venafi_error(400, "invalid_request", "Start or Count is malformed")
    if body.get("Descending", False):
        grants.reverse()
    shown = grants[start : start + count]
    told: dict[str, object] = {"Grants": [_record(grant, call) for grant in shown], "Result": SUCCESS, "Success": True}
    if body.get("ResolveIdentities") is True and state.resolves_identities:
        # Of a deleted account nothing is left to resolve.
        known = dict.fromkeys(grant.subject for grant in shown if grant.subject in state.identities)
        told["IdentityEntries"] = [state.identities[each].record() for each in known]
    return json_response(200, told)


def _record(grant: Grant, call: Call) -> dict[str, object]:
    expiries = [token.expires_at for token in grant.access_tokens.values()]
    expires = max(expiries, default=grant.issued_at)
    return {
        "AccessIssuedOnUnixTime": max(
            (int(token.issued_at.timestamp()) for token in grant.access_tokens.values()), default=0
        ),
        "Application": grant.client_id,
        "ExpiresUnixTime": int(expires.timestamp()),
        "GrantIssuedOnUnixTime": int(grant.issued_at.timestamp()),
        "GranteePrefixedUniversal": grant.subject,
        "GrantedToPrefixedUniversal": grant.subject,
        # A stand-in, since only digests are kept: whoever keeps or logs grant records is found out by its prefix.
        "RefreshToken": call.mint("record"),
        "Scope": grant.scope,
        "ValidFor": int((expires - call.now).total_seconds()),
    }
