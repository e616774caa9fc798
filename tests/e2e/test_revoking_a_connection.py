"""The end of a connection: nothing that was ever issued on it works any more, or nobody claims so."""

import pytest
import requests

from leaver.messages.commands import RevokeAccessToken
from leaver.storage.secrets import next_version_id
from local import acme
from local.simulators.grants import digest
from tests.e2e.watched_world import WatchedWorld, later

NOTHING: dict[str, list[str]] = {"access": [], "refresh": []}


def revoke(world: WatchedWorld, connection: str) -> str:
    sent = world.put_command("RevokeAccessToken", {"connection": connection, "confirm": RevokeAccessToken.CONFIRMATION})
    world.settle()
    return sent


def test_a_revoked_zoom_connection_is_dead_at_zoom_and_retired_here(world: WatchedWorld) -> None:
    person, connection = world.hire(), world.connect_zoom()
    sent = revoke(world, connection)
    assert world.zoom.live_tokens(connection) == NOTHING
    assert world.record(connection)["status"] == "revoked"
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["provider_status"]) == ("revoked", 200)
    assert world.announced_names() == ["AccessTokenRevoked"]

    world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
    world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
    world.wait_until_idle()
    [parked] = world.parked("revoke_sso_token")
    assert parked.reason == f"connection {connection} is revoked"
    assert world.zoom.live_tokens(connection) == NOTHING


def test_an_expired_access_token_goes_by_the_refresher_and_everything_ever_issued_is_dead(
    world: WatchedWorld,
) -> None:
    with later(world.zoom, -7200):
        connection = world.connect_zoom()
    first = world.tokens(connection)
    persisted = next_version_id(connection, world.record(connection)["version"])
    sent = revoke(world, connection)
    # Zoom's "invalid token" would have proved nothing while the refresh token lives.
    assert [entry.path for entry in world.zoom.journal()] == ["/oauth/token", "/oauth/revoke"]
    world.try_again()
    last = world.tokens(connection, persisted)
    assert last["refresh_token"] != first["refresh_token"]
    assert world.zoom.live_tokens(connection) == NOTHING
    for tokens in (first, last):
        user = requests.get(
            f"{world.zoom.api_url}/users/{acme.ADA.zoom_id}",
            headers={"Authorization": f"Bearer {tokens['access_token']}"},
            timeout=10,
        )
        assert user.status_code == 401
        answer = requests.post(
            f"{world.zoom.url}/oauth/token",
            data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
            auth=(connection, acme.zoom_secret(connection)),
            timeout=10,
        )
        assert answer.json()["error"] == "invalid_grant"
    assert world.record(connection)["status"] == "revoked"
    assert world.receipt(sent)["outcome"] == "revoked"
    assert world.announced_names() == ["AccessTokenRevoked"]
    assert world.parked("revoke_access_token") == world.parked("refresh_access_token") == []


def test_an_access_token_that_zoom_has_forgotten_is_no_word_about_the_refresh_token_that_lives(
    world: WatchedWorld,
) -> None:
    connection = world.connect_zoom()
    world.zoom.inject("/oauth/revoke", handling="skip", reply="zoom_oauth/400-invalid-token")
    sent = revoke(world, connection)
    # One call was answered, and nobody says yet that anything is gone.
    assert "outcome" not in world.receipt(sent)
    world.try_again()
    assert world.zoom.live_tokens(connection) == NOTHING
    assert (world.record(connection)["revoked_outcome"], world.receipt(sent)["outcome"]) == ("revoked", "revoked")
    assert world.announced_names() == ["AccessTokenRevoked"]
    assert world.parked("revoke_access_token") == world.parked("refresh_access_token") == []


def test_an_access_token_that_venafi_has_forgotten_is_no_word_about_the_refresh_token_that_lives(
    world: WatchedWorld,
) -> None:
    connection = world.connect_venafi()
    world.venafi.inject("/vedauth/revoke/token", handling="skip", reply="venafi/401-invalid-token")
    sent = revoke(world, connection)
    world.try_again()
    last = world.tokens(connection)
    assert [world.venafi.live_token_kind(digest(last[each])) for each in ("access_token", "refresh_token")] == [
        None,
        None,
    ]
    assert (world.record(connection)["revoked_outcome"], world.receipt(sent)["outcome"]) == ("revoked", "revoked")


@pytest.mark.parametrize("page", ["401-html", "401-empty-body", "401-of-a-proxy"])
def test_one_401_of_iis_or_a_proxy_at_venafi_ends_nothing_and_is_never_called_gone(
    world: WatchedWorld, page: str
) -> None:
    connection = world.connect_venafi()
    tokens = world.tokens(connection)
    world.venafi.inject("/vedauth/revoke/token", handling="skip", reply=f"venafi/{page}")
    sent = revoke(world, connection)
    assert world.venafi.live_token_kind(digest(tokens["refresh_token"])) == "refresh"
    assert "outcome" not in world.receipt(sent)
    assert (world.record(connection)["status"], world.announced()) == ("revoking", [])
    world.try_again()
    assert world.venafi.live_token_kind(digest(tokens["refresh_token"])) is None
    assert world.receipt(sent)["outcome"] == "revoked"


