"""What Leaver holds in secret: how it is read, and that it shows no face."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from leaver.errors import explain
from leaver.providers.venafi.credentials import VenafiCredentials
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.tokens import GrantedTokens, KeptUserToken, TokenSet

CANARY = "canary-90ab3e"
ASKED_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def reason(model: type[BaseModel], stored: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(stored)
    said = explain(refused.value, model)
    assert CANARY not in said
    return said


TOKENS = {"access_token": f"{CANARY}-a", "refresh_token": f"{CANARY}-r", "expires_at": "2026-11-22T10:30:00+00:00"}


@pytest.mark.parametrize(
    "secret",
    [
        TokenSet.model_validate(TOKENS),
        GrantedTokens.model_validate(TOKENS),
        ZoomCredentials.model_validate({"client_id": "id", "client_secret": CANARY}),
        VenafiCredentials.model_validate({"client_id": "id", "username": "robot", "password": CANARY}),
        VenafiCredentials.model_validate({"client_id": "id", "certificate": "PEM", "private_key": CANARY}),
        VenafiCredentials.model_validate({"client_id": "id", "jwt": CANARY}),
        KeptUserToken.model_validate({"token": CANARY, "expires_at": ASKED_AT, "expires_at_assumed": True}),
    ],
    ids=lambda secret: type(secret).__name__,
)
def test_a_secret_has_no_face(secret: BaseModel) -> None:
    shown = [repr(secret), str(secret), secret.model_dump_json(), str(secret.model_dump()), f"{secret!r:>99}"]
    assert CANARY not in "".join(shown)


def test_white_space_around_a_stored_secret_is_dropped() -> None:
    stored = ZoomCredentials.model_validate({"client_id": " id\n", "client_secret": f" {CANARY}\r\n"})
    assert (stored.client_id, stored.client_secret.get_secret_value()) == ("id", CANARY)


@pytest.mark.parametrize(
    ("model", "stored", "expected"),
    [
        (ZoomCredentials, {"client_id": "id"}, "client_secret: is missing"),
        (ZoomCredentials, {"client_id": "id", "client_secret": " \n"}, "client_secret: is empty"),
        (ZoomCredentials, {"client_id": "", "client_secret": CANARY}, "client_id: is empty"),
        (
            ZoomCredentials,
            {"client_id": "id", "client_secret": "s", f"{CANARY}": CANARY},
            "unknown field (allowed: account_id, client_id, client_secret)",
        ),
        (TokenSet, TOKENS | {"expires_at": "2026-11-22T10:30:00"}, "expires_at: Input should have timezone info"),
        (TokenSet, {}, "access_token: is missing; expires_at: is missing"),
        (
            VenafiCredentials,
            {"client_id": "id", "username": CANARY},
            "username and password: expected both or neither",
        ),
        (
            VenafiCredentials,
            {"client_id": "id", "private_key": CANARY},
            "certificate and private_key: expected both or neither",
        ),
        (
            VenafiCredentials,
            {"client_id": "id", "username": "robot", "password": CANARY, "jwt": CANARY},
            "expected one of (username, password), (certificate, private_key), jwt",
        ),
    ],
)
def test_what_people_stored_wrongly_is_named_field_by_field(
    model: type[BaseModel], stored: dict[str, Any], expected: str
) -> None:
    assert reason(model, stored) == expected


def test_a_venafi_connection_that_lives_on_its_refresh_token_needs_only_its_client_id() -> None:
    assert VenafiCredentials.model_validate({"client_id": "leaver"}).jwt is None


def test_the_seeds_own_answer_is_read() -> None:
    answer = {
        "access_token": "eyJhbGciOiJIUzUxMiJ9.access",
        "token_type": "bearer",
        "refresh_token": "eyJhbGciOiJIUzUxMiJ9.refresh",
        "expires_in": 3599,
        "scope": "user:read:admin",
    }
    tokens = GrantedTokens.from_answer(answer, asked_at=ASKED_AT, tracking_id="v=2.0")
    assert tokens is not None
    assert tokens.access_token.get_secret_value() == "eyJhbGciOiJIUzUxMiJ9.access"
    assert tokens.refresh_token is not None
    assert tokens.refresh_token.get_secret_value() == "eyJhbGciOiJIUzUxMiJ9.refresh"
    assert (tokens.expires_at, tokens.scope) == (ASKED_AT + timedelta(seconds=3599), "user:read:admin")


@pytest.mark.parametrize("body", [None, {}, {"access_token": None}, {"access_token": ""}, {"access_token": 7}])
def test_without_an_access_token_there_is_nothing(body: dict[str, Any] | None) -> None:
    assert GrantedTokens.from_answer(body, asked_at=ASKED_AT, tracking_id=None) is None


@pytest.mark.parametrize("expires_in", [None, "soon", -1, 0, 1e400, [], 315_360_001, float("nan")])
def test_a_crooked_lifetime_throws_no_token_away(expires_in: Any) -> None:
    body = {"access_token": "a", "refresh_token": "r", "expires_in": expires_in}
    tokens = GrantedTokens.from_answer(body, asked_at=ASKED_AT, tracking_id=None)
    assert tokens is not None
    assert tokens.expires_at == ASKED_AT + timedelta(hours=1)


@pytest.mark.parametrize(("expires_in", "seconds"), [(60, 60), ("60", 60), (60.9, 60), (315_360_000, 315_360_000)])
def test_a_lifetime_counts_from_before_the_request(expires_in: Any, seconds: int) -> None:
    tokens = GrantedTokens.from_answer(
        {"access_token": "a", "expires_in": expires_in}, asked_at=ASKED_AT, tracking_id=None
    )
    assert tokens is not None
    assert tokens.expires_at == ASKED_AT + timedelta(seconds=seconds)


@pytest.mark.parametrize("refresh_token", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": 7}])
def test_an_answer_may_bring_no_new_refresh_token(refresh_token: dict[str, Any]) -> None:
    tokens = GrantedTokens.from_answer({"access_token": "a", **refresh_token}, asked_at=ASKED_AT, tracking_id=None)
    assert tokens is not None
    assert tokens.refresh_token is None
