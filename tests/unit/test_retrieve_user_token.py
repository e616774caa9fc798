"""Getting a user's Zoom token: where it is kept, when it dies, and that nobody else sees it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from functions.retrieve_user_token.app import retrieve_user_token
from leaver.connections.access_tokens import AccessTokens
from leaver.errors import BadMessage, LeaseHeld, NotKept, ProviderResponse, Rejected
from leaver.messages.commands import RetrieveUserToken
from leaver.outcomes import Outcome, Result
from leaver.providers.zoom.api import ZoomUser
from leaver.storage import user_token_secrets
from leaver.storage.secrets import SecretStore
from tests.doubles.cases_table import InMemoryPeople
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeZoom
from tests.doubles.secrets_manager import Secret, StrictSecretsManager, secret_store_of
from tests.doubles.user_tokens import KeptTokens

JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"
ZAK = "zak-canary-40b1aa"
KEPT = f"leaver/user-tokens/{JOHN_ID}/zoom/zak"


class Stage:
    """Zoom, where John has a token, and a connection to it."""

    def __init__(self, token: str | None = ZAK, max_ttl: int = 7200) -> None:
        self.max_ttl = max_ttl
        self.clock = Clock()
        self.zoom = FakeZoom(users={JOHN_ID: "john.doe@example.com"}, tokens={JOHN_ID: token})
        self.secrets = StrictSecretsManager()
        self.connections = InMemoryConnections(connection())
        self.people = InMemoryPeople()
        self.kept_tokens = KeptTokens(self.secrets, self.clock)
        self.items = self.kept_tokens.items
        self.secrets.clock = self.clock
        secret_store_of(self.secrets)

    def leaves(self, *names: str) -> None:
        """Raise a tombstone under these names of John's."""
        for name in names:
            self.people.change(name, lambda found: found.model_copy(update={"gone_since": NOW}))

    def retrieve(self, user_id: str = "john.doe@example.com", **asked: Any) -> Result:
        secret_store = SecretStore(self.secrets.client, prefix="leaver")
        return retrieve_user_token(
            RetrieveUserToken(user_id=user_id, **asked),
            zoom=self.zoom,
            tokens=AccessTokens(self.connections, secret_store, self.clock, "zoom"),
            people=self.people,
            kept=self.kept_tokens.stored,
            max_ttl=self.max_ttl,
            clock=self.clock,
        )

    def kept(self, name: str = KEPT) -> dict[str, Any]:
        secret = self.secrets.secrets[name]
        value: dict[str, Any] = json.loads(secret.versions[secret.stages["AWSCURRENT"]])
        return value

    @property
    def user_tokens(self) -> dict[str, Secret]:
        return {name: each for name, each in self.secrets.secrets.items() if "/user-tokens/" in name}


@pytest.mark.parametrize("user_id", ["john.doe@example.com", JOHN_ID])
def test_one_person_has_one_place_under_whatever_name(user_id: str) -> None:
    stage = Stage()
    result = stage.retrieve(user_id)
    assert list(stage.user_tokens) == [KEPT]
    assert stage.kept()["token"] == ZAK
    assert result.details["secret_arn"] == f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{KEPT}-a1b2c3"
    assert result.details["version_id"] == stage.secrets.secrets[KEPT].stages["AWSCURRENT"]
    assert stage.zoom.asked == [("get_user", user_id), ("get_user_token", JOHN_ID)]


def test_the_result_says_where_and_never_what() -> None:
    result = Stage().retrieve()
    assert (result.outcome, result.response.status, result.response.tracking_id) == (Outcome.RETRIEVED, 200, "v=2.0")
    assert set(result.details) == {"secret_arn", "version_id", "expires_at", "expires_at_assumed"}
    assert ZAK not in repr(result)


@pytest.mark.parametrize(
    ("asked", "expires_at", "assumed"),
    [
        ({}, "2026-11-22T11:30:00Z", True),
        ({"ttl": 600}, "2026-11-22T09:40:00Z", False),
        ({"type": "onbehalf", "meeting_id": "85746065"}, "2026-11-22T11:30:00Z", True),
        ({"type": "onbehalf", "meeting_id": "85746065", "ttl": 60}, "2026-11-22T09:31:00Z", False),
        ({"type": "token"}, "2026-12-06T09:30:00Z", True),
    ],
)
def test_the_expiry_follows_from_the_ttl_or_is_assumed(
    asked: dict[str, Any], expires_at: str, *, assumed: bool
) -> None:
    stage = Stage()
    result = stage.retrieve(**asked)
    assert (result.details["expires_at"], result.details["expires_at_assumed"]) == (expires_at, assumed)
    kept = stage.kept(f"leaver/user-tokens/{JOHN_ID}/zoom/{asked.get('type', 'zak')}")
    assert kept["expires_at"].removesuffix("+00:00") == expires_at.removesuffix("Z")
    assert kept["expires_at_assumed"] is assumed


