"""Destroying the tokens that are kept for a user: whose, how many, and what is said of those that were handed out."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.purge_user_tokens.app import purge_user_tokens
from leaver.cases.user_tokens import StoredUserToken, StoredUserTokens
from leaver.connections.access_tokens import AccessTokens
from leaver.errors import BadMessage, ProviderUnavailable
from leaver.messages.commands import PurgeUserTokens, UserTokenType
from leaver.outcomes import Outcome, Result
from tests.doubles.cases_table import InMemoryItems
from tests.doubles.clock import Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeZoom
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of

JOHN, JOHN_ID = "john.doe@example.com", "KDcuGIm1QgePTO8WbOqwIQ"


class Stage:
    """Zoom, a connection to it, and tokens that were kept."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.zoom = FakeZoom(users={JOHN_ID: JOHN})
        self.connections = InMemoryConnections(connection())
        self.secrets = StrictSecretsManager()
        self.secret_store = secret_store_of(self.secrets)
        self.kept = StoredUserTokens(
            InMemoryItems(StoredUserToken, key=("partition", "entry")), self.secret_store, self.clock
        )

    def keep(self, kind: UserTokenType, hours: int, *, user: str = JOHN_ID, connection: str = "zoom") -> None:
        self.kept.keep(
            connection=connection,
            zoom_user_id=user,
            type=kind,
            token=SecretStr("zak-canary"),
            expires_at=self.clock() + timedelta(hours=hours),
            expires_at_assumed=False,
        )

    def purge(self, user_id: str = JOHN, **asked: Any) -> Result:
        tokens = AccessTokens(self.connections, self.secret_store, self.clock, "zoom")
        command = PurgeUserTokens(user_id=user_id, **asked)
        return purge_user_tokens(command, zoom=self.zoom, tokens=tokens, kept=self.kept)

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


def test_only_that_users_tokens_of_that_connection_are_destroyed() -> None:
    stage = Stage()
    stage.keep("zak", 2, user="somebody-else")
    stage.keep("zak", 2, connection="zoom-2")
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
