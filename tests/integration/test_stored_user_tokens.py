"""User tokens in the vault, and their items in the Cases table: whatever was written is found again, and destroyed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.cases.user_tokens import SETTLED, StoredUserToken, StoredUserTokens
from leaver.errors import LeaseHeld
from leaver.messages.commands import UserTokenType
from leaver.storage.secrets import SecretStore
from leaver.storage.tables import Items
from tests.doubles.clock import NOW, Clock
from tests.integration.dynamodb import SESSION, dynamodb, make_tables

JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"
TWO_HOURS = NOW + timedelta(hours=2)


@dataclass
class Kept:
    """The table and the vault, and what one asks of them."""

    dynamodb: Any
    secrets: Any
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        items = Items(self.dynamodb, table="Cases", key=("partition", "entry"), model=StoredUserToken.model_validate)
        self.tokens = StoredUserTokens(items, SecretStore(self.secrets, prefix="leaver"), self.clock)

    def keep(self, kind: UserTokenType = "zak", *, life: timedelta = timedelta(hours=2), user: str = JOHN_ID) -> None:
        self.tokens.keep(
            connection="zoom",
            zoom_user_id=user,
            type=kind,
            token=SecretStr("zak-canary"),
            expires_at=self.clock() + life,
            expires_at_assumed=False,
        )

    def expired(self) -> list[StoredUserToken]:
        return list(self.tokens.find_expired(self.clock()))

    @property
    def lying(self) -> set[str]:
        """The secrets that exist, without what all their names begin with."""
        return {each["Name"].removeprefix("leaver/user-tokens/") for each in self.secrets.list_secrets()["SecretList"]}


@pytest.fixture
def kept() -> Iterator[Kept]:
    with mock_aws():
        client = dynamodb()
        make_tables(client)
        yield Kept(client, SESSION.client("secretsmanager"))


def test_all_tokens_of_one_user_are_destroyed_and_nobody_elses(kept: Kept) -> None:
    kept.keep("zak")
    kept.keep("token", life=timedelta(days=14))
    kept.keep("zak", user="somebody-else")
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (2, NOW + timedelta(days=14))
    assert kept.lying == {"zoom/somebody-else/zak"}


def test_destroying_again_destroys_nothing_and_still_tells_how_long_the_last_one_lives(kept: Kept) -> None:
    kept.keep()
    kept.tokens.destroy_all("zoom", JOHN_ID)
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (0, TWO_HOURS)
    kept.clock.passes(hours=2)
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (0, None)


def test_a_shorter_life_does_not_hide_the_longer_one_that_was_handed_out_before(kept: Kept) -> None:
    kept.keep()
    kept.keep(life=timedelta(minutes=1))
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (1, TWO_HOURS)


def test_a_secret_without_an_item_is_destroyed_all_the_same(kept: Kept) -> None:
    kept.secrets.create_secret(Name=f"leaver/user-tokens/zoom/{JOHN_ID}/onbehalf", SecretString="zak-canary")
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (1, None)
    assert kept.lying == set()


def test_somebody_of_whom_nothing_is_kept_has_nothing_destroyed(kept: Kept) -> None:
    assert kept.tokens.destroy_all("zoom", "o'brien&sons@example.com") == (0, None)
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (0, None)


def test_a_token_is_found_when_it_has_been_dead_for_as_long_as_its_writer_can_live(kept: Kept) -> None:
    kept.keep(life=timedelta(hours=3))
    kept.keep("token", life=timedelta(hours=1))
    kept.clock.passes(hours=1)
    assert kept.expired() == []
    kept.clock.passes(seconds=SETTLED.total_seconds())
    assert [each.type for each in kept.expired()] == ["token"]
    kept.clock.passes(hours=2)
    assert [each.type for each in kept.expired()] == ["token", "zak"]


def test_what_is_expired_is_destroyed_once(kept: Kept) -> None:
    kept.keep()
    kept.clock.passes(hours=3)
    (token,) = kept.expired()
    assert kept.tokens.destroy(token) is True
    assert (kept.lying, kept.expired()) == (set(), [])


def test_a_token_that_was_renewed_meanwhile_is_not_destroyed_as_the_expired_one(kept: Kept) -> None:
    kept.keep()
    kept.clock.passes(hours=3)
    (token,) = kept.expired()
    kept.keep()
    assert kept.tokens.destroy(token) is None
    assert kept.lying == {f"zoom/{JOHN_ID}/zak"}


def test_nothing_is_kept_where_somebody_is_destroying(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep()
    destroy = SecretStore.destroy_user_token

    def while_another_is_retrieved(secret_store: SecretStore, *which: str) -> bool:
        with pytest.raises(LeaseHeld, match=r"^the zak that lay there is being destroyed$"):
            kept.keep()
        return destroy(secret_store, *which)

    monkeypatch.setattr(SecretStore, "destroy_user_token", while_another_is_retrieved)
    kept.tokens.destroy_one("zoom", JOHN_ID, "zak")
    kept.keep()
    assert kept.lying == {f"zoom/{JOHN_ID}/zak"}


def test_a_destruction_that_was_cut_short_is_finished_by_the_next(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep()
    with monkeypatch.context() as broken:
        broken.setattr(SecretStore, "destroy_user_token", _killed)
        with pytest.raises(KeyboardInterrupt):
            kept.tokens.destroy_all("zoom", JOHN_ID)
    assert kept.tokens.destroy_all("zoom", JOHN_ID) == (1, TWO_HOURS)
    assert kept.lying == set()


def test_a_token_that_was_written_after_the_purge_is_found_when_it_is_dead(kept: Kept) -> None:
    kept.keep()
    kept.tokens.destroy_all("zoom", JOHN_ID)
    # Its retrieval had told of it before the purge, and was killed after the write.
    kept.secrets.create_secret(Name=f"leaver/user-tokens/zoom/{JOHN_ID}/zak", SecretString="zak-canary")
    kept.clock.passes(hours=3)
    (token,) = kept.expired()
    assert kept.tokens.destroy(token) is True
    assert (kept.lying, kept.expired()) == (set(), [])


@pytest.mark.parametrize("fails", ["create_secret", "put_secret_value"])
def test_an_item_is_there_before_the_token_is(kept: Kept, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    if fails == "put_secret_value":
        kept.keep()
    monkeypatch.setattr(kept.secrets, fails, _killed)
    with pytest.raises(KeyboardInterrupt):
        kept.keep()
    kept.clock.passes(hours=3)
    assert [each.zoom_user_id for each in kept.expired()] == [JOHN_ID]


def test_no_item_holds_a_token(kept: Kept) -> None:
    kept.keep()
    assert "canary" not in repr(kept.dynamodb.scan(TableName="Cases"))


def _killed(*_: object, **__: object) -> bool:
    raise KeyboardInterrupt