def test_what_was_asked_for_reaches_zoom() -> None:
    stage = Stage()
    stage.retrieve(type="onbehalf", meeting_id="85746065", ttl=60)
    assert stage.zoom.asked_for == ("onbehalf", 60, "85746065")


def test_the_life_of_a_token_is_counted_from_before_the_call() -> None:
    stage = Stage()
    get_user_token = stage.zoom.get_user_token

    def slowly(*args: Any, **kwargs: Any) -> Any:
        stage.clock.passes(seconds=20)
        return get_user_token(*args, **kwargs)

    stage.zoom.get_user_token = slowly  # type: ignore[method-assign]  # time passes at Zoom
    assert stage.retrieve(ttl=60).details["expires_at"] == "2026-11-22T09:31:00Z"


def test_a_null_token_is_an_outcome_of_its_own_and_nothing_is_kept() -> None:
    stage = Stage(token=None)
    assert stage.retrieve() == Result(Outcome.NO_TOKEN, ProviderResponse(200))
    assert stage.user_tokens == {}


def test_a_user_whom_zoom_does_not_know_is_not_found_and_nothing_is_kept() -> None:
    stage = Stage()
    assert stage.retrieve("nobody@example.com").outcome is Outcome.USER_NOT_FOUND
    assert stage.zoom.asked == [("get_user", "nobody@example.com")]
    assert stage.user_tokens == {}


def test_a_second_retrieval_overwrites_the_first() -> None:
    stage = Stage()
    first = stage.retrieve()
    stage.zoom.tokens[JOHN_ID] = "zak-2"
    second = stage.retrieve()
    assert stage.kept()["token"] == "zak-2"
    assert first.details["secret_arn"] == second.details["secret_arn"]
    assert first.details["version_id"] != second.details["version_id"]
    assert list(stage.user_tokens) == [KEPT]


def test_the_token_is_encrypted_with_the_deployments_key() -> None:
    stage = Stage()
    stage.retrieve()
    assert stage.secrets.secrets[KEPT].kms_key_id == "arn:aws:kms:key"


@pytest.mark.parametrize("ttl", [7201, 31_536_000])
def test_a_ttl_above_the_deployments_maximum_is_refused_before_zoom_is_asked(ttl: int) -> None:
    stage = Stage()
    with pytest.raises(BadMessage, match=r"^ttl: expected at most 7200, the deployment's MaxUserTokenTtl$"):
        stage.retrieve(ttl=ttl)
    assert stage.zoom.asked == []


def test_a_ttl_at_the_maximum_passes() -> None:
    assert Stage().retrieve(ttl=7200).outcome is Outcome.RETRIEVED


def test_me_is_nobody() -> None:
    stage = Stage()
    with pytest.raises(ValidationError, match="me is whoever consented"):
        stage.retrieve("me")
    assert stage.zoom.asked == []


# --- room to keep it, before it is asked for ---


def asked_zoom_for_a_token(stage: Stage) -> int:
    return sum(what == "get_user_token" for what, _ in stage.zoom.asked)


def test_a_secret_that_is_scheduled_for_deletion_asks_nothing_of_zoom_and_the_reason_says_what_to_do() -> None:
    stage = Stage()
    stage.secrets.secrets[KEPT] = Secret(deleted=True)
    with pytest.raises(Rejected, match=r"is scheduled for deletion; PurgeUserTokens of this user destroys it"):
        stage.retrieve()
    assert asked_zoom_for_a_token(stage) == 0
    stage.kept_tokens.stored.destroy_all([JOHN_ID])
    assert stage.retrieve().outcome is Outcome.RETRIEVED


def test_a_hundred_tokens_of_one_day_are_kept_and_no_more_are_asked_for_until_the_next() -> None:
    stage = Stage()
    stage.secrets.page = 30
    stage.connections.put(connection(expires_at=NOW + timedelta(days=2)))
    # The first version of a secret is the one that proves that there is room.
    for _ in range(99):
        stage.clock.passes(seconds=60)
        assert stage.retrieve().outcome is Outcome.RETRIEVED
    for _ in range(135):
        with pytest.raises(Rejected, match=r"took 100 tokens in a day and takes no more; PurgeUserTokens of this user"):
            stage.retrieve()
    assert asked_zoom_for_a_token(stage) == 99
    stage.clock.passes(hours=24)
    assert stage.retrieve().outcome is Outcome.RETRIEVED


