"""A function's process is killed in the middle of a call: the message comes back, and its outcome is right."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from leaver.messages.commands import RevokeAccessToken
from leaver.storage.secrets import next_version_id
from local.acme import Person
from local.simulators.faults import Hold
from local.simulators.grants import digest
from local.simulators.provider import ProviderSimulator
from tests.e2e.watched_world import WatchedWorld

#: the request has arrived and nothing is done yet; or it is done and nobody was told
MOMENTS: tuple[Hold, ...] = ("before", "after")


def kill(world: WatchedWorld, provider: ProviderSimulator[Any], function: str) -> None:
    """Kill a function as soon as the provider holds its request."""
    assert provider.wait_until_held() == 1
    printed = len(world.logs(function))
    world.kill(function)
    world.settle()
    assert "signal: SIGKILL" in world.logs(function)[printed:]


@contextmanager
def held_at_zoom(world: WatchedWorld, path: str, moment: Hold) -> Iterator[None]:
    """Hold the next such request, and let Zoom go on with it after the block, dead though its sender may be."""
    answered = len(world.zoom.journal(path))
    world.zoom.inject(path, hold=moment)
    yield
    world.zoom.release()
    world.wait_until(lambda: len(world.zoom.journal(path)) > answered)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_zoom_ends_a_session(world: WatchedWorld, moment: Hold) -> None:
    person = world.hire()
    with held_at_zoom(world, "/v2/users/.*/token", moment):
        [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
        kill(world, world.zoom, "revoke_sso_token")
        assert world.zoom.has_session(person.email) == (moment == "before")
        assert world.receipts(person.email) == []
        assert world.announced() == []
    world.try_again()
    assert not world.zoom.has_session(person.email)
    assert world.receipt(sent)["outcome"] == "revoked"
    assert world.announced_names() == ["SsoTokenRevoked"]
    assert world.parked("revoke_sso_token") == []


@pytest.mark.parametrize(("moment", "outcome"), [("before", "revoked"), ("after", "already_gone")])
def test_a_kill_while_venafi_revokes_grants(world: WatchedWorld, moment: Hold, outcome: str) -> None:
    person = world.hire()
    world.venafi.inject("/vedsdk/oauth/revokegrants", hold=moment)
    [sent] = world.send("revoke_grants", {"identity": person.email, "connection": "venafi"})
    kill(world, world.venafi, "revoke_grants")
    world.try_again()
    # Only now does Venafi get round to the dead function's own request.
    world.venafi.release()
    assert world.venafi.live_grants(person.venafi_id) == 0
    assert world.receipt(sent)["outcome"] == outcome
    assert world.announced_names() == ["GrantsRevoked"]


def test_what_the_killed_batch_had_finished_is_announced_and_not_called_again(world: WatchedWorld) -> None:
    first, second, third = world.hire(), world.hire(), world.hire()
    others = (first, third)
    held = f"/v2/users/{second.zoom_id}/token"
    with held_at_zoom(world, held, "before"):
        sent = world.send(
            "revoke_sso_token",
            *({"user_id": person.zoom_id, "connection": "zoom"} for person in (first, second, third)),
        )
        # The three are worked on side by side: the two others are done while Zoom holds one.
        world.wait_until(lambda: all(_is_done(world, person) for person in others))
        kill(world, world.zoom, "revoke_sso_token")
        assert [world.zoom.has_session(person.zoom_id) for person in (first, second, third)] == [False, True, False]
        assert world.announced() == []
    world.try_again()
    assert not any(world.zoom.has_session(person.zoom_id) for person in (first, second, third))
    assert [world.receipt(each)["outcome"] for each in sent] == ["revoked"] * 3
    assert [len(world.zoom.journal(f"/v2/users/{person.zoom_id}/token")) for person in others] == [1, 1]
    told = [announced.detail["announcement_id"] for announced in world.announced("SsoTokenRevoked")]
    assert len(told) == len(set(told)) == 3


def _is_done(world: WatchedWorld, person: Person) -> bool:
    return any("outcome" in receipt for receipt in world.receipts(person.zoom_id))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_zoom_mints_a_user_token_leaves_the_latest_in_the_vault(world: WatchedWorld, moment: Hold) -> None:
    person = world.hire()
    with held_at_zoom(world, "/v2/users/.*/token", moment):
        world.send("retrieve_user_token", {"user_id": person.email, "ttl": 600, "connection": "zoom"})
        kill(world, world.zoom, "retrieve_user_token")
    world.try_again()
    digests = [token.digest for token in world.zoom.user_tokens(person.email)]
    assert len(digests) == 2
    assert digest(world.user_token(person)) == digests[-1]
    assert world.announced_names() == ["UserTokenRetrieved"]


@pytest.mark.parametrize(("moment", "outcome"), [("before", "revoked"), ("after", "already_gone")])
def test_a_kill_while_zoom_revokes_a_connection(world: WatchedWorld, moment: Hold, outcome: str) -> None:
    connection = world.connect_zoom()
    world.zoom.inject("/oauth/revoke", hold=moment)
    [sent] = world.send("revoke_access_token", {"connection": connection, "confirm": RevokeAccessToken.CONFIRMATION})
    kill(world, world.zoom, "revoke_access_token")
    world.age_intents()
    world.try_again()
    world.zoom.release()
    assert world.zoom.live_tokens(connection) == {"access": [], "refresh": []}
    assert world.record(connection)["status"] == "revoked"
    assert world.receipt(sent)["outcome"] == outcome
    assert world.announced_names() == ["AccessTokenRevoked"]


def test_a_kill_before_zoom_began_to_refresh_costs_nothing(world: WatchedWorld) -> None:
    connection = world.connect_zoom()
    before = world.record(connection)
    world.zoom.inject("/oauth/token", hold="before")
    world.send("refresh_access_token", {"connection": connection, "force": True})
    kill(world, world.zoom, "refresh_access_token")
    world.age_intents()
    world.try_again()
    # The dead function's request comes too late to do harm.
    world.zoom.release()
    world.wait_until(lambda: len(world.zoom.journal("/oauth/token")) == 2)
    assert world.record(connection)["status"] == "active"
    assert world.record(connection)["version"] == next_version_id(connection, before["version"])
    assert digest(world.tokens(connection)["refresh_token"]) in world.zoom.live_tokens(connection)["refresh"]
    assert world.announced_names() == ["AccessTokenRefreshed"]


def test_a_kill_between_zooms_new_token_and_our_write_needs_a_person_and_says_so_once(world: WatchedWorld) -> None:
    # The other fault that no client can recover from.
    connection = world.connect_zoom()
    before = world.record(connection)
    with held_at_zoom(world, "/oauth/token", "after"):
        world.send("refresh_access_token", {"connection": connection, "force": True})
        kill(world, world.zoom, "refresh_access_token")
        left = world.record(connection)
        assert {**left, **before} == left
        assert str(left["lease_holder"]).startswith("refresh#")
    world.age_intents()
    world.try_again()
    record = world.record(connection)
    assert (record["status"], record["version"]) == ("needs_reauthorization", before["version"])
    assert "was never answered, and its tokens with it" in record["reason"]
    [parked] = world.parked("refresh_access_token")
    assert (parked.error, parked.reason) == ("InvalidGrant", record["reason"])
    assert world.announced_names() == ["ConnectionNeedsReauthorization", "RefreshFailed"]


def test_nobody_touches_a_connection_while_its_holder_may_still_live(world: WatchedWorld) -> None:
    connection = world.connect_zoom()
    with held_at_zoom(world, "/oauth/token", "before"):
        world.send("refresh_access_token", {"connection": connection, "force": True})
        kill(world, world.zoom, "refresh_access_token")
        world.zoom.clear_journal()
        [sent] = world.send(
            "revoke_access_token", {"connection": connection, "confirm": RevokeAccessToken.CONFIRMATION}
        )
        world.settle()
        assert world.zoom.journal() == []
        assert world.record(connection)["status"] == "revoking"
        assert "outcome" not in world.receipt(sent)
        world.age_intents()
        world.try_again()
        assert world.record(connection)["status"] == "revoked"
    assert world.zoom.live_tokens(connection) == {"access": [], "refresh": []}
