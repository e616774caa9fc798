"""An encrypted refresh token on moto's KMS, and the fake that unit tests use held to the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.errors import NotKept, NotRead
from leaver.storage.encryption import TokenEncryption
from tests.doubles.canary import shown_by
from tests.doubles.kms import KEY, FakeKms
from tests.doubles.secrets_manager import PARENT
from tests.integration.dynamodb import SESSION

CANARY = "canary-refresh-1"


@pytest.fixture(params=["moto", "fake"])
def token_encryption(request: pytest.FixtureRequest) -> Iterator[TokenEncryption]:
    if request.param == "fake":
        yield TokenEncryption(FakeKms().client, key_arn=KEY)
        return
    with mock_aws():
        kms: Any = SESSION.client("kms")
        yield TokenEncryption(kms, key_arn=kms.create_key()["KeyMetadata"]["Arn"])


def test_what_was_encrypted_is_decrypted_for_the_same_connection_and_parent(token_encryption: TokenEncryption) -> None:
    encrypted = token_encryption.encrypt(SecretStr(CANARY), connection="zoom", parent_version=PARENT)
    assert CANARY not in encrypted
    assert token_encryption.decrypt(encrypted, connection="zoom", parent_version=PARENT).get_secret_value() == CANARY


@pytest.mark.parametrize("other", [{"connection": "zoom-eu"}, {"parent_version": "another"}])
def test_it_opens_for_no_other_connection_and_no_other_parent(
    token_encryption: TokenEncryption, other: dict[str, str]
) -> None:
    encrypted = token_encryption.encrypt(SecretStr(CANARY), connection="zoom", parent_version=PARENT)
    with pytest.raises(NotRead, match=r"^connection [a-z-]+: KMS did not decrypt$"):
        token_encryption.decrypt(encrypted, **({"connection": "zoom", "parent_version": PARENT} | other))


def test_a_key_that_does_not_work_is_named_and_shows_nothing() -> None:
    token_encryption = TokenEncryption(FakeKms(broken=True).client, key_arn=KEY)
    with pytest.raises(NotKept, match=r"^connection zoom: KMS did not encrypt$") as kept:
        token_encryption.encrypt(SecretStr(CANARY), connection="zoom", parent_version=PARENT)
    assert CANARY not in shown_by(kept.value)
