"""User tokens in Secrets Manager, on moto: where they lie, with which key, and what a list says of them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.storage.user_token_secrets import FoundUserToken, UserTokenPlace, UserTokenSecrets
from tests.doubles.clock import NOW
from tests.integration.dynamodb import SESSION

JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"
PLACE = UserTokenPlace(JOHN_ID, "zoom", "zak")
NAME = f"user-tokens/{JOHN_ID}/zoom/zak"
TWO_HOURS = NOW + timedelta(hours=2)


@pytest.fixture
def secrets() -> Iterator[Any]:
    with mock_aws():
        yield SESSION.client("secretsmanager")


def keep(secrets: Any, token: str, prefix: str = "leaver", key: str | None = None) -> tuple[str, str]:
    kept = UserTokenSecrets(secrets, prefix=prefix, kms_key_arn=key)
    kept.reserve(PLACE, marks=["mark-of-john"], expires_at=TWO_HOURS, now=NOW)
    return kept.keep(PLACE, SecretStr(token), expires_at=TWO_HOURS, expires_at_assumed=True)


def test_a_user_token_is_kept_under_zooms_own_id(secrets: Any) -> None:
    arn, version = keep(secrets, "zak-1")
    found = secrets.get_secret_value(SecretId=f"leaver/{NAME}", VersionId=version)
    assert json.loads(found["SecretString"]) == {
        "token": "zak-1",
        "expires_at": "2026-11-22T11:30:00+00:00",
        "expires_at_assumed": True,
    }
    assert f":secret:leaver/{NAME}-" in arn


def test_the_next_user_token_takes_its_place(secrets: Any) -> None:
    (first_arn, first), (second_arn, second) = keep(secrets, "zak-1"), keep(secrets, "zak-2")
    assert first_arn == second_arn
    assert first != second
    current = secrets.get_secret_value(SecretId=first_arn.rpartition(":")[2][:-7], VersionStage="AWSCURRENT")
    assert json.loads(current["SecretString"])["token"] == "zak-2"


@pytest.mark.parametrize("key", ["arn:aws:kms:eu-central-1:123456789012:key/1", None])
def test_a_new_secret_is_encrypted_with_the_key_that_was_given(secrets: Any, key: str | None) -> None:
    arn, _ = keep(secrets, "zak-1", key=key)
    assert secrets.describe_secret(SecretId=arn).get("KmsKeyId") == key


def test_each_prefix_is_a_world_of_its_own(secrets: Any) -> None:
    keep(secrets, "zak-1", prefix="leaver-eu")
    assert secrets.get_secret_value(SecretId=f"leaver-eu/{NAME}", VersionStage="AWSCURRENT")
    assert list(UserTokenSecrets(secrets, prefix="leaver").find_all()) == []


def test_room_that_nothing_came_for_holds_no_token(secrets: Any) -> None:
    kept = UserTokenSecrets(secrets, prefix="leaver")
    assert kept.reserve(PLACE, marks=[], expires_at=TWO_HOURS, now=NOW) is True
    assert kept.reserve(PLACE, marks=[], expires_at=TWO_HOURS, now=NOW) is False
    found = secrets.get_secret_value(SecretId=f"leaver/{NAME}", VersionStage="AWSCURRENT")
    assert json.loads(found["SecretString"]) == {"token": None}


def test_a_list_says_whose_a_token_is_and_until_when_it_lives_page_after_page(secrets: Any) -> None:
    keep(secrets, "zak-1")
    for number in range(120):
        secrets.create_secret(Name=f"leaver/user-tokens/user-{number}/zoom/zak", SecretString="{}")
    found = list(UserTokenSecrets(secrets, prefix="leaver").find_all())
    assert len(found) == 121
    assert FoundUserToken(PLACE, frozenset({"mark-of-john"}), TWO_HOURS) in found
