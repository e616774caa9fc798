"""User tokens in the vault, and their items in the Cases table: whatever was written is found again, and destroyed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws
from pydantic import SecretStr

from leaver.cases.user_token_index import (
    LONGEST_LIFE,
    SETTLED,
    SHOWN,
    Address,
    Proof,
    StoredUserToken,
    UserTokenIndex,
)
from leaver.cases.user_tokens import StoredUserTokens
from leaver.errors import LeaseHeld
from leaver.messages.commands import UserTokenType
from leaver.storage.tables import Items, identity_of
from leaver.storage.user_token_secrets import UserTokenPlace, UserTokenSecrets
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
        key = ("partition", "entry")
        index = UserTokenIndex(
            Items(self.dynamodb, table="Cases", key=key, model=StoredUserToken.model_validate),
            Items(self.dynamodb, table="Cases", key=key, model=Address.model_validate),
            Items(self.dynamodb, table="Cases", key=key, model=Proof.model_validate),
            lambda: identity_of(self.dynamodb, "Cases"),
        )
        self.tokens = StoredUserTokens(index, UserTokenSecrets(self.secrets, prefix="leaver"), self.clock)

    def keep(self, kind: UserTokenType = "zak", *, life: timedelta = timedelta(hours=2), user: str = JOHN_ID) -> None:
        place, until = UserTokenPlace(user, "zoom", kind), self.clock() + life
        self.tokens.reserve(place, names=(user, f"{user}@example.com"), expires_at=until)
        self.tokens.keep(place, SecretStr("zak-canary"), expires_at=until, expires_at_assumed=False)

    def prove(self) -> None:
        """Let watch_deadlines look, and look again when Secrets Manager shows what it holds."""
        self.tokens.prove_index(lambda: True)
        self.clock.passes(seconds=SHOWN.total_seconds())
        self.tokens.prove_index(lambda: True)

    def restore(self) -> None:
        """Somebody restores the table as it was; AWS makes it anew, with all that lay there."""
        items = self.dynamodb.scan(TableName="Cases")["Items"]
        for table in self.dynamodb.list_tables()["TableNames"]:
            self.dynamodb.delete_table(TableName=table)
        make_tables(self.dynamodb)
        for each in items:
            self.dynamodb.put_item(TableName="Cases", Item=each)

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
    assert kept.tokens.destroy_all([JOHN_ID]) == (2, NOW + timedelta(days=14))
    assert kept.lying == {"somebody-else/zoom/zak"}


def test_destroying_again_destroys_nothing_and_still_tells_how_long_the_last_one_lives(kept: Kept) -> None:
    kept.keep()
    kept.tokens.destroy_all([JOHN_ID])
    assert kept.tokens.destroy_all([JOHN_ID]) == (0, TWO_HOURS)
    kept.clock.passes(hours=2)
    assert kept.tokens.destroy_all([JOHN_ID]) == (0, None)


def test_a_shorter_life_does_not_hide_the_longer_one_that_was_handed_out_before(kept: Kept) -> None:
    kept.keep()
    kept.keep(life=timedelta(minutes=1))
    assert kept.tokens.destroy_all([JOHN_ID]) == (1, TWO_HOURS)


def test_a_secret_without_an_item_is_destroyed_all_the_same(kept: Kept) -> None:
    kept.secrets.create_secret(Name=f"leaver/user-tokens/{JOHN_ID}/zoom/onbehalf", SecretString="zak-canary")
    assert kept.tokens.destroy_all([JOHN_ID]) == (1, NOW + LONGEST_LIFE)
    assert kept.lying == set()


def test_somebody_of_whom_nothing_is_kept_has_nothing_destroyed(kept: Kept) -> None:
    assert kept.tokens.destroy_all(["o'brien&sons@example.com"]) == (0, None)
    assert kept.tokens.destroy_all([JOHN_ID]) == (0, None)


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
    assert kept.lying == {f"{JOHN_ID}/zoom/zak"}


def test_nothing_is_kept_where_somebody_is_destroying(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep()
    destroy = UserTokenSecrets.destroy

    def while_another_is_retrieved(secrets: UserTokenSecrets, place: UserTokenPlace) -> bool:
        with pytest.raises(LeaseHeld, match=r"^the zak that lay there is being destroyed$"):
            kept.keep()
        return destroy(secrets, place)

    monkeypatch.setattr(UserTokenSecrets, "destroy", while_another_is_retrieved)
    kept.tokens.destroy_one(UserTokenPlace(JOHN_ID, "zoom", "zak"))
    kept.keep()
    assert kept.lying == {f"{JOHN_ID}/zoom/zak"}


def test_a_destruction_that_was_cut_short_is_finished_by_the_next(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep()
    with monkeypatch.context() as broken:
        broken.setattr(UserTokenSecrets, "destroy", _killed)
        with pytest.raises(KeyboardInterrupt):
            kept.tokens.destroy_all([JOHN_ID])
    assert kept.tokens.destroy_all([JOHN_ID]) == (1, TWO_HOURS)
    assert kept.lying == set()


def test_a_token_that_was_written_after_the_purge_is_found_when_it_is_dead(kept: Kept) -> None:
    kept.keep()
    kept.tokens.destroy_all([JOHN_ID])
    # Its retrieval had told of it before the purge, and was killed after the write.
    kept.secrets.create_secret(Name=f"leaver/user-tokens/{JOHN_ID}/zoom/zak", SecretString="zak-canary")
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


def test_a_table_that_was_restored_with_its_proof_is_not_believed_until_it_is_proved_anew(kept: Kept) -> None:
    kept.prove()
    assert kept.tokens.index.is_whole()
    kept.restore()
    assert not kept.tokens.index.is_whole()
    kept.prove()
    assert kept.tokens.index.is_whole()


@pytest.mark.parametrize("name", [JOHN_ID, f"{JOHN_ID.lower()}@EXAMPLE.com"])
@pytest.mark.parametrize("proved", [True, False])
def test_what_the_table_lost_is_found_among_the_secrets(kept: Kept, name: str, *, proved: bool) -> None:
    kept.prove()
    kept.keep()
    kept.keep(user="somebody-else")
    until = kept.clock() + timedelta(hours=2)
    for each in kept.dynamodb.scan(TableName="Cases")["Items"]:
        if each["entry"]["S"] != "proof":
            kept.dynamodb.delete_item(TableName="Cases", Key={key: each[key] for key in ("partition", "entry")})
    kept.restore()
    if proved:
        kept.prove()
    assert kept.tokens.destroy_all([name]) == (1, until)
    assert kept.lying == {"somebody-else/zoom/zak"}


def test_no_item_holds_a_token(kept: Kept) -> None:
    kept.keep()
    assert "canary" not in repr(kept.dynamodb.scan(TableName="Cases"))


def _killed(*_: object, **__: object) -> bool:
    raise KeyboardInterrupt
