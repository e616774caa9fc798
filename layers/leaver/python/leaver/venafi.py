"""Venafi TPP's OAuth and identity endpoints, one method each, and what each of their answers means."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from http import HTTPStatus
from typing import Any, Final

from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    BadMessage,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    LeaverError,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.outcomes import Outcome, Result
from leaver.tokens import GrantedTokens
from leaver.transport import Answer, BearerAuth, Transport, safe_code

#: seconds: the first call after a while wakes the web server's application pool up
READ_TIMEOUT: Final = 30.0
#: how long to leave a load balancer alone that answers 429 without Retry-After
PAUSE: Final = timedelta(seconds=5)
#: of the year 9999
_LAST_SECOND: Final = 253_402_300_799

Refusal = tuple[type[LeaverError], str]


class ResultCode(IntEnum):
    """`Result` in a vedsdk/oauth answer, by Venafi's names (WebSDK, "OAuth result codes")."""

    SUCCESS = 0
    FAILURE = 1
    APPLICATION_NOT_FOUND = 2
    GRANT_NOT_FOUND = 3
    RULE_NOT_FOUND = 4
    DRIVER_ERROR = 5
    INVALID_PARAMETERS = 6
    TOKEN_HASH_ERROR = 7
    EXCEPTION_THROWN = 8
    INSUFFICIENT_PRIVILEGES = 9
    OBJECT_INVALID = 10
    ACCESS_TOKEN_EXPIRED = 11
    AUTHENTICATION_MISSING = 12
    AUTHENTICATION_INVALID = 13
    UNSIGNED_CODE_FORBIDDEN = 14
    REMOTE_TRANSPORT_FAILURE = 15
    RIGHTS_ASSIGNMENT_ERROR = 16
    INVALID_SCOPE = 17
    REMOTE_IDENTITY_REQUIRED = 18
    APPLICATION_ALREADY_EXISTS = 19
    RULE_ALREADY_EXISTS = 20
    JWT_MAPPING_NOT_FOUND = 21
    JWT_MAPPING_ALREADY_EXISTS = 22
    SCOPE_MISMATCH = 23


