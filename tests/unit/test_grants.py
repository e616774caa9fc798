"""Which token endpoint is asked for which connection, and with what."""

import json

import pytest
from pydantic import SecretStr

from leaver.connections import Connection
from leaver.errors import InvalidGrant, ProviderUnavailable, Rejected
from leaver.grants import Grants
from leaver.outcomes import Outcome
from leaver.tokens import TokenSet
from tests.fake_connections import connection
from tests.fake_providers import FakeGrant, FakeVenafi, FakeZoomOAuth
from tests.fake_secrets import PARENT, StrictSecretsManager, vault_of
from tests.fakes import Clock

ZOOM = connection()
SERVER_TO_SERVER = connection(grant_type="account_credentials")
VENAFI = connection("venafi", provider="venafi")


def grants_of(record: Connection, grant: FakeGrant, secrets: StrictSecretsManager) -> tuple[Grants, TokenSet]:
    vault = vault_of(secrets, record.connection)
    grants = Grants(zoom=FakeZoomOAuth(grant), venafi=FakeVenafi(grant=grant), vault=vault)
    return grants, vault.tokens(record.connection, PARENT)


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
    secrets.put_secret_value(SecretId="leaver/credentials/zoom", SecretString=json.dumps(stored))
    assert grants.refresh(SERVER_TO_SERVER, held).refresh_token is None
    assert grant.asked == [("account_credentials", "account-1")]


def test_server_to_server_without_an_account_is_named_and_not_asked(
    grant: FakeGrant, secrets: StrictSecretsManager
) -> None:
    grants, held = grants_of(SERVER_TO_SERVER, grant, secrets)
    with pytest.raises(Rejected, match=r"^secret credentials/zoom: account_id: is missing$"):
        grants.refresh(SERVER_TO_SERVER, held)
    assert grant.asked == []


@pytest.mark.parametrize("grant_type", ["certificate", "jwt", "password"])
def test_what_can_not_be_done_yet_is_said(grant_type: str, grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    record = VENAFI.model_copy(update={"grant_type": grant_type})
    grants, held = grants_of(record, grant, secrets)
    with pytest.raises(Rejected, match=f"^connection venafi: grant type {grant_type} is not supported yet$"):
        grants.refresh(record, held)
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
    assert result.provider_status in {400, 401}


def test_a_revocation_that_failed_is_no_word_about_the_token(grant: FakeGrant, secrets: StrictSecretsManager) -> None:
    grants, _ = grants_of(VENAFI, grant, secrets)
    grant.failing = [ProviderUnavailable("Venafi took the request and did not revoke the token", provider_status=202)]
    with pytest.raises(ProviderUnavailable):
        grants.revoke(VENAFI, SecretStr("access-1"))
    assert grant.alive
