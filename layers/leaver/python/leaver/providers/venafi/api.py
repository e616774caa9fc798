"""Venafi TPP's web SDK (vedsdk): OAuth and identities, one method each, and what each of its answers means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import SecretStr

from leaver.errors import InvalidToken, LeaverError, ProviderUnavailable, Rejected
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer, safe_code
from leaver.providers.authorization import BearerAuth
from leaver.providers.body import MAX_BODY
from leaver.providers.side_by_side import side_by_side
from leaver.providers.venafi.oauth import READ_TIMEOUT, Refusal, VenafiAuth


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


class Role(IntEnum):
    """What somebody may do with other people's grants (WebSDK, "OAuth roles"), the greatest of theirs."""

    USER = 0
    AUDITOR = 1
    MAINTAINER = 2
    OWNER = 3
    MIXED_OWNER_MAINTAINER = 4
    #: reads all applications and rules, reads and revokes all grants
    GRANT_ADMIN = 5
    ADMIN = 6


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
_PREFIXED: Final = re.compile(r"(local|(AD|LDAP)\+[^:]+):.+", re.IGNORECASE)
#: records on a page: of applications, of grants
PAGE: Final = 1000
#: bytes of a page, beyond which Leaver reads no further
_LONGEST_PAGE: Final = 16 * 2**20
#: the bit of `Type` that stands for people; the others are groups, machines, and what holds them
_USER: Final = 1


@dataclass(frozen=True)
class Identity:
    """Whom Venafi knows, in its own spelling."""

    prefixed_universal: str
    #: with the identity provider's prefix, `AD+corp:jdoe`
    prefixed_name: str
    name: str
    is_user: bool


@dataclass(frozen=True)
class GrantsPage:
    """Whose some of an application's grants are, one id for each grant; and those of them that Venafi resolved."""

    grantees: tuple[str, ...]
    #: by prefixed universal id; None where Venafi resolves nobody here
    resolved: Mapping[str, Identity] | None


@dataclass(frozen=True)
class Grantee:
    """All grants of one identity, by its prefixed universal id, verbatim: Venafi minds the case."""

    prefixed_universal: str


@dataclass(frozen=True)
class Application:
    """All grants of one application: those of every user who ever authorised it."""

    application_id: str


