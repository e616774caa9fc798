"""Bad stores and odd answers: each names connection and cause, no call is made that can't work, no token is lost."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Status
from leaver.errors import AnswerLost, HalfAnswered, LeaverError, NotRead, Rejected
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from leaver.providers.transport import Transport
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.storage.secrets import next_version_id
from leaver.tokens import TokenSet
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.refresher import CHILD, Stage
from tests.doubles.secrets_manager import PARENT, tokens

TOKENS, CREDENTIALS = "leaver/tokens/zoom/zoom", "leaver/credentials/zoom/zoom"
REFRESHED = Result(Outcome.REFRESHED, details={"version_id": CHILD})
ZOOM = "https://zoom.test"


@pytest.fixture
def stage() -> Stage:
    return Stage()


def spoil(name: str, text: str) -> Callable[[Stage], object]:
    """Put another text where the current version of a secret was."""

    def do(stage: Stage) -> None:
        secret = stage.secrets.secrets[name]
        secret.versions[secret.stages["AWSCURRENT"]] = text

    return do


BAD: dict[str, tuple[Callable[[Stage], object], str]] = {
    "tokens that are no JSON": (spoil(TOKENS, "canary"), f"secret {TOKENS}: Invalid JSON: expected value"),
    "tokens that are empty": (spoil(TOKENS, ""), f"secret {TOKENS}: Invalid JSON: EOF"),
    "tokens without an expiry": (
        spoil(TOKENS, json.dumps({"access_token": "canary", "refresh_token": "refresh-1"})),
        f"secret {TOKENS}: expires_at: is missing",
    ),
    "tokens with more": (
        spoil(TOKENS, json.dumps(json.loads(tokens()) | {"canary": "canary"})),
        f"secret {TOKENS}: unknown field",
    ),
    "tokens that are scheduled for deletion": (
        lambda stage: setattr(stage.secrets.secrets[TOKENS], "deleted", True),
        f"secret {TOKENS}: is scheduled for deletion",
    ),
    "tokens that are gone": (
        lambda stage: stage.secrets.secrets.pop(TOKENS),
        f"secret {TOKENS}: has no version {PARENT}",
    ),
    "a record that names a version that is gone": (
        lambda stage: stage.alter(version=next_version_id("zoom", "gone")),
        f"secret {TOKENS}: has no version {next_version_id('zoom', 'gone')}",
    ),
    "credentials that are no JSON": (
        spoil(CREDENTIALS, "canary"),
        f"secret {CREDENTIALS}: Invalid JSON: expected value",
    ),
    "credentials without a client secret": (
        spoil(CREDENTIALS, json.dumps({"client_id": "client-id"})),
        f"secret {CREDENTIALS}: client_secret: is missing",
    ),
    "credentials that nobody wrote": (
        lambda stage: stage.secrets.secrets.pop(CREDENTIALS),
        f"secret {CREDENTIALS}: is missing",
    ),
    "credentials that are scheduled for deletion": (
        lambda stage: setattr(stage.secrets.secrets[CREDENTIALS], "deleted", True),
        f"secret {CREDENTIALS}: is scheduled for deletion",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_store_that_people_spoilt_is_named_and_told_and_no_call_is_made(stage: Stage, bad: str) -> None:
    spoilt, reason = BAD[bad]
    spoilt(stage)
    with pytest.raises(Rejected) as rejected:
        stage.refresh()
    assert rejected.value.reason.startswith(reason)
    assert stage.grant.asked == []
    assert (stage.record.status, stage.record.lease_holder) == (Status.COOLING_DOWN, None)
    (told,) = stage.bus.announced
    assert (told["detail_type"], told["connection"]) == ("ConnectionFailing", "zoom")
    assert told["reason"] == rejected.value.reason
    assert "canary" not in json.dumps(stage.bus.put) + rejected.value.reason


@pytest.mark.parametrize("bad", BAD)
def test_a_store_that_was_mended_is_taken_up_by_itself(stage: Stage, bad: str) -> None:
    secrets = {name: (dict(secret.versions), dict(secret.stages)) for name, secret in stage.secrets.secrets.items()}
    BAD[bad][0](stage)
    with pytest.raises(Rejected):
        stage.refresh()
    for name, (versions, stages) in secrets.items():
        stage.secrets.secrets.pop(name, None)
        stage.secrets.create_secret(Name=name, SecretString="")
        stage.secrets.secrets[name].versions, stage.secrets.secrets[name].stages = versions, stages
    stage.alter(version=PARENT)
    stage.clock.now = stage.record.refresh_at
    assert stage.refresh() == REFRESHED
    assert stage.announced == ["ConnectionFailing", "ConnectionRecovered"]


@pytest.mark.parametrize("client_secret", ["client-secret\n", "  client-secret\r\n"])
def test_a_stray_newline_is_no_part_of_a_secret(stage: Stage, client_secret: str) -> None:
    stage.log_in_with(client_secret=client_secret)
    stage.secrets.secrets[TOKENS].versions[PARENT] = tokens("access-1\n", "refresh-1\n")
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == [("refresh", "refresh-1")]


def test_secrets_manager_that_does_not_answer_costs_no_more_than_a_moment(stage: Stage) -> None:
    stage.secrets.unreadable = True
    with pytest.raises(NotRead, match=r"^secret leaver/tokens/zoom/zoom: InternalServiceError$"):
        stage.refresh()
    assert stage.grant.asked == []
    # Nothing was asked: the next run need not wait for a lease, nor fear for an answer.
    assert (stage.record.lease_holder, stage.record.unanswered_since) == (None, None)
    assert (stage.record.status, stage.announced) == (Status.COOLING_DOWN, [])
    stage.secrets.unreadable = False
    stage.cools_off()
    assert stage.refresh() == REFRESHED


@pytest.mark.parametrize("wrong", [timedelta(minutes=-5), timedelta(minutes=5)])
def test_a_clock_that_is_wrong_by_minutes_refreshes_early_or_late_and_while_the_token_lives(wrong: timedelta) -> None:
    stage = Stage(connection(refresh_at=NOW))
    stage.clock.now = NOW + wrong
    stage.refresh(force=True)
    right = NOW
    # In truth it lives for an hour from now on.
    assert right + timedelta(minutes=35) < stage.record.refresh_at < right + timedelta(minutes=50)
    stage.clock.now = stage.record.refresh_at
    assert stage.refresh() is not None
    assert stage.record.failures == 0


def test_a_token_without_a_zone_in_its_expiry_is_not_guessed_at(stage: Stage) -> None:
    spoil(TOKENS, json.dumps(json.loads(tokens()) | {"expires_at": "2026-11-22T10:00:00"}))(stage)
    with pytest.raises(Rejected, match=r"secret leaver/tokens/zoom/zoom: expires_at: Input should have timezone info"):
        stage.refresh()


# --- what Zoom answers ---

ANSWER = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 1800, "token_type": "bearer"}


def answered(stage: Stage, body: Any) -> Result | None:
    """Refresh through the real client, with this as Zoom's answer."""
    zoom = ZoomOAuth(Transport(ZOOM, clock=stage.clock), clock=stage.clock)
    grants = ProviderGrants(PROVIDERS, {"zoom": zoom}, stage.secret_store)
    refresher = replace(stage.refresher(), grants=grants)
    with responses.RequestsMock() as provider:
        provider.post(f"{ZOOM}/oauth/token", body if isinstance(body, str) else json.dumps(body))
        return stage.run(refresher)