def test_what_is_refused_for_want_of_room_is_not_told_as_a_token_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.retrieve(ttl=600)
    monkeypatch.setattr(user_token_secrets, "MOST_VERSIONS", 2)
    with pytest.raises(Rejected):
        stage.retrieve(ttl=7200)
    (item,) = stage.items.scan()
    assert item.expires_at == NOW + timedelta(seconds=600)


@pytest.mark.parametrize("state", ["nothing can be written", "the name is not free yet"])
def test_while_nothing_can_be_kept_nothing_is_asked_of_zoom_and_the_message_comes_back(state: str) -> None:
    stage = Stage()
    if state == "nothing can be written":
        stage.secrets.read_only = True
    else:
        stage.secrets.lingering.add(KEPT)
    for _ in range(135):
        with pytest.raises(NotKept):
            stage.retrieve()
    assert asked_zoom_for_a_token(stage) == 0
    stage.secrets.read_only = False
    stage.secrets.lingering.clear()
    assert stage.retrieve().outcome is Outcome.RETRIEVED


def test_a_token_that_came_and_was_not_taken_is_final_and_told_of_and_shows_nobody_what_it_is() -> None:
    stage = Stage()
    stage.retrieve(ttl=600)
    stage.secrets.read_only = True
    with pytest.raises(
        Rejected, match=r"InternalServiceError; the token is dropped, and lives at Zoom until 2026-11-22T11:30:00Z"
    ) as refused:
        stage.retrieve()
    assert (refused.value.__context__, refused.value.__cause__) == (None, None)
    # What nobody holds lives all the same: whoever purges says so.
    assert stage.kept_tokens.stored.destroy_all([JOHN_ID]) == (1, NOW + timedelta(hours=2))


def test_room_that_was_taken_away_before_the_token_came_keeps_nothing_and_begins_anew() -> None:
    stage = Stage()
    get_user_token = stage.zoom.get_user_token

    def while_somebody_purges(*args: Any, **kwargs: Any) -> Any:
        stage.kept_tokens.stored.destroy_all([JOHN_ID])
        return get_user_token(*args, **kwargs)

    stage.zoom.get_user_token = while_somebody_purges  # type: ignore[method-assign]  # at that very moment
    with pytest.raises(LeaseHeld, match="was destroyed before the token came"):
        stage.retrieve()
    assert stage.user_tokens == {}


def test_an_id_that_can_be_no_secrets_name_asks_for_no_token() -> None:
    stage = Stage()
    stage.zoom.users["o'brien"] = "o'brien@example.com"
    with pytest.raises(Rejected, match="can't be the name of a secret"):
        stage.retrieve("o'brien@example.com")
    assert asked_zoom_for_a_token(stage) == 0


def test_a_token_that_zoom_has_not_leaves_what_was_kept_before_as_it_was() -> None:
    stage = Stage()
    stage.retrieve(ttl=600)
    stage.zoom.tokens[JOHN_ID] = None
    assert stage.retrieve().outcome is Outcome.NO_TOKEN
    assert stage.kept()["token"] == ZAK
    (item,) = stage.items.scan()
    assert (item.expires_at, item.destroying) == (NOW + timedelta(seconds=600), False)


@pytest.mark.parametrize("answer", ["null", "refused"])
def test_where_zoom_gives_nothing_no_token_is_said_to_live(answer: str) -> None:
    stage = Stage(token=None)
    if answer == "null":
        stage.retrieve()
    else:
        refuse_tokens(stage)
        with pytest.raises(Rejected):
            stage.retrieve()
    assert stage.user_tokens == {}
    assert stage.kept_tokens.stored.destroy_all([JOHN_ID]) == (0, None)


def refuse_tokens(stage: Stage) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Rejected("missing scopes: user:read:token", ProviderResponse(400, "4711"))

    stage.zoom.get_user_token = refuse  # type: ignore[method-assign]  # this call alone


# --- what Zoom says ---


def test_what_zoom_refuses_is_raised_as_it_is() -> None:
    stage = Stage()
    stage.zoom.failing = [Rejected("missing scopes: user:read:token", ProviderResponse(400, "4711"))]
    with pytest.raises(Rejected, match="user:read:token"):
        stage.retrieve()


