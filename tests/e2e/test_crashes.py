"""A function's process is killed in the middle of a call: the message comes back, and its outcome is right."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from leaver.vault import child_of
from local.simulators.faults import Hold
from local.simulators.grants import digest
from local.simulators.provider import ProviderSimulator
from tests.e2e.watched_world import WatchedWorld

pytestmark = pytest.mark.xdist_group("crashes")

#: the request has arrived and nothing is done yet; or it is done and nobody was told
MOMENTS: tuple[Hold, ...] = ("before", "after")

Kill = Callable[[str], None]


@contextmanager
def request_held(world: WatchedWorld, provider: ProviderSimulator[object], path: str, moment: Hold) -> Iterator[Kill]:
    """Hold the next such request, kill in the block whom it is from, and then let the provider go on with it."""
    provider.inject(path, hold=moment)

    def kill(function: str) -> None:
        assert provider.wait_until_held() == 1
        world.kill(function)
        world.settle()

    yield kill
    provider.release()
    world.wait_until(lambda: provider.wait_until_held(0, 0) == 0)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_zoom_ends_a_session(world: WatchedWorld, moment: Hold) -> None:
    person = world.hire()
    with request_held(world, world.zoom, "/v2/users/.*/token", moment) as kill:
        [sent] = world.send("revoke_sso_token", {"user_id": person.email})
        kill("revoke_sso_token")
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
    [sent] = world.send("revoke_grants", {"identity": person.email})
    assert world.venafi.wait_until_held() == 1
    world.kill("revoke_grants")
    world.try_again()
    # Only now does Venafi get round to the dead function's own request.
    world.venafi.release()
    assert world.venafi.live_grants(person.venafi_id) == 0
    assert world.receipt(sent)["outcome"] == outcome
    assert world.announced_names() == ["GrantsRevoked"]


def test_what_the_killed_batch_had_finished_is_announced_again_and_not_called_again(world: WatchedWorld) -> None:
    first, second, third = world.hire(), world.hire(), world.hire()
    held = f"/v2/users/{second.zoom_id}/token"
    with request_held(world, world.zoom, held, "before") as kill:
        sent = world.send("revoke_sso_token", *({"user_id": person.zoom_id} for person in (first, second, third)))
        kill("revoke_sso_token")
        assert [world.zoom.has_session(person.zoom_id) for person in (first, second, third)] == [False, True, True]
    world.try_again()
    assert not any(world.zoom.has_session(person.zoom_id) for person in (first, second, third))
    assert [world.receipt(each)["outcome"] for each in sent] == ["revoked"] * 3
    assert len(world.zoom.journal(f"/v2/users/{first.zoom_id}/token")) == 1
    told = [announced.detail["announcement_id"] for announced in world.announced("SsoTokenRevoked")]
    assert len(told) == 4
    assert len(set(told)) == 3


@pytest.mark.parametrize(("moment", "minted"), [("before", 2), ("after", 2)])
def test_a_kill_while_zoom_mints_a_user_token_leaves_the_latest_in_the_vault(
    world: WatchedWorld, moment: Hold, minted: int
) -> None:
    person = world.hire()
    with request_held(world, world.zoom, "/v2/users/.*/token", moment) as kill:
        world.send("retrieve_user_token", {"user_id": person.email, "ttl": 600})
        kill("retrieve_user_token")
    world.try_again()
    digests = [token.digest for token in world.zoom.user_tokens(person.email)]
    assert len(digests) == minted
    assert digest(world.user_token(person)) == digests[-1]
    assert world.announced_names() == ["UserTokenRetrieved"]


@pytest.mark.parametrize(("moment", "outcome"), [("before", "revoked"), ("after", "already_gone")])
def test_a_kill_while_zoom_revokes_a_connection(world: WatchedWorld, moment: Hold, outcome: str) -> None:
    connection = world.connect_zoom()
    world.zoom.inject("/oauth/revoke", hold=moment)
    [sent] = world.send("revoke_access_token", {"connection": connection})
    assert world.zoom.wait_until_held() == 1
    world.kill("revoke_access_token")
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
    assert world.zoom.wait_until_held() == 1
    world.kill("refresh_access_token")
    world.try_again()
    # The dead function's request comes too late to do harm.
    world.zoom.release()
    world.wait_until(lambda: len(world.zoom.journal("/oauth/token")) == 2)
    assert world.record(connection)["status"] == "active"
    assert world.record(connection)["version"] == child_of(connection, before["version"])
    assert digest(world.tokens(connection)["refresh_token"]) in world.zoom.live_tokens(connection)["refresh"]
    assert world.announced_names() == ["AccessTokenRefreshed"]


def test_a_kill_between_zooms_new_token_and_our_write_needs_a_person_and_says_so_once(world: WatchedWorld) -> None:
    # The other fault that no client can recover from.
    connection = world.connect_zoom()
    before = world.record(connection)
    with request_held(world, world.zoom, "/oauth/token", "after") as kill:
        world.send("refresh_access_token", {"connection": connection, "force": True})
        kill("refresh_access_token")
        assert world.record(connection) == before
    world.try_again()
    assert world.record(connection) == {**before, "status": "needs_reauthorization"}
    [parked] = world.parked("refresh_access_token")
    assert parked.error == "InvalidGrant"
    assert world.announced_names() == ["RevocationFailed"]
