"""A refresh for a revocation: the new pair is kept, revoked and the connection retired; nothing is claimed unproved."""

from datetime import timedelta
from typing import Any, Final

import pytest
from pydantic import SecretStr

from leaver.connections.record import Status
from leaver.errors import (
    AnswerLost,
    GrantSuspended,
    LeaverError,
    NeedsReauthorization,
    ProviderResponse,
    ProviderUnavailable,
    Rejected,
)
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.refresher import CHILD, Stage
from tests.doubles.secrets_manager import PARENT

EXPIRED = connection(status=Status.REVOKING, expires_at=NOW - timedelta(minutes=1))
ASKED: dict[str, Any] = {"for_revocation": True, "failed_version": PARENT}


@pytest.fixture
def stage() -> Stage:
    return Stage(EXPIRED)


def test_the_new_pair_is_persisted_revoked_and_the_connection_retired() -> None:
    stage = Stage(connection(status=Status.REVOKING))
    assert stage.refresh(**ASKED) is None
    assert stage.stored()["refresh_token"] == "refresh-2"
    assert stage.grant.asked == [("refresh", "refresh-1"), ("revoke", "access-2")]
    assert not stage.grant.alive
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.REVOKED)
    assert stage.record.lease_holder is None


def test_venafis_grant_is_ended_the_same_way() -> None:
    stage = Stage(connection("venafi", provider="venafi", status=Status.REVOKING))
    assert stage.refresh(**ASKED) is None
    assert not stage.grant.alive
    assert stage.record.revoked_outcome is Outcome.REVOKED


def test_while_it_asks_nobody_takes_the_connection_for_one_in_use() -> None:
    stage = Stage(connection(status=Status.REVOKING))
    seen: list[Status] = []
    stage.grant.meanwhile = lambda: seen.append(stage.record.status)
    stage.refresh(**ASKED)
    assert seen == [Status.REVOKING]


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.COOLING_DOWN, Status.NEEDS_REAUTHORIZATION])
def test_that_a_connection_is_to_end_is_believed_only_where_its_record_says_so(status: Status) -> None:
    stage = Stage(connection(status=status, refresh_at=NOW))
    before = stage.record
    assert stage.refresh(**ASKED) == Result(Outcome.REFUSED, details={"status": status})
    assert stage.grant.asked == []
    assert stage.record == before


@pytest.mark.parametrize(
    ("unanswered_since", "asked"),
    [
        (None, [("revoke", "access-1")]),
        # the fresh token on record may have been replaced by an answer that nobody got
        (NOW - timedelta(minutes=9), [("refresh", "refresh-1"), ("revoke", "access-2")]),
    ],
    ids=["answered", "unanswered"],
)
def test_tokens_that_are_newer_than_the_refused_ones_are_revoked_as_they_are_unless_an_answer_was_lost(
    unanswered_since: Any, asked: list[tuple[str, str]]
) -> None:
    stage = Stage(connection(status=Status.REVOKING, unanswered_since=unanswered_since))
    assert stage.refresh(for_revocation=True, failed_version="0" * 32) is None
    assert stage.grant.asked == asked
    assert not stage.grant.alive


def test_a_refused_refresh_token_is_proof_that_nothing_is_left(stage: Stage) -> None:
    stage.grant.alive = False
    assert stage.refresh(**ASKED) is None
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.ALREADY_GONE)
    assert stage.record.revoked_status == 400
    assert stage.announced == []


#: Zoom 4738 and 4711
UNDONE: Final = ["an administrator disabled the app", "the refresh token's scopes are not the app's any more"]


@pytest.mark.parametrize("why", UNDONE)
def test_what_an_administrator_can_undo_is_no_proof_that_nothing_is_left(stage: Stage, why: str) -> None:
    stage.grant.failing = [GrantSuspended(why, ProviderResponse(400, "4738"))] * 2
    with pytest.raises(NeedsReauthorization, match=f"^{why}, which can be undone; end the grant at the provider$"):
        stage.refresh(**ASKED)
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKING, None)
    assert (stage.record.orphaned_tokens, stage.record.lease_holder) == (True, None)
    # The administrator undoes it, and the grant is as good as before.
    assert stage.grant.refreshed(SecretStr(stage.grant.refresh_token))


