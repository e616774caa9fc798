"""What each answer of Zoom's OAuth endpoints means; the answers are files, the expectations are written by hand."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    GrantSuspended,
    InvalidClient,
    InvalidGrant,
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
from leaver.providers.zoom.oauth import ZoomOAuth, authorize_url
from leaver.tokens import GrantedTokens
from leaver_cli.connections.consent import code_challenge
from tests.doubles.canary import shown_by
from tests.doubles.wire import Play, Wire, fixture, fixtures, serving

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CLIENT_SECRET = SecretStr("CANARY-client-secret")
REFRESH_TOKEN = SecretStr("CANARY-old-refresh-token")
ACCESS_TOKEN = SecretStr("CANARY-access-token")
CODE = SecretStr("CANARY-code")
CODE_VERIFIER = SecretStr("CANARY-code-verifier")


def refresh(zoom: ZoomOAuth) -> GrantedTokens:
    return zoom.refresh("client-id", CLIENT_SECRET, REFRESH_TOKEN)


def account_credentials(zoom: ZoomOAuth) -> GrantedTokens:
    return zoom.account_credentials("client-id", CLIENT_SECRET, "EPeQtiABC000VYxHMA")


def authorization_code(zoom: ZoomOAuth) -> GrantedTokens:
    return zoom.authorization_code("client-id", CLIENT_SECRET, CODE, "http://127.0.0.1:8765/", CODE_VERIFIER)


def revoke(zoom: ZoomOAuth) -> Result:
    return zoom.revoke("client-id", CLIENT_SECRET, ACCESS_TOKEN)


Call = Callable[[ZoomOAuth], GrantedTokens | Result]

NO_REFRESH_TOKEN = "Zoom does not accept the refresh token"
NO_CLIENT = "Zoom does not accept client_id and client_secret"
NO_ACCOUNT = "account_id: Zoom knows no such account"
NO_GRANT_TYPE = "the app may not use this grant type"
APP_OFF = "Zoom has the app switched off"

#: what refresh raises: name, error, reason, provider's code
REFUSED_REFRESHES: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("400-invalid-grant-invalid-token", InvalidGrant, NO_REFRESH_TOKEN, "invalid_grant"),
    ("401-invalid-request-invalid-token", InvalidGrant, NO_REFRESH_TOKEN, "invalid_request"),
    ("400-invalid-grant", InvalidGrant, NO_REFRESH_TOKEN, "invalid_grant"),
    ("400-invalid-authorization-code", InvalidGrant, NO_REFRESH_TOKEN, "invalid_grant"),
    ("400-4711", GrantSuspended, "the refresh token's scopes are not the app's any more", "4711"),
    ("400-4735", InvalidGrant, "the user who authorised the app is gone", "4735"),
    ("400-4737", InvalidGrant, "Zoom knows of no authorisation", "4737"),
    ("400-4738", GrantSuspended, "an administrator disabled the app", "4738"),
    ("400-4740", InvalidGrant, "the refresh token is too old", "4740"),
    ("400-4741", InvalidGrant, "the refresh token was revoked", "4741"),
    ("400-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("401-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("400-4702", InvalidClient, NO_CLIENT, "4702"),
    ("400-4704", InvalidClient, NO_CLIENT, "4704"),
    ("400-unsupported-grant-type", Rejected, NO_GRANT_TYPE, "unsupported_grant_type"),
    ("400-unauthorized-client", Rejected, NO_GRANT_TYPE, "unauthorized_client"),
    ("400-4705", Rejected, NO_GRANT_TYPE, "4705"),
    ("400-4717", Rejected, APP_OFF, "4717"),
    ("400-app-not-activated", Rejected, APP_OFF, "invalid_request"),
    ("400-account-does-not-exist", Rejected, NO_ACCOUNT, "invalid_request"),
    ("400-invalid-account-id", Rejected, NO_ACCOUNT, "invalid_request"),
    ("400-app-type-not-enabled", Rejected, "the account does not allow this type of app", "invalid_request"),
    ("400-access-denied", Rejected, "Zoom's token endpoint refuses, for a reason that we don't know", "access_denied"),
    # never a dead grant: Zoom says the same for its own inner errors
    ("400-bad-request", ProviderUnavailable, "Zoom's token endpoint refuses without a reason", "invalid_request"),
    ("400-invalid-request", ProviderUnavailable, "Zoom's token endpoint refuses without a reason", "invalid_request"),
    ("400-html", ProviderUnavailable, "Zoom's token endpoint refuses unreadably", None),
    ("400-empty-object", ProviderUnavailable, "Zoom's token endpoint refuses unreadably", None),
    ("500-html", ProviderUnavailable, "Zoom is out of order", None),
    ("503-json", ProviderUnavailable, "Zoom is out of order", "invalid_grant"),
    ("301-other-host", Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong", None),
    # a success without a token may have spent the old one
    ("200-html", AnswerLost, "Zoom's answer has no access token in it", None),
    ("200-empty-body", AnswerLost, "Zoom's answer has no access token in it", None),
    ("200-half-json", AnswerLost, "Zoom's answer has no access token in it", None),
]

#: what account_credentials raises, where it differs: nothing can be lost, and Zoom's "Bad Request" means the account id
REFUSED_ACCOUNTS: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("400-bad-request", Rejected, "account_id: Zoom does not take it for one", "invalid_request"),
    ("200-without-access-token", ProviderUnavailable, "Zoom's answer has no access token in it", None),
    ("200-html", ProviderUnavailable, "Zoom's answer has no access token in it", None),
    ("400-account-does-not-exist", Rejected, NO_ACCOUNT, "invalid_request"),
    ("400-invalid-account-id", Rejected, NO_ACCOUNT, "invalid_request"),
    ("400-app-type-not-enabled", Rejected, "the account does not allow this type of app", "invalid_request"),
    ("400-app-not-activated", Rejected, APP_OFF, "invalid_request"),
    ("400-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("400-invalid-request", ProviderUnavailable, "Zoom's token endpoint refuses without a reason", "invalid_request"),
    ("400-4738", Rejected, "an administrator disabled the app", "4738"),
    # never a dead grant: there is none
    ("400-invalid-grant", Rejected, "Zoom's token endpoint refuses, for a reason that we don't know", "invalid_grant"),
]

NO_CODE = "the authorization code is not valid, or not any more: begin anew"
CODE_EXPIRED = "the authorization code has expired, it lives five minutes: begin anew"
NO_REDIRECT_URI = "redirect_uri: is not the one that was registered or that the code was asked with"

#: what authorization_code raises; never a dead grant either: an older one may be alive
REFUSED_CODES: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("400-invalid-authorization-code", Rejected, NO_CODE, "invalid_grant"),
    ("400-invalid-grant", Rejected, NO_CODE, "invalid_grant"),
    ("400-invalid-grant-invalid-token", Rejected, NO_CODE, "invalid_grant"),
    ("400-4734", Rejected, NO_CODE, "4734"),
    ("400-4733", Rejected, CODE_EXPIRED, "4733"),
    ("400-4709", Rejected, NO_REDIRECT_URI, "4709"),
    ("400-4738", Rejected, "an administrator disabled the app", "4738"),
    ("400-4741", Rejected, "Zoom's token endpoint refuses, for a reason that we don't know", "4741"),
    ("400-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("401-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("400-4702", InvalidClient, NO_CLIENT, "4702"),
    ("400-unsupported-grant-type", Rejected, NO_GRANT_TYPE, "unsupported_grant_type"),
    ("400-app-not-activated", Rejected, APP_OFF, "invalid_request"),
    ("400-bad-request", ProviderUnavailable, "Zoom's token endpoint refuses without a reason", "invalid_request"),
    ("400-html", ProviderUnavailable, "Zoom's token endpoint refuses unreadably", None),
    ("500-html", ProviderUnavailable, "Zoom is out of order", None),
    ("301-other-host", Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong", None),
    # the code may be spent
    ("200-without-access-token", AnswerLost, "Zoom's answer has no access token in it", None),
    ("200-html", AnswerLost, "Zoom's answer has no access token in it", None),
]

#: what revoke raises
REFUSED_REVOCATIONS: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("200-revoke-without-success", ProviderUnavailable, "Zoom does not say that the token is revoked", None),
    ("200-html", ProviderUnavailable, "Zoom does not say that the token is revoked", None),
    ("200-empty-body", ProviderUnavailable, "Zoom does not say that the token is revoked", None),
    ("200-refreshed-today", ProviderUnavailable, "Zoom does not say that the token is revoked", None),
    ("400-invalid-client", InvalidClient, NO_CLIENT, "invalid_client"),
    ("400-invalid-request", ProviderUnavailable, "Zoom's revoke endpoint refuses without a reason", "invalid_request"),
    ("400-invalid-grant", Rejected, "Zoom's revoke endpoint refuses, for a reason that we don't know", "invalid_grant"),
    ("400-access-denied", Rejected, "Zoom's revoke endpoint refuses, for a reason that we don't know", "access_denied"),
    ("400-html", ProviderUnavailable, "Zoom's revoke endpoint refuses unreadably", None),
    ("500-html", ProviderUnavailable, "Zoom is out of order", None),
    ("503-json", ProviderUnavailable, "Zoom is out of order", "invalid_grant"),
    ("301-other-host", Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong", None),
]

REFUSALS = [
    *((refresh, *row) for row in REFUSED_REFRESHES),
    *((authorization_code, *row) for row in REFUSED_CODES),
    *((account_credentials, *row) for row in REFUSED_ACCOUNTS),
    *((revoke, *row) for row in REFUSED_REVOCATIONS),
]

#: granted: name, access token, refresh token, seconds of life, scope
GRANTED = [
    (
        "200-refreshed-today",
        "new-access-token",
        "new-refresh-token",
        3599,
        "user:read:user:admin user:delete:token:admin",
    ),
    ("200-without-refresh-token", "new-access-token", None, 3599, "user:read:user:admin user:delete:token:admin"),
    (
        "200-expires-in-as-text",
        "new-access-token",
        "new-refresh-token",
        1800,
        "user:read:user:admin user:delete:token:admin",
    ),
    (
        "200-expires-in-garbage",
        "new-access-token",
        "new-refresh-token",
        3600,
        "user:read:user:admin user:delete:token:admin",
    ),
    (
        "200-expires-in-absent",
        "new-access-token",
        "new-refresh-token",
        3600,
        "user:read:user:admin user:delete:token:admin",
    ),
    ("200-odd-fields", "new-access-token", None, 3600, ""),
]


@contextmanager
def zoom_answering(*answers: str | Play) -> Iterator[tuple[ZoomOAuth, Wire]]:
    raw = [fixture(f"zoom_oauth/{answer}") if isinstance(answer, str) else answer for answer in answers]
    with serving(*raw) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        yield ZoomOAuth(transport, lambda: NOW), wire


def tracking_id(name: str) -> str:
    found = re.search(rb"x-zm-trackingid: (\S+)", fixture(f"zoom_oauth/{name}"))
    assert found
    return found.group(1).decode()


def test_every_recorded_answer_is_named_in_this_file() -> None:
    source = Path(__file__).read_text()
    assert [name for name in fixtures("zoom_oauth") if f'"{name}"' not in source] == []


# The seed's documented examples


def test_the_documented_answer_to_refresh_access_token_is_a_new_pair() -> None:
    with zoom_answering("200-refreshed") as (zoom, wire):
        tokens = refresh(zoom)
    access_token, rotated = (
        tokens.access_token.get_secret_value(),
        (tokens.refresh_token or SecretStr("")).get_secret_value(),
    )
    assert access_token.startswith("eyJhbGciOiJIUzUxMiIsInYiOiIyLjAi")
    assert access_token.endswith(
        ".5c58p0PflZJdlz4Y7PgMIVCrQpHDnbM565iCKlrtajZ5HHmy00P5FCcoMwHb9LxjsUgbJ7653EfdeX5NEm6RoA"
    )
    assert rotated.endswith(".DwuqOzywRrQO2a6yp0K_6V-hR_i_mOB62flkr0_NfFdYsSqahIRRGk1GlUTQnFzHd896XDKf_FnSSvoJg_tzuQ")
    assert tokens.expires_at == datetime(2026, 11, 21, 10, 59, 59, tzinfo=UTC)
    assert tokens.scope == "user:read"
    assert tokens.tracking_id == tracking_id("200-refreshed")
    assert (wire.only.method, wire.only.target) == ("POST", "/oauth/token")
    assert wire.only.headers["content-type"] == "application/x-www-form-urlencoded"
    # base64 of client-id:CANARY-client-secret
    assert wire.only.headers["authorization"] == "Basic Y2xpZW50LWlkOkNBTkFSWS1jbGllbnQtc2VjcmV0"
    assert parse_qs(wire.only.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["CANARY-old-refresh-token"],
    }


def test_the_documented_answer_to_revoke_an_access_token_is_revoked() -> None:
    with zoom_answering("200-revoked") as (zoom, wire):
        result = revoke(zoom)
    assert result == Result(Outcome.REVOKED, ProviderResponse(200, tracking_id=tracking_id("200-revoked")))
    assert (wire.only.method, wire.only.target) == ("POST", "/oauth/revoke")
    assert wire.only.headers["content-type"] == "application/x-www-form-urlencoded"
    assert wire.only.headers["authorization"] == "Basic Y2xpZW50LWlkOkNBTkFSWS1jbGllbnQtc2VjcmV0"
    assert wire.only.body == b"token=CANARY-access-token"


# What a success looks like


@pytest.mark.parametrize(("name", "access", "rotated", "seconds", "scope"), GRANTED, ids=[row[0] for row in GRANTED])
def test_an_answer_with_an_access_token_is_never_thrown_away(
    name: str, access: str, rotated: str | None, seconds: int, scope: str
) -> None:
    with zoom_answering(name) as (zoom, _):
        tokens = refresh(zoom)
    assert tokens == GrantedTokens(
        access_token=SecretStr(access),
        refresh_token=SecretStr(rotated) if rotated else None,
        expires_at=NOW + timedelta(seconds=seconds),
        scope=scope,
        tracking_id=tracking_id(name),
    )


def test_a_refresh_token_alone_is_kept_too() -> None:
    with zoom_answering("200-without-access-token") as (zoom, _):
        tokens = refresh(zoom)
    assert not tokens.has_access_token
    assert tokens.refresh_token == SecretStr("new-refresh-token")


def test_an_authorization_code_is_exchanged_for_a_pair() -> None:
    with zoom_answering("200-refreshed-today") as (zoom, wire):
        tokens = authorization_code(zoom)
    assert tokens == GrantedTokens(
        access_token=SecretStr("new-access-token"),
        refresh_token=SecretStr("new-refresh-token"),
        expires_at=NOW + timedelta(seconds=3599),
        scope="user:read:user:admin user:delete:token:admin",
        tracking_id=tracking_id("200-refreshed-today"),
    )
    assert (wire.only.method, wire.only.target) == ("POST", "/oauth/token")
    assert wire.only.headers["authorization"] == "Basic Y2xpZW50LWlkOkNBTkFSWS1jbGllbnQtc2VjcmV0"
    assert parse_qs(wire.only.body.decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["CANARY-code"],
        "redirect_uri": ["http://127.0.0.1:8765/"],
        "code_verifier": ["CANARY-code-verifier"],
    }


def test_the_page_where_a_person_consents_is_asked_for_a_code_with_pkce() -> None:
    url = authorize_url(
        "https://zoom.us/",
        client_id="client-id",
        redirect_uri="http://127.0.0.1:8765/",
        state="st&te",
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    )
    assert url == (
        "https://zoom.us/oauth/authorize?response_type=code&client_id=client-id"
        "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8765%2F&state=st%26te"
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    )


def test_a_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    verifier = SecretStr("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_account_credentials_bring_no_refresh_token() -> None:
    with zoom_answering("200-account-credentials") as (zoom, wire):
        tokens = account_credentials(zoom)
    assert tokens.access_token.get_secret_value() == "new-access-token"
    assert tokens.refresh_token is None
    assert (wire.only.method, wire.only.target) == ("POST", "/oauth/token")
    assert parse_qs(wire.only.body.decode()) == {
        "grant_type": ["account_credentials"],
        "account_id": ["EPeQtiABC000VYxHMA"],
    }


def test_an_api_url_in_an_answer_is_not_followed() -> None:
    with zoom_answering("200-api-url-elsewhere", "200-refreshed-today") as (zoom, wire):
        refresh(zoom)
        refresh(zoom)
    assert [asked.headers["host"] for asked in wire.asked] == [f"127.0.0.1:{wire.port}"] * 2


def test_new_tokens_do_not_show_their_faces() -> None:
    with zoom_answering("200-refreshed-today") as (zoom, _):
        tokens = refresh(zoom)
    assert "new-" not in f"{tokens} {tokens!r}"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("400-invalid-token", 400, "invalid_token"),
        ("400-invalid-grant-invalid-token", 400, "invalid_grant"),
        ("401-invalid-request-invalid-token", 401, "invalid_request"),
        ("401-124-invalid", 401, "124"),
    ],
)
def test_a_token_that_zoom_calls_invalid_is_already_gone(name: str, status: int, code: str) -> None:
    with zoom_answering(name) as (zoom, _):
        result = revoke(zoom)
    assert result == Result(Outcome.ALREADY_GONE, ProviderResponse(status, code, tracking_id(name)))


@given(
    expires_in=st.one_of(
        st.none(),
        st.booleans(),
        st.text(),
        st.integers(),
        st.floats(allow_nan=True, allow_infinity=True),
        st.lists(st.integers(), max_size=2),
    ),
    scope=st.one_of(st.none(), st.text(alphabet=st.characters()), st.integers(), st.just("\ud800")),
    refresh_token=st.one_of(st.none(), st.text(), st.integers(), st.just("\ud800"), st.just("new-refresh-token")),
)
@example(expires_in=float("inf"), scope="", refresh_token="new-refresh-token")
@example(expires_in=float("nan"), scope="", refresh_token="new-refresh-token")
@example(expires_in="9" * 5000, scope="\ud800", refresh_token="new-refresh-token")
def test_only_a_missing_access_token_makes_an_answer_unusable(
    expires_in: object, scope: object, refresh_token: object
) -> None:
    body: Mapping[str, Any] = {
        "access_token": "new-access-token",
        "refresh_token": refresh_token,
        "expires_in": expires_in,
        "scope": scope,
    }
    tokens = GrantedTokens.from_answer(body, asked_at=NOW, tracking_id=None)
    assert tokens is not None
    assert tokens.access_token.get_secret_value() == "new-access-token"
    assert tokens.expires_at > NOW
    if refresh_token == "new-refresh-token":
        assert tokens.refresh_token == SecretStr("new-refresh-token")


# The decision table


@pytest.mark.parametrize(
    ("call", "name", "error", "reason", "code"), REFUSALS, ids=[f"{row[0].__name__}-{row[1]}" for row in REFUSALS]
)
def test_a_refusal_is_named_for_whoever_must_act(
    call: Call, name: str, error: type[LeaverError], reason: str, code: str | None
) -> None:
    with zoom_answering(name, name) as (zoom, wire), pytest.raises(LeaverError) as caught:
        call(zoom)
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert caught.value.response.code == code
    assert caught.value.response.status == int(name[:3])
    assert caught.value.response.tracking_id == tracking_id(name)
    assert len(wire.asked) == 1


@pytest.mark.parametrize("call", [refresh, authorization_code, account_credentials, revoke])
def test_a_limit_says_until_when(call: Call) -> None:
    with zoom_answering("429-json", "429-json") as (zoom, wire), pytest.raises(Throttled) as caught:
        call(zoom)
    assert caught.value.until == datetime(2026, 11, 21, 10, 0, 3, tzinfo=UTC)
    assert caught.value.reason == "Zoom's limit per second is reached"
    assert len(wire.asked) == 1


@pytest.mark.parametrize("call", [refresh, authorization_code, account_credentials, revoke])
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_an_answer_that_is_lost_is_not_asked_for_again(call: Call, ending: str) -> None:
    lost = Play(fixture("zoom_oauth/200-truncated-json"), "reset" if ending == "reset" else "close")
    with zoom_answering(lost, "200-refreshed-today") as (zoom, wire), pytest.raises(AnswerLost):
        call(zoom)
    assert len(wire.asked) == 1


@pytest.mark.parametrize("call", [refresh, authorization_code, account_credentials, revoke])
def test_a_zoom_that_is_not_there_was_sent_nothing(call: Call) -> None:
    with zoom_answering() as (zoom, _), pytest.raises(NotSent):
        call(zoom)


def test_a_token_endpoint_is_given_thirty_seconds_to_answer() -> None:
    class Patience(Transport):
        waited: float | None = None

        def request(self, method: str, path: str, **asked: Any) -> Answer:
            self.waited = asked["read_timeout"]
            return super().request(method, path, **asked)

    with (
        serving(fixture("zoom_oauth/200-refreshed-today")) as wire,
        closing(Patience(wire.url, clock=lambda: NOW)) as transport,
    ):
        refresh(ZoomOAuth(transport, lambda: NOW))
        assert transport.waited == 30


# Secrets


@pytest.mark.parametrize(
    ("call", "name"),
    [*((row[0], row[1]) for row in REFUSALS), (refresh, "429-json"), (revoke, "200-truncated-json")],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_no_failure_shows_a_secret_or_the_body(call: Call, name: str) -> None:
    with zoom_answering(name) as (zoom, _), pytest.raises(LeaverError) as caught:
        call(zoom)
    shown = shown_by(caught.value)
    assert "CANARY" not in shown
    assert "new-refresh-token" not in shown
    # base64 of the client's secret
    assert "Y2xpZW50" not in shown
    body = fixture(f"zoom_oauth/{name}").split(b"\r\n\r\n", 1)[1].decode()
    assert not body or body not in shown