class Venafi(VenafiAuth):
    """A Venafi TPP server, its authorization server included; `transport` is for VENAFI_URL, the host.

    Every method raises InvalidToken, Rejected, Throttled, or ProviderUnavailable (of which NotSent and AnswerLost are
    kinds). The token needs the scopes `admin:delete` and, to look identities up, `configuration`.
    """

    def revoke_grants(self, target: Grantee | Application, access_token: SecretStr) -> Result:
        """WebSDK "POST OAuth/RevokeGrants": REVOKED or ALREADY_GONE. Ask remaining_grants() before you believe it.

        HTTP 200 alone says nothing: `Success` must be true and `Result` 0; GrantNotFound says that nothing was left.
        """
        # Danger: Venafi ignores keys that it does not know, and ApplicationId alone hits every user. One key, always.
        answer = self._post("/vedsdk/oauth/RevokeGrants", access_token, _key(target))
        outcome = self._outcome(answer, needs="admin:delete")
        code = str(ResultCode.SUCCESS if outcome is Outcome.REVOKED else ResultCode.GRANT_NOT_FOUND)
        return Result(outcome, answer.response(code))

    def remaining_grants(self, target: Grantee | Application, access_token: SecretStr, *, at_once: bool = False) -> int:
        """WebSDK "POST OAuth/GetGrants" or, for an application, "EnumerateGrants" and "GrantCount": 0 if none.

        Not how many there are: one record is asked for and counted, and none is kept, because they hold refresh tokens.
        An empty page is not believed alone: see docs/decisions/2026-11-28-no-grant-is-left-is-said-twice.md. Both
        questions are asked of an identity `at_once` where none is expected to be left.
        """
        page = {**_key(target), "Start": 0, "Count": 1}
        if isinstance(target, Grantee) and at_once:
            first, second = side_by_side(
                lambda: self._count_grants("GetGrants", page, access_token),
                lambda: self._count_grants("GetGrants", _key(target), access_token),
            )
            return first or second
        if isinstance(target, Grantee):
            return self.count_grants(target, access_token, at_most=1)
        return self._count_grants("EnumerateGrants", page, access_token) or self._grant_count(target, access_token)

    def count_grants(self, target: Grantee, access_token: SecretStr, *, at_most: int = PAGE) -> int:
        """WebSDK "POST OAuth/GetGrants": how many grants an identity has, counted up to `at_most`."""
        page = {**_key(target), "Start": 0, "Count": at_most}
        return self._count_grants("GetGrants", page, access_token) or self._count_grants(
            "GetGrants", _key(target), access_token
        )

    def _count_grants(self, method: str, body: Mapping[str, object], access_token: SecretStr) -> int:
        answer = self._post(f"/vedsdk/oauth/{method}", access_token, body, max_body=_LONGEST_PAGE)
        if self._outcome(answer, needs="admin") is Outcome.ALREADY_GONE:
            return 0
        grants = (answer.json or {}).get("Grants")
        if not isinstance(grants, list):
            raise self._error(answer)
        return len(grants)

    def _grant_count(self, application: Application, access_token: SecretStr) -> int:
        answer = self._post("/vedsdk/oauth/GrantCount", access_token, _key(application))
        if self._outcome(answer, needs="admin") is Outcome.ALREADY_GONE:
            return 0
        count = (answer.json or {}).get("Count")
        # for Python false is 0
        if type(count) is not int:
            raise self._error(answer)
        return count

    def list_applications(self, start: int, access_token: SecretStr) -> list[str]:
        """WebSDK "POST OAuth/EnumerateApplications": the ids of up to PAGE applications, from that one on."""
        body = {"Start": start, "Count": PAGE}
        return self._column("Applications", "ApplicationId", "EnumerateApplications", body, access_token)

    def list_grantees(self, application_id: str, start: int, access_token: SecretStr) -> list[str]:
        """WebSDK "POST OAuth/EnumerateGrants": whose the application's next grants are, up to PAGE, one id for each.

        Of a record nothing else is kept: it holds a refresh token.
        """
        body = {**_key(Application(application_id)), "Start": start, "Count": PAGE}
        return self._column("Grants", "GranteePrefixedUniversal", "EnumerateGrants", body, access_token)

    def list_grants(self, application_id: str, start: int, count: int, access_token: SecretStr) -> "GrantsPage":
        """WebSDK "POST OAuth/EnumerateGrants" with ResolveIdentities: whose an application's next grants are.

        Of a record nothing else is kept: it holds a refresh token.
        """
        key = _key(Application(application_id))
        body = {**key, "Start": start, "Count": count, "ResolveIdentities": True}
        answer = self._post("/vedsdk/oauth/EnumerateGrants", access_token, body, max_body=_LONGEST_PAGE)
        if self._outcome(answer, needs="admin") is Outcome.ALREADY_GONE:
            return GrantsPage((), {})
        told = answer.json or {}
        grantees = _column(told.get("Grants"), "GranteePrefixedUniversal")
        if grantees is None:
            raise self._error(answer)
        entries = told.get("IdentityEntries")
        if not isinstance(entries, list):
            # In the text on the request, and not in that on the answer: a server may leave them out.
            return GrantsPage(tuple(grantees), None)
        resolved = [self._identity(each, answer) for each in entries]
        return GrantsPage(tuple(grantees), {each.prefixed_universal: each for each in resolved})

    def count_grants_of(self, application_id: str, access_token: SecretStr) -> int:
        """WebSDK "POST OAuth/GrantCount": how many grants an application has."""
        return self._grant_count(Application(application_id), access_token)

    def browse(self, searched: str, access_token: SecretStr) -> list[Identity]:
        """WebSDK "POST Identity/Browse": users whose name or e-mail address begins so, two or a few more at most.

        It looks into the robot's own identity provider; `Limit` counts in each provider that Venafi looks into.
        """
        query = {"Filter": searched, "Limit": 2, "IdentityType": _USER}
        answer = self._post("/vedsdk/Identity/Browse", access_token, query)
        return [self._identity(each, answer) for each in self._list("Identities", answer)]

    def validate(
        self, key: Literal["PrefixedUniversal", "PrefixedName"], value: str, access_token: SecretStr
    ) -> Identity | None:
        """WebSDK "POST Identity/Validate": the one identity of that id or name, of any provider; None for nobody."""
        answer = self._post("/vedsdk/Identity/Validate", access_token, {"ID": {key: value}})
        if answer.status == HTTPStatus.OK:
            if answer.empty or answer.json in ({}, {"ID": {}}, {"ID": None}):
                return None
            if answer.json is not None and "ID" in answer.json:
                return self._identity(answer.json["ID"], answer)
        raise self._error(answer, needs="configuration")

    def read_attribute(self, identity: Identity, attribute: str, access_token: SecretStr) -> list[str]:
        """WebSDK "POST Identity/ReadAttribute": what the identity has under that name; empty where it has nothing."""
        body = {"ID": {"PrefixedUniversal": identity.prefixed_universal}, "AttributeName": attribute}
        answer = self._post("/vedsdk/Identity/ReadAttribute", access_token, body)
        return [each for each in self._list("Attributes", answer) if isinstance(each, str)]

    def get_role(self, access_token: SecretStr) -> Role:
        """WebSDK "POST OAuth/GetRole": the OAuth role of whom the token speaks for."""
        answer = self._post("/vedsdk/oauth/GetRole", access_token, {})
        self._outcome(answer, needs="admin")
        told = (answer.json or {}).get("Role")
        role = told.get("Role") if isinstance(told, dict) else None
        if type(role) is not int or role not in set(Role):
            raise self._error(answer)
        return Role(role)

    def _post(
        self, path: str, access_token: SecretStr, body: Mapping[str, object], *, max_body: int = MAX_BODY
    ) -> Answer:
        auth = BearerAuth(access_token)
        return self._transport.request("POST", path, auth=auth, json=body, read_timeout=READ_TIMEOUT, max_body=max_body)

    def _column(
        self, records: str, key: str, method: str, body: Mapping[str, object], access_token: SecretStr
    ) -> list[str]:
        answer = self._post(f"/vedsdk/oauth/{method}", access_token, body, max_body=_LONGEST_PAGE)
        if self._outcome(answer, needs="admin") is Outcome.ALREADY_GONE:
            return []
        column = _column((answer.json or {}).get(records), key)
        if column is None:
            raise self._error(answer)
        return column

    def _list(self, key: str, answer: Answer) -> list[Any]:
        found = (answer.json or {}).get(key) if answer.status == HTTPStatus.OK else None
        if not isinstance(found, list):
            raise self._error(answer, needs="configuration")
        return found

    def _identity(self, told: object, answer: Answer) -> Identity:
        fields = told if isinstance(told, dict) else {}
        universal, prefixed_name, name = (fields.get(key) for key in ("PrefixedUniversal", "PrefixedName", "Name"))
        if not isinstance(universal, str) or not is_prefixed(universal):
            raise self._error(answer)
        if not isinstance(prefixed_name, str) or not isinstance(name, str):
            raise self._error(answer)
        kind = fields.get("Type")
        is_group = fields.get("IsGroup") is True or (isinstance(kind, int) and not kind & _USER)
        return Identity(universal, prefixed_name, name, is_user=not is_group)

    def _outcome(self, answer: Answer, *, needs: str) -> Outcome:
        """Read `Success` and `Result`; whatever is neither done nor gone is raised, and so is a contradiction."""
        # Danger: what raises an error must not hold the answer, in which there may be grants with their tokens.
        success, result = ((answer.json or {}).get(key) for key in ("Success", "Result"))
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
        raise error(reason, answer.response(safe_code(result)))


