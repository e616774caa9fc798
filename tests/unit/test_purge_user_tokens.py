"""Destroying the tokens that are kept for a user: whose, how many, and what is said of those that were handed out."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.purge_user_tokens.app import purge_user_tokens
from leaver.cases import user_tokens
from leaver.cases.record import STILL_THEIRS
from leaver.cases.user_token_index import SHOWN
from leaver.connections.access_tokens import AccessTokens
from leaver.errors import BadMessage, NotRead, ProviderUnavailable
from leaver.messages.commands import PurgeUserTokens, UserTokenType
from leaver.outcomes import Outcome, Result
from leaver.storage.user_token_secrets import UserTokenPlace
from tests.doubles.clock import Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeZoom
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.doubles.user_tokens import KeptTokens

JOHN, JOHN_ID = "john.doe@example.com", "KDcuGIm1QgePTO8WbOqwIQ"


class Stage:
    """Zoom, a connection to it, and tokens that were kept."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.zoom = FakeZoom(users={JOHN_ID: JOHN})
        self.connections = InMemoryConnections(connection())
        self.secrets = StrictSecretsManager()
        self.secret_store = secret_store_of(self.secrets)
        self.kept_tokens = KeptTokens(self.secrets, self.clock)
        self.kept = self.kept_tokens.stored
        #: how long ago the case began
        self.age = timedelta(0)

    def keep(
        self,
        kind: UserTokenType,
        hours: int,
        *,
        user: str = JOHN_ID,
        connection: str = "zoom",
        names: tuple[str, ...] = (JOHN,),
    ) -> None:
        place, until = UserTokenPlace(user, connection, kind), self.clock() + timedelta(hours=hours)
        self.kept.reserve(place, names=names, expires_at=until)
        self.kept.keep(place, SecretStr("zak-canary"), expires_at=until, expires_at_assumed=False)

    def purge(self, user_id: str = JOHN, **asked: Any) -> Result:
        tokens = AccessTokens(self.connections, self.secret_store, self.clock, "zoom")
        command = PurgeUserTokens(user_id=user_id, **asked)
        return purge_user_tokens(command, zoom=self.zoom, tokens=tokens, kept=self.kept, age_of=lambda _: self.age)

    @property
    def lying(self) -> set[str]:
        return {name for name in self.secrets.secrets if "/user-tokens/" in name}


@pytest.mark.parametrize("user_id", [JOHN, JOHN_ID])
def test_every_token_of_the_user_is_destroyed_and_the_latest_expiry_told(user_id: str) -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.keep("token", 336)
    assert stage.purge(user_id) == Result(
        Outcome.PURGED, details={"destroyed": 2, "handed_out_until": "2026-12-06T09:30:00Z"}
    )
    assert stage.lying == set()


def test_nothing_is_destroyed_of_whom_an_address_finds_days_after_the_case_began() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.age = STILL_THEIRS + timedelta(seconds=1)
    result = stage.purge()
    assert (result.outcome, JOHN_ID in str(result.details["because"])) == (Outcome.NOT_SEARCHABLE, True)
    assert len(stage.lying) == 1
    assert stage.purge(JOHN_ID).details["destroyed"] == 1


def test_what_is_kept_for_an_address_is_destroyed_days_after_the_case_began_where_it_is_nobodys() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.zoom.users.clear()
    stage.age = STILL_THEIRS + timedelta(seconds=1)
    assert stage.purge().details == {"zoom": "user_not_found", "destroyed": 1} | {
        "handed_out_until": "2026-11-22T11:30:00Z"
    }


def test_nobody_elses_tokens_are_destroyed() -> None:
    stage = Stage()
    stage.keep("zak", 2, user="somebody-else", names=("somebody-else@example.com",))
    stage.keep("zak", 2, user=f"{JOHN_ID}2", names=(f"2{JOHN}",))
    assert stage.purge() == Result(Outcome.PURGED, details={"destroyed": 0})
    assert len(stage.lying) == 2


def test_what_is_dead_at_zoom_as_well_leaves_nothing_to_tell() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.clock.passes(hours=2)
    assert stage.purge(JOHN_ID).details == {"destroyed": 1}


def test_a_purge_that_is_repeated_tells_the_same_of_what_was_handed_out() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.purge()
    assert stage.purge().details == {"destroyed": 0, "handed_out_until": "2026-11-22T11:30:00Z"}


def test_an_id_is_purged_without_asking_zoom() -> None:
    stage = Stage()
    stage.zoom.failing = [ProviderUnavailable("Zoom is out of order")]
    assert stage.purge(JOHN_ID).outcome is Outcome.PURGED
    assert stage.zoom.asked == []


