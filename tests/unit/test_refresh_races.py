"""Who may come in between while a refresh is under way, and what a refresh token that is refused means then."""

from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest

from leaver.connections.dead_grant import finish_revocation, require_reauthorization
from leaver.connections.lease import Lease
from leaver.connections.record import Connection, Status
from leaver.connections.refresh import TokenRefresher
from leaver.errors import InvalidGrant, LeaseHeld, OutOfTime, ProviderResponse
from leaver.outcomes import Outcome, Result
from leaver.storage.secrets import next_version_id
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.refresher import CHILD, DUE, Stage
from tests.doubles.secrets_manager import PARENT, tokens
from tests.field import Field, harms_of

REFRESHED = Result(Outcome.REFRESHED, details={"version_id": CHILD})


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- somebody comes in between ---


def test_who_else_refreshed_past_the_lease_and_wrote_first_has_won(stage: Stage) -> None:
    def another_takes_over_and_writes() -> None:
        stage.keep(CHILD, tokens("access-9", "refresh-9"))
        stage.alter(version=CHILD, lease_holder=None, leased_at=None, leased_version=None)

    stage.grant.meanwhile = another_takes_over_and_writes
    assert stage.refresh() == Result(Outcome.STILL_FRESH)
    assert stage.stored()["refresh_token"] == "refresh-9"
    # Of one grant only the last pair lives: to revoke ours would end the winner's.
    assert stage.grant.alive


def test_who_wrote_first_and_has_not_recorded_yet_is_recorded_by_the_next_run(stage: Stage) -> None:
    stage.grant.meanwhile = lambda: stage.keep(CHILD, tokens("access-9", "refresh-9", NOW + timedelta(minutes=50)))
    assert stage.refresh() == Result(Outcome.STILL_FRESH)
    assert stage.record.lease_holder is None
    assert stage.refresh() == REFRESHED
    assert len(stage.grant.asked) == 1


def test_a_pair_that_arrives_while_somebody_revokes_is_revoked_at_once(stage: Stage) -> None:
    stage.grant.meanwhile = lambda: stage.alter(status=Status.REVOKING)
    assert stage.refresh() is None
    assert not stage.grant.alive
    assert stage.grant.asked == [("refresh", "refresh-1"), ("revoke", "access-2")]
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.REVOKED)
    assert stage.stored()["refresh_token"] == "refresh-2"


def test_a_pair_that_arrives_after_a_person_authorized_anew_is_revoked_and_the_new_one_left(stage: Stage) -> None:
    other = next_version_id("zoom", "authorized anew")
    stage.grant.meanwhile = lambda: stage.alter(version=other, granted_at=NOW, lease_holder=None, leased_at=None)
    assert stage.refresh() is None
    assert stage.grant.asked[-1] == ("revoke", "access-2")
    assert (stage.record.status, stage.record.version) == (Status.ACTIVE, other)


# --- a refresh token that is refused ---


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.REVOKING])
def test_one_mistaken_refusal_costs_nothing(status: Status, field: Field) -> None:
    stage = Stage(connection(refresh_at=NOW, status=status))
    stage.grant.failing = [InvalidGrant("the refresh token is not accepted", ProviderResponse(400, "invalid_grant"))]
    with suppress(InvalidGrant):
        stage.refresh(force=True, for_revocation=status is Status.REVOKING, failed_version=PARENT)
    came, lost = 1 - len(stage.grant.failing), status is Status.ACTIVE and stage.record.status is not status
    false = stage.grant.alive and stage.record.status is Status.REVOKED
    field("a provider's other word", "one mistaken invalid_grant", came, lost=lost, false=false)
    assert stage.grant.asked[:2] == [("refresh", "refresh-1")] * 2
    assert stage.stored()["refresh_token"] == "refresh-2"
    # A connection that is to end was not called gone: its new tokens were revoked.
    assert (stage.record.status, stage.grant.alive) in {(Status.ACTIVE, True), (Status.REVOKED, False)}
    assert stage.record.revoked_outcome in {None, Outcome.REVOKED}
    assert stage.announced == []


def believe_at_once(self: TokenRefresher, lease: Lease, _command: object, _held: object, said: InvalidGrant) -> None:
    if lease.record.status is Status.REVOKING:
        finish_revocation(lease, said)
    else:
        raise require_reauthorization(lease, said, now=self.clock())


@pytest.mark.parametrize(("status", "harm"), [(Status.ACTIVE, "lost"), (Status.REVOKING, "false")])
def test_that_test_sees_it_where_one_refusal_is_believed(
    status: Status, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokenRefresher, "_believe_invalid_grant", believe_at_once)
    assert harms_of(partial(test_one_mistaken_refusal_costs_nothing, status)) == {harm: 1}


def test_a_refusal_is_not_believed_where_there_is_no_time_to_ask_twice(stage: Stage) -> None:
    stage.grant.alive = False
    stage.grant.meanwhile = lambda: stage.clock.passes(seconds=30)
    with pytest.raises(OutOfTime, match="too little time is left to ask once more"):
        stage.refresh()
    assert (stage.record.status, stage.record.lease_holder) == (Status.COOLING_DOWN, None)


def slow(stage: Stage) -> None:
    stage.grant.meanwhile = lambda: stage.clock.passes(seconds=30)


