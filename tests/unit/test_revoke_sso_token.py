"""Ending a Zoom session, and the way to an access token that every reader shares."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import ValidationError

from functions.revoke_sso_token.app import ADDRESS_IS_ANOTHERS, revoke_sso_token
from leaver.cases.record import STILL_THEIRS
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection, Status
from leaver.errors import BadMessage, CredentialStale, InvalidToken, NeedsReauthorization, ProviderResponse, Rejected
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Outcome, Result
from leaver.storage.secrets import next_version_id
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeZoom
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, secret_store_of, tokens

JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"
CHILD = next_version_id("zoom", PARENT)
REFUSED = InvalidToken("Zoom does not accept the access token", ProviderResponse(401, "124"))


class Stage:
    """Zoom, where John is logged in, and a connection to it."""

    def __init__(self, record: Connection) -> None:
        self.zoom = FakeZoom(users={JOHN_ID: "john.doe@example.com"}, sessions={JOHN_ID})
        self.connections = InMemoryConnections(record)
        self.secrets = StrictSecretsManager()
        self.secret_store = secret_store_of(self.secrets)
        #: how long ago the case began
        self.age = timedelta(0)

    def revoke(self, user_id: str = "john.doe@example.com", name: str = "zoom", email: str | None = None) -> Result:
        access_tokens = AccessTokens(self.connections, self.secret_store, Clock(), "zoom")
        command = RevokeSsoToken(user_id=user_id, connection=name, email=email)
        return revoke_sso_token(command, zoom=self.zoom, tokens=access_tokens, age_of=lambda _: self.age)

    def somebody_refreshes(self) -> None:
        """Another function puts a new pair into Secrets Manager and record."""
        self.secrets.put_secret_value(
            SecretId="leaver/tokens/zoom/zoom", ClientRequestToken=CHILD, SecretString=tokens("access-2", "refresh-2")
        )
        self.connections.alter("zoom", version=CHILD, expires_at=NOW + timedelta(hours=1))
        self.zoom.accepts = {"access-2"}


@pytest.fixture
def stage() -> Stage:
    return Stage(connection())


@pytest.mark.parametrize("user_id", ["john.doe@example.com", JOHN_ID])
def test_the_session_is_ended(stage: Stage, user_id: str) -> None:
    assert stage.revoke(user_id) == Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0"))
    assert stage.zoom.sessions == set()


def test_whom_an_address_finds_days_after_the_case_began_stays_logged_in_and_waits_for_a_person(stage: Stage) -> None:
    stage.age = STILL_THEIRS + timedelta(seconds=1)
    result = stage.revoke(email="john.doe@example.com")
    # No more than that: by the id another step's end would end this one.
    assert (result.outcome, [*result.details]) == (Outcome.NOT_SEARCHABLE, ["because"])
    assert JOHN_ID in str(result.details["because"])
    assert stage.zoom.sessions == {JOHN_ID}
    assert stage.revoke("nobody@example.com").outcome is Outcome.USER_NOT_FOUND
    assert stage.revoke(JOHN_ID).outcome is Outcome.REVOKED


def test_an_address_is_the_leavers_for_three_days(stage: Stage) -> None:
    stage.age = STILL_THEIRS
    assert stage.revoke().outcome is Outcome.REVOKED


def test_a_user_whom_zoom_does_not_know_is_not_found_and_not_revoked(stage: Stage) -> None:
    result = stage.revoke("nobody@example.com")
    assert (result.outcome, result.response.status, result.response.code) == ("user_not_found", 404, "1001")


@pytest.mark.parametrize("user_id", ["john.doe@example.com", JOHN_ID])
def test_of_a_step_the_details_say_how_zoom_names_the_person(stage: Stage, user_id: str) -> None:
    stage.zoom.users = {JOHN_ID: "john@example.com"}
    stage.zoom.aliases = {"john.doe@example.com": JOHN_ID}
    result = stage.revoke(user_id, email="john.doe@example.com")
    assert (result.outcome, stage.zoom.sessions) == (Outcome.REVOKED, set())
    assert result.details == {"address": "john@example.com", "user_id": JOHN_ID}


def an_id_that_is_gone_and_an_address_that_is_anothers(stage: Stage) -> None:
    stage.zoom.users, stage.zoom.sessions = {"new-id": "john.doe@example.com"}, {"new-id"}
    result = stage.revoke(JOHN_ID, email="john.doe@example.com")
    assert result.outcome is Outcome.NOT_SEARCHABLE
    assert result.details == {"address_is_of": "new-id", "because": ADDRESS_IS_ANOTHERS}
    # It may be somebody new's.
    assert stage.zoom.sessions == {"new-id"}


def test_where_the_id_is_gone_and_the_address_is_anothers_nobody_is_logged_out_and_nobody_is_missing(
    stage: Stage,
) -> None:
    an_id_that_is_gone_and_an_address_that_is_anothers(stage)


def test_that_test_sees_it_where_nobody_asks_for_the_address(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeZoom, "get_user", lambda *_: Result(Outcome.USER_NOT_FOUND))
    with pytest.raises(AssertionError):
        an_id_that_is_gone_and_an_address_that_is_anothers(stage)


def test_where_nobody_has_the_address_either_the_person_is_not_there(stage: Stage) -> None:
    stage.zoom.users = {}
    assert stage.revoke(JOHN_ID, email="john.doe@example.com").outcome is Outcome.USER_NOT_FOUND


@pytest.mark.parametrize(("email", "calls"), [(None, 1), ("john.doe@example.com", 2)])
def test_no_more_calls_are_made_than_were_reserved(stage: Stage, email: str | None, calls: int) -> None:
    stage.revoke(JOHN_ID, email=email)
    assert len(stage.zoom.asked) == RevokeSsoToken(user_id=JOHN_ID, email=email).needed_calls == calls


@pytest.mark.parametrize("role", ["service", "personal"])
def test_me_is_nobody_on_any_connection(role: str) -> None:
    stage = Stage(connection(role=role))
    with pytest.raises(ValidationError, match="me is whoever consented"):
        stage.revoke("me")
    assert stage.zoom.asked == []


def test_through_a_personal_connection_nobody_is_logged_out() -> None:
    stage = Stage(connection(role="personal"))
    with pytest.raises(BadMessage, match=r"^connection: expected a service connection to Zoom$"):
        stage.revoke("jchill@example.com")
    assert stage.zoom.asked == []


def test_an_unknown_connection_is_named_as_the_field(stage: Stage) -> None:
    with pytest.raises(BadMessage, match=r"^connection: expected the name of a connection that exists$"):
        stage.revoke(name="zoom-eu")


# --- with_token ---


class RefreshedMeanwhile(InMemoryConnections):
    """Somebody refreshes between the first time that the record is read and the second."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(connection())
        self.stage = stage
        self.reads = 0

    def read(self, name: str) -> Connection:
        self.reads += 1
        if self.reads == 2:
            self.stage.somebody_refreshes()
        return super().read(name)


