"""Deactivating a user's Zoom account: the login first, then the session once more, and never Leaver's own."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from functions.deactivate_user.app import deactivate_user
from leaver.cases.record import STILL_THEIRS
from leaver.connections.access_tokens import AccessTokens
from leaver.errors import ProviderResponse, Rejected, Throttled
from leaver.messages.commands import DeactivateUser
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeZoom
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of

JOHN, JOHN_ID = "john.doe@example.com", "KDcuGIm1QgePTO8WbOqwIQ"


class Stage:
    """Zoom, where John is signed in, and a connection to it."""

    def __init__(self, **told: Any) -> None:
        self.zoom = FakeZoom(users={JOHN_ID: JOHN}, sessions={JOHN_ID})
        self.connections = InMemoryConnections(connection(**told))
        self.secret_store = secret_store_of(StrictSecretsManager())
        #: how long ago the case began
        self.age = timedelta(0)

    def deactivate(self, user_id: str = JOHN) -> Result:
        tokens = AccessTokens(self.connections, self.secret_store, Clock(), "zoom")
        command = DeactivateUser(user_id=user_id)
        return deactivate_user(command, zoom=self.zoom, tokens=tokens, age_of=lambda _: self.age)


def test_the_account_is_deactivated_and_then_the_session_ended_once_more() -> None:
    stage = Stage(grant_type="account_credentials")
    assert stage.deactivate() == Result(Outcome.DEACTIVATED, ProviderResponse(204), details={"session": "revoked"})
    assert (stage.zoom.inactive, stage.zoom.sessions) == ({JOHN_ID}, set())
    assert stage.zoom.asked == [("deactivate_user", JOHN), ("delete_user_token", JOHN)]


def test_somebody_whom_zoom_does_not_know_is_not_found_and_nothing_more_is_asked() -> None:
    stage = Stage(grant_type="account_credentials")
    assert stage.deactivate("nobody@example.com").outcome is Outcome.USER_NOT_FOUND
    assert stage.zoom.asked == [("deactivate_user", "nobody@example.com")]


def test_whom_an_address_finds_days_after_the_case_began_can_log_in_and_waits_for_a_person() -> None:
    stage = Stage(grant_type="account_credentials")
    stage.age = STILL_THEIRS + timedelta(seconds=1)
    result = stage.deactivate()
    assert (result.outcome, JOHN_ID in str(result.details["because"])) == (Outcome.NOT_SEARCHABLE, True)
    assert (stage.zoom.inactive, stage.zoom.sessions) == (set(), {JOHN_ID})
    assert stage.deactivate(JOHN_ID).outcome is Outcome.DEACTIVATED


def test_an_address_is_the_leavers_for_three_days() -> None:
    stage = Stage(grant_type="account_credentials")
    stage.age = STILL_THEIRS
    assert stage.deactivate().outcome is Outcome.DEACTIVATED


def test_a_session_that_could_not_be_ended_is_no_success_and_the_whole_is_done_again() -> None:
    stage = Stage(grant_type="account_credentials")
    delete = stage.zoom.delete_user_token
    stage.zoom.delete_user_token = _throttled  # type: ignore[method-assign]  # at that moment
    with pytest.raises(Throttled):
        stage.deactivate()
    stage.zoom.delete_user_token = delete  # type: ignore[method-assign]
    assert stage.deactivate().outcome is Outcome.DEACTIVATED
    assert stage.zoom.sessions == set()


def test_an_administrator_is_refused_by_zoom_and_keeps_the_session() -> None:
    stage = Stage(grant_type="account_credentials")
    stage.zoom.failing = [Rejected("the user is a Zoom Room or an administrator", ProviderResponse(400))]
    with pytest.raises(Rejected, match="administrator"):
        stage.deactivate()
    assert stage.zoom.sessions == {JOHN_ID}


@pytest.mark.parametrize("owner", [JOHN, "John.Doe@Example.com", JOHN_ID])
@pytest.mark.parametrize("user_id", [JOHN, JOHN_ID])
def test_the_user_on_whose_consent_leaver_works_is_never_deactivated(owner: str, user_id: str) -> None:
    stage = Stage(owner=owner)
    with pytest.raises(Rejected, match=r"^Leaver itself works through this user's consent: connect zoom with another"):
        stage.deactivate(user_id)
    assert stage.zoom.inactive == set()


def test_others_are_deactivated_through_a_persons_consent() -> None:
    assert Stage(owner="it@example.com").deactivate().outcome is Outcome.DEACTIVATED


def test_me_is_nobody() -> None:
    stage = Stage()
    with pytest.raises(ValidationError, match="me is whoever consented"):
        stage.deactivate("me")
    assert stage.zoom.asked == []


def _throttled(*_: object, **__: object) -> Result:
    raise Throttled("Zoom's limit per second is reached", until=NOW)
