"""What each answer to a login at Venafi means; the answers are files, the expectations are written here by hand."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    InvalidClient,
    LeaverError,
    NotSent,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.providers.transport import Transport
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.tokens import GrantedTokens
from tests.doubles.canary import shown_by
from tests.doubles.wire import Play, Wire, fixture, fixtures, serving

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SCOPE = "admin:delete;configuration"


def password(venafi: VenafiAuth) -> GrantedTokens:
    return venafi.authorize_oauth("leaver", "local:robot", SecretStr("CANARY-password"), SCOPE)


def jwt(venafi: VenafiAuth) -> GrantedTokens:
    return venafi.authorize_jwt("leaver", SecretStr("CANARY-jwt"), SCOPE)


Call = Callable[[VenafiAuth], GrantedTokens]

OUT_OF_ORDER = "Venafi is out of order"
UNREADABLE = "Venafi's token endpoint refuses unreadably"
NO_TOKEN = "Venafi's answer has no access token in it"

#: what is said of every login: name, error, reason, code
REFUSALS: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("400-invalid-client", InvalidClient, "Venafi does not accept the client_id", "invalid_client"),
    ("400-invalid-scope", Rejected, "the application may not ask for these scopes", "invalid_scope"),
    ("400-invalid-request", Rejected, "Venafi finds the request invalid", "invalid_request"),
    (
        "400-unauthorized-client",
        Rejected,
        "the application does not allow this way to log in, or this identity",
        "unauthorized_client",
    ),
    (
        "400-unsupported-grant-type",
        Rejected,
        "the application does not allow this way to log in",
        "unsupported_grant_type",
    ),
    # never a dead grant: a login has none
    (
        "400-unknown-error",
        Rejected,
        "Venafi's token endpoint refuses, for a reason that we don't know",
        "grant_expired",
    ),
    ("400-html", ProviderUnavailable, UNREADABLE, None),
    ("404-html", ProviderUnavailable, UNREADABLE, None),
    ("500-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("503-html", ProviderUnavailable, OUT_OF_ORDER, None),
    ("301-other-host", Rejected, "Venafi has moved: the URL of Venafi in the settings is wrong", None),
    # nothing was spent, so it is not an answer that was lost
    ("200-without-access-token", ProviderUnavailable, NO_TOKEN, "server_error"),
    ("200-html", ProviderUnavailable, NO_TOKEN, None),
]

NO_PASSWORD = "username and password: Venafi does not accept them"
NO_JWT = "jwt: Venafi does not accept it, or no JWT mapping of Venafi's fits it"

#: what is said of what was logged in with
NOT_LET_IN: list[tuple[Call, str, type[LeaverError], str, str | None]] = [
    (call, name, Rejected, reason, code)
    for call, reason in ((password, NO_PASSWORD), (jwt, NO_JWT))
    for name, code in (
        ("400-invalid-grant", "invalid_grant"),
        ("401-invalid-grant", "invalid_grant"),
        ("400-access-denied", "access_denied"),
        ("401-empty-body", None),
    )
]

TABLE = [*((call, *row) for row in REFUSALS for call in (password, jwt)), *NOT_LET_IN]


@contextmanager
def venafi_answering(*answers: str | Play) -> Iterator[tuple[VenafiAuth, Wire]]:
    raw = [fixture(f"venafi_login/{answer}") if isinstance(answer, str) else answer for answer in answers]
    with serving(*raw) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        yield VenafiAuth(transport, lambda: NOW), wire


def test_every_recorded_answer_is_named_in_a_test() -> None:
    source = Path(__file__).read_text() + Path(__file__).with_name("test_venafi_certificate.py").read_text()
    assert [name for name in fixtures("venafi_login") if f'"{name}"' not in source] == []


@pytest.mark.parametrize(
    ("call", "path", "login"),
    [
        (password, "/vedauth/authorize/oauth", {"username": "local:robot", "password": "CANARY-password"}),
        (jwt, "/vedauth/authorize/jwt", {"jwt": "CANARY-jwt"}),
    ],
)
def test_a_login_brings_the_tokens_of_a_new_grant(call: Call, path: str, login: dict[str, str]) -> None:
    with venafi_answering("200-granted") as (venafi, wire):
        tokens = call(venafi)
    assert tokens == GrantedTokens(
        access_token=SecretStr("new-access-token=="),
        refresh_token=SecretStr("new-refresh-token=="),
        expires_at=datetime(2027, 2, 19, 10, 0, tzinfo=UTC),
        scope="admin:delete;configuration",
    )
    assert (wire.only.method, wire.only.target) == ("POST", path)
    assert "authorization" not in wire.only.headers
    assert json.loads(wire.only.body) == {"client_id": "leaver", "scope": "admin:delete;configuration", **login}


def test_an_application_may_give_no_refresh_token() -> None:
    with venafi_answering("200-not-renewable") as (venafi, _):
        assert password(venafi).refresh_token is None


@pytest.mark.parametrize(
    ("call", "name", "error", "reason", "code"), TABLE, ids=[f"{row[0].__name__}-{row[1]}" for row in TABLE]
)
def test_a_login_that_is_refused_says_what_to_look_at(
    call: Call, name: str, error: type[LeaverError], reason: str, code: str | None
) -> None:
    with venafi_answering(name, name) as (venafi, wire), pytest.raises(LeaverError) as caught:
        call(venafi)
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert caught.value.response.code == code
    assert caught.value.response.status == int(name[:3])
    assert len(wire.asked) == 1
    shown = shown_by(caught.value)
    assert "CANARY" not in shown
    body = fixture(f"venafi_login/{name}").split(b"\r\n\r\n", 1)[1].decode()
    assert not body or body not in shown


@pytest.mark.parametrize("call", [password, jwt])
def test_a_load_balancer_says_until_when(call: Call) -> None:
    with venafi_answering("429-empty-body") as (venafi, _), pytest.raises(Throttled) as caught:
        call(venafi)
    assert caught.value.until == datetime(2026, 11, 21, 10, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("call", [password, jwt])
def test_a_login_whose_answer_is_lost_is_not_repeated_behind_our_back(call: Call) -> None:
    with venafi_answering(Play(), "200-granted") as (venafi, wire), pytest.raises(AnswerLost) as caught:
        call(venafi)
    assert len(wire.asked) == 1
    assert "CANARY" not in shown_by(caught.value)


@pytest.mark.parametrize("call", [password, jwt])
def test_of_a_login_whose_answer_breaks_off_the_token_is_kept(call: Call) -> None:
    with venafi_answering("200-truncated-json") as (venafi, _):
        tokens = call(venafi)
    assert tokens.access_token == SecretStr("new-access-token==")
    assert (tokens.refresh_token, tokens.is_damaged) == (None, True)


@pytest.mark.parametrize("call", [password, jwt])
def test_a_venafi_that_is_not_there_was_sent_nothing(call: Call) -> None:
    with venafi_answering() as (venafi, _), pytest.raises(NotSent) as caught:
        call(venafi)
    assert "CANARY" not in shown_by(caught.value)
