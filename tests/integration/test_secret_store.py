"""The secret store on Secrets Manager: moto's, and a strict fake where moto is laxer than AWS."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.errors import NotKept, NotRead, Rejected, Superseded
from leaver.providers.venafi.credentials import VenafiCredentials
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.storage.secrets import SecretStore, next_version_id
from leaver.tokens import TokenSet
from tests.doubles.canary import shown_by
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, tokens
from tests.integration.dynamodb import SESSION

EXPIRES_AT = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
CHILD = next_version_id("zoom", PARENT)
JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"


@pytest.fixture
def strict() -> StrictSecretsManager:
    return StrictSecretsManager()


@pytest.fixture(params=["moto", "strict"])
def secrets(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A Secrets Manager client."""
    if request.param == "strict":
        yield request.getfixturevalue("strict").client
        return
    with mock_aws():
        yield SESSION.client("secretsmanager")


@pytest.fixture
def secret_store(secrets: Any) -> SecretStore:
    """A secret store with the first tokens of one connection."""
    secrets.create_secret(Name="leaver/tokens/zoom/zoom", SecretString=tokens())
    return SecretStore(secrets, prefix="leaver")


def pair(number: int, refresh_token: str | None = "new") -> TokenSet:  # noqa: S107 - made up
    return TokenSet(
        access_token=SecretStr(f"access-{number}"),
        refresh_token=SecretStr(refresh_token) if refresh_token else None,
        expires_at=EXPIRES_AT,
        scope="user:read:admin",
    )


def test_a_successors_name_is_known_before_it_exists() -> None:
    assert next_version_id("zoom", PARENT) == next_version_id("zoom", PARENT)
    assert (
        len(
            {next_version_id("zoom", PARENT), next_version_id("venafi", PARENT), next_version_id("zoom", CHILD), PARENT}
        )
        == 4
    )
    assert UUID(CHILD).version == 5


def test_a_successors_name_never_changes_from_one_version_of_leaver_to_the_next() -> None:
    # A deployment between a write and its record must find what the one before it wrote.
    assert next_version_id("zoom", PARENT) == "8ac946ab-85ae-5bbc-951e-ff45a817844a"


def test_a_written_pair_is_read_back_by_its_version(secret_store: SecretStore) -> None:
    assert secret_store.store_next("zoom/zoom", PARENT, pair(2)) == CHILD
    read = secret_store.tokens("zoom/zoom", CHILD)
    assert read == pair(2)
    assert read.access_token.get_secret_value() == "access-2"


def test_a_pair_without_a_refresh_token_is_read_back(secret_store: SecretStore) -> None:
    secret_store.store_next("zoom/zoom", PARENT, pair(2, refresh_token=None))
    assert secret_store.tokens("zoom/zoom", CHILD).refresh_token is None


def test_the_successor_is_current_at_once(secret_store: SecretStore, secrets: Any) -> None:
    secret_store.store_next("zoom/zoom", PARENT, pair(2))
    current = secrets.get_secret_value(SecretId="leaver/tokens/zoom/zoom", VersionStage="AWSCURRENT")
    assert current["VersionId"] == CHILD


def test_writing_the_same_pair_twice_is_harmless(secret_store: SecretStore) -> None:
    secret_store.store_next("zoom/zoom", PARENT, pair(2))
    assert secret_store.store_next("zoom/zoom", PARENT, pair(2)) == CHILD
    assert secret_store.tokens("zoom/zoom", CHILD) == pair(2)


def test_a_parent_has_one_child(strict: StrictSecretsManager) -> None:
    # moto overwrites in silence; AWS refuses.
    strict.create_secret(Name="leaver/tokens/zoom/zoom", SecretString=tokens())
    secret_store = SecretStore(strict.client, prefix="leaver")
    secret_store.store_next("zoom/zoom", PARENT, pair(2))
    with pytest.raises(
        Superseded, match=rf"^secret leaver/tokens/zoom/zoom: {CHILD} holds other tokens$"
    ) as superseded:
        secret_store.store_next("zoom/zoom", PARENT, pair(3))
    assert "access-3" not in shown_by(superseded.value)
    assert secret_store.tokens("zoom/zoom", CHILD) == pair(2)


@pytest.mark.parametrize("trouble", ["read_only", "mute"])
def test_a_write_that_is_not_confirmed_is_named_and_shows_nothing(strict: StrictSecretsManager, trouble: str) -> None:
    strict.create_secret(Name="leaver/tokens/zoom/zoom", SecretString=tokens())
    setattr(strict, trouble, True)
    cause = {"read_only": "InternalServiceError", "mute": "ReadTimeoutError"}[trouble]
    with pytest.raises(NotKept, match=rf"^secret leaver/tokens/zoom/zoom: {cause}$") as kept:
        SecretStore(strict.client, prefix="leaver").store_next("zoom/zoom", PARENT, pair(2))
    assert "access-2" not in shown_by(kept.value)
    assert kept.value.__context__ is None


def test_a_secret_that_does_not_exist_takes_no_successor(secret_store: SecretStore) -> None:
    with pytest.raises(NotKept, match=r"^secret leaver/tokens/zoom/zoom-eu: ResourceNotFoundException$"):
        secret_store.store_next("zoom/zoom-eu", PARENT, pair(2))