@pytest.mark.parametrize(
    ("expires_in", "lives"),
    [
        ("1800", timedelta(minutes=30)),
        (1800.0, timedelta(minutes=30)),
        ("soon", timedelta(hours=1)),
        (None, timedelta(hours=1)),
        (-1, timedelta(hours=1)),
    ],
)
def test_a_crooked_expiry_never_costs_the_new_refresh_token(stage: Stage, expires_in: Any, lives: timedelta) -> None:
    assert answered(stage, ANSWER | {"expires_in": expires_in}) == REFRESHED
    assert stage.stored()["refresh_token"] == "refresh-2"
    assert stage.record.expires_at == NOW + lives


def test_an_answer_without_a_refresh_token_keeps_the_old_one(stage: Stage) -> None:
    assert answered(stage, {"access_token": "access-2", "expires_in": 3600}) == REFRESHED
    assert (stage.stored()["access_token"], stage.stored()["refresh_token"]) == ("access-2", "refresh-1")
    assert stage.stored()["scope"] == "user:read:admin"


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, []])
def test_an_answer_without_a_token_is_an_answer_that_was_lost(stage: Stage, body: Any) -> None:
    with pytest.raises(LeaverError, match="no access token in it"):
        answered(stage, body)
    assert (stage.record.status, stage.record.lease_holder) == (Status.COOLING_DOWN, None)
    assert stage.record.unanswered_since == NOW


