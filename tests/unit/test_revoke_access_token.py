"""Revoking a connection: what is claimed, and on what grounds."""

from datetime import timedelta
from typing import Any

import pytest

from functions.revoke_access_token.app import revoke_access_token
from leaver.connections.record import LEASE, Connection, Status
from leaver.errors import (
    BadMessage,
    CredentialStale,
    LeaseHeld,
    NeedsReauthorization,
    NotRead,
    ProviderResponse,
    ProviderUnavailable,
)
from leaver.messages.commands import RevokeAccessToken, parse
from leaver.outcomes import Outcome, Result
from leaver.storage.secrets import next_version_id
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.providers import FakeGrant, provider_grants
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, secret_store_of, tokens

EXPIRED = NOW - timedelta(seconds=1)
LONG_AGO = NOW - timedelta(hours=1)
#: somebody asked for new tokens, and nobody knows what came of it
EVIDENCE: dict[str, dict[str, Any]] = {
    "an answer was lost": {"unanswered_since": LONG_AGO},
    "a refresh was killed": {"lease_holder": "refresh#killed", "leased_at": LONG_AGO, "leased_version": PARENT},
}
CHILD = next_version_id("zoom", PARENT)


class Stage:
    """A connection, its tokens, and its grant at the provider."""

    def __init__(self, record: Connection | None = None, **held: Any) -> None:
        self.clock = Clock()
        self.grant = FakeGrant(self.clock)
        self.connections = InMemoryConnections(record or connection())
        (self.name,) = self.connections.records
        self.secrets = StrictSecretsManager()
        self.secret_store = secret_store_of(self.secrets, self.name, tokens(**held))

    @property
    def record(self) -> Connection:
        return self.connections.records[self.name]

    def revoke(self, confirm: str | None = RevokeAccessToken.CONFIRMATION) -> Result:
        return revoke_access_token(
            RevokeAccessToken(connection=self.name, confirm=confirm),
            grants=provider_grants(self.grant, self.secret_store),
            connections=self.connections,
            secret_store=self.secret_store,
            holder="revoke#1",
            clock=self.clock,
        )


@pytest.mark.parametrize("record", [connection(), connection("venafi", provider="venafi")], ids=["zoom", "venafi"])
def test_the_grant_is_revoked_and_the_connection_retired(record: Connection) -> None:
    stage = Stage(record)
    assert stage.revoke().outcome is Outcome.REVOKED
    assert not stage.grant.alive
    assert (stage.record.status, stage.record.revoked_outcome) == (Status.REVOKED, Outcome.REVOKED)


def test_a_connection_that_leaver_works_through_is_revoked_only_by_whoever_says_so() -> None:
    stage = Stage()
    with pytest.raises(BadMessage, match=r'^confirm: expected the words "Leaver works through this connection"$'):
        stage.revoke(confirm=None)
    assert stage.grant.alive
    assert stage.record == connection()
    assert stage.revoke().outcome is Outcome.REVOKED


def test_what_was_confirmed_once_is_gone_on_with() -> None:
    stage = Stage(connection(status=Status.REVOKING))
    assert stage.revoke(confirm=None).outcome is Outcome.REVOKED


def test_a_personal_connection_needs_no_confirmation() -> None:
    stage = Stage(connection(role="personal"))
    assert stage.revoke(confirm=None).outcome is Outcome.REVOKED


def test_other_words_confirm_nothing() -> None:
    with pytest.raises(BadMessage, match=r'^confirm: expected the words "Leaver works through this connection"$'):
        parse(RevokeAccessToken, {"connection": "zoom", "confirm": "yes"}, direct=True)


def test_nobody_may_refresh_or_use_it_while_it_is_being_revoked() -> None:
    stage = Stage()
    stage.grant.failing = [ProviderUnavailable("Zoom is out of order")]
    with pytest.raises(ProviderUnavailable):
        stage.revoke()
    assert (stage.record.status, stage.record.lease_holder) == (Status.REVOKING, None)
    assert stage.revoke().outcome is Outcome.REVOKED


