"""Which token endpoint is asked for which connection, and with what."""

import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection
from leaver.errors import InvalidGrant, ProviderResponse, ProviderUnavailable, Rejected
from leaver.outcomes import Outcome
from leaver.providers.registry import PROVIDERS
from leaver.tokens import TokenSet
from tests.doubles.clock import Clock
from tests.doubles.connections_table import connection
from tests.doubles.providers import FakeGrant, FakeVenafi, FakeZoomOAuth
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, secret_store_of

ZOOM = connection()
SERVER_TO_SERVER = connection(grant_type="account_credentials")
VENAFI = connection("venafi", provider="venafi")


def grants_of(record: Connection, grant: FakeGrant, secrets: StrictSecretsManager) -> tuple[ProviderGrants, TokenSet]:
    secret_store = secret_store_of(secrets, record.connection, place=record.place)
    clients = {"zoom": FakeZoomOAuth(grant), "venafi": FakeVenafi(grant=grant)}
    grants = ProviderGrants(PROVIDERS, clients, secret_store)
    return grants, secret_store.tokens(record.place, PARENT)


@pytest.fixture
def grant() -> FakeGrant:
    return FakeGrant(Clock())


@pytest.fixture
def secrets() -> StrictSecretsManager:
    return StrictSecretsManager()