def test_an_address_waits_for_zoom() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.zoom.failing = [ProviderUnavailable("Zoom is out of order")]
    with pytest.raises(ProviderUnavailable):
        stage.purge()
    assert len(stage.lying) == 1


@pytest.mark.parametrize("user_id", ["nobody@example.com", "o'brien&sons@example.com"])
def test_somebody_whom_zoom_does_not_know_is_purged_as_told_and_that_is_said(user_id: str) -> None:
    assert Stage().purge(user_id) == Result(Outcome.PURGED, details={"zoom": "user_not_found", "destroyed": 0})


def test_a_connection_that_does_not_exist_has_nothing_purged_and_that_is_no_success() -> None:
    with pytest.raises(BadMessage, match="the name of a connection that exists"):
        Stage().purge(JOHN_ID, connection="zom")


def test_me_is_nobody() -> None:
    with pytest.raises(ValidationError, match="me is whoever consented"):
        Stage().purge("me")


# --- under every name, over every connection ---


def test_what_was_fetched_over_another_connection_is_destroyed_and_told_of() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.keep("token", 336, connection="zoom-2")
    assert stage.purge(JOHN_ID).details == {"destroyed": 2, "handed_out_until": "2026-12-06T09:30:00Z"}
    assert stage.lying == set()


@pytest.mark.parametrize("asked", [JOHN, "John.Doe@Example.COM"])
def test_what_was_fetched_for_an_address_that_zoom_no_longer_knows_is_destroyed(asked: str) -> None:
    stage = Stage()
    stage.keep("zak", 2)
    del stage.zoom.users[JOHN_ID]
    assert stage.purge(asked) == Result(
        Outcome.PURGED,
        details={"zoom": "user_not_found", "destroyed": 1, "handed_out_until": "2026-11-22T11:30:00Z"},
    )
    assert stage.lying == set()


def test_an_address_with_an_apostrophe_is_found_again() -> None:
    stage = Stage()
    obrien = "o'brien&sons@example.com"
    stage.keep("zak", 2, user="obriens-id", names=(obrien,))
    assert stage.purge(obrien).details["destroyed"] == 1
    assert stage.lying == set()


def test_under_the_address_of_hr_goes_what_another_account_gave() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.keep("zak", 2, user="johns-id-at-the-other-account", connection="zoom-2")
    assert stage.purge(JOHN_ID, email=JOHN).details["destroyed"] == 2
    assert stage.lying == set()
    assert stage.zoom.asked == []


def test_what_was_fetched_for_the_old_address_goes_with_the_new_one() -> None:
    stage = Stage()
    stage.keep("zak", 2, names=("john@old-name.example.com",))
    assert stage.purge(JOHN).details["destroyed"] == 1
    assert stage.purge("john@old-name.example.com").details["zoom"] == "user_not_found"
    assert stage.lying == set()


# --- after the table was restored ---


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("name", [JOHN, JOHN_ID])
@pytest.mark.parametrize("known", [True, False])
def test_after_a_restore_the_secrets_themselves_are_looked_at(name: str, *, empty: bool, known: bool) -> None:
    stage = Stage()
    stage.kept_tokens.prove(stage.clock)
    stage.keep("zak", 2)
    stage.keep("token", 336, connection="zoom-2")
    stage.keep("zak", 2, user="somebody-else", names=("somebody-else@example.com",))
    stage.kept_tokens.restore(empty=empty)
    if not known:
        del stage.zoom.users[JOHN_ID]
    told = stage.purge(name).details
    assert (told["destroyed"], told["handed_out_until"]) == (2, "2026-12-06T09:40:00Z")
    assert stage.lying == {"leaver/user-tokens/somebody-else/zoom/zak"}
    assert stage.purge(name).details["handed_out_until"] == "2026-12-06T09:40:00Z"


def test_an_item_that_was_restored_and_says_that_nothing_lies_there_is_not_believed() -> None:
    stage = Stage()
    stage.kept_tokens.prove(stage.clock)
    stage.keep("zak", 1)
    stage.clock.passes(hours=2)
    stage.purge(JOHN_ID)
    stage.clock.passes(hours=1)
    as_it_was = dict(stage.kept_tokens.items.kept)
    stage.keep("zak", 2)
    stage.kept_tokens.restore()
    stage.kept_tokens.items.kept |= as_it_was
    assert stage.purge(JOHN_ID).details["destroyed"] == 1
    assert stage.lying == set()