@pytest.mark.parametrize("holder", ["refresh#another", "revoke#another", "connect#another"])
def test_while_somebody_else_holds_it_it_is_marked_as_to_be_revoked_and_waited_for(holder: str) -> None:
    stage = Stage(connection(lease_holder=holder, leased_at=NOW - LEASE, leased_version=PARENT))
    with pytest.raises(LeaseHeld, match=rf"^connection zoom: {holder.partition('#')[0]} is under way$"):
        stage.revoke()
    assert stage.grant.asked == []
    # The refresher sees it and revokes what it gets.
    assert (stage.record.status, stage.record.lease_holder) == (Status.REVOKING, holder)
    stage.clock.passes(seconds=1)
    assert stage.revoke().outcome is Outcome.REVOKED


def test_a_record_that_changed_at_the_moment_of_the_lease_is_come_back_to() -> None:
    class Contended(InMemoryConnections):
        def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
            if new.lease_holder:
                self.alter("zoom", owner="somebody.else@example.com")
            return super().compare_and_swap(old, new)

    stage = Stage()
    stage.connections = Contended(connection())
    with pytest.raises(LeaseHeld, match=r"^connection zoom was changed at the same moment$"):
        stage.revoke()
    assert stage.grant.asked == []


def test_secrets_manager_that_does_not_answer_leaves_no_lease_behind() -> None:
    stage = Stage()
    stage.secrets.unreadable = True
    with pytest.raises(NotRead):
        stage.revoke()
    assert (stage.record.status, stage.record.lease_holder) == (Status.REVOKING, None)


@pytest.mark.parametrize("record", [connection(), connection("venafi", provider="venafi")], ids=["zoom", "venafi"])
def test_a_dead_access_token_beside_a_refresh_token_that_lives_is_not_called_gone(record: Connection) -> None:
    # Unexpired on record: somebody else revoked it, or the provider forgot it.
    stage = Stage(record, access_token="access-0")
    with pytest.raises(CredentialStale, match=r"is refused, which says nothing of its refresh token$") as stale:
        stage.revoke()
    assert stage.grant.alive
    assert (stale.value.for_revocation, stale.value.refused_version) == (True, PARENT)
    assert (stage.record.status, stage.record.revoked_outcome, stage.record.lease_holder) == (
        Status.REVOKING,
        None,
        None,
    )


def test_an_unexpired_token_that_the_provider_does_not_know_is_gone_where_nothing_is_beside_it() -> None:
    stage = Stage(refresh_token=None)
    stage.grant.alive = False
    assert stage.revoke().outcome is Outcome.ALREADY_GONE
    assert stage.record.revoked_outcome is Outcome.ALREADY_GONE


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
@pytest.mark.parametrize("record", [connection(), connection("venafi", provider="venafi")], ids=["zoom", "venafi"])
def test_an_unknown_token_proves_nothing_where_somebodys_answer_may_have_been_lost(
    record: Connection, evidence: dict[str, Any]
) -> None:
    stage = Stage(record.model_copy(update=evidence))
    stage.grant.alive = False
    with pytest.raises(CredentialStale, match=r"is refused, which says nothing of its refresh token$") as stale:
        stage.revoke()
    assert (stale.value.version, stale.value.for_revocation) == (PARENT, True)
    assert (stage.record.status, stage.record.lease_holder) == (Status.REVOKING, None)
    # It stays so: whoever comes next does not know better.
    assert stage.record.unanswered_since == LONG_AGO


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_with_such_evidence_what_the_provider_did_revoke_is_revoked(evidence: dict[str, Any]) -> None:
    stage = Stage(connection(**evidence))
    assert stage.revoke().outcome is Outcome.REVOKED


def test_without_a_refresh_token_there_is_nothing_that_a_lost_answer_could_have_renewed() -> None:
    stage = Stage(connection(unanswered_since=LONG_AGO), refresh_token=None)
    stage.grant.alive = False
    assert stage.revoke().outcome is Outcome.ALREADY_GONE