@pytest.mark.parametrize("access_token", [{}, {"access_token": None}, {"access_token": ""}])
def test_a_new_refresh_token_alone_is_kept_and_asked_with_next_time(stage: Stage, access_token: dict[str, Any]) -> None:
    with pytest.raises(HalfAnswered, match="the answer to zoom held a refresh token alone"):
        answered(stage, {"refresh_token": "refresh-2", **access_token})
    assert (stage.record.status, stage.record.lease_holder, stage.record.version) == (Status.COOLING_DOWN, None, CHILD)
    assert stage.stored()["refresh_token"] == "refresh-2"
    # The answer came, and nobody takes the old access token for a new one.
    assert stage.record.unanswered_since is None
    assert stage.record.expires_at == NOW
    stage.grant.number = 2
    stage.refresh(force=True)
    assert stage.grant.asked == [("refresh", "refresh-2")]
    assert stage.record.status is Status.ACTIVE


@pytest.mark.parametrize("body", [{"refresh_token": "refresh-1"}, [{"refresh_token": "refresh-1"}]])
def test_an_answer_that_repeats_what_was_sent_is_none_and_no_lost_answer_is_forgotten(stage: Stage, body: Any) -> None:
    before = NOW - timedelta(hours=1)
    stage.alter(unanswered_since=before)
    with pytest.raises(AnswerLost, match="repeats the refresh token that was sent"):
        answered(stage, body)
    assert (stage.record.status, stage.record.version) == (Status.COOLING_DOWN, PARENT)
    assert stage.record.unanswered_since == before
    assert stage.record.expires_at == NOW + timedelta(minutes=30)


def test_a_provider_that_does_not_rotate_repeats_the_refresh_token_beside_an_access_token(stage: Stage) -> None:
    assert answered(stage, ANSWER | {"refresh_token": "refresh-1"}) == REFRESHED
    assert (stage.stored()["access_token"], stage.stored()["refresh_token"]) == ("access-2", "refresh-1")


def test_a_damaged_answer_without_a_refresh_token_may_have_held_one(stage: Stage) -> None:
    assert answered(stage, '{"access_token":"access-2","expires_in":3600,"refresh_to') == REFRESHED
    assert (stage.stored()["access_token"], stage.stored()["refresh_token"]) == ("access-2", "refresh-1")
    # Whoever revokes this connection must know that somewhere there may be a token which nobody holds.
    assert stage.record.unanswered_since == NOW


def test_the_first_of_a_server_to_server_connections_tokens_may_be_none_at_all() -> None:
    stage = Stage(connection(grant_type="account_credentials", refresh_at=NOW, expires_at=NOW))
    stage.log_in_with(client_secret="client-secret", account_id="account-1")
    stage.secrets.secrets[TOKENS].versions[PARENT] = tokens("none yet", None, datetime.fromtimestamp(0, tz=UTC))
    assert stage.refresh() == REFRESHED
    assert TokenSet.model_validate(stage.stored()).refresh_token is None