def test_a_case_pays_for_one_list_until_the_index_is_proved_and_for_nothing_from_then_on() -> None:
    stage = Stage()
    stage.purge(JOHN_ID, email=JOHN)
    assert stage.secrets.calls == {"ListSecrets": 1}
    stage.kept_tokens.prove(stage.clock)
    stage.secrets.calls.clear()
    stage.purge(JOHN_ID, email=JOHN)
    assert stage.secrets.calls == {}


def test_the_index_is_built_anew_and_then_finds_all_without_a_list() -> None:
    stage = Stage()
    stage.kept_tokens.prove(stage.clock)
    stage.keep("zak", 2)
    stage.kept_tokens.restore()
    stage.kept_tokens.prove(stage.clock)
    stage.secrets.calls.clear()
    del stage.zoom.users[JOHN_ID]
    assert stage.purge(JOHN).details["destroyed"] == 1
    assert stage.secrets.calls["ListSecrets"] == 0
    assert stage.lying == set()


def test_what_the_list_did_not_show_at_first_is_in_the_index_before_that_is_called_whole() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    stage.kept_tokens.restore()
    stage.secrets.unlisted = set(stage.lying)
    stage.kept_tokens.stored.prove_index(lambda: True)
    stage.clock.passes(seconds=SHOWN.total_seconds() - 1)
    stage.kept_tokens.stored.prove_index(lambda: True)
    stage.secrets.unlisted.clear()
    stage.clock.passes(seconds=1)
    stage.kept_tokens.stored.prove_index(lambda: True)
    stage.purge(JOHN_ID)
    assert stage.lying == set()


def test_a_list_that_was_broken_off_proves_nothing() -> None:
    stage = Stage()
    stage.secrets.page = 2
    for number in range(5):
        stage.keep("zak", 2, user=f"user-{number}", names=())
    stage.kept_tokens.restore()
    looks = iter([True, True, True, False])
    stage.kept_tokens.stored.prove_index(lambda: True)
    stage.clock.passes(seconds=SHOWN.total_seconds())
    stage.kept_tokens.stored.prove_index(lambda: next(looks))
    assert stage.purge("user-4").details["destroyed"] == 1
    stage.kept_tokens.stored.prove_index(lambda: True)
    stage.secrets.calls.clear()
    assert stage.purge("user-3").details["destroyed"] == 1
    assert stage.secrets.calls["ListSecrets"] == 0


def test_all_pages_are_looked_at_and_where_there_are_too_many_nothing_is_called_purged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.secrets.page = 2
    for number in range(6):
        stage.keep("zak", 2, user=f"user-{number}", names=())
    stage.keep("zak", 2)
    stage.kept_tokens.restore()
    monkeypatch.setattr(user_tokens, "MOST_PAGES", 3)
    with pytest.raises(NotRead, match="more than 3 pages; watch_deadlines is listing them"):
        stage.purge(JOHN_ID)
    monkeypatch.setattr(user_tokens, "MOST_PAGES", 4)
    assert stage.purge(JOHN_ID).details["destroyed"] == 1


def test_what_is_scheduled_for_deletion_and_can_be_restored_is_destroyed_for_good() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    (name,) = stage.lying
    stage.secrets.secrets[name].deleted = True
    stage.kept_tokens.restore()
    assert stage.purge(JOHN_ID).details["destroyed"] == 1
    assert stage.lying == set()


def test_secrets_that_are_none_of_ours_are_left_alone() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    for alien in (
        f"leaver/user-tokens/{JOHN_ID}",
        f"leaver/user-tokens/{JOHN_ID}/zoom/else",
        "leaver/user-tokens/a/b/c/d",
    ):
        stage.secrets.create_secret(Name=alien, SecretString="{}")
    stage.kept_tokens.restore()
    stage.purge(JOHN_ID)
    assert len(stage.lying) == 3


def test_a_token_of_which_nobody_wrote_down_when_it_dies_is_told_as_the_longest_that_lives() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    for secret in stage.secrets.secrets.values():
        secret.tags.clear()
    stage.kept_tokens.restore()
    assert stage.purge(JOHN_ID).details == {"destroyed": 1, "handed_out_until": "2026-12-06T09:30:00Z"}


def test_no_address_stands_on_a_secret_nor_in_the_index() -> None:
    stage = Stage()
    stage.keep("zak", 2)
    seen = repr([each.tags for each in stage.secrets.secrets.values()]) + repr(stage.kept_tokens.addresses.kept)
    assert "fetched-for:" in seen
    assert JOHN not in seen