def test_a_refused_token_that_was_replaced_meanwhile_is_tried_once_more(stage: Stage) -> None:
    stage.connections = RefreshedMeanwhile(stage)
    stage.zoom.failing = [REFUSED]
    assert stage.revoke().outcome is Outcome.REVOKED
    assert len(stage.zoom.asked) == 2


def test_a_refused_token_that_is_still_the_stored_one_is_stale(stage: Stage) -> None:
    stage.zoom.accepts = set()
    with pytest.raises(CredentialStale) as stale:
        stage.revoke()
    assert (stale.value.connection, stale.value.version, stale.value.for_revocation) == ("zoom", PARENT, False)
    assert (stale.value.response.status, stale.value.response.code) == (401, "124")
    assert len(stage.zoom.asked) == 1
    assert stale.value.__cause__ is None


def test_a_second_refusal_is_about_the_newer_version(stage: Stage) -> None:
    stage.connections = RefreshedMeanwhile(stage)
    stage.zoom.failing = [REFUSED, REFUSED]
    with pytest.raises(CredentialStale) as stale:
        stage.revoke()
    assert stale.value.version == CHILD
    assert len(stage.zoom.asked) == 2


@pytest.mark.parametrize("left", [timedelta(0), timedelta(minutes=-1)])
def test_a_token_that_has_expired_is_not_even_sent(left: timedelta) -> None:
    stage = Stage(connection(expires_at=NOW + left))
    with pytest.raises(CredentialStale) as stale:
        stage.revoke()
    assert stale.value.version == PARENT
    assert stage.zoom.asked == []


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (Status.NEEDS_REAUTHORIZATION, NeedsReauthorization),
        (Status.REVOKING, Rejected),
        (Status.REVOKED, Rejected),
    ],
)
def test_a_connection_that_is_out_of_use_is_not_used(status: Status, raised: type[Exception]) -> None:
    stage = Stage(connection(status=status))
    with pytest.raises(raised, match="connection zoom"):
        stage.revoke()
    assert stage.zoom.asked == []


def test_a_connection_that_cools_down_still_has_a_good_token() -> None:
    stage = Stage(connection(status=Status.COOLING_DOWN))
    assert stage.revoke().outcome is Outcome.REVOKED


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda secrets: secrets.secrets.clear(), "secret leaver/tokens/zoom/zoom: has no version"),
        (lambda secrets: secrets.secrets["leaver/tokens/zoom/zoom"].versions.clear(), "has no version"),
        (
            lambda secrets: setattr(secrets.secrets["leaver/tokens/zoom/zoom"], "deleted", True),
            "is scheduled for deletion",
        ),
    ],
    ids=["no secret", "no version", "deleted"],
)
def test_tokens_that_are_gone_are_named_by_their_secret(
    stage: Stage, spoil: Callable[[StrictSecretsManager], None], reason: str
) -> None:
    spoil(stage.secrets)
    with pytest.raises(Rejected, match=reason):
        stage.revoke()
    assert stage.zoom.asked == []
