"""A version that Secrets Manager does not show yet: whoever reads it comes again, whichever of the reads misses it."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Final

import pytest
from pydantic import SecretStr

from functions.revoke_access_token.app import revoke_access_token
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import IN_USE, LEASE, SEEN_AFTER, Connection, Status
from leaver.connections.token_versions import TokenVersion
from leaver.errors import CredentialStale, HalfAnswered, NotRead, Rejected
from leaver.messages.commands import RevokeAccessToken
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.storage.secrets import SecretStore
from leaver_cli.connections.old_grant import OldGrant, OldGrants
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.providers import provider_grants
from tests.doubles.refresher import CHILD, Stage
from tests.doubles.secrets_manager import PARENT, tokens
from tests.field import Field, harms_of

IN_AN_HOUR: Final = NOW + timedelta(hours=1)
#: AWS accepts two clocks that are so far apart, and who wrote the version has the other
WRITTEN: Final = NOW - timedelta(minutes=9, seconds=20)


def read_a_token(stage: Stage) -> None:
    reader = AccessTokens(stage.connections, stage.secret_store, stage.clock, "zoom")
    assert reader.with_token(None, lambda _, token: token.get_secret_value()) == stage.grant.access_token


def refresh(stage: Stage) -> None:
    stage.refresh(force=True)
    assert stage.record.status is Status.ACTIVE
    assert stage.stored(stage.record.version)["refresh_token"] == stage.grant.refresh_token


def refresh_for_revocation(stage: Stage) -> None:
    if stage.record.status in IN_USE:
        # revoke_access_token has said so before it asks
        stage.connections.change(stage.name, Connection.as_revoking)
    stage.refresh(for_revocation=True)
    if stage.record.status is Status.REVOKING:
        # It ended nothing and claims nothing, and the revocation asks again.
        stage.refresh(for_revocation=True)
    assert_ended(stage)


def revoke(stage: Stage) -> None:
    command = RevokeAccessToken(connection=stage.name, confirm=RevokeAccessToken.CONFIRMATION)
    grants = provider_grants(stage.grant, stage.secret_store)
    try:
        revoke_access_token(
            command,
            grants=grants,
            connections=stage.connections,
            secret_store=stage.secret_store,
            holder="revoke#1",
            clock=stage.clock,
        )
    except CredentialStale:
        # The refresher is asked, and ends it.
        refresh_for_revocation(stage)
    assert_ended(stage)


def end_the_old_grant(stage: Stage) -> None:
    grants = provider_grants(stage.grant, stage.secret_store)
    old = OldGrant(grants.credentials(stage.record), consenter="ada")
    another_app = ZoomCredentials(client_id="another-app", client_secret=SecretStr("client-secret"))
    record, new = stage.record, stage.new_connection(credentials=another_app)
    granted = stage.grant.minted().model_copy(update={"access_token": SecretStr("access-of-the-new-grant")})
    stage.grant.number -= 1
    OldGrants(stage.secret_store, grants, stage.clock).end(record, old, new, granted)
    assert not stage.grant.alive


def assert_ended(stage: Stage) -> None:
    assert stage.record.status is Status.REVOKED
    assert not stage.grant.alive


READERS: Final[Mapping[str, Callable[[Stage], None]]] = {
    "read a token": read_a_token,
    "refresh": refresh,
    "refresh for a revocation": refresh_for_revocation,
    "revoke": revoke,
    "end the old grant": end_the_old_grant,
}


def recorded() -> Stage:
    """The record names a version that was just written."""
    stage = Stage(connection(refreshed_at=WRITTEN))
    stage.secrets.unseen = {PARENT}
    return stage


def left_behind() -> Stage:
    """A run that was killed has stored a version that no record names; its lease is over."""
    killed: dict[str, Any] = {"lease_holder": "refresh#killed", "leased_at": NOW - LEASE - timedelta(seconds=1)}
    stage = Stage(connection(refreshed_at=NOW - timedelta(hours=1), leased_version=PARENT, **killed))
    stage.an_earlier_run_was_killed(expires_at=IN_AN_HOUR)
    stage.secrets.unseen = {CHILD}
    return stage


def rolled_forward() -> Stage:
    """An answer without an access token was stored and recorded, and is to be asked with."""
    stage = Stage(connection(refresh_at=NOW, refreshed_at=NOW - timedelta(minutes=45)))
    whole = stage.grant.minted
    alone = {"access_token": SecretStr(""), "expires_at": NOW, "is_damaged": True}
    stage.grant.minted = lambda: whole().model_copy(update=alone)  # type: ignore[method-assign]
    with pytest.raises(HalfAnswered):
        stage.refresh()
    stage.grant.minted = whole  # type: ignore[method-assign]
    assert stage.record.version == CHILD
    stage.cools_off()
    stage.secrets.unseen = {CHILD}
    return stage


#: who only reads has no use for what is not recorded; a person is told that an old grant's end is not confirmed
RECORDED_ALONE: Final = {"read a token", "end the old grant"}
CASES: Final = [
    *((recorded, reader) for reader in READERS),
    *((left_behind, reader) for reader in sorted(READERS.keys() - RECORDED_ALONE)),
    # its access token has ended
    *((rolled_forward, reader) for reader in sorted(READERS.keys() - {"read a token"})),
]


@pytest.mark.parametrize(("made", "reader"), CASES)
def test_whichever_read_misses_it_the_next_attempt_succeeds_and_nothing_is_claimed_before(
    made: Callable[[], Stage], reader: str, field: Field
) -> None:
    came: Counter[str] = Counter()
    for missed in count(1):
        stage = made()
        stage.secrets.reads, stage.secrets.unseen_by = 0, {missed}
        became = attempt(READERS[reader], stage)
        if stage.secrets.reads < missed:
            break
        came.update(became)
        stage.secrets.unseen = set()
    lost, false = came["lost"], came["false"]
    field("a late version", "any one read of Secrets Manager misses it", came["times"], lost=lost, false=false)


def attempt(read: Callable[[Stage], None], stage: Stage) -> dict[str, int]:
    """Read, and once more where Secrets Manager was not ready: then nothing may have been claimed."""
    false = False
    try:
        read(stage)
    except NotRead:
        false = not stage.grant.alive or stage.record.status not in {*IN_USE, Status.REVOKING}
        assert stage.record.lease_holder is None
        stage.clock.passes(minutes=1)
        stage.secrets.unseen = set()
        read(stage)
    except Rejected:
        return {"times": 1, "lost": 1}
    return {"times": 1, "false": int(false)}


@pytest.mark.parametrize("reader", READERS)
def test_a_version_that_nobody_shows_is_waited_for(reader: str) -> None:
    stage = recorded()
    with pytest.raises(NotRead, match="has no version"):
        READERS[reader](stage)
    stage.clock.now = WRITTEN + SEEN_AFTER
    with pytest.raises(Rejected, match="has no version"):
        READERS[reader](stage)


def overtaken() -> Stage:
    """Another run wins the race, and this one finds its version at the second look."""
    stage = Stage(connection(refresh_at=NOW))
    stage.grant.number = 2
    stage.waiting = lambda: stage.keep(CHILD, tokens("access-2", "refresh-2", IN_AN_HOUR))
    stage.secrets.reads = 0
    return stage


def test_a_winners_version_that_is_seen_and_then_not_is_read_again() -> None:
    seen = overtaken()
    refresh(seen)
    stage = overtaken()
    # The last read is that of the winner's tokens; the one before found that there are any.
    stage.secrets.unseen, stage.secrets.unseen_by = {CHILD}, {seen.secrets.reads}
    with pytest.raises(NotRead, match="has no version"):
        stage.refresh()
    assert stage.record.status is Status.COOLING_DOWN
    stage.cools_off()
    stage.secrets.unseen = set()
    refresh(stage)


MUTATIONS: Final[Mapping[str, Any]] = {
    "a version is new for five minutes by any clock": lambda it, now: now - it.refreshed_at < timedelta(minutes=5),
    "no version is new": lambda _record, _now: False,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_that_test_sees_it_where_a_version_that_is_not_shown_is_taken_for_gone(
    reader: str, mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "has_new_tokens", MUTATIONS[mutation])
    with pytest.raises(Rejected, match="has no version"):
        READERS[reader](recorded())


def test_that_test_sees_it_where_a_revocation_takes_what_was_left_behind_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_as_before(secret_store: SecretStore, record: Connection, now: datetime) -> TokenVersion:
        version = secret_store.latest_version(record.place, record.version)
        return TokenVersion(version, secret_store.tokens(record.place, version, is_new=record.has_new_tokens(now)))

    monkeypatch.setattr("functions.revoke_access_token.app.read_latest", read_as_before)
    test = test_whichever_read_misses_it_the_next_attempt_succeeds_and_nothing_is_claimed_before
    assert harms_of(partial(test, left_behind, "revoke"))["lost"] > 0


@pytest.mark.parametrize("reader", ["refresh", "refresh for a revocation", "revoke"])
def test_that_test_sees_it_where_a_roll_forward_is_not_remembered(reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roll_forward = Connection.with_stored_tokens

    def forget(record: Connection, version: str, **told: Any) -> Connection:
        return roll_forward(record, version, **told).model_copy(update={"rolled_forward_at": None})

    monkeypatch.setattr(Connection, "with_stored_tokens", forget)
    test = test_whichever_read_misses_it_the_next_attempt_succeeds_and_nothing_is_claimed_before
    assert harms_of(partial(test, rolled_forward, reader))["lost"] > 0
