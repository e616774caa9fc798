"""What each of Venafi's answers means; the answers are files, the expectations are written here by hand."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    BadMessage,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    LeaverError,
    NotSent,
    ProviderResponse,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer
from leaver.providers.transport import Transport
from leaver.providers.venafi import oauth
from leaver.providers.venafi.api import Application, Grantee, Identity, ResultCode, Role, Venafi, same_identity
from leaver.providers.venafi.identities import Found, find_identity
from leaver.providers.venafi.oauth import Verified
from leaver.tokens import GrantedTokens
from tests.doubles.calls_in_a_row import CallsInARow
from tests.doubles.canary import shown_by
from tests.doubles.wire import Play, Wire, fixture, fixtures, serving

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TOKEN = SecretStr("CANARY-access-token==")
REFRESH_TOKEN = SecretStr("CANARY-old-refresh-token==")
ANN = Grantee("local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}")
APP = Application("VenafiPS")
UNIVERSAL = "AD+corp:1f2d3c4b5a697887a6b5c4d3e2f10011"


def revoke_grants(venafi: Venafi) -> Result:
    return venafi.revoke_grants(ANN, TOKEN)


def count_grants(venafi: Venafi) -> int:
    return venafi.count_grants(ANN, TOKEN)


def remaining_grants(venafi: Venafi) -> int:
    return venafi.remaining_grants(ANN, TOKEN)


def find(venafi: Venafi, value: str) -> str | None:
    found = find_identity(value, ["AD+corp"], venafi=venafi, access_token=TOKEN)
    return found.identity.prefixed_universal if found else None


def browse(venafi: Venafi) -> str | None:
    return find(venafi, "ann")


def validate(venafi: Venafi) -> str | None:
    return find(venafi, UNIVERSAL)


def list_applications(venafi: Venafi) -> list[str]:
    return venafi.list_applications(0, TOKEN)


def list_grantees(venafi: Venafi) -> list[str]:
    return venafi.list_grantees("VenafiPS", 0, TOKEN)


def read_attribute(venafi: Venafi) -> list[str]:
    return venafi.read_attribute(Identity(UNIVERSAL, "AD+corp:ann", "ann", is_user=True), "mail", TOKEN)


def refresh(venafi: Venafi) -> GrantedTokens:
    return venafi.refresh("leaver", REFRESH_TOKEN)


def verify(venafi: Venafi) -> Verified:
    return venafi.verify(TOKEN)


def get_role(venafi: Venafi) -> Role:
    return venafi.get_role(TOKEN)


def revoke_token(venafi: Venafi) -> Result:
    return venafi.revoke_token(TOKEN)


Call = Callable[[Venafi], object]
EVERY_CALL = [
    revoke_grants,
    count_grants,
    remaining_grants,
    list_applications,
    list_grantees,
    get_role,
    browse,
    validate,
    read_attribute,
    refresh,
    verify,
    revoke_token,
]
WITH_BEARER = [call for call in EVERY_CALL if call is not refresh]
WORKING = [call for call in WITH_BEARER if call is not revoke_token]

NOT_DOCUMENTED = "Venafi's answer is not the documented one"
CONTRADICTION = "Venafi contradicts itself: `Success` and `Result` differ"
NO_ACCESS = "Venafi does not accept the access token"
NOT_VENAFIS = "Venafi's 401 is not in Venafi's words"
NO_RIGHTS = "the robot's identity lacks rights: its OAuth role must be GrantAdmin"
NO_REFRESH_TOKEN = "Venafi does not accept the refresh token"
NO_CLIENT = "Venafi does not accept the client_id"
OUT_OF_ORDER = "Venafi is out of order"
MOVED = "Venafi has moved: the URL of Venafi in the settings is wrong"
UNKNOWN = "Venafi refuses, for a reason that we don't know"
UNKNOWN_TO_US = "Venafi's token endpoint refuses, for a reason that we don't know"

#: HTTP 200 is not success: name, error, reason, code; for RevokeGrants, GetGrants and EnumerateGrants
RESULTS: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("200-success-false-result-01", ProviderUnavailable, "Venafi reports result 1, Failure", "1"),
    ("200-success-false-result-02", Rejected, "Venafi reports result 2, ApplicationNotFound", "2"),
    ("200-success-false-result-04", Rejected, "Venafi reports result 4, RuleNotFound", "4"),
    ("200-success-false-result-05", ProviderUnavailable, "Venafi reports result 5, DriverError", "5"),
    ("200-success-false-result-06", Rejected, "Venafi reports result 6, InvalidParameters", "6"),
    ("200-success-false-result-07", Rejected, "Venafi reports result 7, TokenHashError", "7"),
    ("200-success-false-result-08", ProviderUnavailable, "Venafi reports result 8, ExceptionThrown", "8"),
    ("200-success-false-result-09", Rejected, "Venafi reports result 9, InsufficientPrivileges", "9"),
    ("200-success-false-result-10", Rejected, "Venafi reports result 10, ObjectInvalid", "10"),
    ("200-success-false-result-11", InvalidToken, "Venafi reports result 11, AccessTokenExpired", "11"),
    ("200-success-false-result-12", InvalidToken, "Venafi reports result 12, AuthenticationMissing", "12"),
    ("200-success-false-result-13", InvalidToken, "Venafi reports result 13, AuthenticationInvalid", "13"),
    ("200-success-false-result-14", Rejected, "Venafi reports result 14, UnsignedCodeForbidden", "14"),
    ("200-success-false-result-15", ProviderUnavailable, "Venafi reports result 15, RemoteTransportFailure", "15"),
    ("200-success-false-result-16", Rejected, "Venafi reports result 16, RightsAssignmentError", "16"),
    ("200-success-false-result-17", Rejected, "Venafi reports result 17, InvalidScope", "17"),
    ("200-success-false-result-18", Rejected, "Venafi reports result 18, RemoteIdentityRequired", "18"),
    ("200-success-false-result-19", Rejected, "Venafi reports result 19, ApplicationAlreadyExists", "19"),
    ("200-success-false-result-20", Rejected, "Venafi reports result 20, RuleAlreadyExists", "20"),
    ("200-success-false-result-21", Rejected, "Venafi reports result 21, JwtMappingNotFound", "21"),
    ("200-success-false-result-22", Rejected, "Venafi reports result 22, JwtMappingAlreadyExists", "22"),
    ("200-success-false-result-23", Rejected, "Venafi reports result 23, ScopeMismatch", "23"),
    (
        "200-success-false-result-99",
        Rejected,
        "Venafi reports a result that is not in its documentation",
        "99",
    ),
    ("200-success-true-result-01", ProviderUnavailable, CONTRADICTION, "1"),
    ("200-success-true-result-03", ProviderUnavailable, CONTRADICTION, "3"),
    ("200-success-false-result-00", ProviderUnavailable, CONTRADICTION, "0"),
    ("200-success-true-result-false", ProviderUnavailable, NOT_DOCUMENTED, None),
    ("200-success-as-text", ProviderUnavailable, NOT_DOCUMENTED, None),
    ("200-without-success", ProviderUnavailable, NOT_DOCUMENTED, None),
    ("200-empty-body", ProviderUnavailable, NOT_DOCUMENTED, None),
]

#: what means the same for every call with an access token: name, error, reason, code
REFUSALS: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("200-html", ProviderUnavailable, NOT_DOCUMENTED, None),
    ("202-not-revoked", ProviderUnavailable, "Venafi took the request and did not revoke the token", "invalid_token"),
    ("202-empty-body", ProviderUnavailable, "Venafi took the request and did not revoke the token", None),
    ("400-invalid-request", Rejected, "Venafi finds the request invalid", "invalid_request"),
    ("400-invalid-request-lower-case", Rejected, "Venafi finds the request invalid", "invalid_request"),
    ("400-html", Rejected, UNKNOWN, None),
    ("400-server-error", ProviderUnavailable, OUT_OF_ORDER, "server_error"),
    ("401-invalid-token", InvalidToken, NO_ACCESS, "invalid_token"),
    ("401-invalid-token-upper-case", InvalidToken, NO_ACCESS, "invalid_token"),
    ("401-insufficient-rights", Rejected, NO_RIGHTS, "insufficient_rights"),
    ("403-html", Rejected, UNKNOWN, None),
    ("403-access-denied", Rejected, UNKNOWN, "access_denied"),
    ("404-html", Rejected, "Venafi does not know the endpoint: RevokeGrants needs TPP 22.3 or later", None),
    ("500-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("502-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("503-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("301-other-host", Rejected, MOVED, None),
    ("302-login-page", ProviderUnavailable, "Venafi redirects elsewhere, where we don't follow", None),
]

#: what IIS or a proxy says, and Venafi does not: who works with the token may try another one, and it proves nothing
WORDLESS: list[tuple[str, str | None]] = [
    ("401-empty-body", None),
    ("401-html", None),
    # a word with a capital may be anything: it is not shown
    ("401-of-a-proxy", None),
]

#: until 20.4 a missing scope has status 401, since then 403; the reason names the scope that the call needs
SCOPES = [
    (revoke_grants, "missing scopes: admin:delete"),
    (remaining_grants, "missing scopes: admin"),
    (get_role, "missing scopes: admin"),
    (browse, "missing scopes: configuration"),
    (validate, "missing scopes: configuration"),
    (read_attribute, "missing scopes: configuration"),
    (verify, "missing scopes"),
    (revoke_token, "missing scopes"),
]

#: what refresh raises
REFUSED_REFRESHES: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("400-refresh-reused", InvalidGrant, NO_REFRESH_TOKEN, "invalid_grant"),
    ("400-refresh-reused-as-invalid-request", InvalidGrant, NO_REFRESH_TOKEN, "invalid_grant"),
    ("401-invalid-token", InvalidGrant, NO_REFRESH_TOKEN, "invalid_token"),
    # neither is Venafi's word for a grant that is dead
    (
        "400-unknown-error",
        Rejected,
        "Venafi's token endpoint refuses, for a reason that we don't know",
        "grant_expired",
    ),
    ("400-server-error", ProviderUnavailable, OUT_OF_ORDER, "server_error"),
    ("400-client-id-mismatch", InvalidClient, NO_CLIENT, "invalid_client"),
    ("400-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("400-invalid-request", Rejected, "Venafi finds the request invalid", "invalid_request"),
    (
        "400-unsupported-grant-type",
        Rejected,
        "the application may not refresh its tokens",
        "unsupported_grant_type",
    ),
    ("403-access-denied", Rejected, UNKNOWN_TO_US, "access_denied"),
    ("400-html", ProviderUnavailable, "Venafi's token endpoint refuses unreadably", None),
    ("404-html", ProviderUnavailable, "Venafi's token endpoint refuses unreadably", None),
    ("401-empty-body", ProviderUnavailable, "Venafi's token endpoint refuses unreadably", None),
    ("401-html", ProviderUnavailable, "Venafi's token endpoint refuses unreadably", None),
    ("401-of-a-proxy", ProviderUnavailable, NOT_VENAFIS, None),
    ("500-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("502-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("503-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("301-other-host", Rejected, MOVED, None),
    # a success without a token may have spent the old one
    ("200-without-access-token", AnswerLost, "Venafi's answer has no access token in it", "server_error"),
    ("200-html", AnswerLost, "Venafi's answer has no access token in it", None),
    ("200-empty-body", AnswerLost, "Venafi's answer has no access token in it", None),
]

#: what is no answer to the question that was asked
BESIDE_THE_POINT: list[tuple[Call, str]] = [
    (remaining_grants, "200-grants-missing"),
    (remaining_grants, "200-grants-null"),
    (list_applications, "200-grants-missing"),
    (list_grantees, "200-grants-missing"),
    (list_grantees, "200-grant-without-grantee"),
    (get_role, "200-role-missing"),
    (get_role, "200-role-unknown"),
    (get_role, "200-success-false-result-03"),
    (browse, "200-browse-without-universal"),
    (browse, "200-browse-without-name"),
    (browse, "200-empty-body"),
    (browse, "200-validate-empty-object"),
    (validate, "200-browse-none"),
    (read_attribute, "200-browse-none"),
    (read_attribute, "200-empty-body"),
    (verify, "200-verified-without-application"),
    (verify, "200-empty-body"),
    (revoke_token, "200-without-access-token"),
]

TABLE: list[tuple[Call, str, type[LeaverError], str, str | None]] = [
    *(
        (call, *row)
        for row in RESULTS
        for call in (revoke_grants, remaining_grants, list_applications, list_grantees, get_role)
    ),
    *((call, *row) for row in REFUSALS for call in WITH_BEARER),
    *((call, name, InvalidToken, NO_ACCESS, code) for name, code in WORDLESS for call in WORKING),
    *((revoke_token, name, ProviderUnavailable, NOT_VENAFIS, code) for name, code in WORDLESS),
    *(
        (call, name, Rejected, reason, "insufficient_scope")
        for call, reason in SCOPES
        for name in ("403-insufficient-scope", "401-insufficient-scope")
    ),
    *((refresh, *row) for row in REFUSED_REFRESHES),
]

#: a load balancer asks for a pause: name, until
LIMITS = [
    ("429-retry-after-seconds", datetime(2026, 11, 21, 10, 0, 20, tzinfo=UTC)),
    ("429-empty-body", datetime(2026, 11, 21, 10, 0, 5, tzinfo=UTC)),
    ("503-retry-after", datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC)),
]


@contextmanager
def venafi_answering(*answers: str | Play) -> Iterator[tuple[Venafi, Wire]]:
    raw = [fixture(f"venafi/{answer}") if isinstance(answer, str) else answer for answer in answers]
    with serving(*raw) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        yield Venafi(transport, lambda: NOW), wire


def test_every_recorded_answer_is_named_in_this_file() -> None:
    source = Path(__file__).read_text()
    assert [name for name in fixtures("venafi") if f'"{name}"' not in source] == []


# The seed's documented examples: POST OAuth/RevokeGrants


def test_the_documented_200_of_revoke_grants_is_revoked() -> None:
    with venafi_answering("200-success-true-result-00") as (venafi, wire):
        result = revoke_grants(venafi)
    assert result == Result(Outcome.REVOKED, ProviderResponse(200, "0"))
    assert (wire.only.method, wire.only.target) == ("POST", "/vedsdk/oauth/RevokeGrants")
    assert wire.only.headers["content-type"] == "application/json"
    assert wire.only.headers["authorization"] == "Bearer CANARY-access-token=="
    assert json.loads(wire.only.body) == {"GranteePrefixedUniversal": "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"}


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("400-invalid-request", Rejected, "invalid_request"),
        ("401-invalid-token", InvalidToken, "invalid_token"),
        ("401-insufficient-rights", Rejected, "insufficient_rights"),
        ("403-insufficient-scope", Rejected, "insufficient_scope"),
    ],
)
def test_the_documented_errors_of_revoke_grants_are_told_apart(name: str, error: type[LeaverError], code: str) -> None:
    with venafi_answering(name) as (venafi, _), pytest.raises(LeaverError) as caught:
        revoke_grants(venafi)
    assert type(caught.value) is error
    assert caught.value.response.code == code


# Grants


def test_exactly_one_key_is_sent_for_an_application() -> None:
    with venafi_answering("200-success-true-result-00") as (venafi, wire):
        result = venafi.revoke_grants(APP, TOKEN)
    assert result.outcome is Outcome.REVOKED
    assert json.loads(wire.only.body) == {"ApplicationId": "VenafiPS"}


def test_grant_not_found_says_that_nothing_was_left() -> None:
    gone = "200-success-false-result-03"
    with venafi_answering(gone, gone, gone) as (venafi, _):
        assert revoke_grants(venafi) == Result(Outcome.ALREADY_GONE, ProviderResponse(200, "3"))
        assert remaining_grants(venafi) == 0


def test_the_proof_for_an_identity_asks_get_grants_for_one_record_and_believes_no_empty_page() -> None:
    with venafi_answering("200-no-grants", "200-no-grants") as (venafi, wire):
        assert remaining_grants(venafi) == 0
    assert {each.target for each in wire.asked} == {"/vedsdk/oauth/GetGrants"}
    grantee = {"GranteePrefixedUniversal": "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"}
    assert [json.loads(each.body) for each in wire.asked] == [{**grantee, "Start": 0, "Count": 1}, grantee]


def test_both_questions_are_asked_at_once_where_no_grant_is_expected() -> None:
    with venafi_answering("200-no-grants", "200-no-grants") as (venafi, wire):
        assert venafi.remaining_grants(ANN, TOKEN, at_once=True) == 0
    grantee = {"GranteePrefixedUniversal": "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"}
    asked = sorted((json.loads(each.body) for each in wire.asked), key=len)
    assert asked == [grantee, {**grantee, "Start": 0, "Count": 1}]


@pytest.mark.parametrize("answers", [("200-one-grant", "200-no-grants"), ("200-no-grants", "200-one-grant")])
def test_a_grant_is_left_whichever_of_two_answers_at_once_says_so(answers: tuple[str, str]) -> None:
    with venafi_answering(*answers) as (venafi, _):
        assert venafi.remaining_grants(ANN, TOKEN, at_once=True) == 1


@pytest.mark.parametrize("second", ["200-grants-missing", "503-html"])
def test_where_one_of_two_answers_at_once_proves_nothing_none_is_believed(second: str) -> None:
    with venafi_answering("200-no-grants", second) as (venafi, _), pytest.raises(ProviderUnavailable):
        venafi.remaining_grants(ANN, TOKEN, at_once=True)


def test_whom_a_token_speaks_for_is_asked_once_for_each_token() -> None:
    with venafi_answering("200-verified", "200-verified") as (venafi, wire):
        told = [venafi.verify_once(token) for token in (TOKEN, TOKEN, SecretStr("another"))]
    assert told == [told[0]] * 3
    assert len(wire.asked) == 2


def test_the_messages_of_a_batch_ask_once_together_for_whom_their_token_speaks() -> None:
    with venafi_answering("200-verified", "200-verified") as (venafi, wire), ThreadPoolExecutor(10) as batch:
        begins = Barrier(10)

        def ask(_: int) -> Verified:
            begins.wait()
            return venafi.verify_once(TOKEN)

        assert len(set(batch.map(ask, range(10)))) == 1
    assert len(wire.asked) == 1


def test_whom_a_token_speaks_for_is_asked_again_where_the_answer_was_none() -> None:
    with venafi_answering("503-html", "200-verified") as (venafi, _):
        with pytest.raises(ProviderUnavailable):
            venafi.verify_once(TOKEN)
        assert venafi.verify_once(TOKEN).application == "leaver"


def test_a_local_part_is_looked_for_with_each_prefix_at_the_same_time() -> None:
    host = CallsInARow({"Browse": {"Identities": []}, "Validate": {}})
    host.count(("Validate", "Validate", "Validate"))
    prefixes = ["AD+corp", "LDAP+lab", "local"]
    assert find_identity("ann@example.com", prefixes, venafi=Venafi(host, lambda: NOW), access_token=TOKEN) is None
    assert (host.calls, host.in_a_row) == (["Browse", "Validate", "Validate", "Validate"], 2)


def test_grants_are_counted_by_a_page_of_a_thousand_and_an_empty_one_is_not_believed() -> None:
    with venafi_answering("200-no-grants", "200-one-grant") as (venafi, wire):
        assert count_grants(venafi) == 1
    grantee = {"GranteePrefixedUniversal": "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"}
    assert [json.loads(each.body) for each in wire.asked] == [{**grantee, "Start": 0, "Count": 1000}, grantee]


def test_the_proof_for_an_application_asks_enumerate_grants_for_one_record_and_then_for_the_count() -> None:
    with venafi_answering("200-no-grants", "200-grant-count-none") as (venafi, wire):
        assert venafi.remaining_grants(APP, TOKEN) == 0
    assert [each.target for each in wire.asked] == ["/vedsdk/oauth/EnumerateGrants", "/vedsdk/oauth/GrantCount"]
    application = {"ApplicationId": "VenafiPS"}
    assert [json.loads(each.body) for each in wire.asked] == [{**application, "Start": 0, "Count": 1}, application]


@pytest.mark.parametrize("target", [ANN, APP], ids=["identity", "application"])
def test_a_grant_on_the_first_page_needs_no_second_question(target: Grantee | Application) -> None:
    with venafi_answering("200-one-grant") as (venafi, wire):
        assert venafi.remaining_grants(target, TOKEN) == 1
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("target", "second", "left"),
    [(ANN, "200-one-grant", 1), (APP, "200-grant-count-nine", 9)],
    ids=["identity", "application"],
)
def test_an_empty_page_beside_grants_that_live_is_not_none_left(
    target: Grantee | Application, second: str, left: int
) -> None:
    with venafi_answering("200-no-grants", second) as (venafi, _):
        assert venafi.remaining_grants(target, TOKEN) == left


@pytest.mark.parametrize(
    ("target", "second"),
    [
        *((ANN, name) for name in ("200-grants-missing", "200-grants-null", "200-html", "500-html")),
        *((APP, name) for name in ("200-grants-missing", "200-no-grants", "200-html", "500-html")),
        # for Python false is 0
        (APP, "200-grant-count-false"),
    ],
)
def test_an_empty_page_and_no_second_word_prove_nothing(target: Grantee | Application, second: str) -> None:
    with venafi_answering("200-no-grants", second) as (venafi, _), pytest.raises(ProviderUnavailable):
        venafi.remaining_grants(target, TOKEN)


def test_the_applications_are_listed_by_their_ids() -> None:
    with venafi_answering("200-applications", "200-success-false-result-03") as (venafi, wire):
        assert [venafi.list_applications(0, TOKEN), venafi.list_applications(1000, TOKEN)] == [
            ["VenafiPS", "vcert"],
            [],
        ]
    assert {each.target for each in wire.asked} == {"/vedsdk/oauth/EnumerateApplications"}
    assert [json.loads(each.body) for each in wire.asked] == [
        {"Start": 0, "Count": 1000},
        {"Start": 1000, "Count": 1000},
    ]


def test_of_an_applications_grants_only_their_grantees_are_kept() -> None:
    with venafi_answering("200-one-grant") as (venafi, wire):
        assert list_grantees(venafi) == [ANN.prefixed_universal]
    assert wire.only.target == "/vedsdk/oauth/EnumerateGrants"
    assert json.loads(wire.only.body) == {"ApplicationId": "VenafiPS", "Start": 0, "Count": 1000}


def test_the_result_codes_are_venafis() -> None:
    assert {code.value: code.name for code in ResultCode} == {
        0: "SUCCESS",
        1: "FAILURE",
        2: "APPLICATION_NOT_FOUND",
        3: "GRANT_NOT_FOUND",
        4: "RULE_NOT_FOUND",
        5: "DRIVER_ERROR",
        6: "INVALID_PARAMETERS",
        7: "TOKEN_HASH_ERROR",
        8: "EXCEPTION_THROWN",
        9: "INSUFFICIENT_PRIVILEGES",
        10: "OBJECT_INVALID",
        11: "ACCESS_TOKEN_EXPIRED",
        12: "AUTHENTICATION_MISSING",
        13: "AUTHENTICATION_INVALID",
        14: "UNSIGNED_CODE_FORBIDDEN",
        15: "REMOTE_TRANSPORT_FAILURE",
        16: "RIGHTS_ASSIGNMENT_ERROR",
        17: "INVALID_SCOPE",
        18: "REMOTE_IDENTITY_REQUIRED",
        19: "APPLICATION_ALREADY_EXISTS",
        20: "RULE_ALREADY_EXISTS",
        21: "JWT_MAPPING_NOT_FOUND",
        22: "JWT_MAPPING_ALREADY_EXISTS",
        23: "SCOPE_MISMATCH",
    }


# Identities


def test_a_prefixed_universal_id_is_validated() -> None:
    with venafi_answering("200-validate-found") as (venafi, wire):
        assert validate(venafi) == UNIVERSAL
    assert (wire.only.method, wire.only.target) == ("POST", "/vedsdk/Identity/Validate")
    assert json.loads(wire.only.body) == {"ID": {"PrefixedUniversal": "AD+corp:1f2d3c4b5a697887a6b5c4d3e2f10011"}}


def test_a_prefixed_name_is_validated_as_a_name() -> None:
    with venafi_answering("200-validate-empty-object", "200-validate-found") as (venafi, wire):
        assert find(venafi, "AD+corp:ann") == "AD+corp:1f2d3c4b5a697887a6b5c4d3e2f10011"
    assert [json.loads(asked.body) for asked in wire.asked] == [
        {"ID": {"PrefixedUniversal": "AD+corp:ann"}},
        {"ID": {"PrefixedName": "AD+corp:ann"}},
    ]


@pytest.mark.parametrize("nobody", ["200-empty-body", "200-validate-empty-object", "200-validate-null"])
def test_nobody_is_found_where_validate_answers_with_nothing(nobody: str) -> None:
    with venafi_answering(nobody, nobody) as (venafi, _):
        assert validate(venafi) is None


def test_a_name_is_browsed_for_and_two_are_asked_for() -> None:
    with venafi_answering("200-browse-one") as (venafi, wire):
        assert browse(venafi) == UNIVERSAL
    assert (wire.only.method, wire.only.target) == ("POST", "/vedsdk/Identity/Browse")
    assert json.loads(wire.only.body) == {"Filter": "ann", "Limit": 2, "IdentityType": 1}


def test_nobody_is_found_where_browse_finds_none() -> None:
    with venafi_answering("200-browse-none") as (venafi, _):
        assert browse(venafi) is None


# `Limit` counts in each provider: three answers to a limit of two are legal.
@pytest.mark.parametrize("candidates", ["200-browse-two", "200-browse-three"])
def test_two_candidates_are_refused_rather_than_chosen_from(candidates: str) -> None:
    with venafi_answering(candidates) as (venafi, _), pytest.raises(Rejected) as caught:
        browse(venafi)
    assert caught.value.reason == "ambiguous identity"


def test_a_stranger_whose_name_only_begins_like_that_is_not_who_was_searched_for() -> None:
    with venafi_answering("200-browse-begins-so") as (venafi, _):
        assert browse(venafi) is None


def test_a_name_is_one_and_the_same_in_any_letter_case() -> None:
    with venafi_answering("200-browse-one") as (venafi, _):
        assert find(venafi, "Ann") == UNIVERSAL


@pytest.mark.parametrize(
    "attributes", [["200-attribute-ann"], ["200-attribute-none", "200-attribute-ann"]], ids=["venafi's", "mail"]
)
def test_an_address_is_proved_by_the_identitys_own_under_either_name(attributes: list[str]) -> None:
    with venafi_answering("200-browse-one", *attributes) as (venafi, wire):
        assert find(venafi, "ann.leaver@example.com") == UNIVERSAL
    asked = [(each.target, json.loads(each.body)) for each in wire.asked[1:]]
    who = {"ID": {"PrefixedUniversal": UNIVERSAL}}
    assert asked == [
        ("/vedsdk/Identity/ReadAttribute", {**who, "AttributeName": name})
        for name in ("Internet EMail Address", "mail")[: len(attributes)]
    ]


@pytest.mark.parametrize("own", ["200-attribute-another", "200-attribute-none"])
def test_a_stranger_with_another_address_is_not_who_was_searched_for(own: str) -> None:
    with venafi_answering("200-browse-one", own, own, "200-empty-body") as (venafi, _):
        assert find(venafi, "ann.leaver@example.com") is None


def test_an_address_that_is_not_found_may_have_its_local_part_for_a_name() -> None:
    with venafi_answering("200-browse-none", "200-validate-found", "200-attribute-ann") as (venafi, wire):
        found = find_identity("ann.leaver@example.com", ["AD+corp"], venafi=venafi, access_token=TOKEN)
    assert found == Found(Identity(UNIVERSAL, "AD+corp:ann", "ann", is_user=True), "local_part")
    assert json.loads(wire.asked[1].body) == {"ID": {"PrefixedName": "AD+corp:ann.leaver"}}


@pytest.mark.parametrize("own", ["200-attribute-another", "200-attribute-none"])
def test_a_namesake_with_another_address_is_not_who_was_searched_for(own: str) -> None:
    with venafi_answering("200-browse-none", "200-validate-found", own, own) as (venafi, _):
        assert find(venafi, "ann.leaver@example.com") is None


def test_a_group_that_is_called_like_an_address_is_nobody() -> None:
    with venafi_answering("200-browse-none", "200-validate-group") as (venafi, _):
        assert find(venafi, "ann.leaver@example.com") is None


@pytest.mark.parametrize(
    ("value", "answer"),
    [("ann", "200-browse-group"), ("AD+corp:1f2d3c4b5a697887a6b5c4d3e2f10011", "200-validate-group")],
)
def test_a_group_is_refused(value: str, answer: str) -> None:
    with venafi_answering(answer) as (venafi, _), pytest.raises(Rejected, match="is no person: a group, or a machine"):
        find(venafi, value)


@pytest.mark.parametrize("value", ["AD+corp:ann", UNIVERSAL])
def test_another_identity_than_was_asked_for_is_refused(value: str) -> None:
    with venafi_answering("200-validate-another") as (venafi, _), pytest.raises(Rejected, match="another identity"):
        find(venafi, value)


def test_a_prefix_in_small_letters_is_a_prefix() -> None:
    with venafi_answering("200-empty-body", "200-validate-found") as (venafi, wire):
        assert find(venafi, "ad+corp:ann") == UNIVERSAL
    assert {each.target for each in wire.asked} == {"/vedsdk/Identity/Validate"}


@pytest.mark.parametrize(
    "spelling", ["AD+CORP:1F2D3C4B5A697887A6B5C4D3E2F10011", "AD+corp:{1f2d3c4b-5a69-7887-a6b5-c4d3e2f10011}"]
)
def test_an_id_comes_back_in_venafis_own_spelling(spelling: str) -> None:
    with venafi_answering("200-validate-found") as (venafi, wire):
        found = find_identity(spelling, [], venafi=venafi, access_token=TOKEN)
    assert found == Found(Identity(UNIVERSAL, "AD+corp:ann", "ann", is_user=True), "prefixed_universal")
    assert json.loads(wire.only.body) == {"ID": {"PrefixedUniversal": spelling}}


@pytest.mark.parametrize("value", ["", " ", "*", "an*"])
def test_nobody_is_looked_for_with_a_wildcard(value: str) -> None:
    with venafi_answering("200-browse-one") as (venafi, wire), pytest.raises(BadMessage):
        find(venafi, value)
    assert wire.asked == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}", "local:bdbb525f-2d77-43af-8f1f-39f1ba132825", True),
        ("AD+corp:1F2D3C4B5A697887A6B5C4D3E2F10011", "AD+corp:{1f2d3c4b-5a69-7887-a6b5-c4d3e2f10011}", True),
        ("AD+corp:1f2d3c4b5a697887a6b5c4d3e2f10011", "AD+other:1f2d3c4b5a697887a6b5c4d3e2f10011", False),
        ("local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}", "local:{bdbb525f-2d77-43af-8f1f-39f1ba132826}", False),
    ],
)
def test_an_identity_is_recognised_however_venafi_spells_it(one: str, other: str, *, same: bool) -> None:
    assert same_identity(one, other) is same


# The robot's own token


@pytest.mark.parametrize(
    ("name", "rotated"),
    [
        ("200-refreshed", "new-refresh-token=="),
        ("200-token-with-null-error", "new-refresh-token=="),
        ("200-without-refresh-token", None),
    ],
)
def test_a_refresh_brings_a_new_pair(name: str, rotated: str | None) -> None:
    with venafi_answering(name) as (venafi, wire):
        tokens = refresh(venafi)
    assert tokens == GrantedTokens(
        access_token=SecretStr("new-access-token=="),
        refresh_token=SecretStr(rotated) if rotated else None,
        expires_at=datetime(2027, 2, 19, 10, 0, tzinfo=UTC),
        scope="admin:delete;configuration",
    )
    assert (wire.only.method, wire.only.target) == ("POST", "/vedauth/authorize/token")
    assert "authorization" not in wire.only.headers
    assert json.loads(wire.only.body) == {"client_id": "leaver", "refresh_token": "CANARY-old-refresh-token=="}


@pytest.mark.parametrize(("name", "role"), [("200-role-grant-admin", Role.GRANT_ADMIN), ("200-role-user", Role.USER)])
def test_the_robots_role_is_asked_for(name: str, role: Role) -> None:
    with venafi_answering(name) as (venafi, wire):
        assert get_role(venafi) is role
    assert (wire.only.method, wire.only.target) == ("POST", "/vedsdk/oauth/GetRole")
    assert wire.only.headers["authorization"] == "Bearer CANARY-access-token=="


def test_the_roles_are_venafis() -> None:
    assert {role.value: role.name for role in Role} == {
        0: "USER",
        1: "AUDITOR",
        2: "MAINTAINER",
        3: "OWNER",
        4: "MIXED_OWNER_MAINTAINER",
        5: "GRANT_ADMIN",
        6: "ADMIN",
    }


def test_verify_says_whom_the_token_speaks_for() -> None:
    with venafi_answering("200-verified") as (venafi, wire):
        verified = verify(venafi)
    assert verified == Verified(
        identity="local:{0e7dd7a6-54bb-4a1e-9c1e-6b8ad0b0f6a2}",
        application="leaver",
        scope="admin:delete;configuration",
        expires_at=datetime(2027, 2, 19, 9, 0, tzinfo=UTC),
    )
    assert (wire.only.method, wire.only.target) == ("GET", "/vedauth/authorize/verify")
    assert wire.only.headers["authorization"] == "Bearer CANARY-access-token=="


def test_a_token_may_never_expire() -> None:
    with venafi_answering("200-verified-never-expires") as (venafi, _):
        assert verify(venafi).expires_at is None


@pytest.mark.parametrize("name", ["200-empty-body", "200-success-true-result-00"])
def test_a_revoked_token_is_revoked(name: str) -> None:
    with venafi_answering(name) as (venafi, wire):
        result = revoke_token(venafi)
    assert result == Result(Outcome.REVOKED, ProviderResponse(200))
    assert (wire.only.method, wire.only.target) == ("GET", "/vedauth/revoke/token")


def test_a_token_that_was_revoked_before_is_told_by_verify() -> None:
    answers = ("202-not-revoked", "401-invalid-token")
    with venafi_answering(*answers) as (venafi, wire), pytest.raises(InvalidToken, match=f"^{NO_ACCESS}$"):
        revoke_token(venafi)
    assert [each.target for each in wire.asked] == ["/vedauth/revoke/token", "/vedauth/authorize/verify"]


@pytest.mark.parametrize("name", [name for name, _ in WORDLESS])
def test_after_a_202_a_401_that_is_not_in_venafis_words_proves_nothing(name: str) -> None:
    answers = ("202-not-revoked", name)
    with venafi_answering(*answers) as (venafi, _), pytest.raises(ProviderUnavailable, match=f"^{NOT_VENAFIS}$"):
        revoke_token(venafi)


def test_that_test_sees_it_where_any_401_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "_REVOKE", oauth._BEARER)
    with venafi_answering("401-html") as (venafi, _), pytest.raises(InvalidToken):
        revoke_token(venafi)


def test_a_token_that_lives_on_was_not_revoked() -> None:
    answers = ("202-not-revoked", "200-verified")
    with (
        venafi_answering(*answers) as (venafi, _),
        pytest.raises(ProviderUnavailable, match=r"did not revoke the token$"),
    ):
        revoke_token(venafi)


# The decision table


@pytest.mark.parametrize(
    ("call", "name", "error", "reason", "code"), TABLE, ids=[f"{row[0].__name__}-{row[1]}" for row in TABLE]
)
def test_a_refusal_is_named_for_whoever_must_act(
    call: Call, name: str, error: type[LeaverError], reason: str, code: str | None
) -> None:
    with venafi_answering(name, name) as (venafi, wire), pytest.raises(LeaverError) as caught:
        call(venafi)
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert caught.value.response.code == code
    assert caught.value.response.status == int(name[:3])
    assert caught.value.response.tracking_id is None
    # After a 202 Verify has the word; nothing else is asked again.
    assert len(wire.asked) == (2 if call is revoke_token and name.startswith("202") else 1)


@pytest.mark.parametrize(("call", "name"), BESIDE_THE_POINT)
def test_a_success_that_answers_another_question_is_not_believed(call: Call, name: str) -> None:
    with venafi_answering(name) as (venafi, _), pytest.raises(ProviderUnavailable) as caught:
        call(venafi)
    assert caught.value.reason == NOT_DOCUMENTED


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize(("name", "until"), LIMITS)
def test_a_load_balancer_says_until_when(call: Call, name: str, until: datetime) -> None:
    with venafi_answering(name, name) as (venafi, wire), pytest.raises(Throttled) as caught:
        call(venafi)
    assert caught.value.until == until
    assert caught.value.reason == "a load balancer before Venafi asks us to wait"
    assert caught.value.response.status == int(name[:3])
    assert len(wire.asked) == 1


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize("name", ["200-truncated-json", "200-token-truncated"])
def test_an_answer_that_is_lost_is_not_asked_for_again(call: Call, name: str) -> None:
    with venafi_answering(name, name) as (venafi, wire), pytest.raises(AnswerLost):
        call(venafi)
    assert len(wire.asked) == 1


@pytest.mark.parametrize("call", EVERY_CALL)
def test_a_venafi_that_is_not_there_was_sent_nothing(call: Call) -> None:
    with venafi_answering() as (venafi, _), pytest.raises(NotSent):
        call(venafi)


@pytest.mark.parametrize("call", EVERY_CALL)
def test_a_venafi_that_wakes_up_is_given_thirty_seconds(call: Call) -> None:
    class Patience(Transport):
        waited: float | None = None

        def request(self, method: str, path: str, **asked: Any) -> Answer:
            self.waited = asked["read_timeout"]
            return super().request(method, path, **asked)

    with (
        serving(fixture("venafi/500-html")) as wire,
        closing(Patience(wire.url, clock=lambda: NOW)) as transport,
        pytest.raises(ProviderUnavailable),
    ):
        call(Venafi(transport, lambda: NOW))
    assert transport.waited == 30


# Secrets


@pytest.mark.parametrize(
    ("call", "name"),
    [
        *((row[0], row[1]) for row in TABLE),
        *BESIDE_THE_POINT,
        *((call, name) for call in EVERY_CALL for name, _ in LIMITS),
        (browse, "200-one-grant"),
        (remaining_grants, "200-grants-in-a-contradiction"),
        (list_grantees, "200-grants-in-a-contradiction"),
        (refresh, "200-token-truncated"),
    ],
)
def test_no_failure_shows_a_secret_or_the_body(call: Call, name: str) -> None:
    with venafi_answering(name) as (venafi, _), pytest.raises(LeaverError) as caught:
        call(venafi)
    shown = shown_by(caught.value)
    assert "CANARY" not in shown
    body = fixture(f"venafi/{name}").split(b"\r\n\r\n", 1)[1].decode()
    assert not body or body not in shown