def test_a_slow_provider_that_refuses_once_more_in_the_next_run_has_said_it_twice(stage: Stage) -> None:
    stage.grant.alive = False
    slow(stage)
    with pytest.raises(OutOfTime) as late:
        stage.refresh()
    # Its message is done with: the schedule sends another one, when the connection has cooled off.
    assert late.value.is_postponed
    assert stage.record.refresh_at > stage.clock()
    stage.cools_off()
    with pytest.raises(InvalidGrant):
        stage.refresh()
    assert stage.record.status is Status.NEEDS_REAUTHORIZATION
    assert stage.announced == ["ConnectionNeedsReauthorization"]


def test_a_slow_providers_dead_grant_is_revoked_in_the_second_run(stage: Stage) -> None:
    stage.alter(status=Status.REVOKING)
    stage.secrets.secrets["leaver/tokens/zoom/zoom"].versions[PARENT] = tokens(expires_at=NOW)
    stage.grant.alive = False
    slow(stage)
    with pytest.raises(OutOfTime):
        stage.refresh(for_revocation=True)
    stage.cools_off()
    assert stage.refresh(for_revocation=True) is None
    assert stage.record.revoked_outcome is Outcome.ALREADY_GONE


def test_a_refusal_of_other_tokens_counts_for_none_of_the_new_ones(stage: Stage) -> None:
    stage.grant.alive = False
    slow(stage)
    with pytest.raises(OutOfTime):
        stage.refresh()
    stage.cools_off()
    stage.grant.alive = True
    stage.refresh()
    stage.cools_off()
    stage.grant.alive = False
    with pytest.raises(OutOfTime):
        stage.refresh()
    assert stage.record.status is Status.COOLING_DOWN


def test_that_test_sees_it_where_the_refusal_is_forgotten(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "with_refused_version", lambda record: record)
    with pytest.raises(OutOfTime):
        test_a_slow_provider_that_refuses_once_more_in_the_next_run_has_said_it_twice(stage)


def test_a_refused_refresh_token_needs_a_person_and_is_asked_about_twice(stage: Stage) -> None:
    stage.grant.alive = False
    with pytest.raises(InvalidGrant, match=r"^the refresh token is not accepted$") as dead:
        stage.refresh()
    assert (dead.value.response.status, dead.value.response.code) == (400, "invalid_grant")
    assert stage.record.status is Status.NEEDS_REAUTHORIZATION
    assert (stage.record.lease_holder, stage.record.reason) == (None, "the refresh token is not accepted")
    for asked in ({}, {"force": True}, {"failed_version": PARENT}):
        assert stage.refresh(**asked) == Result(Outcome.REFUSED, details={"status": "needs_reauthorization"})
    assert len(stage.grant.asked) == 2


def test_a_connection_without_a_refresh_token_needs_a_person(stage: Stage) -> None:
    stage.secrets.secrets["leaver/tokens/zoom/zoom"].versions[PARENT] = tokens(refresh_token=None)
    with pytest.raises(InvalidGrant, match="holds no refresh token"):
        stage.refresh()
    assert stage.record.status is Status.NEEDS_REAUTHORIZATION


def test_a_second_look_finds_who_won_the_race(stage: Stage) -> None:
    stage.grant.number = 2
    stage.waiting = lambda: stage.alter(version=CHILD, lease_holder=None, leased_at=None)
    assert stage.refresh() == Result(Outcome.STILL_FRESH)
    assert stage.record.status is Status.ACTIVE
    assert stage.announced == []


def test_a_second_look_finds_what_was_written_and_not_recorded(stage: Stage) -> None:
    stage.grant.number = 2
    stage.waiting = lambda: stage.keep(CHILD, tokens("access-2", "refresh-2", NOW + timedelta(minutes=50)))
    assert stage.refresh() == REFRESHED
    assert stage.announced == []


def test_a_dead_grant_is_replaced_where_a_login_is_stored() -> None:
    stage = Stage(connection("venafi", provider="venafi", refresh_at=NOW))
    stage.log_in_with(username="robot", password="pass")
    stage.grant.number = 7
    result = stage.refresh()
    assert result is not None
    assert result.outcome is Outcome.REFRESHED
    assert stage.grant.asked == [*[("refresh", "refresh-1")] * 2, ("password", "robot pass user:read:admin")]
    assert stage.stored(stage.record.version)["access_token"] == "access-8"
    assert stage.announced == []


def test_a_grant_that_is_being_revoked_meanwhile_is_nobodys_alarm(stage: Stage) -> None:
    stage.grant.alive = False
    stage.grant.meanwhile = lambda: stage.alter(status=Status.REVOKING)
    assert stage.refresh() == Result(Outcome.REFUSED, details={"status": "revoking"})
    assert stage.record.lease_holder is None
    assert stage.announced == []


def test_a_revocation_that_begins_after_the_second_look_is_nobodys_alarm_either(stage: Stage) -> None:
    class LateRevocation(InMemoryConnections):
        def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
            if new.status is Status.NEEDS_REAUTHORIZATION:
                self.alter("zoom", status=Status.REVOKING)
            return super().compare_and_swap(old, new)

    stage.connections = LateRevocation(DUE)
    stage.grant.alive = False
    with pytest.raises(LeaseHeld, match=r"^connection zoom is being revoked$"):
        stage.refresh()
    assert (stage.record.status, stage.record.lease_holder) == (Status.REVOKING, None)
    assert stage.announced == []