@pytest.mark.parametrize("record", [ZOOM, VENAFI], ids=["zoom", "venafi"])
def test_a_refresh_token_is_exchanged_once(record: Connection, grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    grants, held = grants_of(record, grant, secrets)
    granted = grants.refresh(record, held)
    assert granted.access_token.get_secret_value() == "access-2"
    assert grant.asked == [("refresh", "refresh-1")]


def test_server_to_server_asks_with_the_account(grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    grants, held = grants_of(SERVER_TO_SERVER, grant, secrets)
    stored = {"client_id": "client-id", "client_secret": "client-secret", "account_id": "account-1"}
    secrets.put_secret_value(SecretId="leaver/credentials/zoom/zoom", SecretString=json.dumps(stored))
    assert grants.refresh(SERVER_TO_SERVER, held).refresh_token is None
    assert grant.asked == [("account_credentials", "account-1")]


def test_server_to_server_without_an_account_is_named_and_not_asked(
    grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    grants, held = grants_of(SERVER_TO_SERVER, grant, secrets)
    with pytest.raises(Rejected, match=r"^secret credentials/zoom/zoom: account_id: is missing$"):
        grants.refresh(SERVER_TO_SERVER, held)
    assert grant.asked == []


#: what is stored, and what Venafi is asked with it
LOGINS = {
    "password": ({"username": "robot", "password": "pass"}, "robot pass user:read:admin"),
    "jwt": ({"jwt": "ey.jwt"}, "ey.jwt user:read:admin"),
    "certificate": ({"certificate": "PEM", "private_key": "KEY"}, "PEM KEY user:read:admin"),
}


def store(secrets: StrictSecretsManager, credentials: dict[str, str]) -> None:
    stored = json.dumps({"client_id": "client-id", **credentials})
    secrets.put_secret_value(SecretId="leaver/credentials/venafi/venafi", SecretString=stored)


@pytest.mark.parametrize("grant_type", LOGINS)
def test_a_connection_without_a_refresh_token_logs_in_for_the_scope_that_it_holds(
    grant_type: str, grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    record = VENAFI.model_copy(update={"grant_type": grant_type})
    grants, held = grants_of(record, grant, secrets)
    credentials, asked = LOGINS[grant_type]
    store(secrets, credentials)
    granted = grants.refresh(record, held.model_copy(update={"refresh_token": None}))
    assert granted.access_token.get_secret_value() == "access-2"
    assert grant.asked == [(grant_type, asked)]


@pytest.mark.parametrize(
    ("grant_type", "missing"),
    [
        ("certificate", "certificate and private_key: are missing"),
        ("jwt", "jwt: is missing"),
        ("password", "username and password: are missing"),
    ],
)
def test_a_login_that_was_never_stored_is_named_and_nobody_asked(
    grant_type: str, missing: str, grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    record = VENAFI.model_copy(update={"grant_type": grant_type})
    grants, held = grants_of(record, grant, secrets)
    with pytest.raises(Rejected, match=f"^secret credentials/venafi/venafi: {missing}$"):
        grants.refresh(record, held)
    assert grant.asked == []


@pytest.mark.parametrize("grant_type", LOGINS)
def test_where_a_refresh_token_is_dead_a_stored_login_brings_a_new_grant(
    grant_type: str, grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    grants, held = grants_of(VENAFI, grant, secrets)
    credentials, asked = LOGINS[grant_type]
    store(secrets, credentials)
    grant.failing = [InvalidGrant("Venafi does not accept the refresh token")]
    with pytest.raises(InvalidGrant):
        grants.refresh(VENAFI, held)
    granted = grants.authorize(VENAFI, held.scope)
    assert granted is not None
    assert granted.refresh_token == SecretStr("refresh-2")
    assert grant.asked == [("refresh", "refresh-1"), (grant_type, asked)]


def test_without_a_stored_login_nobody_is_asked(grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    grants, held = grants_of(VENAFI, grant, secrets)
    assert grants.authorize(VENAFI, held.scope) is None
    assert grant.asked == []


def test_an_account_id_beside_an_app_that_users_authorise_is_no_login(
    grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    grants, held = grants_of(ZOOM, grant, secrets)
    stored = {"client_id": "client-id", "client_secret": "client-secret", "account_id": "account-1"}
    secrets.put_secret_value(SecretId="leaver/credentials/zoom/zoom", SecretString=json.dumps(stored))
    assert grants.authorize(ZOOM, held.scope) is None
    assert grant.asked == []


@pytest.mark.parametrize(
    ("provider", "grant_type", "nothing_to_lose"),
    [
        ("zoom", "refresh_token", False),
        ("venafi", "refresh_token", False),
        ("zoom", "account_credentials", True),
        ("venafi", "certificate", True),
        ("venafi", "jwt", True),
        ("venafi", "password", True),
    ],
)
def test_only_a_refresh_token_can_be_lost(
    provider: str, grant_type: str, grant: FakeGrant, secrets: StrictSecretsManager, *, nothing_to_lose: bool
) -> None:
    record = connection(provider=provider, grant_type=grant_type)
    grants, _ = grants_of(record, grant, secrets)
    assert grants.reauthenticates(record) is nothing_to_lose


def test_a_grant_type_that_the_provider_does_not_have_is_refused_by_name(
    grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    record = connection(grant_type="password")
    grants, held = grants_of(record, grant, secrets)
    with pytest.raises(
        Rejected, match=r"^connection zoom: grant_type: expected one of account_credentials, refresh_token$"
    ):
        grants.refresh(record, held)
    assert grant.asked == []


UNKNOWN: dict[str, Callable[[ProviderGrants, Connection, TokenSet], object]] = {
    "refresh": lambda grants, record, held: grants.refresh(record, held),
    "authorize": lambda grants, record, held: grants.authorize(record, held.scope),
    "revoke": lambda grants, record, held: grants.revoke(record, held.access_token),
    "reauthenticates": lambda grants, record, _: grants.reauthenticates(record),
    "outlives": lambda grants, record, _: grants.outlives(record),
    "proves_end": lambda grants, record, held: grants.proves_end(record, held),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_a_provider_that_is_not_in_the_registry_is_refused_by_name_and_nobody_else_sees_its_token(
    what: str, grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    record = connection(provider="acme")
    grants, held = grants_of(record, grant, secrets)
    with pytest.raises(Rejected, match=r"^connection zoom is one to acme: expected one of venafi, zoom$"):
        UNKNOWN[what](grants, record, held)
    assert grant.asked == []


@pytest.mark.parametrize("record", [ZOOM, VENAFI], ids=["zoom", "venafi"])
def test_without_a_refresh_token_nobody_is_asked(
    record: Connection, grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    grants, held = grants_of(record, grant, secrets)
    with pytest.raises(InvalidGrant, match="holds no refresh token"):
        grants.refresh(record, held.model_copy(update={"refresh_token": None}))
    assert grant.asked == []


@pytest.mark.parametrize("record", [ZOOM, VENAFI], ids=["zoom", "venafi"])
def test_revoking_ends_the_whole_grant(record: Connection, grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    grants, _ = grants_of(record, grant, secrets)
    assert grants.revoke(record, SecretStr("access-1")).outcome is Outcome.REVOKED
    assert not grant.alive


@pytest.mark.parametrize("record", [ZOOM, VENAFI], ids=["zoom", "venafi"])
def test_a_token_that_the_provider_does_not_know_is_gone(
    record: Connection, grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    grants, _ = grants_of(record, grant, secrets)
    result = grants.revoke(record, SecretStr("access-0"))
    assert result.outcome is Outcome.ALREADY_GONE
    assert result.response.status in {400, 401}


def test_a_revocation_that_failed_is_no_word_about_the_token(grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    grants, _ = grants_of(VENAFI, grant, secrets)
    grant.failing = [ProviderUnavailable("Venafi took the request and did not revoke the token", ProviderResponse(202))]
    with pytest.raises(ProviderUnavailable):
        grants.revoke(VENAFI, SecretStr("access-1"))
    assert grant.alive