def test_a_connection_in_use_that_an_administrator_stopped_needs_a_person() -> None:
    stage = Stage(connection(refresh_at=NOW))
    stage.grant.failing = [GrantSuspended(UNDONE[0])] * 2
    with pytest.raises(NeedsReauthorization, match=UNDONE[0]):
        stage.refresh()
    assert stage.record.status is Status.NEEDS_REAUTHORIZATION


def test_that_test_sees_it_where_it_counts_as_any_refusal(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaver.connections.dead_grant.GrantSuspended", NotImplementedError)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_what_an_administrator_can_undo_is_no_proof_that_nothing_is_left(stage, UNDONE[0])


@pytest.mark.parametrize(
    "evidence",
    [
        {"unanswered_since": NOW - timedelta(hours=1)},
        {"lease_holder": "refresh#killed", "leased_at": NOW - timedelta(hours=1), "leased_version": PARENT},
    ],
    ids=["an answer was lost", "a run was killed"],
)
def test_a_refused_refresh_token_proves_nothing_where_somebodys_answer_may_have_been_lost(
    evidence: dict[str, Any],
) -> None:
    stage = Stage(EXPIRED.model_copy(update=evidence))
    stage.grant.alive = False
    said = (
        "a refresh that began at 2026-11-22T08:30:00Z was never answered: what it issued can't be named, nor revoked; "
        "end the grant at the provider"
    )
    with pytest.raises(NeedsReauthorization) as orphaned_tokens:
        stage.refresh(**ASKED)
    assert orphaned_tokens.value.reason == said
    assert (orphaned_tokens.value.response.status, orphaned_tokens.value.response.code) == (400, "invalid_grant")
    assert (stage.record.status, stage.record.orphaned_tokens, stage.record.reason) == (Status.REVOKING, True, said)
    assert stage.record.lease_holder is None


@pytest.mark.parametrize(
    "first",
    [[AnswerLost("no answer")], [AnswerLost("no answer"), ProviderUnavailable("out of order")]],
    ids=["at once", "in another run"],
)
def test_an_answer_that_this_very_revocation_lost_proves_nothing_either(stage: Stage, first: list[LeaverError]) -> None:
    stage.grant.alive = False
    stage.grant.failing = first
    if len(first) > 1:
        with pytest.raises(ProviderUnavailable):
            stage.refresh(**ASKED)
        stage.cools_off()
    with pytest.raises(NeedsReauthorization, match="can't be named"):
        stage.refresh(**ASKED)
    assert stage.record.status is Status.REVOKING


def test_the_evidence_of_a_connection_that_was_found_dead_is_kept_for_its_revocation() -> None:
    stage = Stage(connection(refresh_at=NOW))
    stage.grant.loses = 1
    with pytest.raises(NeedsReauthorization):
        stage.refresh()
    stage.alter(status=Status.REVOKING)
    with pytest.raises(NeedsReauthorization, match="can't be named"):
        stage.refresh(**ASKED)


def test_what_is_fresh_and_was_not_refused_is_revoked_without_a_refresh(stage: Stage) -> None:
    stage.an_earlier_run_was_killed()
    assert stage.refresh(**ASKED) is None
    assert stage.grant.asked == [("revoke", "access-2")]
    assert stage.record.revoked_outcome is Outcome.REVOKED


def test_an_expired_leftover_is_refreshed_first(stage: Stage) -> None:
    stage.an_earlier_run_was_killed(expires_at=NOW - timedelta(minutes=1))
    assert stage.refresh(**ASKED) is None
    assert stage.grant.asked == [("refresh", "refresh-2"), ("revoke", "access-3")]
    assert stage.record.revoked_outcome is Outcome.REVOKED


def test_an_encrypted_token_is_decrypted_and_its_grant_ended(stage: Stage) -> None:
    stage.secrets.read_only = True
    with pytest.raises(LeaverError):
        stage.refresh(**ASKED)
    assert (stage.record.status, bool(stage.record.encrypted_refresh_token)) == (Status.REVOKING, True)
    stage.secrets.read_only = False
    stage.cools_off()
    assert stage.refresh(**ASKED) is None
    assert not stage.grant.alive
    assert stage.grant.asked == [("refresh", "refresh-1"), ("refresh", "refresh-2"), ("revoke", "access-3")]
    assert (stage.record.status, stage.record.encrypted_refresh_token) == (Status.REVOKED, None)


def test_a_revocation_that_failed_is_finished_by_the_next_run(stage: Stage) -> None:
    stage.grant.meanwhile = lambda: stage.grant.failing.append(ProviderUnavailable("out of order"))
    with pytest.raises(ProviderUnavailable):
        stage.refresh(**ASKED)
    assert (stage.record.status, stage.record.lease_holder) == (Status.REVOKING, None)
    assert stage.stored(CHILD)["refresh_token"] == "refresh-2"
    stage.cools_off()
    assert stage.refresh(**ASKED) is None
    assert stage.grant.asked == [("refresh", "refresh-1"), ("revoke", "access-2"), ("revoke", "access-2")]
    assert stage.record.status is Status.REVOKED


def test_a_misconfigured_client_is_loud_each_time_since_somebodys_access_is_at_stake(stage: Stage) -> None:
    for _ in range(2):
        stage.grant.failing = [Rejected("Zoom does not like it")]
        with pytest.raises(Rejected):
            stage.refresh(**ASKED)
        stage.cools_off()
    assert stage.record.status is Status.REVOKING


def test_a_login_stored_beside_it_makes_no_new_grant_for_a_connection_that_is_to_end() -> None:
    stage = Stage(connection("venafi", provider="venafi", status=Status.REVOKING))
    stage.log_in_with(jwt="ey.jwt")
    stage.grant.alive = False
    assert stage.refresh(**ASKED) is None
    assert [asked for asked, _ in stage.grant.asked] == ["refresh"] * 2
    assert stage.record.revoked_outcome is Outcome.ALREADY_GONE


def test_what_was_revoked_is_not_revoked_again() -> None:
    stage = Stage(connection(status=Status.REVOKED, revoked_outcome=Outcome.REVOKED))
    assert stage.refresh(for_revocation=True) == Result(Outcome.REFUSED, details={"status": "revoked"})
    assert stage.grant.asked == []


@pytest.mark.parametrize("provider", ["zoom", "venafi"])
def test_a_new_access_token_that_is_refused_at_once_says_nothing_of_the_new_refresh_token(provider: str) -> None:
    stage = Stage(connection(provider, provider=provider, status=Status.REVOKING))
    refused = iter([True])

    def forget() -> None:
        # The provider issued the pair, and its revocation does not know the access token yet.
        if next(refused, False):
            stage.grant.number += 1

    stage.grant.meanwhile = forget
    granted = stage.grant.minted
    stage.grant.minted = lambda: granted().model_copy(update={"access_token": SecretStr("access-2")})  # type: ignore[method-assign]
    assert stage.refresh(**ASKED) is None
    assert stage.grant.alive
    assert (stage.record.status, stage.record.revoked_outcome, stage.record.lease_holder) == (
        Status.REVOKING,
        None,
        None,
    )


@pytest.mark.parametrize("grant_type", ["jwt", "password", "certificate"])
def test_a_grant_that_a_login_made_is_ended_by_its_own_refresh_token_and_not_by_a_new_login(grant_type: str) -> None:
    stage = Stage(connection("venafi", provider="venafi", grant_type=grant_type, status=Status.REVOKING))
    stage.log_in_with(jwt="ey.jwt")
    assert stage.refresh(**ASKED) is None
    assert stage.grant.asked == [("refresh", "refresh-1"), ("revoke", "access-2")]
    assert not stage.grant.alive
    assert stage.record.revoked_outcome is Outcome.REVOKED


def test_a_lost_answer_of_it_is_remembered_as_of_any_other() -> None:
    stage = Stage(connection("venafi", provider="venafi", grant_type="jwt", status=Status.REVOKING))
    stage.log_in_with(jwt="ey.jwt")
    stage.grant.loses = 1
    with pytest.raises(NeedsReauthorization, match="can't be named"):
        stage.refresh(**ASKED)
    assert (stage.record.status, stage.record.orphaned_tokens) == (Status.REVOKING, True)
