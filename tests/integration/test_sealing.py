"""A sealed refresh token on moto's KMS, and the fake that unit tests use held to the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.errors import NotKept, NotRead
from leaver.storage.encryption import Sealing
from tests.doubles.canary import shown_by
from tests.doubles.kms import KEY, FakeKms
from tests.doubles.secrets_manager import PARENT
from tests.integration.dynamodb import SESSION

CANARY = "canary-refresh-1"


@pytest.fixture(params=["moto", "fake"])
def sealing(request: pytest.FixtureRequest) -> Iterator[Sealing]:
    if request.param == "fake":
        yield Sealing(FakeKms().client, key_arn=KEY)
        return
    with mock_aws():
        kms: Any = SESSION.client("kms")
        yield Sealing(kms, key_arn=kms.create_key()["KeyMetadata"]["Arn"])


def test_what_was_sealed_is_opened_for_the_same_connection_and_parent(sealing: Sealing) -> None:
    sealed = sealing.seal(SecretStr(CANARY), connection="zoom", parent_version=PARENT)
    assert CANARY not in sealed
    assert sealing.open(sealed, connection="zoom", parent_version=PARENT).get_secret_value() == CANARY


@pytest.mark.parametrize("other", [{"connection": "zoom-eu"}, {"parent_version": "another"}])
def test_it_opens_for_no_other_connection_and_no_other_parent(sealing: Sealing, other: dict[str, str]) -> None:
    sealed = sealing.seal(SecretStr(CANARY), connection="zoom", parent_version=PARENT)
    with pytest.raises(NotRead, match=r"^connection [a-z-]+: KMS did not decrypt$"):
        sealing.open(sealed, **({"connection": "zoom", "parent_version": PARENT} | other))


def test_a_key_that_does_not_work_is_named_and_shows_nothing() -> None:
    sealing = Sealing(FakeKms(broken=True).client, key_arn=KEY)
    with pytest.raises(NotKept, match=r"^connection zoom: KMS did not encrypt$") as kept:
        sealing.seal(SecretStr(CANARY), connection="zoom", parent_version=PARENT)
    assert CANARY not in shown_by(kept.value)
