"""An answer whose refresh token could not be read: nobody claims the end of a grant that this token keeps alive."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Final

import pytest
from pydantic import SecretStr

from functions.revoke_access_token.app import revoke_access_token
from leaver.connections.record import LEASE, Connection, Status
from leaver.errors import CredentialStale, NeedsReauthorization, NotKept, Throttled
from leaver.messages.commands import RevokeAccessToken
from leaver.outcomes import Outcome
from leaver.providers.transport import Transport
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import GrantedTokens
from leaver_cli.connections.setup import ConnectionSetup, Established
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.providers import provider_grants
from tests.doubles.refresher import CHILD, DUE, Stage
from tests.doubles.wire import Play, serving
from tests.field import Field, harms_of


class Killed(BaseException):
    """The function's time is over."""


def recorded() -> Stage:
    stage = damaged()
    stage.refresh()
    return stage


def killed_before_it_is_recorded() -> Stage:
    stage = damaged()
    change = stage.connections.change

    def die(*_: object) -> Connection | None:
        raise Killed

    stage.connections.change = die  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        stage.refresh()
    stage.connections.change = change  # type: ignore[method-assign]
    return stage


def recorded_by_the_next_run() -> Stage:
    stage = killed_before_it_is_recorded()
    stage.clock.now += LEASE + timedelta(seconds=1)
    stage.refresh()
    assert stage.record.version == CHILD
    return stage


def not_stored() -> Stage:
    stage = damaged()
    stage.secrets.read_only = True
    with pytest.raises(NotKept):
        stage.refresh()
    stage.secrets.read_only = False
    return stage


def connected() -> Stage:
    stage = damaged()
    stage.connections.records.clear()
    connect(stage)
    return stage


def connected_again() -> Stage:
    stage = damaged()
    connect(stage)
    return stage


def damaged() -> Stage:
    stage = Stage(DUE)
    stage.grant.damages = 1
    return stage


def connect(stage: Stage, app: str = "client-id") -> Established:
    credentials = ZoomCredentials(client_id=app, client_secret=SecretStr("client-secret"))
    return ConnectionSetup(
        connections=stage.connections,
        secret_store=stage.secret_store,
        grants=provider_grants(stage.grant, stage.secret_store),
        holder=f"connect#{app}",
        clock=stage.clock,
        pause=lambda _: None,
    ).establish(stage.new_connection(credentials=credentials))


def revoked(stage: Stage) -> Outcome | None:
    """The revocation's word, by the refresh that it asks for where it can't tell itself."""
    try:
        return revoke_access_token(
            RevokeAccessToken(connection=stage.name, confirm=RevokeAccessToken.CONFIRMATION),
            grants=provider_grants(stage.grant, stage.secret_store),
            connections=stage.connections,
            secret_store=stage.secret_store,
            holder="revoke#1",
            clock=stage.clock,
        ).outcome
    except CredentialStale:
        stage.refresh(for_revocation=True)
    return stage.record.revoked_outcome


#: the kind of fault, and the fault, as the table of the proof has them
PARTIAL: Final = ("a damaged token answer", "its refresh token can't be read, and the grant is to be ended")
WAYS: Final = (
    recorded,
    killed_before_it_is_recorded,
    recorded_by_the_next_run,
    not_stored,
    connected,
    connected_again,
)


@pytest.mark.parametrize("way", WAYS)
def test_whichever_way_it_came_nobody_calls_the_grant_gone(way: Callable[[], Stage], field: Field) -> None:
    stage = way()
    # Its access token has ended, and so has the lease of whoever was killed.
    stage.clock.passes(hours=2)
    claimed, refusal = None, None
    try:
        claimed = revoked(stage)
    except NeedsReauthorization as needs:
        refusal = str(needs)
    assert stage.grant.alive
    field(*PARTIAL, 1, false=claimed is not None or stage.record.status is not Status.REVOKING)
    assert "end the grant at the provider" in str(refusal)


@pytest.mark.parametrize("way", [recorded, recorded_by_the_next_run, connected, connected_again])
def test_while_its_access_token_lives_a_revocation_by_it_ends_the_grant(way: Callable[[], Stage], field: Field) -> None:
    stage = way()
    claimed = revoked(stage)
    field(*PARTIAL, 1, lost=stage.grant.alive, false=stage.grant.alive and claimed is not None)
    assert claimed is Outcome.REVOKED


@pytest.mark.parametrize("way", [recorded, recorded_by_the_next_run, not_stored, connected, connected_again])
def test_that_test_sees_it_where_the_damage_is_forgotten(
    way: Callable[[], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GrantedTokens, "is_partial", False)
    assert harms_of(partial(test_whichever_way_it_came_nobody_calls_the_grant_gone, way)) == {"false": 1}


@pytest.mark.parametrize("way", [connected, killed_before_it_is_recorded])
def test_who_connects_with_another_app_is_not_told_that_the_old_grant_is_gone(way: Callable[[], Stage]) -> None:
    stage = way()
    stage.clock.passes(hours=2)
    made = connect(stage, "another-app")
    assert not made.old_grant_ended
    assert str(made.old_grant).startswith("not confirmed")


def test_a_later_answer_that_is_whole_ends_the_doubt() -> None:
    stage = recorded()
    # Zoom still takes the token that it gave before: it had rotated nothing.
    stage.grant.number = 1
    stage.refresh(force=True)
    assert stage.record.unanswered_since is None


def test_a_later_refresh_token_that_was_encrypted_into_the_record_ends_the_doubt() -> None:
    stage = recorded()
    stage.grant.number = 1
    stage.secrets.read_only = True
    with pytest.raises(NotKept):
        stage.refresh(force=True)
    stage.secrets.read_only = False
    stage.cools_off()
    stage.grant.failing = [Throttled("Zoom's limit is reached", until=stage.clock())]
    with pytest.raises(Throttled):
        stage.refresh()
    assert stage.stored(stage.record.version)["refresh_token"] == "refresh-2"
    assert stage.record.unanswered_since is None


def test_a_damaged_answer_that_shows_its_refresh_token_leaves_no_doubt() -> None:
    stage = Stage(DUE)
    whole = stage.grant.minted
    stage.grant.minted = lambda: whole().model_copy(update={"is_damaged": True})  # type: ignore[method-assign]
    stage.refresh()
    assert stage.stored()["refresh_token"] == "refresh-2"
    assert stage.record.unanswered_since is None


@pytest.mark.parametrize("grant_type", ["password", "refresh_token"])
def test_a_login_never_keeps_the_old_grants_refresh_token_beside_the_new_access_token(grant_type: str) -> None:
    stage = Stage(connection("venafi", provider="venafi", grant_type=grant_type, refresh_at=NOW))
    stage.log_in_with(username="robot", password="a-password")
    # The old grant is dead, which a login does not ask about.
    stage.grant.number, stage.grant.damages = 7, 1
    stage.refresh()
    stored = stage.stored(stage.record.version)
    assert (stored["access_token"], stored["refresh_token"]) == ("access-8", None)
    # The new grant lives as long as a refresh token that nobody could read.
    assert stage.record.unanswered_since == NOW


def test_a_server_to_server_answer_never_holds_a_refresh_token_however_damaged() -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"access_token":"access-2","expires_in":3600,"sco'
    with serving(Play(answer)) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        granted = ZoomOAuth(transport, lambda: NOW).account_credentials("client-id", SecretStr("secret"), "account-1")
    assert granted.access_token.get_secret_value() == "access-2"
    assert not granted.is_partial