def is_prefixed(value: str) -> bool:
    """Tell whether a value names an identity provider: `local:jdoe`, `AD+corp:jdoe`, in any letter case."""
    return _PREFIXED.fullmatch(value) is not None


def prefix_of(prefixed: str) -> str:
    """Tell the identity provider of a prefixed id or name, in small letters: Venafi minds its case now and then."""
    return prefixed.partition(":")[0].casefold()


def same_identity(one: str, other: str) -> bool:
    """Tell whether two prefixed universal ids may be one: braces, dashes and case vary between Venafi's own answers."""
    return _bare(one) == _bare(other)


def _bare(prefixed_universal: str) -> str:
    return re.sub(r"[{}-]", "", prefixed_universal).casefold()


def _key(target: Grantee | Application) -> dict[str, str]:
    if isinstance(target, Grantee):
        return {"GranteePrefixedUniversal": target.prefixed_universal}
    return {"ApplicationId": target.application_id}


def _column(records: object, key: str) -> list[str] | None:
    """What the records have under that key; None where one lacks it: it may be anybody's, and is not passed over."""
    if not isinstance(records, list):
        return None
    column = [told for each in records if isinstance(each, dict) and isinstance(told := each.get(key), str)]
    return column if len(column) == len(records) else None


def _name(result: int) -> str:
    if result not in set(ResultCode):
        return "a result that is not in its documentation"
    return f"result {result}, {ResultCode(result).name.title().replace('_', '')}"