def test_a_killed_refresh_that_left_its_pair_behind_is_refused_for_the_pair_that_it_left() -> None:
    stage = Stage(connection(**EVIDENCE["a refresh was killed"]))
    stage.secrets.put_secret_value(
        SecretId="leaver/tokens/zoom/zoom", ClientRequestToken=CHILD, SecretString=tokens("access-2", "refresh-2")
    )
    stage.grant.alive = False
    with pytest.raises(CredentialStale) as stale:
        stage.revoke()
    assert stale.value.refused_version == CHILD
    assert stage.grant.asked == [("revoke", "access-2")]


def test_a_killed_revocation_is_no_such_evidence() -> None:
    stage = Stage(connection(status=Status.REVOKING, lease_holder="revoke#killed", leased_at=LONG_AGO))
    stage.grant.alive = False
    with pytest.raises(CredentialStale):
        stage.revoke()
    # A refused refresh is then believed.
    assert stage.record.unanswered_since is None


def test_what_only_an_encrypted_token_could_end_is_left_to_the_refresher() -> None:
    stage = Stage(connection(encrypted_refresh_token="c2VhbGVk"))
    with pytest.raises(CredentialStale) as stale:
        stage.revoke()
    assert stale.value.for_revocation
    assert stage.grant.asked == []


def test_tokens_that_nobody_can_name_wait_for_a_person() -> None:
    stage = Stage(connection(status=Status.REVOKING, orphaned_tokens=True, reason="end the grant at the provider"))
    with pytest.raises(NeedsReauthorization, match=r"^end the grant at the provider$"):
        stage.revoke()
    assert stage.grant.asked == []
    assert stage.record.status is Status.REVOKING


def test_an_expired_token_without_a_refresh_token_is_asked_about_and_gone() -> None:
    stage = Stage(refresh_token=None, expires_at=EXPIRED)
    stage.grant.alive = False
    assert stage.revoke().outcome is Outcome.ALREADY_GONE
    assert stage.grant.asked == [("revoke", "access-1")]


@pytest.mark.parametrize("expires_at", [EXPIRED, NOW])
def test_an_expired_token_proves_nothing_while_a_refresh_token_is_stored(expires_at: Any) -> None:
    stage = Stage(expires_at=expires_at)
    with pytest.raises(CredentialStale) as stale:
        stage.revoke()
    assert (stale.value.connection, stale.value.version, stale.value.for_revocation) == ("zoom", PARENT, True)
    assert stage.grant.asked == []
    assert stage.record.status is Status.REVOKING


def test_what_a_killed_refresh_left_behind_is_what_is_revoked() -> None:
    stage = Stage()
    stage.grant.number = 2
    stage.secrets.put_secret_value(
        SecretId="leaver/tokens/zoom/zoom", ClientRequestToken=CHILD, SecretString=tokens("access-2", "refresh-2")
    )
    assert stage.revoke().outcome is Outcome.REVOKED
    assert stage.grant.asked == [("revoke", "access-2")]


@pytest.mark.parametrize("outcome", [Outcome.REVOKED, Outcome.ALREADY_GONE])
def test_what_was_revoked_is_told_again_and_not_asked_again(outcome: Outcome) -> None:
    ended = connection(status=Status.REVOKED, revoked_outcome=outcome, revoked_status=200, revoked_tracking_id="v=2.0")
    stage = Stage(ended)
    assert stage.revoke() == Result(outcome, ProviderResponse(200, tracking_id="v=2.0"))
    assert stage.grant.asked == []


def test_a_connection_whose_grant_is_dead_may_be_revoked_all_the_same() -> None:
    stage = Stage(connection(status=Status.NEEDS_REAUTHORIZATION))
    assert stage.revoke().outcome is Outcome.REVOKED
    assert stage.record.status is Status.REVOKED


def test_an_unknown_connection_is_named_as_the_field() -> None:
    stage = Stage()
    stage.name = "zoom-eu"
    with pytest.raises(BadMessage, match=r"^connection: expected the name of a connection that exists$"):
        stage.revoke()