def test_an_expired_connection_whose_grant_is_dead_is_told_as_already_gone(world: WatchedWorld) -> None:
    with later(world.zoom, -7200):
        connection = world.connect_zoom()
    world.zoom.authorize(connection, acme.ADMIN.email)  # a later consent ends the earlier one
    revoke(world, connection)
    world.try_again()
    assert world.record(connection)["status"] == "revoked"
    assert world.record(connection)["revoked_outcome"] == "already_gone"
    [told] = world.announced("AccessTokenRevoked")
    assert told.detail["outcome"] == "already_gone"


def test_a_revocation_at_zoom_whose_answer_was_lost_ends_as_already_gone(world: WatchedWorld) -> None:
    connection = world.connect_zoom()
    world.zoom.inject("/oauth/revoke", handling="commit", reply="reset")
    sent = revoke(world, connection)
    # Zoom says that the access token is invalid, and only a refresh that it then refuses proves the rest.
    world.try_again()
    world.try_again()
    assert world.zoom.live_tokens(connection) == NOTHING
    assert world.receipt(sent)["outcome"] == "already_gone"
    assert world.record(connection)["status"] == "revoked"
    assert world.announced_names() == ["AccessTokenRevoked"]


def test_nobody_works_through_a_connection_while_it_is_being_revoked(world: WatchedWorld) -> None:
    person, connection = world.hire(), world.connect_zoom()
    world.zoom.inject("/oauth/revoke", times=None, handling="skip", reply="zoom_oauth/500-html")
    revoke(world, connection)
    assert world.record(connection)["status"] == "revoking"
    world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
    world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
    world.wait_until(lambda: world.parked("revoke_sso_token"))
    world.settle()
    assert world.parked("revoke_sso_token")[0].reason == f"connection {connection} is revoking"
    assert world.zoom.journal("/oauth/token") == []
    assert world.announced("AccessTokenRevoked") == []
    world.zoom.clear_faults()
    world.try_again()
    assert world.record(connection)["status"] == "revoked"
    assert world.zoom.live_tokens(connection) == NOTHING


def test_a_venafi_connection_is_refreshed_and_then_revoked(world: WatchedWorld) -> None:
    connection = world.connect_venafi()
    first = world.tokens(connection)
    world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
    world.wait_until_idle()
    second = world.tokens(connection)
    assert world.venafi.live_token_kind(digest(first["access_token"])) is None
    assert world.venafi.live_token_kind(digest(first["refresh_token"])) is None
    assert world.venafi.live_token_kind(digest(second["access_token"])) == "access"
    assert world.venafi.live_token_kind(digest(second["refresh_token"])) == "refresh"

    sent = revoke(world, connection)
    assert world.venafi.live_token_kind(digest(second["access_token"])) is None
    assert world.venafi.live_token_kind(digest(second["refresh_token"])) is None
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["provider_status"]) == ("revoked", 200)
    assert world.record(connection)["status"] == "revoked"
    assert world.announced_names() == ["AccessTokenRefreshed", "AccessTokenRevoked"]


def test_venafis_202_means_that_it_failed_and_it_is_tried_again(world: WatchedWorld) -> None:
    connection = world.connect_venafi()
    tokens = world.tokens(connection)
    world.venafi.inject("/vedauth/revoke/token", times=None, handling="skip", reply="venafi/202-not-revoked")
    sent = revoke(world, connection)
    assert world.venafi.live_token_kind(digest(tokens["refresh_token"])) == "refresh"
    assert "outcome" not in world.receipt(sent)
    assert world.record(connection)["status"] == "revoking"
    assert world.announced() == []
    world.venafi.clear_faults()
    world.try_again()
    assert world.venafi.live_token_kind(digest(tokens["refresh_token"])) is None
    assert world.receipt(sent)["outcome"] == "revoked"


def test_a_revocation_at_venafi_whose_answer_was_lost_is_proved_by_verify(world: WatchedWorld) -> None:
    # Asked again, Venafi answers 202 for a token that is gone as for one that it could not revoke.
    connection = world.connect_venafi()
    tokens = world.tokens(connection)
    world.venafi.inject("/vedauth/revoke/token", handling="commit", reply="reset")
    sent = revoke(world, connection)
    world.try_again()
    assert world.venafi.live_token_kind(digest(tokens["refresh_token"])) is None
    assert [(entry.path, entry.status) for entry in world.venafi.journal()] == [
        ("/vedauth/revoke/token", None),
        ("/vedauth/revoke/token", 202),
        ("/vedauth/authorize/verify", 401),
        ("/vedauth/authorize/token", 400),
        ("/vedauth/authorize/token", 400),
    ]
    assert world.receipt(sent)["outcome"] == "already_gone"
    assert world.record(connection)["status"] == "revoked"


def test_a_revocation_at_venafi_that_failed_is_never_claimed(world: WatchedWorld) -> None:
    connection = world.connect_venafi()
    world.venafi.inject("/vedauth/revoke/token", handling="skip", reply="venafi/202-not-revoked", times=2)
    sent = revoke(world, connection)
    world.hurry()
    world.settle()
    assert len(world.venafi.journal("/vedauth/authorize/verify", "GET")) == 2
    assert "outcome" not in world.receipt(sent)
    assert world.record(connection)["status"] == "revoking"
    assert world.announced() == []
    world.try_again()
    assert world.receipt(sent)["outcome"] == "revoked"
