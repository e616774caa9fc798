"""Refreshing a connection: when, how it is kept, and what becomes of what went wrong."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from functions.refresh_access_token.app import refresh_access_token
from leaver.commands import RefreshAccessToken
from leaver.connections import Connection, Status
from leaver.errors import AnswerLost, BadMessage, InvalidGrant, ProviderUnavailable
from leaver.grants import Grants
from leaver.outcomes import Outcome, Result
from leaver.vault import child_of
from tests.fake_connections import InMemoryConnections, connection
from tests.fake_providers import FakeGrant, FakeVenafi, FakeZoomOAuth
from tests.fake_secrets import PARENT, StrictSecretsManager, tokens, vault_of
from tests.fakes import NOW, Clock

CHILD = child_of("zoom", PARENT)
GRANDCHILD = child_of("zoom", CHILD)
DUE = connection(refresh_at=NOW)


class Stage:
    """A connection, its tokens, and its grant at the provider."""

    def __init__(self, record: Connection = DUE) -> None:
        self.clock = Clock()
        self.grant = FakeGrant(self.clock)
        self.connections = InMemoryConnections(record)
        (self.name,) = self.connections.records
        self.secrets = StrictSecretsManager()
        self.vault = vault_of(self.secrets, self.name)

    @property
    def record(self) -> Connection:
        return self.connections.records[self.name]

    def refresh(self, **asked: Any) -> Result | None:
        return refresh_access_token(
            RefreshAccessToken(connection=self.name, **asked),
            grants=Grants(zoom=FakeZoomOAuth(self.grant), venafi=FakeVenafi(grant=self.grant), vault=self.vault),
            connections=self.connections,
            vault=self.vault,
            clock=self.clock,
            jitter=lambda shortest, longest: (shortest + longest) / 2,
        )

    def an_earlier_run_was_killed(self, expires_at: Any = NOW + timedelta(minutes=50)) -> None:
        """It had refreshed and written, and not recorded."""
        self.grant.number = 2
        self.keep(CHILD, tokens("access-2", "refresh-2", expires_at))

    def keep(self, version: str, text: str) -> None:
        self.secrets.put_secret_value(
            SecretId=f"leaver/tokens/{self.name}", ClientRequestToken=version, SecretString=text
        )

    def stored(self, version: str = CHILD) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.secrets.secrets[f"leaver/tokens/{self.name}"].versions[version])
        return value


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- when ---


def test_what_is_due_is_refreshed(stage: Stage) -> None:
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": CHILD})
    assert stage.grant.asked == [("refresh", "refresh-1")]


@pytest.mark.parametrize("asked", [{}, {"failed_version": child_of("zoom", "another")}])
def test_what_is_fresh_is_left_alone(asked: dict[str, Any]) -> None:
    stage = Stage(connection(refresh_at=NOW + timedelta(seconds=1)))
    assert stage.refresh(**asked) == Result(Outcome.STILL_FRESH)
    assert stage.grant.asked == []


@pytest.mark.parametrize("asked", [{"force": True}, {"failed_version": PARENT}])
def test_what_is_refused_or_asked_for_is_refreshed_although_it_is_fresh(asked: dict[str, Any]) -> None:
    stage = Stage(connection())
    result = stage.refresh(**asked)
    assert result is not None
    assert result.outcome is Outcome.REFRESHED


def test_many_readers_of_one_dead_token_cause_one_refresh() -> None:
    stage = Stage(connection())
    outcomes = [stage.refresh(failed_version=PARENT) for _ in range(3)]
    assert [each.outcome if each else None for each in outcomes] == ["refreshed", "still_fresh", "still_fresh"]
    assert len(stage.grant.asked) == 1


@pytest.mark.parametrize("status", [Status.REVOKING, Status.REVOKED, Status.NEEDS_REAUTHORIZATION])
@pytest.mark.parametrize("asked", [{}, {"force": True}])
def test_what_is_out_of_use_is_not_refreshed(status: Status, asked: dict[str, Any]) -> None:
    stage = Stage(connection(status=status, refresh_at=NOW))
    assert stage.refresh(**asked) == Result(Outcome.REFUSED, details={"status": status})
    assert stage.grant.asked == []


def test_an_unknown_connection_is_named_as_the_field(stage: Stage) -> None:
    stage.name = "zoom-eu"
    with pytest.raises(BadMessage, match=r"^connection: expected the name of a connection that exists$"):
        stage.refresh()


# --- how it is kept ---


def test_the_rotated_pair_is_current_and_on_record(stage: Stage) -> None:
    stage.refresh()
    assert stage.stored() == {
        "access_token": "access-2",
        "refresh_token": "refresh-2",
        "expires_at": "2026-11-22T10:30:00+00:00",
        "scope": "user:read:admin",
    }
    assert stage.secrets.secrets["leaver/tokens/zoom"].stages == {"AWSCURRENT": CHILD, "AWSPREVIOUS": PARENT}
    assert (stage.record.version, stage.record.expires_at) == (CHILD, NOW + timedelta(hours=1))


def test_the_next_refresh_comes_at_four_fifths_of_the_new_life(stage: Stage) -> None:
    stage.refresh()
    assert stage.record.refresh_at == NOW + timedelta(minutes=48)


def test_the_time_of_the_next_refresh_is_spread() -> None:
    asked: list[tuple[float, float]] = []

    def jitter(shortest: float, longest: float) -> float:
        asked.append((shortest, longest))
        return shortest

    stage = Stage()
    refresh_access_token(
        RefreshAccessToken(connection="zoom"),
        grants=Grants(zoom=FakeZoomOAuth(stage.grant), venafi=FakeVenafi(), vault=stage.vault),
        connections=stage.connections,
        vault=stage.vault,
        clock=stage.clock,
        jitter=jitter,
    )
    assert asked == [(0.75, 0.85)]
    assert stage.record.refresh_at == NOW + timedelta(minutes=45)


def test_the_old_refresh_token_is_kept_where_none_came_back(stage: Stage) -> None:
    stage.grant.rotates = False
    stage.refresh()
    assert (stage.stored()["access_token"], stage.stored()["refresh_token"]) == ("access-2", "refresh-1")


def test_a_chain_of_refreshes_uses_each_refresh_token_once(stage: Stage) -> None:
    for _ in range(3):
        stage.refresh(force=True)
    assert stage.grant.asked == [("refresh", "refresh-1"), ("refresh", "refresh-2"), ("refresh", "refresh-3")]
    assert stage.record.version == child_of("zoom", GRANDCHILD)


def test_the_pair_is_persisted_before_it_is_recorded(stage: Stage) -> None:
    stage.secrets.read_only = True
    with pytest.raises(Exception, match="InternalServiceError"):
        stage.refresh()
    assert stage.record == DUE


def test_venafi_is_refreshed_the_same_way() -> None:
    stage = Stage(connection("venafi", provider="venafi", refresh_at=NOW))
    stage.refresh()
    assert stage.record.version == child_of("venafi", PARENT)
    assert stage.stored(stage.record.version)["access_token"] == "access-2"


# --- an earlier run was killed between write and record ---


def test_what_an_earlier_run_wrote_is_recorded_without_a_call(stage: Stage) -> None:
    stage.an_earlier_run_was_killed()
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": CHILD})
    assert stage.grant.asked == []
    assert (stage.record.version, stage.record.expires_at) == (CHILD, NOW + timedelta(minutes=50))


def test_what_an_earlier_run_wrote_and_has_expired_since_is_refreshed_once_more(stage: Stage) -> None:
    stage.an_earlier_run_was_killed(expires_at=NOW)
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": GRANDCHILD})
    assert stage.grant.asked == [("refresh", "refresh-2")]
    assert stage.record.version == GRANDCHILD


def test_two_killed_runs_in_a_row_are_caught_up_with(stage: Stage) -> None:
    stage.an_earlier_run_was_killed(expires_at=NOW)
    stage.grant.number = 3
    stage.keep(GRANDCHILD, tokens("access-3", "refresh-3", NOW + timedelta(minutes=50)))
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": GRANDCHILD})
    assert stage.grant.asked == []


# --- two at once ---


def test_who_wrote_the_same_successor_first_needs_no_second_word(stage: Stage) -> None:
    stage.an_earlier_run_was_killed()

    class Overtaken(InMemoryConnections):
        def record_refreshed(self, old: Connection, **_: Any) -> bool:
            self.change(old.connection, version=CHILD)
            return False

    stage.connections = Overtaken(DUE)
    assert stage.refresh() == Result(Outcome.STILL_FRESH)
    assert stage.grant.asked == []
    assert stage.grant.alive


def test_a_lost_race_is_no_dead_grant(stage: Stage) -> None:
    stage.grant.number = 2
    stage.grant.meanwhile = partial(stage.connections.change, "zoom", version=CHILD)
    assert stage.refresh() == Result(Outcome.STILL_FRESH)
    assert stage.record.status is Status.ACTIVE


def test_a_refused_refresh_token_needs_a_person(stage: Stage) -> None:
    stage.grant.alive = False
    with pytest.raises(InvalidGrant):
        stage.refresh()
    assert stage.record.status is Status.NEEDS_REAUTHORIZATION
    assert stage.refresh() == Result(Outcome.REFUSED, details={"status": "needs_reauthorization"})
    assert len(stage.grant.asked) == 1


def test_a_grant_that_is_being_revoked_meanwhile_is_nobodys_alarm(stage: Stage) -> None:
    stage.grant.alive = False
    stage.grant.meanwhile = lambda: stage.connections.begin_revoking("zoom")
    assert stage.refresh() == Result(Outcome.REFUSED, details={"status": "revoking"})


def test_a_connection_without_a_refresh_token_needs_a_person() -> None:
    stage = Stage()
    stage.secrets.secrets["leaver/tokens/zoom"].versions[PARENT] = tokens(refresh_token=None)
    with pytest.raises(InvalidGrant, match="holds no refresh token"):
        stage.refresh()
    assert stage.record.status is Status.NEEDS_REAUTHORIZATION


@pytest.mark.parametrize("error", [ProviderUnavailable("out of order"), AnswerLost("no answer")])
def test_a_failed_call_is_no_dead_grant(stage: Stage, error: ProviderUnavailable) -> None:
    stage.grant.failing = [error]
    with pytest.raises(type(error)):
        stage.refresh()
    assert stage.record == DUE
    stage.refresh()
    assert stage.record.version == CHILD


def test_a_pair_that_arrives_while_somebody_revokes_is_revoked_at_once(stage: Stage) -> None:
    stage.grant.meanwhile = lambda: stage.connections.begin_revoking("zoom")
    assert stage.refresh() is None
    assert not stage.grant.alive
    assert stage.grant.asked == [("refresh", "refresh-1"), ("revoke", "access-2")]
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.REVOKED)


def test_a_pair_that_arrives_after_somebody_connected_anew_is_revoked_and_the_new_one_left(stage: Stage) -> None:
    other = child_of("zoom", "connected anew")
    stage.grant.meanwhile = partial(stage.connections.change, "zoom", version=other)
    assert stage.refresh() is None
    assert ("revoke", "access-2") in stage.grant.asked
    assert (stage.record.status, stage.record.version) == (Status.ACTIVE, other)


# --- for a revocation ---


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.REVOKING])
def test_for_a_revocation_the_new_pair_is_persisted_revoked_and_the_connection_retired(status: Status) -> None:
    stage = Stage(connection(status=status))
    assert stage.refresh(for_revocation=True, failed_version=PARENT) is None
    assert stage.stored()["refresh_token"] == "refresh-2"
    assert stage.grant.asked == [("refresh", "refresh-1"), ("revoke", "access-2")]
    assert not stage.grant.alive
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.REVOKED)


def test_for_a_revocation_a_refused_refresh_token_is_proof_that_nothing_is_left() -> None:
    stage = Stage(connection(status=Status.REVOKING))
    stage.grant.alive = False
    assert stage.refresh(for_revocation=True) is None
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.ALREADY_GONE)
    assert stage.record.revoked_status == 400


def test_for_a_revocation_an_expired_leftover_is_no_proof(stage: Stage) -> None:
    stage.connections.begin_revoking("zoom")
    stage.an_earlier_run_was_killed(expires_at=NOW - timedelta(minutes=1))
    assert stage.refresh(for_revocation=True) is None
    assert stage.grant.asked == [("refresh", "refresh-2"), ("revoke", "access-3")]
    assert stage.record.revoked_outcome is Outcome.REVOKED


def test_a_revocation_that_failed_is_finished_by_the_next_run() -> None:
    stage = Stage(connection(status=Status.REVOKING))
    stage.grant.meanwhile = lambda: stage.grant.failing.append(ProviderUnavailable("out of order"))
    with pytest.raises(ProviderUnavailable):
        stage.refresh(for_revocation=True)
    assert (stage.record.status, stage.record.version) == (Status.REVOKING, CHILD)
    stage.grant.meanwhile = lambda: None
    assert stage.refresh(for_revocation=True) is None
    assert not stage.grant.alive
    assert stage.record.status is Status.REVOKED


def test_what_was_revoked_is_not_revoked_again() -> None:
    stage = Stage(connection(status=Status.REVOKED, revoked_outcome=Outcome.REVOKED))
    assert stage.refresh(for_revocation=True) == Result(Outcome.REFUSED, details={"status": "revoked"})
    assert stage.grant.asked == []