def test_a_deployment_that_allows_less_than_zooms_default_asks_for_no_more_than_it_allows() -> None:
    stage = Stage(max_ttl=900)
    assert stage.retrieve().details["expires_at"] == "2026-11-22T09:45:00Z"
    assert stage.zoom.asked_for == ("zak", 900, None)


# --- somebody who left ---

REFUSED = Result(Outcome.REFUSED, details={"because": "the user left"})


@pytest.mark.parametrize("asked", ["john.doe@example.com", JOHN_ID])
@pytest.mark.parametrize("name", ["John.Doe@Example.com", JOHN_ID])
def test_a_tombstone_under_any_name_refuses_whatever_name_is_asked_for(asked: str, name: str) -> None:
    stage = Stage()
    stage.leaves(name)
    assert stage.retrieve(asked) == REFUSED
    assert stage.zoom.asked == [("get_user", asked)]
    assert stage.user_tokens == {}


def test_a_tombstone_under_the_name_that_was_asked_for_refuses_where_zoom_has_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    monkeypatch.setattr(stage.zoom, "get_user", lambda *_: ZoomUser(JOHN_ID, "john@new-name.example.com"))
    stage.leaves("john.doe@example.com")
    assert stage.retrieve("john.doe@example.com") == REFUSED


def test_somebody_who_came_back_is_served_again() -> None:
    stage = Stage()
    stage.leaves(JOHN_ID)
    stage.people.change(JOHN_ID, lambda found: found.model_copy(update={"gone_since": None}))
    assert stage.retrieve().outcome is Outcome.RETRIEVED


def test_a_tombstone_that_was_raised_meanwhile_destroys_what_was_written() -> None:
    stage = Stage()
    create = stage.secrets.create_secret

    def meanwhile(**asked: Any) -> Any:
        created = create(**asked)
        stage.leaves("john.doe@example.com")
        return created

    stage.secrets.create_secret = meanwhile  # type: ignore[method-assign]  # at that very moment
    assert stage.retrieve() == REFUSED
    assert stage.user_tokens == {}


def test_what_a_killed_run_left_behind_is_destroyed_when_its_message_comes_again() -> None:
    stage = Stage()
    stage.retrieve()
    stage.leaves(JOHN_ID)
    assert stage.retrieve() == REFUSED
    assert stage.user_tokens == {}


def test_a_token_is_told_of_before_it_is_kept() -> None:
    stage = Stage()
    stage.secrets.read_only = True
    with pytest.raises(NotKept):
        stage.retrieve()
    (item,) = stage.items.scan()
    assert (item.partition, item.expires_at.isoformat()) == (
        f"user-token#{JOHN_ID}",
        "2026-11-22T11:30:00+00:00",
    )


def test_nothing_is_kept_while_what_lay_there_is_being_destroyed() -> None:
    stage = Stage()
    stage.retrieve()
    (item,) = stage.items.scan()
    stage.items.compare_and_swap(item, item.model_copy(update={"destroying": True}))
    with pytest.raises(LeaseHeld):
        stage.retrieve()


# --- somebody who stays, and whose access was cut off ---


def cut_off(stage: Stage, name: str, at: datetime) -> None:
    stage.people.change(name, lambda found: found.model_copy(update={"cutoff": at}))


def while_it_is_asked_for(stage: Stage, do: Callable[[], None]) -> None:
    get_user_token = stage.zoom.get_user_token

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        answer = get_user_token(*args, **kwargs)
        do()
        return answer

    stage.zoom.get_user_token = meanwhile  # type: ignore[method-assign]  # at that very moment


@pytest.mark.parametrize("name", ["John.Doe@Example.com", JOHN_ID])
@pytest.mark.parametrize("seconds", [0, 3])
def test_a_token_that_was_asked_for_before_the_cutoff_is_destroyed_although_it_came_after(
    name: str, seconds: int
) -> None:
    stage = Stage()
    stage.clock.passes(seconds=0.7)

    def contain() -> None:
        stage.clock.passes(seconds=seconds)
        cut_off(stage, name, stage.clock())
        stage.clock.passes(seconds=5)

    while_it_is_asked_for(stage, contain)
    because = "the user's access was cut off after the token was asked for"
    assert stage.retrieve() == Result(Outcome.REFUSED, details={"because": because})
    assert stage.user_tokens == {}


def test_a_token_that_is_asked_for_after_the_cutoff_is_kept() -> None:
    stage = Stage()
    cut_off(stage, JOHN_ID, stage.clock())
    stage.clock.passes(seconds=1)
    assert stage.retrieve().outcome is Outcome.RETRIEVED
    assert stage.kept()["token"] == ZAK
