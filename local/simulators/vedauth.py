"""TPP's authorisation server: /vedauth/authorize/... and /vedauth/revoke/token."""

import ssl
from datetime import datetime

from werkzeug import Response

from local.simulators.grants import InvalidGrantError, Issued, digest
from local.simulators.provider import Call, Refused, bearer_digest, json_response
from local.simulators.venafi_state import Identity, VenafiState, authenticated, body_of, covers, venafi_error


def refresh(state: VenafiState, call: Call) -> Response:
    """Answer `POST authorize/token`: single use, and the old access token dies at once."""
    body = body_of(call.request)
    client_id, refresh_token = _strings(body, "client_id", "refresh_token")
    grant = state.grants.of_refresh_token(digest(refresh_token))
    if grant is not None and grant.client_id != client_id:
        raise venafi_error(
            400,
            "invalid_grant",
            "The client_id value being requested with the refresh token "
            "does not match the client_id of the access token making the call",
        )
    try:
        issued = state.grants.refresh(refresh_token, client_id, now=call.now, mint=call.mint)
    except InvalidGrantError:
        description = "Grant has been revoked, has expired, or the refresh token is invalid"
        raise venafi_error(400, "invalid_grant", description) from None
    return _token_set(issued, call.now)


def by_password(state: VenafiState, call: Call) -> Response:
    """Answer `POST authorize/oauth`: a new grant for a username, prefixed or not, and a password."""
    body = body_of(call.request)
    username, password = _strings(body, "username", "password")
    for identity in state.identities.values():
        if username in (identity.name, identity.prefixed_name) and identity.password == password:
            return _granted(state, identity, body, call)
    raise venafi_error(400, "invalid_grant", "Username/password combination not valid")


def by_jwt(state: VenafiState, call: Call) -> Response:
    """Answer `POST authorize/jwt`: a new grant for whom a JWT mapping names."""
    body = body_of(call.request)
    (jwt,) = _strings(body, "jwt")
    for identity in state.identities.values():
        if identity.jwt == jwt:
            return _granted(state, identity, body, call)
    raise venafi_error(400, "invalid_grant", "The JWT matches no JWT mapping")


def by_certificate(state: VenafiState, call: Call) -> Response:
    """Answer `POST authorize/certificate`: a new grant for the identity that the client's certificate stands for.

    Which authorities a client's certificate may come from is the business of the server's TLS. Real ones go by what is
    written in the certificate; this one knows each identity's own.
    """
    body = body_of(call.request)
    shown = call.request.environ.get("SSL_CLIENT_CERT")
    if shown is None:
        # What IIS says where a path requires one: 403.7.
        raise Refused(Response("<html><body>403 - Forbidden</body></html>", status=403, mimetype="text/html"))
    for identity in state.identities.values():
        if identity.certificate is not None and _same_certificate(identity.certificate, shown):
            return _granted(state, identity, body, call)
    raise venafi_error(400, "invalid_grant", "The certificate matches no identity")


def verify(state: VenafiState, call: Call) -> Response:
    """Answer `GET authorize/verify`: whom a token speaks for, in which application, and until when."""
    caller = authenticated(state, call)
    body: dict[str, object] = {
        "application": caller.grant.client_id,
        "identity": caller.grant.subject,
        "scope": caller.access.scope,
        "valid_for": int((caller.access.expires_at - call.now).total_seconds()),
    }
    body |= _moment("access_issued_on", caller.access.issued_at) | _moment("expires", caller.access.expires_at)
    return json_response(200, body | _moment("grant_issued_on", caller.grant.issued_at))


def revoke(state: VenafiState, call: Call) -> Response:
    """Answer `GET revoke/token`: end the bearer's own grant. 202 means that it failed."""
    held = state.grants.of_access_token(bearer_digest(call.request) or "")
    if held is None or held[1].expires_at <= call.now:
        return json_response(202, {"error": "[token] not found"})
    state.grants.revoke(held[0])
    return Response(status=200)


def is_auth_server(_state: VenafiState, _call: Call) -> Response:
    """Answer `GET authorize/IsAuthServer`."""
    return Response("Venafi Authentication Server", status=202, mimetype="text/plain")


def _same_certificate(one: str, other: str) -> bool:
    return ssl.PEM_cert_to_DER_cert(one) == ssl.PEM_cert_to_DER_cert(other)


def _strings(body: dict[str, object], *names: str) -> list[str]:
    values = [body.get(name) for name in names]
    strings = [value for value in values if isinstance(value, str)]
    if len(strings) != len(names):
        raise venafi_error(400, "invalid_request", f"Missing or malformed: {', '.join(names)}")
    return strings


def _granted(state: VenafiState, identity: Identity, body: dict[str, object], call: Call) -> Response:
    client_id, scope = _strings(body, "client_id", "scope")
    application = state.applications.get(client_id)
    if application is None:
        raise venafi_error(400, "invalid_client", "Unknown client_id")
    if not covers(application.scope, scope):
        raise venafi_error(400, "invalid_scope", "The scope is more than the application may have")
    issued = state.grants.authorize(
        client_id, identity.prefixed_universal, scope, now=call.now, mint=call.mint, renewable=application.renewable
    )
    return _token_set(issued, call.now)


def _token_set(issued: Issued, now: datetime) -> Response:
    body: dict[str, object] = {"access_token": issued.access_token}
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
        if issued.grant.ends_at is not None:
            body["refresh_until"] = int(issued.grant.ends_at.timestamp())
    return json_response(
        200,
        body
        | {
            "expires": int(issued.access.expires_at.timestamp()),
            "expires_in": int((issued.access.expires_at - now).total_seconds()),
            "identity": issued.grant.subject,
            "scope": issued.access.scope,
            "token_type": "Bearer",
        },
    )


def _moment(name: str, moment: datetime) -> dict[str, object]:
    return {
        name: moment.strftime("%m/%d/%Y %H:%M:%S"),
        f"{name}_ISO8601": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{name}_unix_time": int(moment.timestamp()),
    }