# HTTP 200 with `Success` false: the same message can't succeed, but for these.
_RESULTS: Final[Mapping[int, type[LeaverError]]] = {
    ResultCode.FAILURE: ProviderUnavailable,
    ResultCode.DRIVER_ERROR: ProviderUnavailable,
    ResultCode.EXCEPTION_THROWN: ProviderUnavailable,
    ResultCode.REMOTE_TRANSPORT_FAILURE: ProviderUnavailable,
    ResultCode.ACCESS_TOKEN_EXPIRED: InvalidToken,
    ResultCode.AUTHENTICATION_MISSING: InvalidToken,
    ResultCode.AUTHENTICATION_INVALID: InvalidToken,
}
# A success is recognised by the method that asked for it; the keys are read by Answer.row.
_EVERYWHERE: Final[Mapping[str, Refusal]] = {
    "2xx": (ProviderUnavailable, "Venafi's answer is not the documented one"),
    "301": (Rejected, "Venafi has moved: the URL of Venafi in the settings is wrong"),
    "308": (Rejected, "Venafi has moved: the URL of Venafi in the settings is wrong"),
    "3xx": (ProviderUnavailable, "Venafi redirects elsewhere, where we don't follow"),
    "5xx": (ProviderUnavailable, "Venafi is out of order"),
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
_TOKEN: Final[Mapping[str, Refusal]] = {
    **_EVERYWHERE,
    # the old refresh token may be spent: what this did is unknown
    "2xx": (AnswerLost, "Venafi's answer has no access token in it"),
    "4xx invalid_client": (InvalidClient, "Venafi does not accept the client_id"),
    "4xx unauthorized_client": (InvalidClient, "Venafi does not accept the client_id"),
    "4xx invalid_request": (Rejected, "Venafi finds the request invalid"),
    "4xx invalid_scope": (Rejected, "the application may not ask for these scopes"),
    "4xx unsupported_grant_type": (Rejected, "the application may not refresh its tokens"),
    "400 *": (InvalidGrant, "Venafi does not accept the refresh token"),
    "401 *": (InvalidGrant, "Venafi does not accept the refresh token"),
    "4xx *": (Rejected, "Venafi's token endpoint refuses, for a reason that we don't know"),
    "4xx": (ProviderUnavailable, "Venafi's token endpoint refuses unreadably"),
}
# these say more than the word beside them
_DESCRIPTIONS: Final = {
    "refresh token is invalid": "invalid_grant",
    "does not match the client_id": "invalid_client",
}
_PREFIXED: Final = re.compile(r"(local|(AD|LDAP)\+[^:]+):.+")


@dataclass(frozen=True)
class Grantee:
    """All grants of one identity, by its prefixed universal id, verbatim: Venafi minds the case."""

    prefixed_universal: str


@dataclass(frozen=True)
class Application:
    """All grants of one application: those of every user who ever authorised it."""

    application_id: str


@dataclass(frozen=True)
class Verified:
    """Whom an access token speaks for; `expires_at` is None for a token that never expires."""

    identity: str
    application: str
    scope: str
    expires_at: datetime | None


class Venafi:
    """A Venafi TPP server; `transport` is for VENAFI_URL, the host.

    Every method raises InvalidToken, Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are
    kinds). The token needs the scopes `admin:delete` and, to look identities up, `configuration`.
    """

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock

    def revoke_grants(self, target: Grantee | Application, access_token: SecretStr) -> Result:
        """WebSDK "POST OAuth/RevokeGrants": REVOKED or ALREADY_GONE. Ask remaining_grants() before you believe it.

        HTTP 200 alone says nothing: `Success` must be true and `Result` 0; GrantNotFound says that nothing was left.
        """
        # Danger: Venafi ignores keys that it does not know, and ApplicationId alone hits every user. One key, always.
        answer = self._post("/vedsdk/oauth/RevokeGrants", access_token, _key(target))
        outcome = self._outcome(answer, needs="admin:delete")
        code = str(ResultCode.SUCCESS if outcome is Outcome.REVOKED else ResultCode.GRANT_NOT_FOUND)
        return Result(outcome, provider_status=answer.status, provider_code=code, tracking_id=answer.tracking_id)

    def remaining_grants(self, target: Grantee | Application, access_token: SecretStr) -> int:
        """WebSDK "POST OAuth/GetGrants" or, for an application, "POST OAuth/EnumerateGrants": 0 if none.

        Not how many there are: one record is asked for and counted, and none is kept, because they hold refresh tokens.
        """
        endpoint = "GetGrants" if isinstance(target, Grantee) else "EnumerateGrants"
        body = {**_key(target), "Start": 0, "Count": 1}
        answer = self._post(f"/vedsdk/oauth/{endpoint}", access_token, body)
        if self._outcome(answer, needs="admin") is Outcome.ALREADY_GONE:
            return 0
        grants = (answer.json or {}).get("Grants")
        if not isinstance(grants, list):
            raise self._error(answer)
        return len(grants)

    def resolve_identity(self, value: str, access_token: SecretStr) -> str | None:
        """Find a person's prefixed universal id; None where Venafi knows nobody. Raises Rejected where it knows two.

        A value with a provider's prefix goes to WebSDK "POST Identity/Validate", as an id and then as a name; anything
        else (a name, an e-mail) goes to "POST Identity/Browse", which looks into the robot's own identity provider
        alone. Danger: Browse matches the beginnings of names, so a single hit is a user whose name begins like that,
        and whether it is the one who is meant can't be proved from the answer. Give a prefixed value where you can.
        """
        if _PREFIXED.fullmatch(value):
            return self._validated("PrefixedUniversal", value, access_token) or self._validated(
                "PrefixedName", value, access_token
            )
        if not value.strip() or "*" in value:
            raise BadMessage("identity: expected a name or an e-mail address, without wildcards")
        query = {"Filter": value, "Limit": 2, "IdentityType": 1}
        answer = self._post("/vedsdk/Identity/Browse", access_token, query)
        found = (answer.json or {}).get("Identities") if answer.status == HTTPStatus.OK else None
        if not isinstance(found, list):
            raise self._error(answer, needs="configuration")
        if len(found) > 1:
            raise Rejected("ambiguous identity", provider_status=answer.status)
        return self._prefixed_universal(found[0], answer) if found else None

    def refresh(self, client_id: str, refresh_token: SecretStr) -> GrantedTokens:
        """WebSDK "POST Authorize/Token": spends the refresh token, and kills the old access token at once.

        Not safe to repeat. Raises also InvalidClient, and InvalidGrant where Venafi refuses the refresh token: it is
        dead, or somebody else used it first. AnswerLost means that nobody knows whether it was used.
        """
        asked_at = self._clock()
        answer = self._transport.request(
            "POST",
            "/vedauth/authorize/token",
            auth=None,
            json={"client_id": client_id, "refresh_token": refresh_token},
            read_timeout=READ_TIMEOUT,
        )
        if answer.status == HTTPStatus.OK:
            tokens = GrantedTokens.from_answer(answer.json, asked_at=asked_at, tracking_id=answer.tracking_id)
            if tokens is not None:
                return tokens
        raise self._error(answer, _TOKEN)

    def verify(self, access_token: SecretStr) -> Verified:
        """WebSDK "GET Authorize/Verify"."""
        answer = self._get("/vedauth/authorize/verify", access_token)
        told = answer.json or {}
        identity, application, scope = told.get("identity"), told.get("application"), told.get("scope")
        if answer.status != HTTPStatus.OK or not isinstance(identity, str) or not isinstance(application, str):
            raise self._error(answer)
        expires = told.get("expires_unix_time")
        return Verified(
            identity=identity,
            application=application,
            scope=scope if isinstance(scope, str) else "",
            expires_at=datetime.fromtimestamp(min(expires, _LAST_SECOND), UTC)
            if isinstance(expires, int) and expires > 0
            else None,
        )

    def revoke_token(self, access_token: SecretStr) -> Result:
        """WebSDK "GET Revoke/Token": REVOKED, and the token's whole grant with it. HTTP 202 means that it failed."""
        answer = self._get("/vedauth/revoke/token", access_token)
        if answer.status == HTTPStatus.OK and (answer.empty or answer.json is not None) and not _error_word(answer):
            return Result(Outcome.REVOKED, provider_status=answer.status, tracking_id=answer.tracking_id)
        raise self._error(answer)

    def _get(self, path: str, access_token: SecretStr) -> Answer:
        return self._transport.request("GET", path, auth=BearerAuth(access_token), read_timeout=READ_TIMEOUT)

    def _post(self, path: str, access_token: SecretStr, body: Mapping[str, object]) -> Answer:
        return self._transport.request(
            "POST", path, auth=BearerAuth(access_token), json=body, read_timeout=READ_TIMEOUT
        )

    def _validated(self, key: str, value: str, access_token: SecretStr) -> str | None:
        answer = self._post("/vedsdk/Identity/Validate", access_token, {"ID": {key: value}})
        if answer.status == HTTPStatus.OK:
            if answer.empty or answer.json in ({}, {"ID": {}}, {"ID": None}):
                return None
            if answer.json is not None and "ID" in answer.json:
                return self._prefixed_universal(answer.json["ID"], answer)
        raise self._error(answer, needs="configuration")

    def _prefixed_universal(self, identity: object, answer: Answer) -> str:
        found = identity.get("PrefixedUniversal") if isinstance(identity, dict) else None
        if not isinstance(found, str) or not _PREFIXED.fullmatch(found):
            raise self._error(answer)
        return found

    def _outcome(self, answer: Answer, *, needs: str) -> Outcome:
        """Read `Success` and `Result`; whatever is neither done nor gone is raised, and so is a contradiction."""
        told = answer.json or {}
        success, result = told.get("Success"), told.get("Result")
        # for Python false is 0, and 0 is success
        if answer.status != HTTPStatus.OK or type(success) is not bool or type(result) is not int:
            raise self._error(answer, needs=needs)
        if success and result == ResultCode.SUCCESS:
            return Outcome.REVOKED
        if result == ResultCode.GRANT_NOT_FOUND and not success:
            return Outcome.ALREADY_GONE
        if success or result == ResultCode.SUCCESS:
            refusal: Refusal = (ProviderUnavailable, "Venafi contradicts itself: `Success` and `Result` differ")
        else:
            refusal = (_RESULTS.get(result, Rejected), f"Venafi reports {_name(result)}")
        error, reason = refusal
        raise error(
            reason, provider_status=answer.status, provider_code=safe_code(result), tracking_id=answer.tracking_id
        )

    def _error(self, answer: Answer, table: Mapping[str, Refusal] = _BEARER, *, needs: str = "") -> LeaverError:
        word = _error_word(answer)
        told: dict[str, Any] = {"provider_status": answer.status, "provider_code": safe_code(word)}
        told["tracking_id"] = answer.tracking_id
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or (
            answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.retry_after
        ):
            now = self._clock()
            until = max(answer.retry_after or now + PAUSE, now + timedelta(seconds=1))
            return Throttled("a load balancer before Venafi asks us to wait", until=until, **told)
        error, reason = answer.row(table, word)
        return error(f"{reason}: {needs}" if word == "insufficient_scope" and needs else reason, **told)


def same_identity(one: str, other: str) -> bool:
    """Tell whether two prefixed universal ids may be one: braces, dashes and case vary between Venafi's own answers."""
    return _bare(one) == _bare(other)


def _bare(prefixed_universal: str) -> str:
    return re.sub(r"[{}-]", "", prefixed_universal).casefold()


def _key(target: Grantee | Application) -> dict[str, str]:
    if isinstance(target, Grantee):
        return {"GranteePrefixedUniversal": target.prefixed_universal}
    return {"ApplicationId": target.application_id}


def _name(result: int) -> str:
    if result not in set(ResultCode):
        return "a result that is not in its documentation"
    return f"result {result}, {ResultCode(result).name.title().replace('_', '')}"


def _error_word(answer: Answer) -> str:
    """Return RFC 6749's word for what is wrong; Venafi spells the key `error` and `Error`."""
    told = {key.lower(): value for key, value in (answer.json or {}).items() if isinstance(value, str)}
    description = told.get("error_description", "")
    for known, word in _DESCRIPTIONS.items():
        if known in description:
            return word
    return told.get("error", "")
