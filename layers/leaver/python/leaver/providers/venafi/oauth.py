"""Venafi TPP's authorization server (vedauth), one method each, and what each of its answers means."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    LeaverError,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer, safe_code
from leaver.providers.authorization import BearerAuth
from leaver.providers.granted import granted_by
from leaver.providers.transport import Transport
from leaver.tokens import GrantedTokens

if TYPE_CHECKING:
    from leaver.providers.venafi.credentials import VenafiCredentials

#: seconds: the first call after a while wakes the web server's application pool up
READ_TIMEOUT: Final = 30.0
#: how long to leave a load balancer alone that answers 429 without Retry-After
PAUSE: Final = timedelta(seconds=5)
#: of the year 9999
_LAST_SECOND: Final = 253_402_300_799

Refusal = tuple[type[LeaverError], str]

# A success is recognised by the method that asked for it; the keys are read by Answer.row.
_EVERYWHERE: Final[Mapping[str, Refusal]] = {
    "2xx": (ProviderUnavailable, "Venafi's answer is not the documented one"),
    "301": (Rejected, "Venafi has moved: the URL of Venafi in the settings is wrong"),
    "308": (Rejected, "Venafi has moved: the URL of Venafi in the settings is wrong"),
    "3xx": (ProviderUnavailable, "Venafi redirects elsewhere, where we don't follow"),
    "5xx": (ProviderUnavailable, "Venafi is out of order"),
    # RFC 6749's words for the same, whatever status the web server puts before them
    "4xx server_error": (ProviderUnavailable, "Venafi is out of order"),
    "4xx temporarily_unavailable": (ProviderUnavailable, "Venafi is out of order"),
    "other": (ProviderUnavailable, "Venafi's answer makes no sense"),
}
_BEARER: Final[Mapping[str, Refusal]] = {
    **_EVERYWHERE,
    "202": (ProviderUnavailable, "Venafi took the request and did not revoke the token"),
    "4xx invalid_token": (InvalidToken, "Venafi does not accept the access token"),
    "4xx insufficient_rights": (Rejected, "the robot's identity lacks rights: its OAuth role must be GrantAdmin"),
    # until 20.4 with status 401, since then 403
    "4xx insufficient_scope": (Rejected, "missing scopes"),
    "4xx invalid_request": (Rejected, "Venafi finds the request invalid"),
    "401": (InvalidToken, "Venafi does not accept the access token"),
    "404": (Rejected, "Venafi does not know the endpoint: RevokeGrants needs TPP 22.3 or later"),
    "4xx": (Rejected, "Venafi refuses, for a reason that we don't know"),
}
# Readers may try with another token, where IIS or a proxy answered 401; it is no word of Venafi's about this one.
_REVOKE: Final[Mapping[str, Refusal]] = {
    **_BEARER,
    "401": (ProviderUnavailable, "Venafi's 401 is not in Venafi's words"),
}
# what is the same for a refresh and for a login
_TOKEN: Final[Mapping[str, Refusal]] = {
    **_EVERYWHERE,
    "4xx invalid_client": (InvalidClient, "Venafi does not accept the client_id"),
    "4xx invalid_request": (Rejected, "Venafi finds the request invalid"),
    "4xx invalid_scope": (Rejected, "the application may not ask for these scopes"),
    "4xx *": (Rejected, "Venafi's token endpoint refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Venafi's token endpoint refuses unreadably"),
}
_REFRESH: Final[Mapping[str, Refusal]] = {
    **_TOKEN,
    # the old refresh token may be spent: what this did is unknown
    "2xx": (AnswerLost, "Venafi's answer has no access token in it"),
    "4xx unauthorized_client": (InvalidClient, "Venafi does not accept the client_id"),
    "4xx unsupported_grant_type": (Rejected, "the application may not refresh its tokens"),
    "4xx invalid_grant": (InvalidGrant, "Venafi does not accept the refresh token"),
    "4xx invalid_token": (InvalidGrant, "Venafi does not accept the refresh token"),
    "401 *": (ProviderUnavailable, "Venafi's 401 is not in Venafi's words"),
}


def _login(refused: str) -> Mapping[str, Refusal]:
    """Make the table of one way to log in; never InvalidGrant: no grant dies of a login that is refused."""
    return {
        **_TOKEN,
        "2xx": (ProviderUnavailable, "Venafi's answer has no access token in it"),
        "4xx unauthorized_client": (Rejected, "the application does not allow this way to log in, or this identity"),
        "4xx unsupported_grant_type": (Rejected, "the application does not allow this way to log in"),
        "4xx invalid_grant": (Rejected, refused),
        "4xx access_denied": (Rejected, refused),
        "401 *": (Rejected, refused),
        "401": (Rejected, refused),
    }


_PASSWORD: Final = _login("username and password: Venafi does not accept them")
_JWT: Final = _login("jwt: Venafi does not accept it, or no JWT mapping of Venafi's fits it")
_CERTIFICATE: Final[Mapping[str, Refusal]] = {
    **_login("certificate: Venafi does not accept it, or knows no identity that it stands for"),
    # the web server's own word, before vedauth is asked: IIS 403.7, 403.16
    "403": (Rejected, "certificate: the web server before Venafi did not see it, or does not trust it"),
}
# these say more than the word beside them
_DESCRIPTIONS: Final = {
    "refresh token is invalid": "invalid_grant",
    "does not match the client_id": "invalid_client",
}


@dataclass(frozen=True)
class Verified:
    """Whom an access token speaks for; `expires_at` is None for a token that never expires."""

    identity: str
    application: str
    scope: str
    expires_at: datetime | None


class VenafiAuth:
    """A Venafi TPP server as it grants and revokes tokens; `transport` is for VENAFI_URL, the host.

    Every method raises Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are kinds).
    A `scope` is written `admin:delete;configuration`.
    """

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock
        #: the token that was verified last, and what was told of it
        self._verified_once: tuple[SecretStr | None, Verified | None] = (None, None)
        #: the messages of a batch ask at the same moment
        self._verifying = Lock()

    def authorize(self, own: "VenafiCredentials", scope: str) -> GrantedTokens | None:
        """Log in with whatever login the credentials hold; None where they hold none."""
        if own.username is not None and own.password is not None:
            return self.authorize_oauth(own.client_id, own.username, own.password, scope)
        if own.jwt is not None:
            return self.authorize_jwt(own.client_id, own.jwt, scope)
        if own.certificate is not None and own.private_key is not None:
            return self.authorize_certificate(own.client_id, own.certificate, own.private_key, scope)
        return None

    def authorize_oauth(self, client_id: str, username: str, password: SecretStr, scope: str) -> GrantedTokens:
        """WebSDK "POST Authorize/OAuth": a new grant; `username` may have its provider before it (`local:robot`)."""
        login = {"client_id": client_id, "username": username, "password": password, "scope": scope}
        return self._granted(self._transport, "oauth", login, _PASSWORD)

    def authorize_jwt(self, client_id: str, jwt: SecretStr, scope: str) -> GrantedTokens:
        """WebSDK "POST Authorize/JWT": a new grant, for the identity that a JWT mapping names."""
        return self._granted(self._transport, "jwt", {"client_id": client_id, "jwt": jwt, "scope": scope}, _JWT)

    def authorize_certificate(
        self, client_id: str, certificate: str, private_key: SecretStr, scope: str
    ) -> GrantedTokens:
        """WebSDK "POST Authorize/Certificate": a new grant, for the identity that a client certificate stands for.

        Both are PEM. They are shown on a connection of its own, to nobody but this endpoint.
        """
        try:
            own = self._transport.with_client_certificate(certificate, private_key)
        except ValueError as error:
            unusable = f"certificate and private_key: {error}"
        else:
            with closing(own):
                return self._granted(own, "certificate", {"client_id": client_id, "scope": scope}, _CERTIFICATE)
        raise Rejected(unusable)

    def refresh(self, client_id: str, refresh_token: SecretStr) -> GrantedTokens:
        """WebSDK "POST Authorize/Token": spends the refresh token, and kills the old access token at once.

        Not safe to repeat. Raises also InvalidClient, and InvalidGrant where Venafi refuses the refresh token: it is
        dead, or somebody else used it first. AnswerLost means that nobody knows whether it was used.
        """
        body = {"client_id": client_id, "refresh_token": refresh_token}
        return self._granted(self._transport, "token", body, _REFRESH)

    def verify(self, access_token: SecretStr) -> Verified:
        """WebSDK "GET Authorize/Verify". Raises also InvalidToken."""
        return self._verified(access_token, _BEARER)

    def verify_once(self, access_token: SecretStr) -> Verified:
        """The same, as it was told first: for whom a token speaks never changes. What else it says may be old."""
        with self._verifying:
            token, told = self._verified_once
            if told is None or token != access_token:
                told = self.verify(access_token)
                self._verified_once = access_token, told
            return told

    def _verified(self, access_token: SecretStr, table: Mapping[str, Refusal]) -> Verified:
        answer = self._get("/vedauth/authorize/verify", access_token)
        token = answer.json or {}
        identity, application, scope = token.get("identity"), token.get("application"), token.get("scope")
        if answer.status != HTTPStatus.OK or not isinstance(identity, str) or not isinstance(application, str):
            raise self._error(answer, table)
        expires = token.get("expires_unix_time")
        return Verified(
            identity=identity,
            application=application,
            scope=scope if isinstance(scope, str) else "",
            expires_at=datetime.fromtimestamp(min(expires, _LAST_SECOND), UTC)
            if isinstance(expires, int) and expires > 0
            else None,
        )

    def revoke_token(self, access_token: SecretStr) -> Result:
        """WebSDK "GET Revoke/Token": REVOKED, and the token's whole grant with it. HTTP 202 means that it failed.

        Raises also InvalidToken where Venafi itself says so, after a 202 too if Verify says so of the same token.
        """
        answer = self._get("/vedauth/revoke/token", access_token)
        if answer.status == HTTPStatus.OK and (answer.empty or answer.json is not None) and not _error_word(answer):
            return Result(Outcome.REVOKED, answer.response())
        if answer.status == HTTPStatus.ACCEPTED:
            # Also of a token that was revoked before: a run that was killed then would be repeated for ever.
            self._verified(access_token, _REVOKE)
        raise self._error(answer, _REVOKE)

    def _granted(
        self, transport: Transport, endpoint: str, body: Mapping[str, object], table: Mapping[str, Refusal]
    ) -> GrantedTokens:
        asked_at = self._clock()
        answer = transport.request(
            "POST",
            f"/vedauth/authorize/{endpoint}",
            auth=None,
            json=body,
            read_timeout=READ_TIMEOUT,
            even_damaged=True,
        )
        tokens = granted_by(answer, asked_at=asked_at, renews=table is _REFRESH)
        if tokens is not None:
            return tokens
        raise self._error(answer, table)

    def _get(self, path: str, access_token: SecretStr) -> Answer:
        return self._transport.request("GET", path, auth=BearerAuth(access_token), read_timeout=READ_TIMEOUT)

    def _error(self, answer: Answer, table: Mapping[str, Refusal] = _BEARER, *, needs: str = "") -> LeaverError:
        word = _error_word(answer)
        response = answer.response(safe_code(word))
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or (
            answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.retry_after
        ):
            now = self._clock()
            until = max(answer.retry_after or now + PAUSE, now + timedelta(seconds=1))
            return Throttled("a load balancer before Venafi asks us to wait", response, until=until)
        error, reason = answer.row(table, word)
        return error(f"{reason}: {needs}" if word == "insufficient_scope" and needs else reason, response)


def _error_word(answer: Answer) -> str:
    """Return RFC 6749's word for what is wrong; Venafi spells the key `error` and `Error`."""
    fields = {key.lower(): value for key, value in (answer.json or {}).items() if isinstance(value, str)}
    description = fields.get("error_description", "")
    for known, word in _DESCRIPTIONS.items():
        if known in description:
            return word
    return fields.get("error", "")