def test_the_newest_is_found_by_following_successors(secret_store: SecretStore) -> None:
    assert secret_store.latest_version("zoom/zoom", PARENT) == PARENT
    secret_store.store_next("zoom/zoom", PARENT, pair(2))
    assert secret_store.latest_version("zoom/zoom", PARENT) == CHILD
    grandchild = secret_store.store_next("zoom/zoom", CHILD, pair(3))
    assert (
        secret_store.latest_version("zoom/zoom", PARENT)
        == secret_store.latest_version("zoom/zoom", CHILD)
        == secret_store.latest_version("zoom/zoom", grandchild)
        == grandchild
    )


def test_the_newest_of_a_secret_that_does_not_exist_is_what_was_asked_for(secret_store: SecretStore) -> None:
    assert secret_store.latest_version("zoom/zoom-eu", PARENT) == PARENT


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("zoom/zoom", f"secret leaver/tokens/zoom/zoom: has no version {CHILD}"),
        ("zoom/zoom-eu", f"secret leaver/tokens/zoom/zoom-eu: has no version {CHILD}"),
    ],
)
def test_a_version_that_does_not_exist_is_named(secret_store: SecretStore, place: str, reason: str) -> None:
    with pytest.raises(Rejected, match=f"^{reason}$"):
        secret_store.tokens(place, CHILD)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ({"client_id": "id", "client_secret": "canary-5e\n"}, None),
        ({"client_id": "id"}, "client_secret: is missing"),
        ({"client_id": "id", "client_secret": "s", "canary-5e": "canary-5e"}, "unknown field (allowed: account_id, "),
        ("canary-5e", "Invalid JSON: expected value at line 1 column 1"),
    ],
)
def test_credentials_are_checked_field_by_field(secrets: Any, stored: Any, reason: str | None) -> None:
    text = stored if isinstance(stored, str) else json.dumps(stored)
    secrets.create_secret(Name="leaver/credentials/zoom/zoom", SecretString=text)
    secret_store = SecretStore(secrets, prefix="leaver")
    if reason is None:
        assert secret_store.credentials("zoom/zoom", ZoomCredentials).client_secret.get_secret_value() == "canary-5e"
        return
    with pytest.raises(Rejected) as rejected:
        secret_store.credentials("zoom/zoom", ZoomCredentials)
    assert rejected.value.reason.startswith(f"secret leaver/credentials/zoom/zoom: {reason}")
    assert "canary-5e" not in rejected.value.reason
    assert rejected.value.__cause__ is None


def test_credentials_are_the_current_ones(secrets: Any) -> None:
    secrets.create_secret(Name="leaver/credentials/venafi/venafi", SecretString='{"client_id": "old"}')
    secrets.put_secret_value(SecretId="leaver/credentials/venafi/venafi", SecretString='{"client_id": "new"}')
    assert SecretStore(secrets, prefix="leaver").credentials("venafi/venafi", VenafiCredentials).client_id == "new"


def test_credentials_that_nobody_wrote_are_missing_by_name(secret_store: SecretStore) -> None:
    with pytest.raises(Rejected, match=r"^secret leaver/credentials/zoom/zoom: is missing$"):
        secret_store.credentials("zoom/zoom", ZoomCredentials)


def test_a_secret_that_is_scheduled_for_deletion_is_named() -> None:
    with mock_aws():
        secrets = SESSION.client("secretsmanager")
        secret_store = SecretStore(secrets, prefix="leaver")
        for kind in ("credentials", "tokens"):
            secrets.create_secret(Name=f"leaver/{kind}/zoom/zoom", SecretString="{}")
            secrets.delete_secret(SecretId=f"leaver/{kind}/zoom/zoom")
        with pytest.raises(Rejected, match=r"^secret leaver/credentials/zoom/zoom: is scheduled for deletion$"):
            secret_store.credentials("zoom/zoom", ZoomCredentials)
        with pytest.raises(Rejected, match=r"^secret leaver/tokens/zoom/zoom: is scheduled for deletion$"):
            secret_store.latest_version("zoom/zoom", PARENT)
        with pytest.raises(Rejected, match=r"^secret leaver/tokens/zoom/zoom: is scheduled for deletion$"):
            secret_store.tokens("zoom/zoom", PARENT)


def test_secrets_manager_that_does_not_answer_is_nobodys_fault(strict: StrictSecretsManager) -> None:
    strict.create_secret(Name="leaver/tokens/zoom/zoom", SecretString=tokens())
    strict.unreadable = True
    secret_store = SecretStore(strict.client, prefix="leaver")
    with pytest.raises(NotRead, match=r"^secret leaver/tokens/zoom/zoom: InternalServiceError$"):
        secret_store.tokens("zoom/zoom", PARENT)
    # To take "no answer" for "no successor" would spend the same refresh token twice.
    with pytest.raises(NotRead, match=r"^secret leaver/tokens/zoom/zoom: InternalServiceError$"):
        secret_store.latest_version("zoom/zoom", PARENT)
    with pytest.raises(NotRead, match=r"^secret leaver/credentials/zoom/zoom: InternalServiceError$"):
        secret_store.credentials("zoom/zoom", ZoomCredentials)


def test_a_secret_that_was_stored_as_binary_is_no_json() -> None:
    with mock_aws():
        secrets = SESSION.client("secretsmanager")
        secrets.create_secret(Name="leaver/credentials/zoom/zoom", SecretBinary=b"{}")
        with pytest.raises(Rejected, match=r"^secret leaver/credentials/zoom/zoom: Invalid JSON: EOF"):
            SecretStore(secrets, prefix="leaver").credentials("zoom/zoom", ZoomCredentials)
